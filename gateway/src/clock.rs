//! The suite's clock at the door: who may know it, and who may move it.
//!
//! A move is a record of its own, made before the clock moves: its event says
//! in the log who moved it and where to, and a repeat with the same request id
//! goes on to that instant and no further.

pub mod advance;
mod api;

pub use api::ClockApi;
