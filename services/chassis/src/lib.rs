//! How a process runs: configuration, telemetry, transport, layers, refusals,
//! health, drain. Knows tonic and tower; knows no database and no practice.

pub mod clock;
pub mod config;
pub mod contract;
pub mod data;
pub mod deadline;
pub mod health;
pub mod identity;
pub mod limits;
pub mod peer;
pub mod principal;
pub mod process;
pub mod reflection;
pub mod refusal;
pub mod role;
pub mod serve;
pub mod settings;
pub mod shutdown;
pub mod telemetry;

pub use clock::Clock;
pub use contract::{Method, Methods};
pub use deadline::Deadline;
pub use health::Health;
pub use peer::Peer;
pub use principal::{Permit, Principal};
pub use process::Process;
pub use refusal::{Kind, Refusal};
pub use shutdown::Shutdown;
