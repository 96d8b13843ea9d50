//! What a team may adapt: the policy under which incidents are decided.
//!
//! What is absent: a clock, a database and the wire. A policy is data that the
//! rules under `incident/` are handed, so that every decision can be replayed.

mod matrix;

use std::sync::{Arc, LazyLock};

pub use matrix::Matrix;

use crate::incident::CandidateRule;

/// So long after its last resolution an incident may be reopened by default:
/// 30 days.
pub const REOPEN_WINDOW_US: i64 = 30 * 24 * 60 * 60 * 1_000_000;

/// So long an incident stays resolved by default before it closes by itself: 7
/// days.
pub const AUTO_CLOSE_US: i64 = 7 * 24 * 60 * 60 * 1_000_000;

/// A policy, checked: what it says can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which priority impact and urgency give.
    pub matrix: Matrix,
    /// So long after its last resolution an incident may be reopened.
    pub reopen_window_us: i64,
    /// Which incidents are proposed to be declared major.
    pub candidates: Vec<CandidateRule>,
    /// So long after its resolution an incident closes by itself; none when
    /// only people close it.
    pub auto_close_us: Option<i64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            matrix: Matrix::default(),
            reopen_window_us: REOPEN_WINDOW_US,
            candidates: CandidateRule::built_in(),
            auto_close_us: Some(AUTO_CLOSE_US),
        }
    }
}

/// The policy in force somewhere at some time, and its version.
#[derive(Clone, Debug, Default)]
pub struct InForce {
    /// Full name of the version; empty for the built-in policy.
    pub version: String,
    /// What it says.
    pub policy: Policy,
}

/// The policies in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies(());

impl Policies {
    /// The policy in force in an organization at an instant.
    pub(crate) fn at(&self, _organization: &str, _now_us: i64) -> Arc<InForce> {
        static BUILT_IN: LazyLock<Arc<InForce>> = LazyLock::new(Arc::default);
        BUILT_IN.clone()
    }
}
