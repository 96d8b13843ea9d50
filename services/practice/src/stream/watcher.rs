//! One stream: reads on when the bell rings, sends what passes, says that it
//! lives, and ends with a word and a cursor. It keeps no queue of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use mainstay_chassis::Refusal;
use mainstay_chassis::clock::timestamp;
use mainstay_proto::mainstay::event::v1 as pb;
use pb::watch_events_response::Content;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::Sieve;
use super::records::Telling;
use crate::Store;
use crate::log::{Entry, Position};

/// A stream that has nothing to say says so this often.
const BOOKMARK: Duration = Duration::from_secs(15);
/// A stream ends after about this, and the client comes again.
const AGE: Duration = Duration::from_secs(9 * 60);
/// A response holds at most so many events, and so many bytes.
const MOST_EVENTS: usize = 256;
const MOST_BYTES: usize = 256 << 10;
/// How long a client waits before it reconnects.
const RECONNECT_DELAY_MS: i32 = 200;

/// One stream.
pub(super) struct Watcher {
    store: Store,
    organization: String,
    sieve: Sieve,
    position: Position,
    /// Entries read and not yet sent.
    pending: VecDeque<Arc<Entry>>,
    /// The position after all of `pending`.
    scanned: Position,
    head: watch::Receiver<i64>,
    greet: bool,
    /// The records that are told before the events.
    telling: Option<Telling>,
    bookmark_at: Instant,
    end_at: Instant,
    ended: bool,
}

impl Watcher {
    pub(super) fn new(
        store: Store,
        organization: String,
        sieve: Sieve,
        position: Position,
        greet: bool,
    ) -> Self {
        let now = Instant::now();
        let jitter = Duration::from_millis(u64::from(uuid::Uuid::now_v7().as_bytes()[15]) * 400);
        Self {
            head: store.log().head(),
            store,
            organization,
            sieve,
            position,
            pending: VecDeque::new(),
            scanned: position,
            greet,
            telling: None,
            bookmark_at: now + BOOKMARK,
            end_at: now + AGE - jitter,
            ended: false,
        }
    }

    /// The same stream, with records told before its events.
    pub(super) fn telling(self, telling: Option<Telling>) -> Self {
        Self { telling, ..self }
    }

    /// The next response; none when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Result<pb::WatchEventsResponse, Status>> {
        if self.ended {
            return None;
        }
        if std::mem::take(&mut self.greet) {
            return Some(Ok(self.response(None)));
        }
        if let Some(telling) = self.telling.take() {
            return Some(self.tell(telling).await);
        }
        loop {
            match self.ready().await {
                Ok(Some(batch)) => return Some(Ok(self.response(Some(Content::Events(batch))))),
                Ok(None) => {}
                Err(refusal) => {
                    self.ended = true;
                    return Some(Err(refusal.into()));
                }
            }
            if let Some(reason) = self.over() {
                return Some(Ok(self.drained(reason)));
            }
            if let Some(content) = self.wait().await {
                return Some(Ok(self.response(Some(content))));
            }
        }
    }

    /// The next records; after the last of them a bookmark.
    async fn tell(&mut self, mut telling: Telling) -> Result<pb::WatchEventsResponse, Status> {
        let content = match self.over() {
            Some(reason) => {
                self.ended = true;
                Some(drain(reason))
            }
            None => self.told(&mut telling).await?,
        };
        let cursor = telling.cursor(&self.store).encode();
        if !matches!(content, Some(Content::Bookmark(_))) {
            self.telling = Some(telling);
        }
        Ok(pb::WatchEventsResponse {
            cursor,
            ..self.response(content)
        })
    }

    /// Some records; the bookmark when all are told, and nothing when none were
    /// found in the part of the log that was looked at.
    async fn told(&mut self, telling: &mut Telling) -> Result<Option<Content>, Refusal> {
        let next = telling.next(&self.store, &self.sieve, MOST_EVENTS, MOST_BYTES);
        let told = next.await.inspect_err(|_| self.ended = true)?;
        Ok(match (told.events.is_empty(), told.done) {
            (true, true) => Some(Content::Bookmark(pb::Bookmark {})),
            (true, false) => None,
            (false, _) => Some(Content::Events(pb::EventBatch {
                events: told.events,
                fragment: false,
            })),
        })
    }

    /// Why the stream is to end now.
    fn over(&self) -> Option<&'static str> {
        match () {
            () if self.store.drain().is_cancelled() => Some("shutdown"),
            () if self.sieve.principal.ended().is_cancelled() => Some("rights"),
            () if self.end_at <= Instant::now() => Some("age"),
            () => None,
        }
    }

    /// Waits for more events, or for a reason to speak or to end.
    async fn wait(&mut self) -> Option<Content> {
        tokio::select! {
            _ = self.head.changed() => None,
            () = self.store.drain().cancelled() => None,
            () = self.sieve.principal.ended().cancelled() => None,
            () = sleep_until(self.end_at) => None,
            () = sleep_until(self.bookmark_at) => Some(Content::Bookmark(pb::Bookmark {})),
        }
    }

    /// The events that can be sent now; none when the reader is at the head.
    async fn ready(&mut self) -> Result<Option<pb::EventBatch>, Refusal> {
        loop {
            if let Some(batch) = self.cut() {
                return Ok(Some(batch));
            }
            self.position = self.scanned;
            if self.bookmark_at <= Instant::now() || self.over().is_some() {
                return Ok(None);
            }
            self.head.mark_unchanged();
            let page = self
                .store
                .log()
                .after(&self.organization, self.scanned)
                .await?;
            self.pending.extend(
                page.entries
                    .into_iter()
                    .filter(|entry| self.sieve.passes(entry)),
            );
            self.scanned = page.position;
            if page.at_head && self.pending.is_empty() {
                self.position = self.scanned;
                return Ok(None);
            }
        }
    }

    /// A batch of what is pending: whole transactions while they fit.
    fn cut(&mut self) -> Option<pb::EventBatch> {
        let (mut events, mut bytes, mut fragment) = (Vec::new(), 0, false);
        while let Some(entry) = self.pending.front() {
            let full = events.len() >= MOST_EVENTS || bytes + entry.body.len() > MOST_BYTES;
            if full && !events.is_empty() {
                break;
            }
            let Some(entry) = self.pending.pop_front() else {
                break;
            };
            bytes += entry.body.len();
            fragment = !entry.last_in_tx;
            let logged = entry.logged(&self.organization);
            self.position = Position {
                seq: entry.seq,
                sequence: logged.sequence,
            };
            events.push(logged);
        }
        (!events.is_empty()).then_some(pb::EventBatch { events, fragment })
    }

    fn response(&mut self, content: Option<Content>) -> pb::WatchEventsResponse {
        self.bookmark_at = Instant::now() + BOOKMARK;
        let cursor = self
            .store
            .log()
            .cursor(&self.organization, self.position.sequence)
            .encode();
        pb::WatchEventsResponse {
            cursor,
            server_time: Some(timestamp(self.store.clock().now_us())),
            content,
        }
    }

    fn drained(&mut self, reason: &str) -> pb::WatchEventsResponse {
        self.ended = true;
        self.response(Some(drain(reason)))
    }
}

fn drain(reason: &str) -> Content {
    Content::Drain(pb::Drain {
        reason: reason.to_owned(),
        reconnect_delay_ms: RECONNECT_DELAY_MS,
    })
}
