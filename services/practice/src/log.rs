//! The log as readers see it: the newest events in memory, all of them in the
//! database, and a bell that rings when there are more.

mod entry;
mod records;
pub(crate) use records::snapshot;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use mainstay_chassis::Refusal;
use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::cursor::{self, Cursor};
use crate::store::Heads;
use crate::store::REDACTED;
use crate::tables::event_log;
pub use entry::Entry;

/// The ring holds at most so many events, and so many bytes of them.
const RING_EVENTS: usize = 65_536;
const RING_BYTES: usize = 64 << 20;
/// A page read from the database holds at most so many events.
const PAGE: u64 = 512;

/// The log of a service.
#[derive(Clone, Debug)]
pub struct Log(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: &'static str,
    epoch: Uuid,
    floor: i64,
    head: watch::Sender<i64>,
    ring: RwLock<Ring>,
    reader: DatabaseConnection,
    /// Whether other processes write to it, too.
    shared: bool,
    /// Rings when this process has written what does not follow its ring.
    behind: Notify,
}

/// The newest events, without a gap.
#[derive(Debug)]
struct Ring {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// Position of the newest.
    last: i64,
}

impl Ring {
    /// Takes the events that follow its last one; those that it has already,
    /// and those that lie beyond a gap, are left out.
    fn take(&mut self, events: Vec<Entry>) {
        for event in events {
            if event.seq != self.last + 1 {
                continue;
            }
            self.last = event.seq;
            if event.event_type.ends_with(REDACTED) {
                // What is older may tell what must no longer be told.
                self.entries.clear();
                self.bytes = 0;
            }
            self.bytes += event.body.len();
            self.entries.push_back(Arc::new(event));
        }
        while self.entries.len() > RING_EVENTS || self.bytes > RING_BYTES {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.body.len();
        }
    }
}

/// How far a reader has come: in the service's log, and in its organization's part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Everything up to here was looked at.
    pub seq: i64,
    /// Sequence of the last event that is the organization's.
    pub sequence: i64,
}

/// What follows a position: the organization's events, and how far was looked.
#[derive(Clone, Debug)]
pub struct LogPage {
    /// The events.
    pub entries: Vec<Arc<Entry>>,
    /// The position after them.
    pub position: Position,
    /// Whether the position is the head of the log.
    pub at_head: bool,
}

impl Log {
    /// A log that only this process writes.
    pub(crate) fn new(service: &'static str, heads: &Heads, reader: DatabaseConnection) -> Self {
        Self::of(service, heads, reader, false)
    }

    /// A log that other processes write, too.
    pub(crate) fn shared(service: &'static str, heads: &Heads, reader: DatabaseConnection) -> Self {
        Self::of(service, heads, reader, true)
    }

    fn of(service: &'static str, heads: &Heads, reader: DatabaseConnection, shared: bool) -> Self {
        let (head, _) = watch::channel(heads.seq);
        let ring = Ring {
            entries: VecDeque::new(),
            bytes: 0,
            last: heads.seq,
        };
        Self(Arc::new(Inner {
            service,
            epoch: heads.epoch,
            floor: heads.floor,
            head,
            ring: RwLock::new(ring),
            reader,
            shared,
            behind: Notify::new(),
        }))
    }

    /// Takes events that this process has committed, and wakes the readers.
    /// Events that others wrote before them are fetched first.
    pub(crate) fn push(&self, events: Vec<Entry>) {
        let Some(newest) = events.last().map(|event| event.seq) else {
            return;
        };
        if self.take(events) < newest {
            self.0.behind.notify_one();
        }
    }

    /// Takes events into the ring, and says where it ends then.
    fn take(&self, events: Vec<Entry>) -> i64 {
        let mut ring = self.0.ring.write().unwrap_or_else(PoisonError::into_inner);
        ring.take(events);
        // Told under the lock: the head never goes back.
        let last = ring.last;
        self.0
            .head
            .send_if_modified(|head| std::mem::replace(head, last) != last);
        last
    }

    /// Waits until this process has written what does not follow its ring.
    pub(crate) async fn behind(&self) {
        self.0.behind.notified().await;
    }

    /// Reads what other processes have written, up to the end.
    pub(crate) async fn catch_up(&self) -> Result<(), Refusal> {
        let mut more = self.0.shared;
        while more {
            let last = *self.0.head.borrow();
            let rows = event_log::Entity::find()
                .filter(event_log::Column::Seq.gt(last))
                .order_by_asc(event_log::Column::Seq)
                .limit(PAGE)
                .all(&self.0.reader)
                .await
                .map_err(crate::scope::away)?;
            more = u64::try_from(rows.len()).unwrap_or(PAGE) == PAGE;
            self.take(rows.into_iter().map(Entry::from).collect());
        }
        Ok(())
    }

    /// The service whose log it is.
    pub fn service(&self) -> &'static str {
        self.0.service
    }

    /// The log's epoch.
    pub fn epoch(&self) -> Uuid {
        self.0.epoch
    }

    /// Position of the newest event, and a bell for newer ones.
    pub fn head(&self) -> watch::Receiver<i64> {
        self.0.head.subscribe()
    }

    /// The cursor at a sequence of an organization.
    pub fn cursor(&self, organization: &str, sequence: i64) -> Cursor {
        Cursor::single(organization, self.0.service, self.0.epoch, sequence)
    }

    /// What follows a position: from memory when it is still there, else a
    /// page from the database.
    pub async fn after(&self, organization: &str, position: Position) -> Result<LogPage, Refusal> {
        let head = *self.0.head.borrow();
        if position.seq >= head {
            return Ok(LogPage {
                entries: Vec::new(),
                position,
                at_head: true,
            });
        }
        if let Some(page) = self.remembered(organization, position) {
            return Ok(page);
        }
        let mut query = event_log::Entity::find()
            .order_by_asc(event_log::Column::Seq)
            .limit(PAGE);
        query = match organization {
            ALL_ORGANIZATIONS => query.filter(event_log::Column::Seq.gt(position.seq)),
            _ => query
                .filter(event_log::Column::Organization.eq(organization))
                .filter(event_log::Column::OrgSequence.gt(position.sequence)),
        };
        let rows = query
            .all(&self.0.reader)
            .await
            .map_err(crate::scope::away)?;
        let full = u64::try_from(rows.len()).unwrap_or(PAGE) == PAGE;
        let entries: Vec<Arc<Entry>> = rows
            .into_iter()
            .map(|row| Arc::new(Entry::from(row)))
            .collect();
        let mut position = advanced(organization, position, &entries);
        if !full {
            position.seq = position.seq.max(head);
        }
        Ok(LogPage {
            entries,
            position,
            at_head: !full,
        })
    }

    fn remembered(&self, organization: &str, position: Position) -> Option<LogPage> {
        let ring = self.0.ring.read().unwrap_or_else(PoisonError::into_inner);
        let first = ring.entries.front()?.seq;
        let skip = usize::try_from(position.seq + 1 - first).ok()?;
        let most = usize::try_from(PAGE).unwrap_or(usize::MAX);
        let looked: Vec<&Arc<Entry>> = ring.entries.iter().skip(skip).take(most).collect();
        let seq = looked.last()?.seq;
        let at_head = ring.entries.back().is_some_and(|newest| newest.seq == seq);
        let theirs = |entry: &&Arc<Entry>| {
            organization == ALL_ORGANIZATIONS || entry.organization == organization
        };
        let entries: Vec<Arc<Entry>> = looked.into_iter().filter(theirs).cloned().collect();
        let sequence = advanced(organization, position, &entries).sequence;
        Some(LogPage {
            entries,
            position: Position { seq, sequence },
            at_head,
        })
    }

    /// The position of an organization's newest event.
    pub async fn latest(&self, organization: &str) -> Result<Position, Refusal> {
        self.catch_up().await?;
        let seq = *self.0.head.borrow();
        let sequence = self.sequence_at(organization, seq).await?;
        Ok(Position { seq, sequence })
    }

    /// The position before the first event kept.
    pub fn earliest(&self) -> Position {
        Position {
            seq: self.0.floor,
            sequence: 0,
        }
    }

    /// The position that a cursor names.
    pub async fn position(&self, organization: &str, cursor: &Cursor) -> Result<Position, Refusal> {
        let place = cursor
            .place(self.0.service)
            .ok_or_else(|| cursor::invalid("the cursor is another service's"))?;
        let earliest = || self.cursor(organization, self.earliest().sequence);
        if place.epoch != self.0.epoch {
            return Err(cursor::expired("epoch", &earliest()));
        }
        if place.sequence < self.earliest().sequence {
            return Err(cursor::expired("below_floor", &earliest()));
        }
        if organization == ALL_ORGANIZATIONS {
            if place.sequence > *self.0.head.borrow() {
                self.catch_up().await?;
            }
            return match place.sequence <= *self.0.head.borrow() {
                true => Ok(Position {
                    seq: place.sequence,
                    sequence: place.sequence,
                }),
                false => Err(cursor::expired("ahead", &earliest())),
            };
        }
        if place.sequence == 0 {
            return Ok(self.earliest());
        }
        let seq = self.seq_of(organization, place.sequence).await?;
        let seq = seq.ok_or_else(|| cursor::expired("ahead", &earliest()))?;
        Ok(Position {
            seq,
            sequence: place.sequence,
        })
    }

    /// The position before the first event recorded at an instant or later.
    pub async fn at(&self, organization: &str, time_us: i64) -> Result<Position, Refusal> {
        self.catch_up().await?;
        let (mut low, mut high) = (self.0.floor, *self.0.head.borrow());
        while low < high {
            let middle = low + (high - low) / 2 + 1;
            match self.recorded_us(middle).await? < time_us {
                true => low = middle,
                false => high = middle - 1,
            }
        }
        Ok(Position {
            seq: low,
            sequence: self.sequence_at(organization, low).await?,
        })
    }

    /// Sequence of an organization's last event at or before a position.
    async fn sequence_at(&self, organization: &str, seq: i64) -> Result<i64, Refusal> {
        if organization == ALL_ORGANIZATIONS {
            return Ok(seq);
        }
        let found = event_log::Entity::find()
            .select_only()
            .column(event_log::Column::OrgSequence)
            .filter(event_log::Column::Organization.eq(organization))
            .filter(event_log::Column::Seq.lte(seq))
            .order_by_desc(event_log::Column::OrgSequence)
            .limit(1)
            .into_tuple::<i64>()
            .one(&self.0.reader)
            .await;
        Ok(found.map_err(crate::scope::away)?.unwrap_or(0))
    }

    async fn seq_of(&self, organization: &str, sequence: i64) -> Result<Option<i64>, Refusal> {
        let found = event_log::Entity::find()
            .select_only()
            .column(event_log::Column::Seq)
            .filter(event_log::Column::Organization.eq(organization))
            .filter(event_log::Column::OrgSequence.eq(sequence))
            .into_tuple::<i64>()
            .one(&self.0.reader)
            .await;
        found.map_err(crate::scope::away)
    }

    async fn recorded_us(&self, seq: i64) -> Result<i64, Refusal> {
        let found = event_log::Entity::find_by_id(seq)
            .select_only()
            .column(event_log::Column::RecordedUs)
            .into_tuple::<i64>()
            .one(&self.0.reader)
            .await;
        Ok(found.map_err(crate::scope::away)?.unwrap_or(i64::MAX))
    }
}

fn advanced(organization: &str, from: Position, entries: &[Arc<Entry>]) -> Position {
    entries.last().map_or(from, |entry| Position {
        seq: entry.seq,
        sequence: if organization == ALL_ORGANIZATIONS {
            entry.seq
        } else {
            entry.org_sequence
        },
    })
}
