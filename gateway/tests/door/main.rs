//! The door with a service behind it: protocols, refusals, limits, time, JSON,
//! connections.

mod calls;
mod connections;
mod echo;
mod house;
mod json;
mod refusals;
mod time;
