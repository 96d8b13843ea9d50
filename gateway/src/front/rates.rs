//! How much a principal may ask for, and how often an address may be wrong.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};
use mainstay_chassis::{Kind, Principal, Refusal};
use mainstay_proto::mainstay::error::v1::ErrorReason;

use super::Limits;

/// After so many charges, keys whose bucket is full again are forgotten.
const TIDY: u64 = 1 << 16;

/// The buckets. Keys are hashes under a secret of the process, so that a look
/// costs no allocation.
pub(super) struct Rates {
    units: Bucket,
    failures: Bucket,
    random: RandomState,
    charges: AtomicU64,
}

struct Bucket {
    limiter: DefaultKeyedRateLimiter<u64>,
    size: NonZeroU32,
    limit: String,
    scope: &'static str,
}

impl Rates {
    /// Full buckets.
    pub(super) fn new(limits: &Limits) -> Self {
        let units = NonZeroU32::new(limits.units_per_second).unwrap_or(NonZeroU32::MIN);
        let failures = NonZeroU32::new(limits.failures_per_minute).unwrap_or(NonZeroU32::MIN);
        Self {
            units: Bucket::new(
                Quota::per_second(units),
                units,
                format!("{units} units a second"),
                "principal",
            ),
            failures: Bucket::new(
                Quota::per_minute(failures),
                failures,
                format!("{failures} failures a minute"),
                "address",
            ),
            random: RandomState::new(),
            charges: AtomicU64::new(0),
        }
    }

    /// Takes the cost of a call.
    pub(super) fn charge(&self, principal: &Principal, cost: u32) -> Result<(), Refusal> {
        self.tidy();
        self.units
            .take(self.random.hash_one(principal.name()), cost)
    }

    /// Takes the cost of a call that needs no principal.
    pub(super) fn charge_address(&self, address: IpAddr) -> Result<(), Refusal> {
        self.tidy();
        self.units.take(self.random.hash_one(address), 1)
    }

    /// The refusal of a wrong token.
    pub(super) fn fail(&self, address: IpAddr) -> Refusal {
        self.tidy();
        match self.failures.take(self.random.hash_one(address), 1) {
            Ok(()) => Refusal::unauthenticated(),
            Err(quota) => quota,
        }
    }

    fn tidy(&self) {
        if self.charges.fetch_add(1, Ordering::Relaxed) % TIDY == TIDY - 1 {
            for bucket in [&self.units, &self.failures] {
                bucket.limiter.retain_recent();
                bucket.limiter.shrink_to_fit();
            }
        }
    }
}

impl Bucket {
    fn new(quota: Quota, size: NonZeroU32, limit: String, scope: &'static str) -> Self {
        Self {
            limiter: DefaultKeyedRateLimiter::keyed(quota),
            size,
            limit,
            scope,
        }
    }

    /// Takes so much, or says when there will be enough. What costs more than
    /// the bucket holds is taken for the whole bucket.
    fn take(&self, key: u64, cost: u32) -> Result<(), Refusal> {
        let cost = NonZeroU32::new(cost)
            .unwrap_or(NonZeroU32::MIN)
            .min(self.size);
        let wait = match self.limiter.check_key_n(&key, cost) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(until)) => until.wait_time_from(DefaultClock::default().now()),
            Err(_) => Duration::from_secs(1),
        };
        Err(exceeded(&self.limit, self.scope).retry_after(wait.max(Duration::from_millis(1))))
    }
}

/// The refusal of what is over a limit.
pub(super) fn exceeded(limit: &str, scope: &str) -> Refusal {
    let message = format!("the limit of {limit} for the {scope} is reached: come again later");
    Refusal::new(Kind::Exhausted, ErrorReason::QuotaExceeded, message)
        .with("limit", limit)
        .with("scope", scope)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use super::*;

    fn principal(name: &str) -> Principal {
        Principal::new(name, "default", Arc::default(), CancellationToken::new())
    }

    #[test]
    fn a_principal_that_asks_for_too_much_is_told_and_others_are_not() {
        let rates = Rates::new(&Limits {
            units_per_second: 10,
            ..Limits::default()
        });
        assert_eq!(rates.charge(&principal("a"), 9), Ok(()));
        let refusal = rates.charge(&principal("a"), 5).unwrap_err();
        assert_eq!(refusal.reason(), ErrorReason::QuotaExceeded);
        assert_eq!(rates.charge(&principal("b"), 10), Ok(()));
    }

    #[test]
    fn a_call_that_costs_more_than_the_bucket_can_still_be_made() {
        let rates = Rates::new(&Limits {
            units_per_second: 3,
            ..Limits::default()
        });
        assert_eq!(rates.charge(&principal("a"), 50), Ok(()));
    }

    #[test]
    fn an_address_that_is_wrong_too_often_is_told_to_wait() {
        let rates = Rates::new(&Limits {
            failures_per_minute: 2,
            ..Limits::default()
        });
        let address = IpAddr::from([127, 0, 0, 1]);
        let reasons: Vec<_> = (0..3).map(|_| rates.fail(address).reason()).collect();
        assert_eq!(
            reasons,
            [
                ErrorReason::CredentialsInvalid,
                ErrorReason::CredentialsInvalid,
                ErrorReason::QuotaExceeded
            ]
        );
    }
}
