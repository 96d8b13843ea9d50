//! Subscribers: each follows the log with a filter, is cut off at random or
//! with the server, and resumes with the cursor of the last message that it
//! has processed.

use std::time::{Duration, Instant};

use mainstay_proto::LoggedEvent;
use mainstay_proto::mainstay::event::v1 as pb;
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::event::v1::start::At;
use mainstay_proto::mainstay::event::v1::watch_events_response::Content;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::{Code, Request, Status};
use uuid::Uuid;

use crate::evidence::{Seen, Sighting};
use crate::records::Reader;
use crate::world::Phase;

/// How a subscriber reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It keeps a stream open.
    Watch,
    /// It asks for pages, waiting for new events.
    Poll,
}

/// A subscriber.
#[derive(Debug)]
pub struct Subscriber {
    /// Where its randomness comes from.
    pub random: fastrand::Rng,
    /// Its connection.
    pub reader: Reader,
    /// How it reads.
    pub manner: Manner,
    /// Where it begins.
    pub start: pb::StartPoint,
    /// What it has seen so far; its name, filter and rights are given.
    pub seen: Seen,
    /// Where the run stands.
    pub phase: watch::Receiver<Phase>,
    /// When the run began.
    pub began: Instant,
    /// The operation whose event is the last that it is to see.
    pub last: Uuid,
}

/// Why a connection ended.
enum End {
    /// It was cut off, or the server went away: resume.
    Cut,
    /// It has seen the last event, or the run is over.
    Done,
}

impl Subscriber {
    /// Reads until the run is over, and tells what it saw.
    pub async fn run(mut self) -> Seen {
        let mut cursor: Option<String> = None;
        loop {
            match self
                .phase
                .wait_for(|phase| *phase != Phase::Down)
                .await
                .map(|phase| *phase)
            {
                Ok(Phase::Down | Phase::Up | Phase::Closing) => {}
                Ok(Phase::Over) | Err(_) => return self.finish(&cursor),
            }
            self.seen.connections += 1;
            let longest = Duration::from_millis(self.random.u64(200..3000));
            let mut over = self.phase.clone();
            let ended = tokio::select! {
                ended = timeout(longest, self.connection(&mut cursor)) => ended.unwrap_or(Ok(End::Cut)),
                _ = over.wait_for(|phase| *phase == Phase::Over) => return self.finish(&cursor),
            };
            match ended {
                Ok(End::Cut) => {}
                Ok(End::Done) => return self.seen,
                Err(status) if resumable(&status) => {
                    tokio::time::sleep(Duration::from_millis(5)).await
                }
                Err(status) => {
                    self.seen.troubles.push(format!(
                        "was refused: {:?} {}",
                        status.code(),
                        status.message()
                    ));
                    return self.seen;
                }
            }
        }
    }

    /// The run is over, and this one has not seen its end.
    fn finish(mut self, cursor: &Option<String>) -> Seen {
        let place = self.seen.events.last().map_or(0, |event| event.sequence);
        let trouble =
            format!("did not see the end of the run: last event {place}, cursor {cursor:?}");
        self.seen.troubles.push(trouble);
        self.seen
    }

    async fn connection(&mut self, cursor: &mut Option<String>) -> Result<End, Status> {
        match self.manner {
            Manner::Watch => self.watch(cursor).await,
            Manner::Poll => self.poll(cursor).await,
        }
    }

    async fn watch(&mut self, cursor: &mut Option<String>) -> Result<End, Status> {
        let mut client = EventServiceClient::new(self.reader.channel.clone());
        let request = pb::WatchEventsRequest {
            start: Some(self.place(cursor)),
            filter: Some(self.seen.filter.clone()),
            ..Default::default()
        };
        let mut stream = client
            .watch_events(self.request(request))
            .await?
            .into_inner();
        while let Some(message) = stream.message().await? {
            let first = cursor.replace(message.cursor).is_none();
            if first && self.start == pb::StartPoint::Latest {
                self.seen.from_us =
                    Some(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
            match message.content {
                Some(Content::Events(batch)) => {
                    if self.see(&batch.events)? {
                        return Ok(End::Done);
                    }
                }
                Some(Content::Drain(_)) => return Ok(End::Cut),
                Some(Content::Bookmark(_)) | None => {}
            }
        }
        Ok(End::Cut)
    }

    async fn poll(&mut self, cursor: &mut Option<String>) -> Result<End, Status> {
        let mut client = EventServiceClient::new(self.reader.channel.clone());
        loop {
            let request = pb::ListEventsRequest {
                start: Some(self.place(cursor)),
                filter: Some(self.seen.filter.clone()),
                page_size: 100,
                wait: Some(prost_types::Duration {
                    seconds: 1,
                    nanos: 0,
                }),
                ..Default::default()
            };
            let page = client
                .list_events(self.request(request))
                .await?
                .into_inner();
            *cursor = Some(page.next_cursor);
            if self.see(&page.events)? {
                return Ok(End::Done);
            }
        }
    }

    fn place(&self, cursor: &Option<String>) -> pb::Start {
        let at = match cursor {
            Some(cursor) => At::Cursor(cursor.clone()),
            None => At::Point(self.start.into()),
        };
        pb::Start { at: Some(at) }
    }

    fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.reader.token.clone());
        request
    }

    /// Takes events in; whether the last of the run was among them.
    fn see(&mut self, events: &[LoggedEvent]) -> Result<bool, Status> {
        let last = self.last.to_string();
        let mut ended = false;
        for logged in events {
            let Ok(event) = logged.decode() else {
                self.seen
                    .troubles
                    .push(format!("event {} cannot be read", logged.sequence));
                continue;
            };
            ended |= event.correlation_id == last;
            self.seen.events.push(Sighting {
                source: event.source,
                sequence: logged.sequence,
                event_id: Uuid::parse_str(&event.id).unwrap_or_default(),
                digest: Sha256::digest(&logged.event).to_vec(),
            });
        }
        Ok(ended)
    }
}

/// Whether a broken connection is to be expected in a run with kills.
fn resumable(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable
            | Code::Unknown
            | Code::Cancelled
            | Code::Internal
            | Code::ResourceExhausted
            | Code::Aborted
    )
}
