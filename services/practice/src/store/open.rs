//! Opening a store: the database made or brought up to date, readers, writer.

use std::path::{Path, PathBuf};

use mainstay_chassis::Clock;
use mainstay_chassis::clock::OtherClock;
use sea_orm::{ConnectOptions, DatabaseConnection, DbErr, EntityTrait};
use sea_orm_migration::MigratorTrait;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::backend::Backend;
use super::batch::{Heads, Numbers};
use super::database::{Database, DatabaseUrl};
use super::engine::Engine;
use super::op::Op;
use super::point::Points;
use super::{StoreError, StoreSettings, clock, postgres, sqlite, tail};
use crate::log::Log;
use crate::tables::{log_head, number_head, organization_head, store_clock};
use crate::timer::Alarm;

/// So many connections read a file.
const READERS: u32 = 6;

/// What a store is made of.
pub(super) struct Opened {
    pub(super) log: Log,
    pub(super) reader: DatabaseConnection,
    pub(super) points: Points,
    pub(super) ended: oneshot::Receiver<()>,
}

/// Opens a service's database and starts its writer, which ends with the queue.
pub(super) async fn open<M: MigratorTrait>(
    service: &'static str,
    settings: &StoreSettings,
    alarm: &Alarm,
    operations: mpsc::Receiver<Box<dyn Op>>,
    closed: &CancellationToken,
) -> Result<Opened, StoreError> {
    let failed = |Failed { cause, other_clock }| StoreError {
        service,
        cause,
        other_clock,
    };
    match &settings.database {
        Database::Sqlite { folder } => {
            let path = folder.join(format!("{service}.db"));
            file::<M>(service, settings, alarm, path, operations)
                .await
                .map_err(failed)
        }
        Database::Postgres { url } => {
            server::<M>(service, settings, alarm, url, operations, closed)
                .await
                .map_err(failed)
        }
    }
}

/// Why it failed.
struct Failed {
    cause: String,
    other_clock: Option<OtherClock>,
}

impl From<String> for Failed {
    fn from(cause: String) -> Self {
        let other_clock = None;
        Self { cause, other_clock }
    }
}

impl From<OtherClock> for Failed {
    fn from(other: OtherClock) -> Self {
        Self {
            cause: "its clock is another one".to_owned(),
            other_clock: Some(other),
        }
    }
}

async fn file<M: MigratorTrait>(
    service: &'static str,
    settings: &StoreSettings,
    alarm: &Alarm,
    path: PathBuf,
    operations: mpsc::Receiver<Box<dyn Op>>,
) -> Result<Opened, Failed> {
    let clock = settings.clock.clone();
    let (heads, marked) = prepare::<M>(&path, &clock).await.map_err(said)?;
    clock::resume(&clock, &marked, heads.recorded_us)?;
    let reader = connect(&path, READERS, true).await.map_err(said)?;
    let log = Log::new(service, &heads, reader.clone());
    let backend = sqlite::Sqlite::open(&path).map_err(said)?;
    let engine = Engine::new(backend, service, clock, alarm.clone(), log.clone(), heads);
    let ended = start(
        service,
        || Ok(()),
        engine,
        operations,
        |(), work| {
            futures::executor::block_on(work);
        },
    )?;
    Ok(Opened {
        log,
        reader,
        points: Points::of_file(path),
        ended,
    })
}

async fn server<M: MigratorTrait>(
    service: &'static str,
    settings: &StoreSettings,
    alarm: &Alarm,
    url: &DatabaseUrl,
    operations: mpsc::Receiver<Box<dyn Op>>,
    closed: &CancellationToken,
) -> Result<Opened, Failed> {
    let clock = settings.clock.clone();
    let prepared = postgres::prepare::<M>(url, service, &clock).await;
    let (mut heads, marked) = prepared.map_err(said)?;
    clock::resume(&clock, &marked, heads.recorded_us)?;
    // Others hand numbers out, too: this process takes blocks of them.
    heads.numbers.clear();
    let reader = postgres::readers(url, service).await.map_err(said)?;
    let log = Log::shared(service, &heads, reader.clone());
    tail::start(url, service, log.clone(), closed.clone());
    let backend = postgres::Postgres::new(url, service);
    let engine = Engine::new(backend, service, clock, alarm.clone(), log.clone(), heads);
    // A runtime of its own: the answers of the server arrive on the writer's
    // thread, without a hand-over from a busy one.
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    };
    let ended = start(service, runtime, engine, operations, |runtime, work| {
        runtime.block_on(work);
    })?;
    Ok(Opened {
        log,
        points: Points::of_pool(reader.clone()),
        reader,
        ended,
    })
}

/// Starts the writer on a thread of its own; returns where its end is told.
fn start<B: Backend, G: Send + 'static>(
    service: &str,
    ground: impl FnOnce() -> std::io::Result<G>,
    engine: Engine<B>,
    operations: mpsc::Receiver<Box<dyn Op>>,
    run: impl FnOnce(G, std::pin::Pin<Box<dyn Future<Output = ()>>>) + Send + 'static,
) -> Result<oneshot::Receiver<()>, String> {
    let (end, ended) = oneshot::channel();
    let ground = ground().map_err(said)?;
    let writer = std::thread::Builder::new().name(format!("{service}-writer"));
    let work = move || {
        run(ground, Box::pin(engine.run(operations)));
        let _ = end.send(());
    };
    writer.spawn(work).map_err(said)?;
    Ok(ended)
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Runs the migrations and reads where everything ends.
async fn prepare<M: MigratorTrait>(
    path: &Path,
    clock: &Clock,
) -> Result<(Heads, store_clock::Model), DbErr> {
    let conn = connect(path, 1, false).await?;
    crate::migrations::Migrator::up(&conn, None).await?;
    M::up(&conn, None).await?;
    let ends = ends(&conn, clock).await?;
    conn.close().await?;
    Ok(ends)
}

/// Where everything ends, and the clock of the log; a log that has no head gets
/// one.
pub(super) async fn ends(
    conn: &DatabaseConnection,
    clock: &Clock,
) -> Result<(Heads, store_clock::Model), DbErr> {
    let head = match log_head::Entity::find_by_id(0).one(conn).await? {
        Some(head) => head,
        None => first_head(conn).await?,
    };
    let marked = clock::mark(conn, clock, &head).await?;
    let organizations = organization_head::Entity::find().all(conn).await?;
    let numbers = number_head::Entity::find().all(conn).await?;
    let heads = Heads {
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
    };
    Ok((heads, marked))
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
    sea_orm::Database::connect(options).await
}

/// A connection that only reads, for a log that a server may be writing.
pub(crate) async fn open_reader(
    database: &Database,
    service: &str,
) -> Result<DatabaseConnection, DbErr> {
    match database {
        Database::Sqlite { folder } => {
            let path = folder.join(format!("{service}.db"));
            match path.exists() {
                true => connect(&path, 1, true).await,
                false => Err(DbErr::Custom("there is no such file".to_owned())),
            }
        }
        Database::Postgres { url } => postgres::long_reader(url, service).await,
    }
}

/// The services that have a log in a database.
pub(crate) async fn logs(database: &Database) -> Result<Vec<String>, DbErr> {
    match database {
        Database::Sqlite { folder } => {
            let entries = std::fs::read_dir(folder);
            let entries = entries.map_err(|error| DbErr::Custom(error.to_string()))?;
            let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
            let files = files.filter(|path| path.extension().is_some_and(|end| end == "db"));
            let mut names: Vec<String> = files
                .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
                .collect();
            names.sort();
            Ok(names)
        }
        Database::Postgres { url } => postgres::logs(url).await,
    }
}
