//! The one public door: identity, authorisation, limits, protocols, routing,
//! merged events, aggregated metrics.

pub mod door;
pub mod front;
pub mod access;
pub mod metrics;
pub mod migrations;
pub mod merge;
