//! What the gateway has counted so far: the facts, up to where, and a bell
//! that rings when it is more.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use mainstay_chassis::Refusal;
use mainstay_practice::cursor::{Cursor, Place, expired};
use tokio::sync::watch;
use uuid::Uuid;

use super::facts::{Fact, Facts};

/// The service whose log is counted.
pub(crate) const SOURCE: &str = "incident";

/// What was counted. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kept: RwLock<Kept>,
    bell: watch::Sender<()>,
}

/// Facts, and up to where they were counted.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The facts.
    pub(crate) facts: Facts,
    /// Number of events counted, for each organization.
    pub(crate) counts: HashMap<String, i64>,
    /// Epoch of the log; none before the first event.
    pub(crate) epoch: Option<Uuid>,
    /// When the newest event occurred that is not imported.
    pub(crate) live_us: i64,
}

/// What a batch of events adds.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// New facts, in the order of the log.
    pub(crate) facts: Vec<Fact>,
    /// Numbers of events counted after it, for each organization in it.
    pub(crate) counts: HashMap<String, i64>,
    /// When its newest event occurred that is not imported.
    pub(crate) live_us: i64,
}

impl Memory {
    /// A memory that begins with what was counted before.
    pub(crate) fn new(kept: Kept) -> Self {
        let (bell, _) = watch::channel(());
        Self(Arc::new(Inner {
            kept: RwLock::new(kept),
            bell,
        }))
    }

    /// What is counted now.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.0.kept.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was committed, and rings.
    pub(crate) fn take(&self, change: Change, epoch: Option<Uuid>) {
        let mut kept = self.0.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.take(change, epoch);
        drop(kept);
        self.0.bell.send_replace(());
    }

    /// Forgets everything: it is counted again from the beginning of the log.
    pub(crate) fn forget(&self) {
        let mut kept = self.0.kept.write().unwrap_or_else(PoisonError::into_inner);
        *kept = Kept::default();
        drop(kept);
        self.0.bell.send_replace(());
    }

    /// Waits until an organization's log is counted up to a place.
    pub(crate) async fn counted(&self, organization: &str, place: &Place) -> Result<(), Refusal> {
        let mut bell = self.0.bell.subscribe();
        loop {
            bell.mark_unchanged();
            if self.read().reaches(organization, place)? {
                return Ok(());
            }
            bell.changed().await.map_err(|_| Refusal::unavailable())?;
        }
    }
}

impl Kept {
    fn take(&mut self, change: Change, epoch: Option<Uuid>) {
        change.facts.iter().for_each(|fact| self.facts.add(fact));
        self.counts.extend(change.counts);
        self.live_us = self.live_us.max(change.live_us);
        self.epoch = epoch.or(self.epoch);
    }

    /// Number of an organization's events that are counted.
    pub(crate) fn count(&self, organization: &str) -> i64 {
        self.counts.get(organization).copied().unwrap_or_default()
    }

    /// Whether an organization's log is counted up to a place.
    fn reaches(&self, organization: &str, place: &Place) -> Result<bool, Refusal> {
        match self.epoch {
            Some(epoch) if epoch != place.epoch => Err(expired(
                "epoch",
                &Cursor::single(organization, SOURCE, epoch, 0),
            )),
            Some(_) | None => Ok(self.count(organization) >= place.sequence),
        }
    }

    /// The cursor up to which an organization's log is counted; none before
    /// the first event of any.
    pub(crate) fn cursor(&self, organization: &str) -> Option<Cursor> {
        self.epoch
            .map(|epoch| Cursor::single(organization, SOURCE, epoch, self.count(organization)))
    }
}
