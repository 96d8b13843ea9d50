//! What a team may adapt: the policy under which incidents are decided.
//!
//! What is absent: a clock, a database and an opinion of its own. A policy is
//! data that the rules under `incident/` are handed, so that every decision
//! can be explained, and replayed under another one.

mod case;
mod decision;
mod document;
mod lint;
mod matrix;
mod replay;
mod rule;
mod statuses;

use mainstay_practice::policy::BUILT_IN;

use crate::incident::HoldReason;
pub use case::{Case, FACTS, FIELDS};
pub use decision::{Asked, Explanation};
pub use matrix::Matrix;
pub use rule::{Denial, MajorRule, VerbRule};
pub use statuses::{Standing, Statuses};

/// So long after its last resolution an incident may be reopened by default:
/// 30 days.
pub const REOPEN_WINDOW_US: i64 = 30 * 24 * 60 * 60 * 1_000_000;

/// So long an incident stays resolved by default before it closes by itself: 7
/// days.
pub const AUTO_CLOSE_US: i64 = 7 * 24 * 60 * 60 * 1_000_000;

/// What the rules for raising an incident are known by, beside the verbs.
pub const CREATE: &str = "create";

/// A policy, checked: what it says can be done.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Which priority impact and urgency give.
    pub matrix: Matrix,
    /// The reasons for a hold, each with what people read.
    pub holds: Vec<(HoldReason, String)>,
    /// What verbs ask for.
    pub rules: Vec<VerbRule>,
    /// The team's own words for where an incident stands.
    pub statuses: Statuses,
    /// So long after its last resolution an incident may be reopened.
    pub reopen_window_us: i64,
    /// So long after its resolution an incident closes by itself; none when
    /// only people close it.
    pub auto_close_us: Option<i64>,
    /// When an incident is proposed as a major one.
    pub major: Vec<MajorRule>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            matrix: Matrix::default(),
            holds: HoldReason::ALL.map(|reason| (reason, String::new())).into(),
            rules: Vec::new(),
            statuses: Statuses::default(),
            reopen_window_us: REOPEN_WINDOW_US,
            auto_close_us: Some(AUTO_CLOSE_US),
            major: MajorRule::built_in(),
        }
    }
}

impl Policy {
    /// What a verb, or raising an incident, asks for.
    pub fn rules(&self, verb: &str) -> impl Iterator<Item = &VerbRule> {
        self.rules.iter().filter(move |rule| rule.verb == verb)
    }

    /// The first rule that proposes an incident as a major one.
    pub fn proposes(&self, case: &Case<'_>) -> Option<&MajorRule> {
        let holds = |rule: &&MajorRule| rule.condition.holds(&|path| case.value(path));
        self.major.iter().find(holds)
    }
}

/// The policy in force somewhere at some time, and its version.
pub type InForce = mainstay_practice::InForce<Policy>;

/// The policies of all organizations.
pub type Policies = mainstay_practice::PolicyBook<Policy>;

/// The policy of an organization that has none of its own.
pub fn built_in() -> InForce {
    InForce {
        version: BUILT_IN.to_owned(),
        policy: Policy::default(),
    }
}
