//! The ledger harness. Clients drive the real server and write down, with an
//! fsync before and after each call, what they asked and what they were told;
//! the server is killed at random moments and started again. Afterwards the
//! ledger is joined with the records, the request ids and the log: what was
//! acknowledged is there exactly once, and nothing else is.

pub mod check;
pub mod client;
pub mod evidence;
pub mod fleet;
pub mod ledger;
pub mod operation;
pub mod process;
pub mod records;
pub mod run;
mod stage;
pub mod store;
pub mod strace;
pub mod subscriber;
pub mod summary;
pub mod world;
