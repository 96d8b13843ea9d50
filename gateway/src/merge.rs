//! `EventService` of the whole: the logs of all services and the gateway's
//! own, merged. A cursor holds a place in each; order is promised within a
//! service, and a page is in the order in which its events were recorded.

mod places;

use std::pin::Pin;

use futures::stream::{BoxStream, SelectAll};
use futures::{Stream, StreamExt};
use mainstay_chassis::{Deadline, Peer, Principal, Refusal};
use mainstay_practice::call::permit;
use mainstay_practice::name;
use mainstay_proto::LoggedEvent;
use mainstay_proto::mainstay::event::v1 as pb;
use pb::event_service_client::EventServiceClient;
use pb::event_service_server::EventService;
use pb::watch_events_response::Content;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use places::Places;

/// How long a client waits before it reconnects.
const RECONNECT_DELAY_MS: i32 = 200;

/// The merged log.
#[derive(Clone, Debug)]
pub struct MergedEvents {
    sources: Vec<Source>,
}

/// One log of the merge.
#[derive(Clone, Debug)]
struct Source {
    service: &'static str,
    events: EventServiceClient<Peer>,
}

impl MergedEvents {
    /// Merges the logs of these services.
    pub fn new(sources: impl IntoIterator<Item = (&'static str, Peer)>) -> Self {
        let source = |(service, peer)| Source {
            service,
            events: EventServiceClient::new(peer),
        };
        Self {
            sources: sources.into_iter().map(source).collect(),
        }
    }

    /// Asks every log for what follows its place.
    async fn pages(
        &self,
        ask: &Ask,
        places: &Places,
        wait: Option<prost_types::Duration>,
    ) -> Result<Vec<pb::ListEventsResponse>, Status> {
        let calls = self.sources.iter().map(|source| {
            let request = pb::ListEventsRequest {
                parent: String::new(),
                start: Some(places.start(source.service)),
                filter: ask.filter.clone(),
                page_size: ask.page_size,
                wait,
            };
            let mut events = source.events.clone();
            async move { Ok(events.list_events(ask.carry(request)).await?.into_inner()) }
        });
        match wait {
            None => futures::future::try_join_all(calls).await,
            // The first log that has something ends the wait for all.
            Some(_) => {
                let (first, ..) = futures::future::select_all(calls.map(Box::pin)).await;
                first.map(|_: pb::ListEventsResponse| Vec::new())
            }
        }
    }
}

/// What a caller asks for, to be passed on to every log.
struct Ask {
    principal: Principal,
    deadline: Option<Deadline>,
    filter: Option<pb::EventFilter>,
    page_size: i32,
}

impl Ask {
    fn of<M>(
        request: &Request<M>,
        filter: Option<pb::EventFilter>,
        page_size: i32,
    ) -> Result<Self, Refusal> {
        let principal = permit(request)?.principal().clone();
        Ok(Self {
            principal,
            deadline: request.extensions().get::<Deadline>().copied(),
            filter,
            page_size,
        })
    }

    /// A request to a log, in the name of the caller.
    fn carry<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(self.principal.clone());
        if let Some(deadline) = self.deadline {
            request.extensions_mut().insert(deadline);
        }
        request
    }

    fn organization(&self) -> &str {
        self.principal.organization()
    }
}

#[tonic::async_trait]
impl EventService for MergedEvents {
    type WatchEventsStream =
        Pin<Box<dyn Stream<Item = Result<pb::WatchEventsResponse, Status>> + Send>>;

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        let message = request.get_ref();
        let size = if message.page_size == 0 {
            50
        } else {
            message.page_size
        };
        let ask = Ask::of(&request, message.filter.clone(), size)?;
        name::parent(&message.parent, ask.organization())?;
        let mut places = self.places(&ask, message.start.as_ref()).await?;
        let mut pages = self.pages(&ask, &places, None).await?;
        if message.wait.is_some() && pages.iter().all(|page| page.events.is_empty()) {
            places.follow(&self.sources, &pages, ask.organization())?;
            self.pages(&ask, &places, message.wait).await?;
            pages = self.pages(&ask, &places, None).await?;
        }
        let events = places.take(&self.sources, pages, size, ask.organization())?;
        Ok(Response::new(pb::ListEventsResponse {
            events,
            next_cursor: places.cursor(ask.organization()),
        }))
    }

    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let message = request.get_ref();
        let ask = Ask::of(&request, message.filter.clone(), 0)?;
        name::parent(&message.parent, ask.organization())?;
        let places = self.places(&ask, message.start.as_ref()).await?;
        let at = message.start.as_ref().and_then(|start| start.at.clone());
        let greet = at == Some(pb::start::At::Point(pb::StartPoint::Latest.into()));
        let mut streams: SelectAll<BoxStream<'static, Part>> = SelectAll::new();
        for source in &self.sources {
            let request = pb::WatchEventsRequest {
                parent: String::new(),
                start: Some(places.start(source.service)),
                filter: ask.filter.clone(),
            };
            let service = source.service;
            let stream = source
                .events
                .clone()
                .watch_events(ask.carry(request))
                .await?
                .into_inner();
            streams.push(stream.map(move |part| (service, part)).boxed());
        }
        let merged = Merged {
            rights: ask.principal.ended().clone(),
            organization: ask.organization().to_owned(),
            places,
            streams,
            greet,
            ended: false,
        };
        Ok(Response::new(Box::pin(futures::stream::unfold(
            merged,
            |mut merged| async move { merged.next().await.map(|response| (response, merged)) },
        ))))
    }

    async fn get_event_log(
        &self,
        request: Request<pb::GetEventLogRequest>,
    ) -> Result<Response<pb::GetEventLogResponse>, Status> {
        let ask = Ask::of(&request, None, 0)?;
        let mut services = Vec::new();
        let (mut earliest, mut latest) = (Places::default(), Places::default());
        for source in &self.sources {
            let log = source.log(&ask, request.get_ref().name.clone()).await?;
            earliest.learn(source.service, &log.earliest_cursor, ask.organization())?;
            latest.learn(source.service, &log.latest_cursor, ask.organization())?;
            services.extend(log.services);
        }
        let log = pb::EventLog {
            name: format!("organizations/{}/eventLog", ask.organization()),
            earliest_cursor: earliest.cursor(ask.organization()),
            latest_cursor: latest.cursor(ask.organization()),
            services,
        };
        Ok(Response::new(pb::GetEventLogResponse { log: Some(log) }))
    }
}

impl Source {
    async fn log(&self, ask: &Ask, name: String) -> Result<pb::EventLog, Status> {
        let reply = self
            .events
            .clone()
            .get_event_log(ask.carry(pb::GetEventLogRequest { name }))
            .await?;
        Ok(reply.into_inner().log.unwrap_or_default())
    }
}

type Part = (&'static str, Result<pb::WatchEventsResponse, Status>);

/// A merged stream.
struct Merged {
    /// Cancelled when the caller's rights end: a log in another process does
    /// not hear of it.
    rights: CancellationToken,
    organization: String,
    places: Places,
    streams: SelectAll<BoxStream<'static, Part>>,
    greet: bool,
    ended: bool,
}

impl Merged {
    async fn next(&mut self) -> Option<Result<pb::WatchEventsResponse, Status>> {
        if self.ended {
            return None;
        }
        if std::mem::take(&mut self.greet) {
            return Some(Ok(pb::WatchEventsResponse {
                cursor: self.places.cursor(&self.organization),
                ..Default::default()
            }));
        }
        loop {
            let part = tokio::select! {
                biased;
                () = self.rights.cancelled() => return Some(Ok(self.out_of_rights())),
                part = self.streams.next() => part,
            };
            let (service, part) = part?;
            let response = part.and_then(|part| self.merge(service, part));
            self.ended = !matches!(&response, Ok(Some(_)) | Ok(None));
            if let Some(response) = response.transpose() {
                return Some(response);
            }
        }
    }

    /// The last word to a caller whose rights have ended.
    fn out_of_rights(&mut self) -> pb::WatchEventsResponse {
        self.ended = true;
        self.streams.clear();
        pb::WatchEventsResponse {
            cursor: self.places.cursor(&self.organization),
            server_time: None,
            content: Some(Content::Drain(pb::Drain {
                reason: "rights".to_owned(),
                reconnect_delay_ms: RECONNECT_DELAY_MS,
            })),
        }
    }

    /// A part with the cursor of the whole; none when it says nothing.
    fn merge(
        &mut self,
        service: &'static str,
        part: pb::WatchEventsResponse,
    ) -> Result<Option<pb::WatchEventsResponse>, Status> {
        self.places
            .learn(service, &part.cursor, &self.organization)?;
        let Some(content) = part.content else {
            return Ok(None);
        };
        // The records are told when those of all services are.
        if matches!(content, Content::Bookmark(_)) && self.places.telling() {
            return Ok(None);
        }
        let drained = matches!(content, Content::Drain(_));
        let cursor = self.places.cursor(&self.organization);
        if drained {
            // One log that ends its stream ends the whole: the client comes again.
            self.streams.clear();
        }
        Ok(Some(pb::WatchEventsResponse {
            cursor,
            server_time: part.server_time,
            content: Some(content),
        }))
    }
}

/// When an event was recorded, for the order of a page.
fn recorded(event: &LoggedEvent) -> (i64, i32) {
    event
        .record_time
        .as_ref()
        .map_or((0, 0), |time| (time.seconds, time.nanos))
}
