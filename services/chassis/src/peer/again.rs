//! Reads that did not reach the service are sent again: a connection that has
//! just gone, or a service that is just back, is no reason to fail them. In a
//! budget, so that a service that is down is not called three times as often.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A read is sent so often at most.
pub(super) const TRIES: u32 = 3;
/// The first pause, at its longest; it doubles.
const PAUSE: Duration = Duration::from_millis(50);
/// What a call earns, and what sending one again costs: one in ten.
const EARNED: i64 = 1;
const COST: i64 = 10;
/// What can be saved up.
const SAVED: i64 = 100 * COST;

/// What may be sent again.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<AtomicI64>);

impl Default for Budget {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(10 * COST)))
    }
}

impl Budget {
    /// A call is made.
    pub(super) fn earn(&self) {
        self.change(|held| Some((held + EARNED).min(SAVED)));
    }

    /// Whether one may be sent again.
    pub(super) fn spend(&self) -> bool {
        self.change(|held| (held >= COST).then_some(held - COST))
    }

    fn change(&self, change: impl Fn(i64) -> Option<i64>) -> bool {
        let (set, get) = (Ordering::Relaxed, Ordering::Relaxed);
        self.0.fetch_update(set, get, change).is_ok()
    }
}

/// The pause before a try: any part of the longest, so that those who failed
/// together do not come again together.
pub(super) fn pause(tried: u32) -> Duration {
    let longest = PAUSE * 2_u32.saturating_pow(tried.saturating_sub(1));
    longest * u32::from(uuid::Uuid::now_v7().as_bytes()[15]) / 256
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_in_ten_may_be_sent_again() {
        let budget = Budget::default();
        let spent = |budget: &Budget| {
            std::iter::repeat_with(|| budget.spend())
                .take_while(|may| *may)
                .count()
        };
        assert_eq!(spent(&budget), 10);
        (0..100).for_each(|_| budget.earn());
        assert_eq!(spent(&budget), 10);
        (0..100_000).for_each(|_| budget.earn());
        assert_eq!(spent(&budget), 100);
    }

    #[test]
    fn pauses_grow_and_stay_short() {
        for tried in 1..TRIES {
            assert!(pause(tried) < PAUSE * 2_u32.pow(tried));
        }
    }
}
