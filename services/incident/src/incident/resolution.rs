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

impl ResolutionCode {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Fixed,
        Self::Workaround,
        Self::SelfRecovered,
        Self::NotReproducible,
        Self::FalseAlarm,
        Self::Duplicate,
        Self::Imported,
    ];

    /// The word as people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fixed => "FIXED",
            Self::Workaround => "WORKAROUND",
            Self::SelfRecovered => "SELF_RECOVERED",
            Self::NotReproducible => "NOT_REPRODUCIBLE",
            Self::FalseAlarm => "FALSE_ALARM",
            Self::Duplicate => "DUPLICATE",
            Self::Imported => "IMPORTED",
        }
    }
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
