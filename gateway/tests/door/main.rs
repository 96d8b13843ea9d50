//! The door with a service behind it: protocols, refusals, limits, time, JSON,
//! connections.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "what the tests stand on, outside of them"
)]

mod behind;
mod calls;
mod connections;
mod echo;
mod house;
mod json;
mod refusals;
mod time;
