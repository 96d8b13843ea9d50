//! The owner of a log, who delivers it well or badly.

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use mainstay_practice::conformance::Scratch;
use mainstay_practice::tables::log_head;
use mainstay_practice::{EventApi, Store};
use mainstay_proto::mainstay::event::v1 as pb;
use pb::event_service_server::{EventService, EventServiceServer};
use pb::watch_events_response::Content;
use tonic::{Request, Response, Status};

use crate::tests::Entrance;

/// What becomes of a part of a stream.
type Mangle = dyn Fn(pb::WatchEventsResponse) -> Vec<pb::WatchEventsResponse> + Send + Sync;

/// The owner of a log.
#[derive(Clone)]
pub(super) struct Owner {
    log: EventApi,
    mangle: Arc<Mangle>,
}

impl Owner {
    pub(super) fn new(
        store: Store,
        mangle: impl Fn(pb::WatchEventsResponse) -> Vec<pb::WatchEventsResponse> + Send + Sync + 'static,
    ) -> Self {
        Self {
            log: EventApi::new(store),
            mangle: Arc::new(mangle),
        }
    }

    pub(super) fn entrance(self) -> Entrance<EventServiceServer<Self>> {
        Entrance(EventServiceServer::new(self))
    }
}

/// Delivers well.
pub(super) fn every_part(part: pb::WatchEventsResponse) -> Vec<pb::WatchEventsResponse> {
    vec![part]
}

/// How to deliver badly.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mangled {
    Repeated,
    Reversed,
    FirstLost,
    AllLost,
}

impl Mangled {
    pub(super) const ALL: [Self; 4] = [
        Self::Repeated,
        Self::Reversed,
        Self::FirstLost,
        Self::AllLost,
    ];

    pub(super) fn mangle(self, mut part: pb::WatchEventsResponse) -> Vec<pb::WatchEventsResponse> {
        let Some(Content::Events(batch)) = &mut part.content else {
            return vec![part];
        };
        match self {
            Self::Repeated => {
                batch.events = batch
                    .events
                    .iter()
                    .flat_map(|one| [one.clone(), one.clone()])
                    .collect();
                vec![part.clone(), part]
            }
            Self::Reversed => {
                batch.events.reverse();
                vec![part]
            }
            Self::FirstLost => {
                batch.events.remove(0);
                vec![part]
            }
            Self::AllLost => Vec::new(),
        }
    }
}

#[tonic::async_trait]
impl EventService for Owner {
    type WatchEventsStream =
        Pin<Box<dyn Stream<Item = Result<pb::WatchEventsResponse, Status>> + Send>>;

    async fn list_events(
        &self,
        request: Request<pb::ListEventsRequest>,
    ) -> Result<Response<pb::ListEventsResponse>, Status> {
        self.log.list_events(request).await
    }

    async fn watch_events(
        &self,
        request: Request<pb::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let mangle = self.mangle.clone();
        let stream = self.log.watch_events(request).await?.into_inner();
        let mangled = stream.flat_map(move |part| {
            let parts: Vec<Result<_, Status>> = match part {
                Ok(part) => mangle(part).into_iter().map(Ok).collect(),
                Err(status) => vec![Err(status)],
            };
            futures::stream::iter(parts)
        });
        Ok(Response::new(Box::pin(mangled)))
    }

    async fn get_event_log(
        &self,
        request: Request<pb::GetEventLogRequest>,
    ) -> Result<Response<pb::GetEventLogResponse>, Status> {
        self.log.get_event_log(request).await
    }
}

/// Their log as it is restored from a copy: the same events, another epoch.
pub(super) async fn restored(store: &Store, scratch: &Scratch) -> Store {
    use sea_orm::{EntityTrait, sea_query::Expr};
    store.close().await;
    let database = scratch.connect("note").await;
    log_head::Entity::update_many()
        .col_expr(log_head::Column::Epoch, Expr::value(uuid::Uuid::now_v7()))
        .exec(&database)
        .await
        .unwrap();
    database.close().await.unwrap();
    crate::open_by(scratch.database(), mainstay_chassis::Clock::wall())
        .await
        .unwrap()
}
