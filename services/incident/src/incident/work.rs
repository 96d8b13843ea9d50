//! When somebody has to look at an incident again: what lists of work are
//! sorted by. Known while it is open, and only then.

use super::Incident;

/// The due time of what is open and waits for no instant: after all others.
pub const NEVER_US: i64 = i64::MAX;

impl Incident {
    /// When somebody has to look at it again; none when no instant is set.
    pub fn due_us(&self) -> Option<i64> {
        self.due_us.filter(|due| *due < NEVER_US)
    }

    /// Computes anew when it is due. Called whenever it has changed.
    pub(super) fn set_due(&mut self) {
        let resume_us = self.hold.as_ref().and_then(|hold| hold.resume_us);
        self.due_us = match self.state.is_open() {
            true => Some(resume_us.unwrap_or(NEVER_US)),
            false => None,
        };
    }
}
