//! The one public door: identity, authorisation, limits, protocols, routing,
//! merged events, aggregated metrics.

pub mod access;
pub mod clock;
pub mod door;
pub mod followers;
pub mod front;
pub mod gateway;
pub mod merge;
pub mod metrics;
pub mod migrations;
pub mod neighbours;
pub mod policies;
pub mod practices;
pub mod process;
pub mod timers;

pub use gateway::{Gateway, GatewayError, GatewaySettings};
pub use neighbours::Neighbour;
