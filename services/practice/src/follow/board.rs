//! How the followers of a process stand, and the way to them for operators.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mainstay_chassis::Refusal;
use tokio::sync::{mpsc, oneshot, watch};

use super::desk::{Order, Request};

/// How many requests of operators may wait.
const WAITING: usize = 8;
/// A follower that is behind for longer than this is not well.
const TOLERATED_US: i64 = 60 * 1_000_000;

/// What a follower is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It has not heard of the owner yet.
    Starting,
    /// It follows.
    Following,
    /// The owner or a database is away; it tries again.
    Interrupted,
    /// An event could not be applied; it tries again.
    Retrying,
    /// An event cannot be applied, and the follower must not put it aside.
    Stuck,
}

/// How a follower stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The service whose log it follows.
    pub source: &'static str,
    /// What it is about.
    pub state: State,
    /// Why it is interrupted, retrying or stuck; else empty.
    pub cause: String,
    /// Position of the last event applied.
    pub sequence: i64,
    /// Position of the newest event, as far as is known.
    pub head: i64,
    /// When the last event applied was recorded; 0 before the first.
    pub record_us: i64,
    /// Since when it is behind; none when it is not.
    pub behind_since_us: Option<i64>,
    /// Number of events put aside.
    pub parked: usize,
    /// How often it began again because the log was replaced.
    pub resyncs: u64,
    /// Whether its place may be set back.
    pub rebuildable: bool,
    /// Whether it puts aside what cannot be applied.
    pub parks: bool,
}

impl Standing {
    pub(super) fn new(source: &'static str, rebuildable: bool, parks: bool) -> Self {
        Self {
            source,
            state: State::Starting,
            cause: String::new(),
            sequence: 0,
            head: 0,
            record_us: 0,
            behind_since_us: None,
            parked: 0,
            resyncs: 0,
            rebuildable,
            parks,
        }
    }

    /// Number of events that it has still to apply.
    pub fn lag(&self) -> i64 {
        (self.head - self.sequence).max(0)
    }

    /// For how long it is behind, in microseconds.
    pub fn lag_us(&self, now_us: i64) -> i64 {
        self.behind_since_us
            .map_or(0, |since| (now_us - since).max(0))
    }

    /// Whether nobody has to look after it.
    pub fn is_well(&self, now_us: i64) -> bool {
        matches!(self.state, State::Starting | State::Following)
            && self.parked == 0
            && self.lag_us(now_us) <= TOLERATED_US
    }

    /// Takes what is known of place and end of the log.
    pub(super) fn see(&mut self, sequence: i64, head: i64, now_us: i64) {
        self.sequence = sequence;
        self.head = head.max(sequence);
        self.behind_since_us = match self.lag() {
            0 => None,
            _ => self.behind_since_us.or(Some(now_us)),
        };
    }
}

/// The followers of a process, by name and source. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    seats: Mutex<BTreeMap<String, Seat>>,
    bell: watch::Sender<()>,
}

#[derive(Debug)]
struct Seat {
    standing: Standing,
    desk: mpsc::Sender<Request>,
}

impl Board {
    /// All followers.
    pub fn all(&self) -> Vec<(String, Standing)> {
        let seats = self.seats();
        let told = |(consumer, seat): (&String, &Seat)| (consumer.clone(), seat.standing.clone());
        seats.iter().map(told).collect()
    }

    /// Rings when something has changed.
    pub fn bell(&self) -> watch::Receiver<()> {
        self.0.bell.subscribe()
    }

    /// A follower begins; what operators ask of it arrives here.
    pub(super) fn join(&self, consumer: &str, standing: Standing) -> mpsc::Receiver<Request> {
        let (desk, requests) = mpsc::channel(WAITING);
        self.seats()
            .insert(consumer.to_owned(), Seat { standing, desk });
        self.0.bell.send_replace(());
        requests
    }

    /// A follower ends.
    pub(super) fn leave(&self, consumer: &str) {
        self.seats().remove(consumer);
        self.0.bell.send_replace(());
    }

    /// Changes how a follower stands; returns how it stood.
    pub(super) fn note(
        &self,
        consumer: &str,
        change: impl FnOnce(&mut Standing),
    ) -> Option<Standing> {
        let mut seats = self.seats();
        let seat = seats.get_mut(consumer)?;
        let before = seat.standing.clone();
        change(&mut seat.standing);
        let changed = before != seat.standing;
        drop(seats);
        if changed {
            self.0.bell.send_replace(());
        }
        Some(before)
    }

    /// Asks a follower to do something, and waits until it has.
    pub(super) async fn ask(
        &self,
        consumer: &str,
        order: Order,
    ) -> Result<super::desk::Done, Refusal> {
        let desk = self.seats().get(consumer).map(|seat| seat.desk.clone());
        let desk = desk.ok_or_else(|| Refusal::not_found(consumer))?;
        let (answer, done) = oneshot::channel();
        desk.try_send(Request { order, answer })
            .map_err(|_| Refusal::overloaded())?;
        done.await.unwrap_or_else(|_| Err(Refusal::unavailable()))
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<String, Seat>> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_behind_for_long_or_has_parked_is_not_well() {
        let mut standing = Standing::new("notes", true, true);
        standing.state = State::Following;
        standing.see(5, 5, 1_000);
        assert_eq!((standing.lag(), standing.lag_us(2_000)), (0, 0));
        standing.see(5, 9, 2_000);
        standing.see(7, 9, 3_000);
        assert_eq!((standing.lag(), standing.lag_us(5_000)), (2, 3_000));
        assert!(standing.is_well(5_000) && !standing.is_well(2_001 + TOLERATED_US));
        standing.see(9, 9, 6_000);
        assert!(standing.is_well(2_001 + TOLERATED_US));
        standing.parked = 1;
        assert!(!standing.is_well(7_000));
    }
}
