//! Where the records of a service live. `act` and its siblings hand an
//! operation to the writer and await what comes of it; they are the only way
//! to write a record. An acknowledged write is on the disk, with its event.
//!
//! A write goes on when its caller goes away: it is data in the writer's
//! queue. The queue is bounded: a full one refuses, it never grows.

mod backend;
mod batch;
mod clock;
mod database;
mod engine;
mod op;
mod open;
mod plain;
mod point;
mod postgres;
mod redact;
mod replay;
mod shelf;
mod sqlite;
mod tail;
mod write;

use std::sync::{Arc, Mutex, PoisonError};

use futures::TryStreamExt;
use mainstay_chassis::clock::OtherClock;
use mainstay_chassis::{Clock, Permit, Refusal};
use sea_orm::{
    DatabaseConnection, DbBackend, EntityTrait, Iterable, PrimaryKeyToColumn, QueryOrder,
};
use sea_orm_migration::MigratorTrait;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::follow::Board;
use crate::log::Log;
use crate::scope::{Scope, away};
use crate::timer::Alarm;
use crate::{Call, Decision, Moment, Record, Step, Written};
use op::{Op, Pending};

pub(crate) use backend::{Fault, Row, Shape, model, row_of};
pub(crate) use batch::{Batch, Heads, chained};
pub use database::{Database, DatabaseUrl, NoDatabaseUrl};
pub(crate) use engine::MOST as MOST_OPERATIONS;
pub(crate) use op::{Op as Operation, restored};
pub(crate) use open::{logs, open_reader};
pub(crate) use point::Points;
pub(crate) use redact::REDACTED;
pub(crate) use shelf::{Saves, Shelves};
pub(crate) use write::{Effect, Write, on_one};
pub use write::{MOST_RECORDS, Seen, Targets};

/// So many writes may wait for the writer.
const QUEUE: usize = 1_024;

/// Where a store lives and what it knows of the process.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// Where its records are kept.
    pub database: Database,
    /// The clock.
    pub clock: Clock,
    /// Cancelled when streams are to end.
    pub drain: CancellationToken,
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the store {service} cannot be opened: {cause}")]
pub struct StoreError {
    service: &'static str,
    cause: String,
    /// The clock that its data was made under, when that is in the way.
    #[source]
    pub other_clock: Option<OtherClock>,
}

/// The records of a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: &'static str,
    database: Database,
    log: Log,
    reader: DatabaseConnection,
    points: Arc<Points>,
    clock: Clock,
    alarm: Alarm,
    drain: CancellationToken,
    /// Ends what looks at the log of other processes, at the latest with the store.
    closed: CancellationToken,
    _closes: DropGuard,
    followers: Board,
    queue: Mutex<Option<mpsc::Sender<Box<dyn Op>>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Store {
    /// Opens the store of a service, making it or bringing it up to date.
    pub async fn open<M: MigratorTrait>(
        service: &'static str,
        settings: StoreSettings,
    ) -> Result<Self, StoreError> {
        let (queue, operations) = mpsc::channel(QUEUE);
        let closed = CancellationToken::new();
        let closes = closed.clone().drop_guard();
        let alarm = Alarm::default();
        let opened = open::open::<M>(service, &settings, &alarm, operations, &closed).await?;
        let store = Self(Arc::new(Inner {
            service,
            database: settings.database,
            log: opened.log,
            reader: opened.reader,
            points: Arc::new(opened.points),
            clock: settings.clock,
            alarm,
            drain: settings.drain,
            closed,
            _closes: closes,
            followers: Board::default(),
            queue: Mutex::new(Some(queue)),
            ended: Mutex::new(Some(opened.ended)),
        }));
        clock::join(&store);
        Ok(store)
    }

    /// Loads a record, decides, guards, writes and publishes, in one transaction.
    pub async fn act<R: Record>(
        &self,
        call: Call,
        id: Uuid,
        decide: impl Fn(&mut R, &Moment) -> Result<Decision<R::Event, R>, Refusal> + Send + 'static,
    ) -> Result<Written<R>, Refusal> {
        self.act_looking(call, id, Targets::of([id]), move |record, _, moment| {
            decide(record, moment)
        })
        .await
    }

    /// Does the same to one of several targets, in sight of the others and of
    /// what else the targets look at.
    pub async fn act_looking<R: Record>(
        &self,
        call: Call,
        id: Uuid,
        targets: Targets<R>,
        decide: impl Fn(&mut R, &Seen<'_, R>, &Moment) -> Result<Decision<R::Event, R>, Refusal>
        + Send
        + 'static,
    ) -> Result<Written<R>, Refusal> {
        let written = self
            .act_all(call, targets, write::on_one(id, decide))
            .await?;
        one(written
            .into_iter()
            .find(|written| written.record.id() == id))
    }

    /// Changes several records of one kind together, or makes some: all or
    /// nothing. What is written comes in the order of the targets, and what was
    /// made after them.
    pub async fn act_all<R: Record>(
        &self,
        call: Call,
        targets: Targets<R>,
        decide: impl Fn(&Seen<'_, R>, &Moment) -> Result<Vec<Step<R::Event, R>>, Refusal>
        + Send
        + 'static,
    ) -> Result<Vec<Written<R>>, Refusal> {
        let (operation, answer) = Pending::new(Write::new(call, targets, decide));
        self.submit(Box::new(operation))?;
        answer.await.unwrap_or_else(|_| Err(Refusal::unavailable()))
    }

    /// Makes a record.
    pub async fn create<R: Record>(
        &self,
        call: Call,
        build: impl Fn(&Moment) -> Result<(R, R::Event), Refusal> + Send + 'static,
    ) -> Result<Written<R>, Refusal> {
        self.create_history(call, move |moment| {
            let (after, event) = build(moment)?;
            Ok(vec![Step {
                after,
                event,
                occur_us: moment.now_us,
            }])
        })
        .await
    }

    /// Makes a record that has a history already.
    pub async fn create_history<R: Record>(
        &self,
        call: Call,
        build: impl Fn(&Moment) -> Result<Vec<Step<R::Event, R>>, Refusal> + Send + 'static,
    ) -> Result<Written<R>, Refusal> {
        let targets = Targets::of([]).making(1);
        let written = self
            .act_all(call, targets, move |_, moment| build(moment))
            .await?;
        one(written.into_iter().next())
    }

    /// The moment of a call that is only to be checked.
    pub fn moment(&self, call: &Call) -> Moment {
        Moment {
            now_us: self.0.clock.now_us(),
            actor: call.permit.principal().name().to_owned(),
            roles: call.permit.principal().roles().clone(),
            id: Uuid::now_v7(),
        }
    }

    /// The only way to read: what a permit covers.
    pub fn scope(&self, permit: &Permit) -> Scope {
        Scope::new(
            self.0.reader.clone(),
            self.0.points.clone(),
            self.0.log.clone(),
            permit.organization(),
        )
    }

    /// Hands over all rows of a table, whosesoever they are, in the order of
    /// its primary key and one at a time: what is kept in memory is rebuilt so.
    pub async fn each<E: EntityTrait>(
        &self,
        mut take: impl FnMut(E::Model) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let rows =
            E::PrimaryKey::iter().fold(E::find(), |rows, key| rows.order_by_asc(key.into_column()));
        // A connection of its own: others serve callers, and may not take long.
        let reader = open_reader(&self.0.database, self.0.service).await;
        let reader = reader.map_err(away)?;
        let mut rows = rows.stream(&reader).await.map_err(away)?;
        while let Some(row) = rows.try_next().await.map_err(away)? {
            take(row)?;
        }
        drop(rows);
        reader.close().await.map_err(away)
    }

    /// Whether other processes may write to the same log.
    pub fn is_shared(&self) -> bool {
        matches!(self.0.database, Database::Postgres { .. })
    }

    /// The connection of readers that serve all organizations.
    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.0.reader
    }

    /// Cancelled when it is closed.
    pub(crate) fn closed(&self) -> &CancellationToken {
        &self.0.closed
    }

    /// Why what the store holds cannot be used.
    pub(crate) fn unusable(&self, cause: &Refusal) -> StoreError {
        StoreError {
            service: self.0.log.service(),
            cause: cause.to_string(),
            other_clock: None,
        }
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// The followers that write here.
    pub fn followers(&self) -> &Board {
        &self.0.followers
    }

    /// Cancelled when streams are to end.
    pub fn drain(&self) -> &CancellationToken {
        &self.0.drain
    }

    /// Refuses new writes, finishes those that wait, and closes the file.
    pub async fn close(&self) {
        drop(
            self.0
                .queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let ended = self
            .0
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(ended) = ended {
            let _ = ended.await;
        }
        self.0.closed.cancel();
        self.0.points.close();
        if let Err(error) = self.0.reader.clone().close().await {
            tracing::warn!(cause = %error, "readers were not closed cleanly");
        }
    }

    /// Hands an operation to the writer.
    pub(crate) fn submit(&self, operation: Box<dyn Op>) -> Result<(), Refusal> {
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queue.as_ref().ok_or_else(Refusal::unavailable)?;
        queue.try_send(operation).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Refusal::overloaded(),
            mpsc::error::TrySendError::Closed(_) => Refusal::unavailable(),
        })
    }
}

/// The only record that was written.
fn one<R: Record>(written: Option<Written<R>>) -> Result<Written<R>, Refusal> {
    written.ok_or_else(|| Refusal::internal("a record was neither there nor made"))
}

/// The words after a table's columns that keep it as one tree by its key.
pub fn without_rowid(backend: DbBackend) -> &'static str {
    match backend == DbBackend::Sqlite {
        true => "WITHOUT ROWID",
        false => "",
    }
}
