//! What the binary promises, tried on the binary.

#[path = "binary/access.rs"]
mod access;
#[path = "binary/commands.rs"]
mod commands;
#[path = "binary/drain.rs"]
mod drain;
#[path = "binary/process.rs"]
mod process;
#[path = "binary/start.rs"]
mod start;
