//! The differences of a simulation, counted by kind.

use std::collections::HashMap;

use mainstay_proto::mainstay::policy::v1 as pb;

use super::{Divergence, Verdict};

/// So many kinds of differences are told,
const TOLD: usize = 200;
/// and so many are told apart.
const KINDS: usize = 10_000;

/// Verb, field, whether it is refused, what was and what would be decided.
type Kind = (String, String, bool, String, String);

/// Differences, counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    decisions: i64,
    refused: i64,
    otherwise: i64,
    kinds: HashMap<Kind, i64>,
}

impl Counts {
    /// Counts a decision with what was found about it.
    pub(super) fn take(&mut self, found: &[Divergence]) {
        self.decisions += 1;
        let refuses = |divergence: &Divergence| matches!(divergence.verdict, Verdict::Refused(_));
        match found.iter().any(refuses) {
            true => self.refused += 1,
            false => self.otherwise += i64::from(!found.is_empty()),
        }
        for divergence in found {
            let kind = kind(divergence);
            if self.kinds.len() < KINDS || self.kinds.contains_key(&kind) {
                *self.kinds.entry(kind).or_default() += 1;
            }
        }
    }

    /// The counts on the wire, up to a cursor.
    pub(super) fn told(&self, cursor: String) -> pb::PolicySimulation {
        let mut kinds: Vec<(&Kind, i64)> = self
            .kinds
            .iter()
            .map(|(kind, count)| (kind, *count))
            .collect();
        kinds.sort_unstable_by(|one, other| (other.1, one.0).cmp(&(one.1, other.0)));
        kinds.truncate(TOLD);
        let told = |((verb, field, refused, recorded, simulated), count): (&Kind, i64)| {
            pb::PolicyDifferenceCount {
                verb: verb.clone(),
                field: field.clone(),
                refused: *refused,
                recorded: recorded.clone(),
                simulated: simulated.clone(),
                count,
            }
        };
        pb::PolicySimulation {
            decision_count: self.decisions,
            refused_count: self.refused,
            otherwise_count: self.otherwise,
            counts: kinds.into_iter().map(told).collect(),
            metrics: Vec::new(),
            cursor,
        }
    }
}

fn kind(divergence: &Divergence) -> Kind {
    let (verb, field) = (divergence.verb.clone(), divergence.field.clone());
    match &divergence.verdict {
        Verdict::Refused(_) => (verb, field, true, String::new(), String::new()),
        Verdict::Otherwise {
            recorded,
            simulated,
        } => (verb, field, false, recorded.clone(), simulated.clone()),
    }
}
