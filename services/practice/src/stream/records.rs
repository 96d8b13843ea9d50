//! The beginning of a stream that starts with the records as they are: told
//! out of the log, up to the position from which the stream then goes on.

use std::collections::VecDeque;

use mainstay_chassis::Refusal;
use mainstay_proto::mainstay::event::v1 as pb;

use super::sieve::Sieve;
use crate::Store;
use crate::cursor::Cursor;
use crate::log::{Entry, Position};

/// So many windows of the log are looked at for a page that is short.
const WINDOWS: usize = 10;

/// How far the telling of the records has come.
#[derive(Debug)]
pub(super) struct Telling {
    organization: String,
    /// The position of which the records are told.
    at: Position,
    /// The sequence up to which they were told.
    told: i64,
    /// The sequence up to which the log was looked at.
    scanned: i64,
    /// Records found and not yet told.
    pending: VecDeque<Entry>,
}

/// Some of the records.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// They, as events.
    pub(super) events: Vec<mainstay_proto::LoggedEvent>,
    /// Whether these were the last.
    pub(super) done: bool,
}

impl Telling {
    /// The telling of the records at a position that go on after a sequence.
    pub(super) fn new(organization: &str, at: Position, told: i64) -> Self {
        Self {
            organization: organization.to_owned(),
            at,
            told,
            scanned: told,
            pending: VecDeque::new(),
        }
    }

    /// The cursor that goes on from here.
    pub(super) fn cursor(&self, store: &Store) -> Cursor {
        let cursor = store.log().cursor(&self.organization, self.at.sequence);
        match self.is_done() {
            true => cursor,
            false => cursor.telling(self.told),
        }
    }

    fn is_done(&self) -> bool {
        self.pending.is_empty() && self.scanned >= self.at.sequence
    }

    /// The next records that pass, at most so many and so many bytes.
    pub(super) async fn next(
        &mut self,
        store: &Store,
        sieve: &Sieve,
        most: usize,
        bytes: usize,
    ) -> Result<Told, Refusal> {
        let mut told = Told::default();
        let (mut windows, mut weight) = (0, 0);
        loop {
            while let Some(entry) = self.pending.front() {
                weight += entry.body.len();
                if told.events.len() >= most || (weight > bytes && !told.events.is_empty()) {
                    return Ok(told);
                }
                let Some(entry) = self.pending.pop_front() else {
                    break;
                };
                let logged = entry.logged(&self.organization);
                self.told = logged.sequence;
                told.events.push(logged);
            }
            self.told = self.scanned;
            told.done = self.is_done();
            if told.done || windows >= WINDOWS {
                return Ok(told);
            }
            windows += 1;
            self.look(store, sieve).await?;
        }
    }

    async fn look(&mut self, store: &Store, sieve: &Sieve) -> Result<(), Refusal> {
        let log = store.log();
        let found = log
            .records(&self.organization, self.scanned, self.at)
            .await?;
        self.scanned = found.scanned;
        for entry in found.entries {
            if sieve.lets_in(&entry) {
                self.pending.push_back(entry.as_record()?);
            }
        }
        Ok(())
    }
}

/// A page of records, and where to go on.
pub(super) async fn page(
    store: &Store,
    mut telling: Telling,
    sieve: &Sieve,
    most: usize,
) -> Result<pb::ListEventsResponse, Refusal> {
    let told = telling.next(store, sieve, most, 2 << 20).await?;
    Ok(pb::ListEventsResponse {
        events: told.events,
        next_cursor: telling.cursor(store).encode(),
    })
}
