//! A clock that stands still unless it is moved, for whole suites that live
//! through a month in a second. Whoever acts when its time has come registers
//! as a sleeper; a move wakes the sleepers one due instant after the other,
//! and lets everybody who follows hear of it before time goes on. So the same
//! calls and the same moves always come to the same log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::Refusal;

/// The last instant that the contract can tell.
const LAST_US: i64 = 253_402_300_799_999_999;

/// Somebody who acts when its time has come, or on hearing of what others did.
#[tonic::async_trait]
pub trait Sleeper: Send + Sync {
    /// The instant at which it is to be woken; none when it waits for nothing.
    async fn next_us(&self) -> Result<Option<i64>, Refusal> {
        Ok(None)
    }

    /// Does what has come due, and says how much that was.
    async fn wake(&self) -> Result<u64, Refusal> {
        Ok(0)
    }

    /// Waits until it has heard of all that has happened, and says whether
    /// that was anything new.
    async fn settle(&self) -> Result<bool, Refusal> {
        Ok(false)
    }

    /// Keeps the time over a restart.
    async fn keep(&self, _now_us: i64) -> Result<(), Refusal> {
        Ok(())
    }
}

/// A clock that only a hand moves.
pub struct VirtualClock {
    now_us: AtomicI64,
    sleepers: Mutex<Vec<Arc<dyn Sleeper>>>,
    logs: Mutex<BTreeMap<&'static str, watch::Receiver<i64>>>,
    hand: tokio::sync::Mutex<()>,
}

/// What a move of the clock came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turned {
    /// The time before.
    pub from_us: i64,
    /// The time after.
    pub to_us: i64,
    /// How much came due on the way.
    pub woken: u64,
}

/// How far the clock is to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// To an instant.
    To(i64),
    /// By so many microseconds.
    By(i64),
}

impl Turn {
    /// Where a clock ends that is moved so from an instant.
    pub fn from(self, from_us: i64) -> Result<i64, Refusal> {
        match self {
            Self::To(to_us) if to_us < from_us => {
                let remedy = "must not be earlier than the clock's time: it never goes back";
                Err(Refusal::invalid("to", remedy))
            }
            Self::To(to_us) => Ok(to_us),
            Self::By(by_us) => {
                let to_us = from_us.saturating_add(by_us.max(0));
                let told = to_us <= LAST_US;
                told.then_some(to_us)
                    .ok_or_else(|| Refusal::invalid("by", "must end before the year 10000"))
            }
        }
    }
}

impl VirtualClock {
    pub(super) fn at(now_us: i64) -> Self {
        Self {
            now_us: AtomicI64::new(now_us),
            sleepers: Mutex::default(),
            logs: Mutex::default(),
            hand: tokio::sync::Mutex::default(),
        }
    }

    /// Microseconds since the epoch.
    pub fn now_us(&self) -> i64 {
        self.now_us.load(Ordering::SeqCst)
    }

    /// Takes up a time that was kept; an earlier one than now is none.
    pub fn resume_at(&self, kept_us: i64) {
        self.now_us.fetch_max(kept_us, Ordering::SeqCst);
    }

    /// Has a sleeper woken from now on; in the order in which they come.
    pub fn register(&self, sleeper: Arc<dyn Sleeper>) {
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.push(sleeper);
    }

    /// Takes note of where the log of a service ends, for those who follow it.
    pub fn register_log(&self, service: &'static str, head: watch::Receiver<i64>) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.insert(service, head);
    }

    /// Where the logs end now.
    pub fn heads(&self) -> BTreeMap<&'static str, i64> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let heads = logs
            .iter()
            .map(|(service, head)| (*service, *head.borrow()));
        heads.collect()
    }

    /// Moves the clock: steps to each instant at which somebody is to be woken,
    /// in order, and lands where it was sent. Moves wait for one another.
    pub async fn turn(&self, turn: Turn) -> Result<Turned, Refusal> {
        let _hand = self.hand.lock().await;
        let from_us = self.now_us();
        let to_us = turn.from(from_us)?;
        let sleepers = self.sleepers();
        settled(&sleepers).await?;
        let mut woken = 0;
        while let Some(next_us) = next(&sleepers).await?.filter(|next| *next <= to_us) {
            self.resume_at(next_us);
            let mut now = 0;
            for sleeper in &sleepers {
                now += sleeper.wake().await?;
            }
            if now == 0 {
                return Err(Refusal::internal("a sleeper was woken and did nothing"));
            }
            woken += now;
            settled(&sleepers).await?;
        }
        self.resume_at(to_us);
        for sleeper in &sleepers {
            sleeper.keep(to_us).await?;
        }
        Ok(Turned {
            from_us,
            to_us,
            woken,
        })
    }

    fn sleepers(&self) -> Vec<Arc<dyn Sleeper>> {
        let sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.clone()
    }
}

impl std::fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VirtualClock({})", self.now_us())
    }
}

async fn next(sleepers: &[Arc<dyn Sleeper>]) -> Result<Option<i64>, Refusal> {
    let mut first: Option<i64> = None;
    for sleeper in sleepers {
        if let Some(next_us) = sleeper.next_us().await? {
            first = Some(first.map_or(next_us, |first| first.min(next_us)));
        }
    }
    Ok(first)
}

/// Waits until nobody has anything left to hear: what one does on hearing of
/// something another may hear of in turn.
async fn settled(sleepers: &[Arc<dyn Sleeper>]) -> Result<(), Refusal> {
    loop {
        let mut moved = false;
        for sleeper in sleepers {
            moved |= sleeper.settle().await?;
        }
        if !moved {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, Kind};

    /// Is due at instants, and notes when it was woken.
    struct Dues {
        clock: Clock,
        due_us: Mutex<Vec<i64>>,
        woken_us: Mutex<Vec<i64>>,
    }

    #[tonic::async_trait]
    impl Sleeper for Dues {
        async fn next_us(&self) -> Result<Option<i64>, Refusal> {
            Ok(self.due_us.lock().unwrap().iter().min().copied())
        }

        async fn wake(&self) -> Result<u64, Refusal> {
            let now_us = self.clock.now_us();
            let mut due_us = self.due_us.lock().unwrap();
            let before = due_us.len();
            due_us.retain(|due| *due > now_us);
            self.woken_us.lock().unwrap().push(now_us);
            Ok(u64::try_from(before - due_us.len()).unwrap())
        }
    }

    fn stage(due_us: &[i64]) -> (Clock, Arc<Dues>) {
        let clock = Clock::virtual_at(100);
        let dues = Arc::new(Dues {
            clock: clock.clone(),
            due_us: Mutex::new(due_us.to_vec()),
            woken_us: Mutex::default(),
        });
        clock.as_virtual().unwrap().register(dues.clone());
        (clock, dues)
    }

    #[tokio::test]
    async fn a_move_wakes_at_each_due_instant_in_order_and_lands_where_it_was_sent() {
        let (clock, dues) = stage(&[300, 200, 200, 50, 900]);
        let turned = clock.as_virtual().unwrap().turn(Turn::By(500)).await;
        let (from_us, to_us, woken) = (100, 600, 4);
        let expected = Turned {
            from_us,
            to_us,
            woken,
        };
        assert_eq!((turned.unwrap(), clock.now_us()), (expected, 600));
        assert_eq!(*dues.woken_us.lock().unwrap(), [100, 200, 300]);
    }

    #[tokio::test]
    async fn the_clock_never_goes_back() {
        let (clock, _) = stage(&[]);
        let hand = clock.as_virtual().unwrap();
        let refusal = hand.turn(Turn::To(99)).await.unwrap_err();
        assert_eq!(refusal.kind(), Kind::Invalid);
        hand.resume_at(50);
        assert_eq!(clock.now_us(), 100);
        assert_eq!(hand.turn(Turn::To(100)).await.unwrap().woken, 0);
    }
}
