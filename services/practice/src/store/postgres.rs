//! PostgreSQL for the engine: one connection, which nobody else uses, and
//! statements over arrays: one text for any number of rows. A connection that
//! is lost is made anew before the next batch.

mod arrays;
mod faults;
mod schema;
mod session;
mod sharing;
mod statements;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mainstay_chassis::Clock;
use sea_orm::sea_query::Value;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tokio::time::timeout;

use super::backend::{Backend, Change, Fault, Holds, Row, Shape};
use super::batch::Heads;
use super::database::DatabaseUrl;
use faults::lost;
use session::Purpose;

pub(crate) use schema::{logs, prepare};
pub(crate) use session::{listener, long_reader, readers};

/// How long the server may leave a statement, or a connection, unanswered.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a connection could not be made, no other is tried for so long.
const PAUSE: Duration = Duration::from_millis(200);
/// A connection that nobody used for longer is tried before it is relied on.
const STALE: Duration = Duration::from_secs(1);

/// A connection that writes.
#[derive(Debug)]
pub(crate) struct Postgres {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
    /// Until when no connection is tried.
    pause_until: Option<Instant>,
    /// When the connection was used last.
    used: Instant,
    service: String,
    /// Whether it stops for ever at the log's head.
    stalls: bool,
}

impl Postgres {
    /// Writes to a service's schema; connects when it has to.
    pub(crate) fn new(url: &DatabaseUrl, service: &str) -> Self {
        Self {
            options: session::options(url, service, Purpose::Write),
            connection: None,
            pause_until: None,
            used: Instant::now(),
            service: service.to_owned(),
            stalls: sharing::stalls(service),
        }
    }

    async fn connect(&mut self) -> Result<(), Fault> {
        if self.connection.is_some() {
            return Ok(());
        }
        if self.pause_until.is_some_and(|until| Instant::now() < until) {
            return Err(Fault::Away("it could not be reached just now".to_owned()));
        }
        let connected = timeout(PATIENCE, self.options.connect()).await;
        let connection = self.settle(connected);
        self.pause_until = connection.is_err().then(|| Instant::now() + PAUSE);
        self.connection = Some(connection?);
        Ok(())
    }

    /// A connection that lives: one that nobody has used for a while may have
    /// gone without a word.
    async fn fresh(&mut self) -> Result<(), Fault> {
        if let Some(connection) = &mut self.connection
            && self.used.elapsed() > STALE
        {
            let alive = timeout(PATIENCE, connection.ping()).await;
            // Whatever it says: without an answer there will be another one.
            let _ = self.settle(alive);
        }
        self.used = Instant::now();
        self.connect().await
    }

    /// What came of a statement. A connection whose state is unknown is given up.
    fn settle<T>(
        &mut self,
        done: Result<Result<T, sqlx::Error>, tokio::time::error::Elapsed>,
    ) -> Result<T, Fault> {
        match done {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                if lost(&error) {
                    self.connection = None;
                }
                Err(error.into())
            }
            Err(_) => {
                self.connection = None;
                Err(Fault::Away("it does not answer".to_owned()))
            }
        }
    }

    /// Runs statements without arguments.
    async fn plain(&mut self, text: &'static str) -> Result<(), Fault> {
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        let done = timeout(PATIENCE, sqlx::raw_sql(text).execute(connection)).await;
        self.settle(done).map(drop)
    }

    /// Runs a statement; says how many rows it changed.
    async fn execute(&mut self, text: String, arguments: PgArguments) -> Result<u64, Fault> {
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        let done = timeout(PATIENCE, query.execute(connection)).await;
        self.settle(done).map(|done| done.rows_affected())
    }

    /// Runs a statement that finds rows of a table.
    async fn rows(
        &mut self,
        text: String,
        arguments: PgArguments,
        shape: &Shape,
    ) -> Result<Vec<Row>, Fault> {
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        let done = timeout(PATIENCE, query.fetch_all(connection)).await;
        let found = self.settle(done)?;
        found.iter().map(|row| arrays::row(row, shape)).collect()
    }
}

impl Backend for Postgres {
    const BLOCKS: bool = true;

    async fn numbers(
        &mut self,
        heads: &mut Heads,
        wanted: &BTreeMap<(String, &'static str), i64>,
    ) -> Result<(), Fault> {
        self.take_numbers(heads, wanted).await
    }

    async fn claim(&mut self, keys: &[i64]) -> Result<(), Fault> {
        self.take_keys(keys).await
    }

    async fn lock(
        &mut self,
        shape: &Shape,
        column: usize,
        values: &[Value],
    ) -> Result<Vec<Row>, Fault> {
        self.take_rows(shape, column, values).await
    }

    async fn now_us(&mut self, clock: &Clock) -> Result<i64, Fault> {
        match clock.is_wall() {
            true => self.told_us().await,
            false => Ok(clock.now_us()),
        }
    }

    async fn heads(
        &mut self,
        heads: &mut Heads,
        organizations: &BTreeSet<String>,
    ) -> Result<(), Fault> {
        self.take_heads(heads, organizations).await
    }

    async fn ring(&mut self, seq: i64) -> Result<(), Fault> {
        self.tell(seq).await
    }

    async fn begin(&mut self, durable: bool) -> Result<(), Fault> {
        let text = match durable {
            true => "begin",
            false => "begin; set local synchronous_commit = off",
        };
        self.fresh().await?;
        self.plain(text).await
    }

    async fn commit(&mut self) -> Result<(), Fault> {
        match self.plain("commit").await {
            Err(fault) if self.connection.is_none() => Err(Fault::Unknown(fault.to_string())),
            done => done,
        }
    }

    async fn rollback(&mut self) -> Result<(), Fault> {
        if self.connection.is_some() && self.plain("rollback").await.is_err() {
            self.connection = None;
        }
        Ok(())
    }

    async fn select(
        &mut self,
        shape: &Shape,
        column: usize,
        values: &[Value],
    ) -> Result<Vec<Row>, Fault> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let arguments = bound([(shape.columns[column].holds, values.to_vec())])?;
        self.rows(statements::select(shape, column), arguments, shape)
            .await
    }

    async fn find(&mut self, shape: &Shape, by: &[(usize, Value)]) -> Result<Option<Row>, Fault> {
        let places: Vec<usize> = by.iter().map(|(place, _)| *place).collect();
        let values = by
            .iter()
            .map(|(place, value)| (shape.columns[*place].holds, vec![value.clone()]));
        let text = statements::find(shape, &places);
        Ok(self.rows(text, bound(values)?, shape).await?.pop())
    }

    async fn insert(&mut self, shape: &Shape, rows: Vec<Row>) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        let arguments = bound(turned(shape, rows))?;
        self.execute(statements::insert(shape), arguments)
            .await
            .map(drop)
    }

    async fn put(&mut self, shape: &Shape, rows: Vec<Row>) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        let arguments = bound(turned(shape, one_per_key(shape, rows)))?;
        self.execute(statements::put(shape), arguments)
            .await
            .map(drop)
    }

    async fn delete(&mut self, shape: &Shape, rows: Vec<Row>) -> Result<(), Fault> {
        if rows.is_empty() {
            return Ok(());
        }
        let rows = one_per_key(shape, rows);
        let keys = shape.key.iter().map(|place| {
            let values = rows.iter().map(|row| row[*place].clone()).collect();
            (shape.columns[*place].holds, values)
        });
        self.execute(statements::delete(shape), bound(keys)?)
            .await
            .map(drop)
    }

    async fn clear(&mut self, shape: &Shape) -> Result<(), Fault> {
        let text = format!("delete from \"{}\"", shape.table);
        self.execute(text, PgArguments::default()).await.map(drop)
    }

    async fn update(&mut self, shape: &Shape, changes: Vec<Change>) -> Result<(), Fault> {
        // Changes of the same columns go together.
        let mut alike: BTreeMap<Vec<usize>, Vec<Change>> = BTreeMap::new();
        for change in changes {
            let places = change.set.iter().map(|(place, _)| *place).collect();
            alike.entry(places).or_default().push(change);
        }
        for (places, changes) in alike {
            let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
            let ids = changes.iter().map(|change| change.id.clone()).collect();
            let revisions = changes
                .iter()
                .map(|change| Value::BigInt(Some(change.revision)))
                .collect();
            let guard = [(Holds::Uuid, ids), (Holds::BigInt, revisions)];
            let sets = changes
                .into_iter()
                .map(|change| change.set.into_iter().map(|(_, value)| value).collect());
            let sets = columns(places.iter().map(|place| shape.columns[*place].holds), sets);
            let arguments = bound(guard.into_iter().chain(sets))?;
            let changed = self
                .execute(statements::update(shape, &places), arguments)
                .await?;
            if changed != count {
                return Err(Fault::Guard);
            }
        }
        Ok(())
    }

    async fn purge(
        &mut self,
        shape: &Shape,
        column: &'static str,
        below: Value,
        most: u64,
    ) -> Result<u64, Fault> {
        self.fresh().await?;
        let holds = shape
            .place(column)
            .map_or(Holds::BigInt, |place| shape.columns[place].holds);
        let arguments = bound([(holds, vec![below])])?;
        self.execute(statements::purge(shape, column, most), arguments)
            .await
    }

    async fn close(&mut self, heads: &Heads) -> Result<(), Fault> {
        if self.connection.is_some() {
            self.give_numbers_back(heads).await?;
        }
        match self.connection.take() {
            Some(connection) => Ok(connection.close().await?),
            None => Ok(()),
        }
    }
}

/// Columns of values as arguments, an array each.
fn bound(columns: impl IntoIterator<Item = (Holds, Vec<Value>)>) -> Result<PgArguments, Fault> {
    let mut arguments = PgArguments::default();
    for (holds, values) in columns {
        arrays::bind(&mut arguments, holds, values.into_iter())?;
    }
    Ok(arguments)
}

/// Rows of a table, turned into its columns.
fn turned(shape: &Shape, rows: Vec<Row>) -> Vec<(Holds, Vec<Value>)> {
    columns(
        shape.columns.iter().map(|column| column.holds),
        rows.into_iter(),
    )
}

fn columns(
    holds: impl Iterator<Item = Holds>,
    rows: impl ExactSizeIterator<Item = Row>,
) -> Vec<(Holds, Vec<Value>)> {
    let mut columns: Vec<(Holds, Vec<Value>)> = holds
        .map(|holds| (holds, Vec::with_capacity(rows.len())))
        .collect();
    for row in rows {
        for ((_, column), value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    columns
}

/// The last row of each primary key, in the keys' order: one statement may
/// touch a row only once, and all processes take the rows in one order.
fn one_per_key(shape: &Shape, rows: Vec<Row>) -> Vec<Row> {
    let keyed = rows.into_iter().map(|row| {
        let key: Vec<String> = shape
            .key
            .iter()
            .map(|place| format!("{:?}", row[*place]))
            .collect();
        (key, row)
    });
    keyed.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Where the doorbell of a service's log rings.
pub(crate) fn channel(service: &str) -> String {
    format!("mainstay_{service}")
}

fn gone() -> Fault {
    Fault::Away("the connection was lost".to_owned())
}
