//! What the binary promises, tried on the binary.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

#[path = "binary/access.rs"]
mod access;
#[path = "binary/apart.rs"]
mod apart;
#[path = "binary/commands.rs"]
mod commands;
#[path = "binary/drain.rs"]
mod drain;
#[path = "binary/policy.rs"]
mod policy;
#[path = "binary/process.rs"]
mod process;
#[path = "binary/start.rs"]
mod start;
