//! How an incident was resolved.

use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

/// The kind of resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ResolutionCode {
    /// The cause was removed.
    Fixed,
    /// Service was restored by a workaround; the cause remains.
    Workaround,
    /// It went away without being touched.
    SelfRecovered,
    /// It could not be seen again.
    NotReproducible,
    /// The alarm was false.
    FalseAlarm,
    /// Another incident is about the same.
    Duplicate,
    /// Only known to the system it was imported from.
    Imported,
}

/// How an incident was resolved. Present exactly while it is resolved or closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Resolution {
    /// The kind.
    pub code: ResolutionCode,
    /// What was done.
    pub summary: String,
    /// The team's own code for the cause.
    pub cause_code: Option<String>,
}
