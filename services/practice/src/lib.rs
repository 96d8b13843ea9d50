//! How a record lives: store, log, stream, follow, timers, idempotency, pages,
//! filters, lifecycle, policy. Knows sea-orm; knows no practice.

pub mod call;
pub mod condition;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod cursor;
pub mod filter;
pub mod follow;
pub mod lifecycle;
pub mod log;
mod migrations;
pub mod name;
pub mod page;
pub mod policy;
pub mod practice_service;
pub mod process;
pub mod record;
pub mod scope;
pub mod service;
pub mod store;
pub mod stream;
pub mod tables;
pub mod timer;
pub mod verify;

pub use call::{Call, Cause, Decision, Moment, RequestKey, Step, Written};
pub use filter::{Field, FieldKind};
pub use follow::{Effects, Follower, Replicas};
pub use lifecycle::{Lifecycle, Rule, Word};
pub use page::{Collection, Key, Order, Page, PageRequest, Reader};
pub use policy::{Finding, InForce, PolicyApi, PolicyBook, PolicyDocument, Replay};
pub use practice_service::{Portrait, PracticeApi};
pub use record::{Fixed, Payload, Record, Stamp};
pub use scope::{AsOf, Scope};
pub use service::Service;
pub use store::{Database, DatabaseUrl, Seen, Store, StoreError, StoreSettings, Targets};
pub use stream::EventApi;
pub use timer::{Due, Timer, TimerApi, TimerRules, Timers};
pub use verify::verify;
