//! What the clients share: the incidents that they know of, whether the
//! server is up, and how far the run has come.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use mainstay_proto::mainstay::incident::v1::IncidentState;

/// The newest incidents; few, so that clients meet on them.
const KNOWN: usize = 120;

/// Incidents that clients have been told of, with the state each was last seen in.
#[derive(Debug, Default)]
pub struct World(Mutex<VecDeque<(String, IncidentState)>>);

impl World {
    /// One of the newest incidents, at random.
    pub fn pick(&self, random: &mut fastrand::Rng) -> Option<(String, IncidentState)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.is_empty() {
            true => None,
            false => known.get(random.usize(..known.len())).cloned(),
        }
    }

    /// Takes note of the state that an incident was seen in.
    pub fn note(&self, name: &str, state: IncidentState) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.iter_mut().find(|(known, _)| known == name) {
            Some((_, now)) => *now = state,
            None => {
                known.push_back((name.to_owned(), state));
                if known.len() > KNOWN {
                    known.pop_front();
                }
            }
        }
    }
}

/// Where the run stands; clients and subscribers wait on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The server is being started.
    Down,
    /// The server answers.
    Up,
    /// No more kills: clients end after the call that they are in.
    Closing,
    /// Everybody ends.
    Over,
}
