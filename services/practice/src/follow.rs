//! Following the log of another service: its events in order, each applied
//! once. What an event leads to and the follower's place in the log commit in
//! one transaction, and the place moves by compare-and-swap: two processes
//! that follow for the same purpose cannot both apply an event. A commit of
//! effects alone is not synced to the disk: should a power cut take the newest
//! effects, it takes the place with them, and they are made again.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use mainstay_chassis::{Principal, Refusal};
use mainstay_proto::LoggedEvent;
use mainstay_proto::mainstay::event::v1 as pb;
use pb::event_service_client::EventServiceClient;
use pb::watch_events_response::Content;
use sea_orm::sea_query::Value;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use tokio::sync::oneshot;
use tonic::body::Body;
use tonic::client::GrpcService;

use crate::Store;
use crate::store::{Batch, Fault, Operation, Row, Shape, Shelves, row_of};
use crate::tables::consumer_cursor;

/// The first pause after a failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Somebody who follows a log.
pub trait Follower: Send + Sync + 'static {
    /// What [`Follower::apply`] leaves for [`Follower::applied`].
    type Change: Send;

    /// Name of the follower, unique in its service.
    const NAME: &'static str;

    /// Says what events lead to. Pure: it may run again for the same events.
    fn apply(
        &self,
        events: &[(i64, pb::Event)],
        effects: &mut Effects,
    ) -> Result<Self::Change, Refusal>;

    /// Hears that it was committed, and up to which cursor.
    fn applied(&self, change: Self::Change, cursor: &str);
}

/// Rows of the follower's own plain tables.
#[derive(Debug, Default)]
pub struct Effects(HashMap<TypeId, (Arc<Shape>, Vec<Row>)>);

impl Effects {
    /// Inserts a row, or replaces the one with the same primary key.
    pub fn put<A: ActiveModelTrait + 'static>(&mut self, row: impl IntoActiveModel<A>) {
        let shape = || (Arc::new(Shape::of::<A::Entity>()), Vec::new());
        self.0
            .entry(TypeId::of::<A>())
            .or_insert_with(shape)
            .1
            .push(row_of(row.into_active_model()));
    }
}

/// The cursor up to which a follower has applied a service's log.
pub async fn applied_cursor<F: Follower>(
    store: &Store,
    source: &str,
) -> Result<Option<String>, Refusal> {
    let found = consumer_cursor::Entity::find_by_id(consumer::<F>(source))
        .one(store.reader())
        .await;
    Ok(found.map_err(crate::scope::away)?.map(|row| row.cursor))
}

fn consumer<F: Follower>(source: &str) -> String {
    format!("{}/{source}", F::NAME)
}

/// Follows a service's log until the store's drain.
pub async fn follow<F, S>(store: Store, source: &'static str, service: S, follower: Arc<F>)
where
    F: Follower,
    S: GrpcService<Body> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error:
        Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let mut pause = FIRST_PAUSE;
    while !store.drain().is_cancelled() {
        let ended = tokio::select! {
            ended = attempt(&store, source, service.clone(), follower.as_ref(), &mut pause) => ended,
            () = store.drain().cancelled() => return,
        };
        if let Err(error) = ended {
            tracing::warn!(follower = F::NAME, source, cause = %error, "following is interrupted");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            () = store.drain().cancelled() => return,
        }
    }
}

/// Follows until the stream ends or something fails.
async fn attempt<F, S>(
    store: &Store,
    source: &str,
    service: S,
    follower: &F,
    pause: &mut Duration,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    F: Follower,
    S: GrpcService<Body> + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::ResponseBody: http_body::Body<Data = bytes::Bytes> + Send + 'static,
    <S::ResponseBody as http_body::Body>::Error:
        Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let stored = applied_cursor::<F>(store, source).await?;
    let at = match &stored {
        Some(cursor) => pb::start::At::Cursor(cursor.clone()),
        None => pb::start::At::Point(pb::StartPoint::Earliest.into()),
    };
    let mut cursor = stored.unwrap_or_default();
    let mut request = tonic::Request::new(pb::WatchEventsRequest {
        start: Some(pb::Start { at: Some(at) }),
        ..pb::WatchEventsRequest::default()
    });
    request
        .extensions_mut()
        .insert(Principal::follower(store.log().service()));
    let mut responses = EventServiceClient::new(service)
        .watch_events(request)
        .await?
        .into_inner();
    let mut last = None;
    while let Some(response) = responses.next().await {
        let response = response?;
        match response.content {
            Some(Content::Events(batch)) => {
                let events = decoded(&batch.events, &mut last)?;
                cursor = step(store, source, follower, cursor, response.cursor, &events).await?;
                *pause = FIRST_PAUSE;
            }
            Some(Content::Drain(_)) => break,
            Some(Content::Bookmark(_)) | None => {}
        }
    }
    Ok(())
}

/// Decodes events, and makes sure that none is missing.
fn decoded(
    batch: &[LoggedEvent],
    last: &mut Option<i64>,
) -> Result<Vec<(i64, pb::Event)>, Box<dyn std::error::Error + Send + Sync>> {
    let mut events = Vec::with_capacity(batch.len());
    for logged in batch {
        if last.is_some_and(|last| logged.sequence != last + 1) {
            return Err(format!("event {} does not follow {last:?}", logged.sequence).into());
        }
        *last = Some(logged.sequence);
        events.push((logged.sequence, logged.decode()?));
    }
    Ok(events)
}

/// Applies a batch; returns the cursor after it.
async fn step<F: Follower>(
    store: &Store,
    source: &str,
    follower: &F,
    from: String,
    to: String,
    events: &[(i64, pb::Event)],
) -> Result<String, Refusal> {
    let mut effects = Effects::default();
    let change = follower.apply(events, &mut effects)?;
    let (answer, applied) = oneshot::channel();
    store.submit(Box::new(Apply {
        consumer: consumer::<F>(source),
        from,
        to: to.clone(),
        now_us: store.clock().now_us(),
        effects: effects.0.into_values().collect(),
        outcome: Err(Refusal::unavailable()),
        answer,
    }))?;
    applied
        .await
        .unwrap_or_else(|_| Err(Refusal::unavailable()))?;
    follower.applied(change, &to);
    Ok(to)
}

/// A batch of effects that waits for the writer.
struct Apply {
    consumer: String,
    from: String,
    to: String,
    now_us: i64,
    effects: Vec<(Arc<Shape>, Vec<Row>)>,
    outcome: Result<(), Refusal>,
    answer: oneshot::Sender<Result<(), Refusal>>,
}

impl Apply {
    /// Where the consumer stands, after what the batch has done so far.
    fn place(&self, batch: &Batch<'_>, shape: &Shape) -> String {
        let moved = batch.cursors.get(&self.consumer).cloned();
        let stored = || {
            let rows = batch
                .shelves
                .row(shape, 0, &self.consumer.as_str().into())?;
            match rows.first()?.get(1) {
                Some(Value::String(cursor)) => cursor.clone(),
                Some(_) | None => None,
            }
        };
        moved.or_else(stored).unwrap_or_default()
    }
}

impl Operation for Apply {
    fn repeatable(&self) -> bool {
        true
    }

    fn durable(&self) -> bool {
        false
    }

    fn want(&self, shelves: &mut Shelves) {
        let shape = Arc::new(Shape::of::<consumer_cursor::Entity>());
        shelves.look(&shape, 0, self.consumer.as_str().into());
    }

    fn decide(&mut self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        let shape = Arc::new(Shape::of::<consumer_cursor::Entity>());
        let place = self.place(batch, &shape);
        if place != self.from {
            self.outcome = Err(Refusal::stale(&self.consumer, place));
            return Ok(());
        }
        let moved = consumer_cursor::Model {
            consumer: self.consumer.clone(),
            cursor: self.to.clone(),
            updated_us: self.now_us,
        };
        let moved = IntoActiveModel::<consumer_cursor::ActiveModel>::into_active_model(moved);
        batch.puts.push((shape, vec![row_of(moved)]));
        batch.puts.extend(self.effects.iter().cloned());
        batch.cursors.insert(self.consumer.clone(), self.to.clone());
        self.outcome = Ok(());
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.outcome = Err(refusal);
    }

    fn answer(self: Box<Self>) {
        let _ = self.answer.send(self.outcome);
    }
}
