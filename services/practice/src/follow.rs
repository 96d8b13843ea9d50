//! Following the log of another service: its events in order, each applied
//! once. What an event leads to and the follower's place in the log commit in
//! one transaction, and the place moves by compare-and-swap: of the processes
//! that follow for the same purpose one applies an event, the others hear that
//! it was. A commit of effects on plain tables alone is not synced to the disk:
//! should a power cut take the newest of them, it takes the place with them,
//! and they are made again.
//!
//! Read in this order: `follower.rs` (what a follower is), `effects.rs` (what
//! it may do), `following.rs` (the loop), `step.rs` (one run of events, and
//! what becomes of one that cannot be applied), `apply.rs` (the transaction),
//! `feed.rs` (the log's owner), `desk.rs` (what operators ask for).
//!
//! A log that was replaced (restored from a backup, or cut) has another epoch.
//! When the follower's last event is still where it was, it goes on from there;
//! else it begins again at the earliest event: replicas are emptied and built
//! anew, and effects must be idempotent, by the natural key of what they make
//! and by answering `Unchanged` to what is done already.

mod api;
mod apply;
mod board;
mod desk;
mod effects;
mod feed;
mod follower;
mod following;
mod heard;
pub mod intervention;
mod pace;
mod parked;
mod step;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use mainstay_chassis::{Methods, Peer, Refusal};
use mainstay_proto::mainstay::event::v1::event_service_server::EventServiceServer;
use sea_orm::EntityTrait;
use tonic::body::Body;
use tonic::codegen::{Service, StdError};
use tonic::service::Routes;

use crate::tables::consumer_cursor;
use crate::{EventApi, Store};

pub use api::FollowerApi;
pub use board::{Board, Standing, State};
pub use effects::{Effects, RecordEffects};
pub use follower::{Follower, Replicas};
pub use pace::Pace;

use feed::Feed;
use following::Following;

/// The cursor up to which a follower has applied a service's log.
pub async fn applied_cursor<F: Follower>(
    store: &Store,
    source: &str,
) -> Result<Option<String>, Refusal> {
    let row = place(store, &consumer::<F>(source)).await?;
    Ok(row
        .map(|row| row.cursor)
        .filter(|cursor| !cursor.is_empty()))
}

/// The name under which a follower's place is kept.
fn consumer<F: Follower>(source: &str) -> String {
    format!("{}/{source}", F::NAME)
}

/// The place of a consumer, as it is stored.
async fn place(store: &Store, consumer: &str) -> Result<Option<consumer_cursor::Model>, Refusal> {
    let found = consumer_cursor::Entity::find_by_id(consumer)
        .one(store.reader())
        .await;
    found.map_err(crate::scope::away)
}

/// Follows a service's log until the store's drain.
pub fn follow<F, S, B>(
    store: Store,
    source: &'static str,
    service: S,
    follower: Arc<F>,
) -> BoxFuture<'static, ()>
where
    F: Follower,
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<StdError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    follow_at(store, source, service, follower, Pace::default())
}

/// Follows at another pace.
pub fn follow_at<F, S, B>(
    store: Store,
    source: &'static str,
    service: S,
    follower: Arc<F>,
    pace: Pace,
) -> BoxFuture<'static, ()>
where
    F: Follower,
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<StdError>,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StdError>,
{
    let feed = Feed::new(service, source, store.log().service());
    Box::pin(Following::new(store, source, feed, follower, pace).run())
}

/// Follows the service's own log until the store's drain.
pub fn follow_own<F: Follower>(store: Store, follower: Arc<F>) -> BoxFuture<'static, ()> {
    let source = store.log().service();
    let routes = Routes::new(EventServiceServer::new(EventApi::new(store.clone())));
    let own = Peer::new(routes, Methods::of(mainstay_proto::descriptors()));
    follow(store, source, own, follower)
}
