//! `EventService` over one service's log: pages and streams that resume, in
//! order, without a gap. A stream has no queue: a slow reader stops pulling,
//! and goes on from the database when it has fallen behind the ring.

mod records;
mod sieve;
mod watcher;

use std::pin::Pin;
use std::time::Duration;

use futures::Stream;
use mainstay_chassis::Refusal;
use mainstay_chassis::clock::micros;
use mainstay_proto::mainstay::event::v1 as pb;
use pb::event_service_server::EventService;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status};

use crate::call::permit;
use crate::cursor::Cursor;
use crate::log::Position;
use crate::{Store, name};
use records::Telling;
pub use sieve::Sieve;
use watcher::Watcher;

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
    ) -> Result<(Position, Option<Telling>), Refusal> {
        let log = self.0.log();
        let telling = |at, told| Telling::new(organization, at, told);
        let position = match start.and_then(|start| start.at.as_ref()) {
            None => log.earliest(),
            Some(pb::start::At::Cursor(text)) => {
                let cursor = Cursor::decode(text, organization)?;
                let position = log.position(organization, &cursor).await?;
                let told = cursor.place(log.service()).and_then(|place| place.told);
                return Ok((position, told.map(|told| telling(position, told))));
            }
            Some(pb::start::At::Time(time)) => {
                let time_us = micros(time).ok_or_else(|| {
                    Refusal::invalid("start.time", "must lie in the years 1 to 9999")
                })?;
                log.at(organization, time_us).await?
            }
            Some(pb::start::At::Point(point)) => match pb::StartPoint::try_from(*point) {
                Ok(pb::StartPoint::Latest) => log.latest(organization).await?,
                Ok(pb::StartPoint::Snapshot) => {
                    let latest = log.latest(organization).await?;
                    return Ok((latest, Some(telling(latest, 0))));
                }
                Ok(pb::StartPoint::Earliest | pb::StartPoint::Unspecified) | Err(_) => {
                    log.earliest()
                }
            },
        };
        Ok((position, None))
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
        let (position, telling) = self.start(&organization, request.start.as_ref()).await?;
        let sieve = Sieve::new(permit.principal().clone(), request.filter)?;
        let most = usize::try_from(request.page_size)
            .ok()
            .filter(|size| *size > 0)
            .unwrap_or(50);
        if let Some(telling) = telling {
            let page = records::page(&self.0, telling, &sieve, most).await?;
            return Ok(Response::new(page));
        }
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
        let (position, telling) = self.start(&organization, request.start.as_ref()).await?;
        let sieve = Sieve::new(permit.principal().clone(), request.filter)?;
        let at = request.start.and_then(|start| start.at);
        let greet = at == Some(pb::start::At::Point(pb::StartPoint::Latest.into()));
        let watcher =
            Watcher::new(self.0.clone(), organization, sieve, position, greet).telling(telling);
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
