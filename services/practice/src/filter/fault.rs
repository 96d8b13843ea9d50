//! What is wrong with a filter, where, and what to write instead.

use mainstay_chassis::{Kind, Refusal};
use mainstay_proto::mainstay::error::v1::ErrorReason;

/// A place in a filter's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Characters before it.
    pub(crate) position: usize,
    /// What stands there.
    pub(crate) token: String,
}

/// Why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The text is wrong.
    Wrong {
        /// Where.
        at: Spot,
        /// What to write instead, as a sentence of its own.
        remedy: String,
    },
    /// A name in it is another organization's.
    Foreign(String),
    /// The parser is away.
    Away,
}

impl Fault {
    /// The text is wrong at a place.
    pub(crate) fn at(spot: &Spot, remedy: impl Into<String>) -> Self {
        Self::Wrong {
            at: spot.clone(),
            remedy: remedy.into(),
        }
    }
}

/// At most so much of a token is told.
const TOKEN: usize = 40;

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Foreign(name) => Self::foreign(name),
            Fault::Away => Self::unavailable(),
            Fault::Wrong { at, remedy } => {
                let token: String = at.token.chars().take(TOKEN).collect();
                let message = format!("the filter is wrong at position {}: {remedy}", at.position);
                Self::new(Kind::Invalid, ErrorReason::FilterInvalid, message)
                    .with("position", at.position.to_string())
                    .with("token", token)
                    .because("filter", remedy)
            }
        }
    }
}
