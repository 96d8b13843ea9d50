//! The only place that reads the wall clock. Instants are microseconds since
//! the epoch, UTC.

mod turned;

use std::sync::Arc;

pub use turned::{Sleeper, Turn, Turned, VirtualClock};

/// Why data cannot be gone on with by a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtherClock {
    /// Nobody moves the machine's clock.
    #[error(
        "its data was made under the machine's clock: start without --clock virtual, or on an empty folder"
    )]
    OfTheMachine,
    /// A virtual clock would not go on.
    #[error(
        "its data was made under a virtual clock: start with --clock virtual, or on an empty folder"
    )]
    Virtual,
}

/// Tells the time.
#[derive(Clone)]
pub struct Clock(Tells);

#[derive(Clone)]
enum Tells {
    Machine,
    Asked(Arc<dyn Fn() -> i64 + Send + Sync>),
    Virtual(Arc<VirtualClock>),
}

impl Clock {
    /// The machine's clock.
    pub fn wall() -> Self {
        Self(Tells::Machine)
    }

    /// A clock that asks `tell`, for tests.
    pub fn from_fn(tell: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        Self(Tells::Asked(Arc::new(tell)))
    }

    /// A clock that stands still unless it is moved.
    pub fn virtual_at(now_us: i64) -> Self {
        Self(Tells::Virtual(Arc::new(VirtualClock::at(now_us))))
    }

    /// Microseconds since the epoch.
    pub fn now_us(&self) -> i64 {
        match &self.0 {
            Tells::Machine => jiff::Timestamp::now().as_microsecond(),
            Tells::Asked(tell) => tell(),
            Tells::Virtual(clock) => clock.now_us(),
        }
    }

    /// Whether it is the machine's, so that a database's clock may be asked in
    /// its place.
    pub fn is_wall(&self) -> bool {
        matches!(self.0, Tells::Machine)
    }

    /// The virtual clock, when it is one.
    pub fn as_virtual(&self) -> Option<&Arc<VirtualClock>> {
        match &self.0 {
            Tells::Machine | Tells::Asked(_) => None,
            Tells::Virtual(clock) => Some(clock),
        }
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
