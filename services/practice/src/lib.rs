//! How a record lives: store, log, stream, follow, idempotency, pages,
//! filters, lifecycle. Knows sea-orm; knows no practice.

pub mod call;
pub mod lifecycle;
pub mod practice_service;
pub mod record;

pub use call::{Call, Decision, Moment, RequestKey, Step, Written};
pub use lifecycle::{Lifecycle, Rule, Word};
pub use practice_service::{Portrait, PracticeApi};
pub use record::{Fixed, Payload, Record, Stamp};
