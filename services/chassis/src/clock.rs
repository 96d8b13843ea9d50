//! The only place that reads the wall clock. Instants are microseconds since
//! the epoch, UTC.

use std::sync::Arc;

/// Tells the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// The machine's clock.
    pub fn wall() -> Self {
        Self(Arc::new(|| jiff::Timestamp::now().as_microsecond()))
    }

    /// A clock that asks `tell`, for tests.
    pub fn from_fn(tell: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Microseconds since the epoch.
    pub fn now_us(&self) -> i64 {
        (self.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// The instant as a protobuf timestamp.
pub fn timestamp(us: i64) -> prost_types::Timestamp {
    let nanos = us.rem_euclid(1_000_000) * 1_000;
    prost_types::Timestamp {
        seconds: us.div_euclid(1_000_000),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}

/// The instant of a protobuf timestamp, cut to microseconds; none when it is
/// outside the years 1 to 9999 that the contract allows.
pub fn micros(timestamp: &prost_types::Timestamp) -> Option<i64> {
    const YEARS_1_TO_9999: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
    let whole = YEARS_1_TO_9999.contains(&timestamp.seconds)
        && (0..1_000_000_000).contains(&timestamp.nanos);
    whole.then(|| timestamp.seconds * 1_000_000 + i64::from(timestamp.nanos) / 1_000)
}

/// The instant as RFC 3339 text, for people.
pub fn rfc3339(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us)
        .map_or_else(|_| us.to_string(), |instant| instant.to_string())
}
