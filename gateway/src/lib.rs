//! The one public door: identity, authorisation, limits, protocols, routing,
//! merged events, aggregated metrics.

pub mod metrics;
