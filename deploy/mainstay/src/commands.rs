//! The commands beside the server, one module each.

pub(crate) mod clock;
pub(crate) mod contract;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod metrics;
pub(crate) mod policy;
pub(crate) mod practice;
pub(crate) mod redact;
pub(crate) mod simulate;
pub(crate) mod timers;
pub(crate) mod token;
pub(crate) mod verify;
pub(crate) mod watch;
