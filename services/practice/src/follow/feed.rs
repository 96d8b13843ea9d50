//! The owner of a log, as a follower asks it: near or far, the same calls.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use mainstay_chassis::Principal;
use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_proto::mainstay::event::v1 as pb;
use pb::event_service_client::EventServiceClient;
use tonic::body::Body;
use tonic::codegen::{Service, StdError};
use tonic::{Code, Status, Streaming};
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use uuid::Uuid;

use crate::cursor::{Cursor, Place};

/// A page asked for holds at most so many events.
const PAGE: i32 = 256;

/// Why following does not go on as it did.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The owner, or the own database, is away or busy: it is tried again.
    Away(String),
    /// The place is in a log that was replaced, or cut.
    Expired(String),
    /// The place was moved elsewhere by somebody else: it is read again.
    Moved,
    /// An event cannot be applied by a follower that must not park.
    Stuck(String),
}

impl From<Status> for Trouble {
    fn from(status: Status) -> Self {
        match status.code() == Code::OutOfRange {
            true => Self::Expired(status.message().to_owned()),
            false => Self::Away(format!("{:?}: {}", status.code(), status.message())),
        }
    }
}

impl From<mainstay_chassis::Refusal> for Trouble {
    fn from(refusal: mainstay_chassis::Refusal) -> Self {
        Self::Away(refusal.to_string())
    }
}

/// A call that found no way to the owner.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Broken(StdError);

/// A call under way.
type Asked<T> = BoxFuture<'static, Result<T, Status>>;

/// The owner of a log.
#[derive(Clone)]
pub(super) struct Feed {
    events: EventServiceClient<BoxCloneSyncService<Request<Body>, Response<Body>, Broken>>,
    source: &'static str,
    principal: Principal,
}

/// Where the owner's log begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    /// Its epoch.
    pub epoch: Uuid,
    /// The position before the first event kept.
    pub floor: i64,
    /// The position of the newest event.
    pub head: i64,
}

impl Feed {
    pub(super) fn new<S, B>(service: S, source: &'static str, follower: &'static str) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<StdError>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        let plain = service
            .map_response(|response: Response<B>| response.map(Body::new))
            .map_err(|error| Broken(error.into()));
        Self {
            events: EventServiceClient::new(BoxCloneSyncService::new(plain)),
            source,
            principal: Principal::follower(follower),
        }
    }

    /// The stream of what follows a place.
    pub(super) fn watch(&self, place: &Place) -> Asked<Streaming<pb::WatchEventsResponse>> {
        let request = self.carry(pb::WatchEventsRequest {
            start: Some(start(place)),
            ..pb::WatchEventsRequest::default()
        });
        let mut events = self.events.clone();
        Box::pin(async move { Ok(events.watch_events(request).await?.into_inner()) })
    }

    /// A page of what follows a place.
    pub(super) fn list(&self, place: &Place) -> Asked<pb::ListEventsResponse> {
        let request = self.carry(pb::ListEventsRequest {
            start: Some(start(place)),
            page_size: PAGE,
            ..pb::ListEventsRequest::default()
        });
        let mut events = self.events.clone();
        Box::pin(async move { Ok(events.list_events(request).await?.into_inner()) })
    }

    /// Where the log begins and ends.
    pub(super) async fn ends(&self) -> Result<Ends, Trouble> {
        let log = self.log().await?;
        let earliest = self.place_in(&log.earliest_cursor);
        let earliest = earliest.ok_or_else(|| self.odd("a log without a beginning"))?;
        let latest = self.place_in(&log.latest_cursor);
        let latest = latest.ok_or_else(|| self.odd("a log without an end"))?;
        Ok(Ends {
            epoch: latest.epoch,
            floor: earliest.sequence,
            head: latest.sequence,
        })
    }

    fn log(&self) -> Asked<pb::EventLog> {
        let request = self.carry(pb::GetEventLogRequest::default());
        let mut events = self.events.clone();
        Box::pin(async move {
            let reply = events.get_event_log(request).await?.into_inner();
            Ok(reply.log.unwrap_or_default())
        })
    }

    /// The place that a cursor of this log names.
    pub(super) fn place_in(&self, cursor: &str) -> Option<Place> {
        let cursor = Cursor::decode(cursor, ALL_ORGANIZATIONS).ok()?;
        cursor.place(self.source).cloned()
    }

    /// A place in this log.
    pub(super) fn place(&self, epoch: Uuid, sequence: i64) -> Place {
        Place {
            service: self.source.to_owned(),
            epoch,
            sequence,
            told: None,
        }
    }

    /// The owner answers what it never should.
    pub(super) fn odd(&self, what: &str) -> Trouble {
        Trouble::Away(format!("{} answers with {what}", self.source))
    }

    fn carry<M>(&self, message: M) -> tonic::Request<M> {
        let mut request = tonic::Request::new(message);
        request.extensions_mut().insert(self.principal.clone());
        request
    }
}

/// A place as text.
pub(super) fn cursor(place: &Place) -> String {
    Cursor::single(
        ALL_ORGANIZATIONS,
        &place.service,
        place.epoch,
        place.sequence,
    )
    .encode()
}

fn start(place: &Place) -> pb::Start {
    pb::Start {
        at: Some(pb::start::At::Cursor(cursor(place))),
    }
}
