//! Why the work waits. Present exactly while the state is on hold.

use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

/// What the work waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HoldReason {
    /// An answer of the requester.
    Requester,
    /// A vendor.
    Vendor,
    /// A change that is to be implemented.
    Change,
    /// A problem that is to be solved.
    Problem,
    /// Spare parts.
    Parts,
    /// Something else.
    Other,
}

impl HoldReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Requester,
        Self::Vendor,
        Self::Change,
        Self::Problem,
        Self::Parts,
        Self::Other,
    ];

    /// The word as people read it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Requester => "REQUESTER",
            Self::Vendor => "VENDOR",
            Self::Change => "CHANGE",
            Self::Problem => "PROBLEM",
            Self::Parts => "PARTS",
            Self::Other => "OTHER",
        }
    }
}

/// Why the work waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Hold {
    /// What it waits for.
    pub reason: HoldReason,
    /// A word on it.
    pub note: String,
    /// Since when it waits without a break; a change of the reason keeps it.
    pub since_us: i64,
    /// When the work is expected to go on.
    pub resume_us: Option<i64>,
}
