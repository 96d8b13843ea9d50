//! The trail of an imported incident: what it was made of, as a digest per
//! step, each over the one before.

use std::fmt::Write;

use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::incident::history::History;
use crate::incident::{Incident, State};

/// What an incident was made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Trail {
    /// The incident's revision after the last import.
    pub revision: i64,
    /// A digest per step, over all steps up to it.
    pub digests: Vec<String>,
}

impl Trail {
    /// The trail of a history's first fact.
    pub(super) fn begin(history: &History, first: &Incident) -> Self {
        let mut trail = Self::default();
        let uri = history.origin.uri.as_deref().unwrap_or_default();
        let said = (&history.title, &history.description, &history.labels, uri);
        trail.put(&format!("{said:?}"), first);
        trail
    }

    /// Adds a step.
    pub(super) fn add(&mut self, after: &Incident) {
        let before = self.digests.last().cloned().unwrap_or_default();
        self.put(&before, after);
    }

    /// The first step at which another trail says something else.
    pub(super) fn contradiction(&self, other: &Self) -> Option<usize> {
        self.digests
            .iter()
            .zip(&other.digests)
            .position(|(ours, theirs)| ours != theirs)
    }

    fn put(&mut self, before: &str, after: &Incident) {
        let wait = after.hold.as_ref().map(|hold| hold.reason);
        let state: State = after.state;
        let said = (after.occur_us, state, wait, after.impact, after.urgency);
        let held = (&after.service, &after.team, &after.assignee);
        let digest = Sha256::digest(format!("{before}{said:?}{held:?}"));
        let mut text = String::with_capacity(16);
        for byte in digest.iter().take(8) {
            let _ = write!(text, "{byte:02x}");
        }
        self.digests.push(text);
    }
}
