//! The limit of the disk and of SQLite: the very rows that the product wrote,
//! taken from a snapshot and written again into an empty database of the same
//! schema, by prepared statements, in transactions of a given size, with WAL
//! and `synchronous=FULL`. Nothing is decided, encoded, hashed or sent.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use rusqlite::types::Value;
use rusqlite::{CachedStatement, Connection, OpenFlags, params_from_iter};

use crate::drive::histogram;

/// A write takes at most so many rows from a snapshot.
const MOST: usize = 50_000;

/// Columns of an incident that resolving changes; its id is the first of all.
const CHANGED: [&str; 6] = [
    "revision",
    "occur_us",
    "state",
    "trail",
    "resolution",
    "milestones",
];

/// The rows of writes: of each, the record, its event and its request id.
#[derive(Debug)]
pub(crate) struct Rows {
    schema: Vec<String>,
    /// Columns of an incident.
    columns: Vec<String>,
    created: Vec<Write>,
    changed: Vec<Write>,
}

#[derive(Debug)]
struct Write {
    incident: Vec<Value>,
    event: Vec<Value>,
    request: Vec<Value>,
}

/// What is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// Inserts of incidents.
    Create,
    /// Updates of incidents.
    Change,
}

/// What writing came to.
#[derive(Debug)]
pub(crate) struct Written {
    /// Writes a second.
    pub(crate) per_second: f64,
    /// How long transactions took, in microseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Rows {
    /// Reads the rows of a snapshot.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("incident.db");
        let source = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| format!("opening {}", path.display()))?;
        let schema = source
            .prepare(
                "select sql from sqlite_master where sql is not null and name not like 'sqlite_%'",
            )?
            .query_and_then([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let columns = columns(&source, "incident")?;
        let created = writes(&source, 1)?;
        let changed = writes(&source, 2)?;
        ensure!(
            !created.is_empty() && !changed.is_empty(),
            "the snapshot has no writes"
        );
        Ok(Self {
            schema,
            columns,
            created,
            changed,
        })
    }

    /// Writes them again for about so long, `group` to a transaction.
    pub(crate) fn again(
        &self,
        what: Again,
        group: usize,
        folder: &Path,
        time: Duration,
    ) -> Result<Written> {
        let mut latency = histogram()?;
        let mut spent = Duration::ZERO;
        let mut written: u32 = 0;
        while spent < time {
            let database = Database::make(self, what, folder)?;
            let rows = if what == Again::Create {
                &self.created
            } else {
                &self.changed
            };
            for group in rows.chunks(group) {
                let began = Instant::now();
                database.write(self, what, group)?;
                let took = began.elapsed();
                spent += took;
                written += u32::try_from(group.len())?;
                latency.saturating_record(u64::try_from(took.as_micros())?.max(1));
                if spent >= time {
                    break;
                }
            }
        }
        Ok(Written {
            per_second: f64::from(written) / spent.as_secs_f64(),
            latency,
        })
    }

    fn insert(&self) -> String {
        insert("incident", self.columns.len())
    }

    /// Places of the columns that resolving changes.
    fn changes(&self) -> impl Iterator<Item = usize> {
        let changed = |name: &String| CHANGED.contains(&name.as_str());
        (0..self.columns.len()).filter(move |place| changed(&self.columns[*place]))
    }

    fn update(&self) -> String {
        let sets: Vec<String> = self
            .changes()
            .map(|place| format!("\"{}\" = ?", self.columns[place]))
            .collect();
        format!("update incident set {} where id = ?", sets.join(", "))
    }
}

/// An empty database of the snapshot's schema, for one pass over the rows.
struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    fn make(rows: &Rows, what: Again, folder: &Path) -> Result<Self> {
        let path = folder.join("rows.db");
        let connection = Connection::open(&path)?;
        connection.execute_batch(
            "pragma journal_mode=wal; pragma synchronous=full; pragma cache_size=-65536",
        )?;
        for text in &rows.schema {
            connection.execute_batch(text)?;
        }
        let database = Self { connection, path };
        if what == Again::Change {
            database.connection.execute_batch("begin immediate")?;
            for write in &rows.changed {
                run(
                    &mut database.connection.prepare_cached(&rows.insert())?,
                    &write.incident,
                )?;
            }
            // Another state than the one to come, so that its index changes too.
            database
                .connection
                .execute_batch("update incident set state = 'before'; commit")?;
        }
        Ok(database)
    }

    /// One transaction.
    fn write(&self, rows: &Rows, what: Again, group: &[Write]) -> Result<()> {
        let statement = |text: &str| self.connection.prepare_cached(text);
        self.connection.execute_batch("begin immediate")?;
        {
            let record = match what {
                Again::Create => rows.insert(),
                Again::Change => rows.update(),
            };
            let mut record = statement(&record)?;
            let mut event = statement(&insert("event_log", group[0].event.len()))?;
            let mut request = statement(&insert("idempotency", group[0].request.len()))?;
            for write in group {
                match what {
                    Again::Create => run(&mut record, &write.incident)?,
                    Again::Change => {
                        let changes = rows
                            .changes()
                            .chain([0])
                            .map(|place| write.incident[place].clone());
                        run(&mut record, &changes.collect::<Vec<_>>())?;
                    }
                }
                run(&mut event, &write.event)?;
                run(&mut request, &write.request)?;
            }
        }
        Ok(self.connection.execute_batch("commit")?)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        for ending in ["", "-wal", "-shm"] {
            let mut name = self.path.clone().into_os_string();
            name.push(ending);
            let _ = std::fs::remove_file(name);
        }
    }
}

fn run(statement: &mut CachedStatement<'_>, values: &[Value]) -> Result<()> {
    statement.execute(params_from_iter(values))?;
    Ok(())
}

fn insert(table: &str, columns: usize) -> String {
    format!(
        "insert into {table} values ({})",
        vec!["?"; columns].join(", ")
    )
}

fn columns(source: &Connection, table: &str) -> Result<Vec<String>> {
    let statement = source.prepare(&format!("select * from {table} limit 0"))?;
    Ok(statement
        .column_names()
        .into_iter()
        .map(str::to_owned)
        .collect())
}

/// The writes that brought incidents to a revision.
fn writes(source: &Connection, revision: i64) -> Result<Vec<Write>> {
    let incident = columns(source, "incident")?.len();
    let event = columns(source, "event_log")?.len();
    let mut statement = source.prepare(
        "select i.*, e.*, r.* from event_log e join incident i on i.id = e.record_id \
         join idempotency r on r.record_id = e.record_id and r.revision = e.revision \
         where e.revision = ? limit ?",
    )?;
    let limit = i64::try_from(MOST)?;
    let width = statement.column_count();
    let rows = statement.query_and_then([revision, limit], |row| {
        let values: Vec<Value> = (0..width)
            .map(|place| row.get(place))
            .collect::<Result<_, _>>()?;
        let (record, rest) = values.split_at(incident);
        let (logged, request) = rest.split_at(event);
        anyhow::Ok(Write {
            incident: record.to_vec(),
            event: logged.to_vec(),
            request: request.to_vec(),
        })
    })?;
    rows.collect()
}
