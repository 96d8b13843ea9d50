//! The harness of the tests that need the whole: starts the real binary on a
//! folder of its own, kills and restarts it, and calls it as any role.
//!
//! No test waits by the clock: the harness waits for the line in which the
//! server says where it listens, and for the end of its process.

mod caller;
pub mod contract;
mod postgres;
mod suite;
mod tools;
pub mod tree;

pub use caller::{Bearer, Caller, Told, told};
pub use postgres::Postgres;
pub use suite::{Extra, GATEWAY, PRACTICES, Suite, Topology, binary, repository};
pub use tools::tool;
