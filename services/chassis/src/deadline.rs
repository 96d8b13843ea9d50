//! Until when a call is to be answered.

use std::time::Duration;

use tokio::time::Instant;

/// The instant at which nobody waits for the answer any more; rides in the
/// request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// A deadline so far from now.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// Whether it has passed.
    pub fn passed(self) -> bool {
        self.0 <= Instant::now()
    }
}
