//! Where the records of a service live. `act` and its siblings hand an
//! operation to the writer and await what comes of it; they are the only way
//! to write a record. An acknowledged write is on the disk, with its event.
//!
//! A write goes on when its caller goes away: it is data in the writer's
//! queue. The queue is bounded: a full one refuses, it never grows.

mod backend;
mod batch;
mod engine;
mod op;
mod point;
mod replay;
mod shelf;
mod sqlite;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::TryStreamExt;
use mainstay_chassis::{Clock, Permit, Refusal};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbBackend, DbErr, EntityTrait, Iterable,
    PrimaryKeyToColumn, QueryOrder,
};
use sea_orm_migration::MigratorTrait;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::log::Log;
use crate::scope::{Scope, away};
use crate::tables::{log_head, number_head, organization_head};
use crate::{Call, Decision, Moment, Record, Step, Written};
use batch::{Heads, Numbers};
use op::{Op, Pending};

pub(crate) use backend::{Fault, Row, Shape, row_of};
pub(crate) use batch::{Batch, chained};
pub(crate) use op::{Op as Operation, restored};
pub(crate) use point::Points;
pub(crate) use shelf::Shelves;
#[expect(unused_imports, reason = "followers' effects are made of it")]
pub(crate) use write::Effect;
pub(crate) use write::Write;
pub use write::{MOST_RECORDS, Seen, Targets};

/// So many writes may wait for the writer.
const QUEUE: usize = 1_024;
/// So many connections read.
const READERS: u32 = 6;

/// Where a store lives and what it knows of the process.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// The folder of the file `{service}.db`.
    pub folder: PathBuf,
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
}

/// The records of a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: Log,
    reader: DatabaseConnection,
    points: Arc<Points>,
    clock: Clock,
    drain: CancellationToken,
    queue: Mutex<Option<mpsc::Sender<Box<dyn Op>>>>,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Store {
    /// Opens the store of a service, making it or bringing it up to date.
    pub async fn open<M: MigratorTrait>(
        service: &'static str,
        settings: StoreSettings,
    ) -> Result<Self, StoreError> {
        let failed = |cause: String| StoreError { service, cause };
        let path = settings.folder.join(format!("{service}.db"));
        let heads = prepare::<M>(&path)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let reader = connect(&path, READERS, true)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let log = Log::new(service, heads.epoch, heads.floor, heads.seq, reader.clone());
        let (queue, operations) = mpsc::channel(QUEUE);
        let (end, ended) = oneshot::channel();
        let backend = sqlite::Sqlite::open(&path).map_err(|fault| failed(fault.to_string()))?;
        let engine =
            engine::Engine::new(backend, service, settings.clock.clone(), log.clone(), heads);
        let writer = std::thread::Builder::new().name(format!("{service}-writer"));
        writer
            .spawn(move || {
                futures::executor::block_on(engine.run(operations));
                let _ = end.send(());
            })
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self(Arc::new(Inner {
            log,
            reader,
            points: Arc::new(Points::new(path)),
            clock: settings.clock,
            drain: settings.drain,
            queue: Mutex::new(Some(queue)),
            ended: Mutex::new(Some(ended)),
        })))
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
        let mut rows = rows.stream(&self.0.reader).await.map_err(away)?;
        while let Some(row) = rows.try_next().await.map_err(away)? {
            take(row)?;
        }
        Ok(())
    }

    /// The connection of readers that serve all organizations.
    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.0.reader
    }

    /// Why what the store holds cannot be used.
    pub(crate) fn unusable(&self, cause: &Refusal) -> StoreError {
        StoreError {
            service: self.0.log.service(),
            cause: cause.to_string(),
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

/// Runs the migrations and reads where everything ends.
async fn prepare<M: MigratorTrait>(path: &Path) -> Result<Heads, DbErr> {
    let conn = connect(path, 1, false).await?;
    crate::migrations::Migrator::up(&conn, None).await?;
    M::up(&conn, None).await?;
    let head = match log_head::Entity::find_by_id(0).one(&conn).await? {
        Some(head) => head,
        None => first_head(&conn).await?,
    };
    let organizations = organization_head::Entity::find().all(&conn).await?;
    let numbers = number_head::Entity::find().all(&conn).await?;
    conn.close().await?;
    Ok(Heads {
        epoch: head.epoch,
        seq: head.seq,
        recorded_us: head.recorded_us,
        floor: head.floor,
        hash: head
            .hash
            .try_into()
            .map_err(|_| DbErr::Custom("log_head.hash has not 32 bytes".to_owned()))?,
        organizations: organizations
            .into_iter()
            .map(|row| (row.organization, row.org_sequence))
            .collect(),
        numbers: numbers
            .into_iter()
            .map(|row| ((row.organization, row.kind), Numbers::after(row.number)))
            .collect(),
    })
}

async fn first_head(conn: &DatabaseConnection) -> Result<log_head::Model, DbErr> {
    let head = log_head::Model {
        id: 0,
        epoch: Uuid::now_v7(),
        seq: 0,
        recorded_us: 0,
        floor: 0,
        hash: vec![0; 32],
    };
    let row = sea_orm::IntoActiveModel::<log_head::ActiveModel>::into_active_model(head.clone());
    log_head::Entity::insert(row)
        .exec_without_returning(conn)
        .await?;
    Ok(head)
}

async fn connect(
    path: &Path,
    connections: u32,
    read_only: bool,
) -> Result<DatabaseConnection, DbErr> {
    // The path goes in by itself: a URL would have to be escaped.
    let mut options = ConnectOptions::new("sqlite://");
    let path = path.to_owned();
    options
        .max_connections(connections)
        .min_connections(1)
        .sqlx_logging(false)
        .test_before_acquire(false);
    options.map_sqlx_sqlite_opts(move |sqlite| {
        let sqlite = sqlite
            .filename(&path)
            .create_if_missing(true)
            .pragma("journal_mode", "WAL")
            .pragma("busy_timeout", "5000")
            .pragma("temp_store", "MEMORY");
        match read_only {
            true => sqlite
                .pragma("query_only", "ON")
                .pragma("wal_autocheckpoint", "0"),
            false => sqlite,
        }
    });
    Database::connect(options).await
}

/// A connection that only reads, for a file that a server may be writing.
pub(crate) async fn open_reader(path: &Path) -> Result<DatabaseConnection, DbErr> {
    match path.exists() {
        true => connect(path, 1, true).await,
        false => Err(DbErr::Custom("there is no such file".to_owned())),
    }
}

/// The words after a table's columns that keep it as one tree by its key.
pub fn without_rowid(backend: DbBackend) -> &'static str {
    match backend == DbBackend::Sqlite {
        true => "WITHOUT ROWID",
        false => "",
    }
}
