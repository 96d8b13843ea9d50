//! Figures that the gateway counts from the logs of the practices. Every one
//! can be recomputed from the events, and must come out the same.

pub mod definition;
pub mod facts;
pub mod figure;
pub mod query;
pub mod timeline;
