//! How a record lives: store, log, stream, follow, idempotency, pages,
//! filters, lifecycle. Knows sea-orm; knows no practice.

pub mod call;
pub mod record;

pub use call::{Call, Decision, Moment, RequestKey, Step, Written};
pub use record::{Fixed, Payload, Record, Stamp};
