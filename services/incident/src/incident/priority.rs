//! What comes first: impact and urgency give the priority. The severity says
//! how bad it is technically, and stands beside.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// How much is hurt.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Impact {
    /// One person, or a convenience.
    Low,
    /// A group.
    #[default]
    Medium,
    /// A department, or a whole service in part.
    High,
    /// The business.
    Critical,
}

/// How long it can wait.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Urgency {
    /// It can wait.
    Low,
    /// Soon.
    #[default]
    Medium,
    /// At once.
    High,
}

/// What comes first; its text sorts as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Priority {
    /// Critical.
    #[sea_orm(string_value = "P1")]
    P1,
    /// High.
    #[sea_orm(string_value = "P2")]
    P2,
    /// Moderate.
    #[sea_orm(string_value = "P3")]
    P3,
    /// Low.
    #[sea_orm(string_value = "P4")]
    P4,
    /// Planning.
    #[sea_orm(string_value = "P5")]
    P5,
}

/// How bad it is technically.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "String(StringLen::N(16))")]
pub enum Severity {
    /// Worst.
    #[sea_orm(string_value = "SEV1")]
    Sev1,
    /// Bad.
    #[sea_orm(string_value = "SEV2")]
    Sev2,
    /// Moderate.
    #[sea_orm(string_value = "SEV3")]
    Sev3,
    /// Minor.
    #[sea_orm(string_value = "SEV4")]
    Sev4,
    /// Cosmetic.
    #[sea_orm(string_value = "SEV5")]
    Sev5,
}

impl Priority {
    /// The priority by the default matrix.
    pub const fn of(impact: Impact, urgency: Urgency) -> Self {
        match (impact, urgency) {
            (Impact::Critical, Urgency::High | Urgency::Medium) | (Impact::High, Urgency::High) => {
                Self::P1
            }
            (Impact::Critical, Urgency::Low)
            | (Impact::High, Urgency::Medium)
            | (Impact::Medium, Urgency::High) => Self::P2,
            (Impact::High, Urgency::Low)
            | (Impact::Medium, Urgency::Medium)
            | (Impact::Low, Urgency::High) => Self::P3,
            (Impact::Medium, Urgency::Low) | (Impact::Low, Urgency::Medium) => Self::P4,
            (Impact::Low, Urgency::Low) => Self::P5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::ActiveEnum;

    #[test]
    fn the_default_matrix_is_the_published_one() {
        use Priority::{P1, P2, P3, P4, P5};
        let rows = [
            (Impact::Critical, [P1, P1, P2]),
            (Impact::High, [P1, P2, P3]),
            (Impact::Medium, [P2, P3, P4]),
            (Impact::Low, [P3, P4, P5]),
        ];
        for (impact, expected) in rows {
            let row = [Urgency::High, Urgency::Medium, Urgency::Low];
            assert_eq!(
                row.map(|urgency| Priority::of(impact, urgency)),
                expected,
                "{impact:?}"
            );
        }
    }

    #[test]
    fn what_hurts_more_or_waits_less_never_comes_later() {
        let impacts = [Impact::Low, Impact::Medium, Impact::High, Impact::Critical];
        let urgencies = [Urgency::Low, Urgency::Medium, Urgency::High];
        for (low, high) in impacts.iter().zip(&impacts[1..]) {
            for urgency in urgencies {
                assert!(Priority::of(*high, urgency) <= Priority::of(*low, urgency));
            }
        }
        for (low, high) in urgencies.iter().zip(&urgencies[1..]) {
            for impact in impacts {
                assert!(Priority::of(impact, *high) <= Priority::of(impact, *low));
            }
        }
    }

    #[test]
    fn the_text_of_a_priority_sorts_as_the_priority_does() {
        let texts = [
            Priority::P1,
            Priority::P2,
            Priority::P3,
            Priority::P4,
            Priority::P5,
        ];
        assert!(texts.map(|priority| priority.to_value()).is_sorted());
    }
}
