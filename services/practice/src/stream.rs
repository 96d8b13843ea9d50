//! `EventService` over one service's log: pages and streams that resume, in
//! order, without a gap. A stream has no queue: a slow reader stops pulling,
//! and goes on from the database when it has fallen behind the ring.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use mainstay_chassis::clock::{micros, timestamp};
use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_chassis::{Principal, Refusal};
use mainstay_proto::mainstay::event::v1 as pb;
use pb::event_service_server::EventService;
use pb::watch_events_response::Content;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Request, Response, Status};

use crate::call::permit;
use crate::cursor::Cursor;
use crate::log::{Entry, Position};
use crate::{Store, name};

/// A stream that has nothing to say says so this often.
const BOOKMARK: Duration = Duration::from_secs(15);
/// A stream ends after about this, and the client comes again.
const AGE: Duration = Duration::from_secs(9 * 60);
/// A response holds at most so many events, and so many bytes.
const MOST_EVENTS: usize = 256;
const MOST_BYTES: usize = 256 << 10;
/// How long a client waits before it reconnects.
const RECONNECT_DELAY_MS: i32 = 200;

/// Serves the log of a store.
#[derive(Clone, Debug)]
pub struct EventApi(Store);

impl EventApi {
    /// Serves the log of this store.
    pub fn new(store: Store) -> Self {
        Self(store)
    }

    async fn start(
        &self,
        organization: &str,
        start: Option<&pb::Start>,
    ) -> Result<Position, Refusal> {
        let log = self.0.log();
        match start.and_then(|start| start.at.as_ref()) {
            None => Ok(log.earliest()),
            Some(pb::start::At::Cursor(text)) => {
                log.position(organization, &Cursor::decode(text, organization)?)
                    .await
            }
            Some(pb::start::At::Time(time)) => {
                let time_us = micros(time).ok_or_else(|| {
                    Refusal::invalid("start.time", "must lie in the years 1 to 9999")
                })?;
                log.at(organization, time_us).await
            }
            Some(pb::start::At::Point(point)) => match pb::StartPoint::try_from(*point) {
                Ok(pb::StartPoint::Latest) => log.latest(organization).await,
                Ok(pb::StartPoint::Earliest | pb::StartPoint::Unspecified) | Err(_) => {
                    Ok(log.earliest())
                }
            },
        }
    }
}

/// Which events of a log a reader gets.
#[derive(Clone, Debug)]
pub struct Sieve {
    principal: Principal,
    types: Vec<String>,
    subjects: Vec<String>,
}

impl Sieve {
    /// The events that a principal may see and asks for.
    pub fn new(principal: Principal, filter: Option<pb::EventFilter>) -> Result<Self, Refusal> {
        let pb::EventFilter { types, subjects } = filter.unwrap_or_default();
        let organization = principal.organization().to_owned();
        let full = |(place, subject): (usize, String)| match subject.starts_with("organizations/") {
            true if organization == ALL_ORGANIZATIONS => Ok(subject),
            true => name::local(&subject, &organization).map(|_| subject.clone()),
            false if subject.contains('/') => Ok(format!("organizations/{organization}/{subject}")),
            false => Err(Refusal::invalid(
                format!("filter.subjects[{place}]"),
                "must be a name such as incidents/{id}, or a prefix such as incidents/*",
            )),
        };
        let subjects = subjects
            .into_iter()
            .enumerate()
            .map(full)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            principal,
            types,
            subjects,
        })
    }

    fn passes(&self, entry: &Entry) -> bool {
        let seen = |needs: &String| {
            self.principal.organization() == ALL_ORGANIZATIONS || self.principal.may(needs)
        };
        let wanted = |patterns: &[String], text: &str, wild: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, text, wild))
        };
        entry.needs.as_ref().is_none_or(seen)
            && wanted(&self.types, &entry.event_type, ".*")
            && wanted(&self.subjects, &entry.subject, "/*")
    }
}

/// Whether a text is the pattern, or begins with it when it ends in a wildcard.
fn matches(pattern: &str, text: &str, wild: &str) -> bool {
    match pattern.strip_suffix(wild) {
        Some(prefix) => text
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(&wild[..1])),
        None => pattern == text,
    }
}

#[tonic::async_trait]
impl EventService for EventApi {
    type WatchEventsStream =
        Pin<Box<dyn Stream<Item = Result<pb::WatchEventsResponse, Status>> + Send>>;

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let permit = permit(&request)?;
        let request = request.into_inner();
        let organization = permit.organization().to_owned();
        name::parent(&request.parent, &organization)?;
        let position = self.start(&organization, request.start.as_ref()).await?;
        let sieve = Sieve::new(permit.principal().clone(), request.filter)?;
        let most = usize::try_from(request.page_size)
            .ok()
            .filter(|size| *size > 0)
            .unwrap_or(50);
        let wait = request
            .wait
            .and_then(|wait| Duration::try_from(wait).ok())
            .unwrap_or_default();
        let page = self
            .page(&organization, position, &sieve, most, Instant::now() + wait)
            .await?;
        Ok(Response::new(page))
    }

    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let permit = permit(&request)?;
        let request = request.into_inner();
        let organization = permit.organization().to_owned();
        name::parent(&request.parent, &organization)?;
        let position = self.start(&organization, request.start.as_ref()).await?;
        let sieve = Sieve::new(permit.principal().clone(), request.filter)?;
        let at = request.start.and_then(|start| start.at);
        let greet = at == Some(pb::start::At::Point(pb::StartPoint::Latest.into()));
        let watcher = Watcher::new(self.0.clone(), organization, sieve, position, greet);
        Ok(Response::new(Box::pin(futures::stream::unfold(
            watcher,
            |mut watcher| async move { watcher.next().await.map(|response| (response, watcher)) },
        ))))
    }

    async fn get_event_log(
        &self,
        request: Request<pb::GetEventLogRequest>,
    ) -> Result<Response<pb::GetEventLogResponse>, Status> {
        let permit = permit(&request)?;
        let organization = permit.organization();
        let named = &request.get_ref().name;
        if !named.is_empty() && name::local(named, organization)? != "eventLog" {
            return Err(Refusal::invalid(
                "name",
                "must be organizations/{organization}/eventLog, or empty",
            )
            .into());
        }
        let log = self.0.log();
        let latest = log.latest(organization).await?;
        Ok(Response::new(pb::GetEventLogResponse {
            log: Some(pb::EventLog {
                name: format!("organizations/{organization}/eventLog"),
                earliest_cursor: log.cursor(organization, log.earliest().sequence).encode(),
                latest_cursor: log.cursor(organization, latest.sequence).encode(),
                services: vec![pb::ServiceLog {
                    source: log.service().to_owned(),
                    epoch: log.epoch().to_string(),
                    latest_sequence: latest.sequence,
                }],
            }),
        }))
    }
}

impl EventApi {
    /// A page of what passes, waiting until then for a first event.
    async fn page(
        &self,
        organization: &str,
        mut position: Position,
        sieve: &Sieve,
        most: usize,
        until: Instant,
    ) -> Result<pb::ListEventsResponse, Refusal> {
        let log = self.0.log();
        let mut head = log.head();
        let mut events = Vec::new();
        let mut bytes = 0;
        loop {
            head.mark_unchanged();
            let page = log.after(organization, position).await?;
            let mut full = false;
            for entry in &page.entries {
                if sieve.passes(entry) {
                    full = events.len() >= most
                        || bytes + entry.body.len() > 2 << 20 && !events.is_empty();
                    if full {
                        break;
                    }
                    bytes += entry.body.len();
                    events.push(entry.logged(organization));
                }
                position = Position {
                    seq: entry.seq,
                    sequence: entry.logged(organization).sequence,
                };
            }
            if full {
                break;
            }
            position = page.position;
            let idle = page.at_head && events.is_empty() && !self.0.drain().is_cancelled();
            if page.at_head
                && (!idle
                    || timeout_at(until, changed(&mut head, self.0.drain()))
                        .await
                        .is_err())
            {
                break;
            }
        }
        Ok(pb::ListEventsResponse {
            events,
            next_cursor: log.cursor(organization, position.sequence).encode(),
        })
    }
}

async fn changed(head: &mut watch::Receiver<i64>, drain: &tokio_util::sync::CancellationToken) {
    tokio::select! {
        _ = head.changed() => {}
        () = drain.cancelled() => {}
    }
}

/// One stream.
struct Watcher {
    store: Store,
    organization: String,
    sieve: Sieve,
    position: Position,
    /// Entries read and not yet sent.
    pending: std::collections::VecDeque<Arc<Entry>>,
    /// The position after all of `pending`.
    scanned: Position,
    head: watch::Receiver<i64>,
    greet: bool,
    bookmark_at: Instant,
    end_at: Instant,
    ended: bool,
}

impl Watcher {
    fn new(
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
            pending: std::collections::VecDeque::new(),
            scanned: position,
            greet,
            bookmark_at: now + BOOKMARK,
            end_at: now + AGE - jitter,
            ended: false,
        }
    }

    /// The next response; none when the stream has ended.
    async fn next(&mut self) -> Option<Result<pb::WatchEventsResponse, Status>> {
        if self.ended {
            return None;
        }
        if std::mem::take(&mut self.greet) {
            return Some(Ok(self.response(None)));
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
        self.response(Some(Content::Drain(pb::Drain {
            reason: reason.to_owned(),
            reconnect_delay_ms: RECONNECT_DELAY_MS,
        })))
    }
}
