//! How long a follower waits for what.

use std::time::Duration;

/// How long a follower waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The first pause after an interruption; it doubles up to the longest.
    pub first_pause: Duration,
    /// The longest pause after an interruption.
    pub longest_pause: Duration,
    /// Without a message for so long the connection is taken for dead.
    pub silence: Duration,
    /// How often the place is compared with the end of the owner's log.
    pub compare: Duration,
    /// Behind for so long without a message, the rest is asked for.
    pub patience: Duration,
    /// How often an event is tried that cannot be applied.
    pub tries: i32,
    /// The first pause between two tries; it triples up to the longest.
    pub first_retry: Duration,
    /// The longest pause between two tries.
    pub longest_retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            silence: Duration::from_secs(45),
            compare: Duration::from_secs(15),
            patience: Duration::from_secs(5),
            tries: 8,
            first_retry: Duration::from_millis(100),
            longest_retry: Duration::from_secs(60),
        }
    }
}

impl Pace {
    /// The pause after so many tries.
    pub(super) fn retry(&self, tries: i32) -> Duration {
        let grown = u32::try_from(tries - 1)
            .ok()
            .and_then(|n| 3_u32.checked_pow(n));
        let pause = grown.and_then(|grown| self.first_retry.checked_mul(grown));
        pause.map_or(self.longest_retry, |pause| pause.min(self.longest_retry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_between_tries_grow_from_a_tenth_of_a_second_to_a_minute() {
        let pace = Pace::default();
        let pauses: Vec<_> = (1..pace.tries).map(|tries| pace.retry(tries)).collect();
        assert_eq!(pauses[0], Duration::from_millis(100));
        assert_eq!(pauses[1], Duration::from_millis(300));
        assert_eq!(pauses.last(), Some(&Duration::from_secs(60)));
        assert_eq!(pace.retry(i32::MAX), Duration::from_secs(60));
    }
}
