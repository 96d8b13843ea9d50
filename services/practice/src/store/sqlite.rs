//! SQLite for the engine: one rusqlite connection on the writer's own thread,
//! prepared single-row statements, every commit synced to the disk.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use rusqlite::types::{Type, Value as Cell, ValueRef};
use rusqlite::{Connection, ErrorCode};
use sea_orm::sea_query::Value;
use uuid::Uuid;

use super::backend::{Backend, Change, Fault, Holds, Row, Shape};
use super::batch::Heads;

/// Statement texts kept prepared.
const STATEMENTS: usize = 256;
/// A select by ids takes a power of two of them, at most this.
const MOST_IDS: usize = 256;

/// A connection.
#[derive(Debug)]
pub(crate) struct Sqlite {
    conn: Connection,
    /// Whether a commit is synced to the disk.
    durable: bool,
}

impl Sqlite {
    /// Opens the file for writing. Refuses a connection whose commits would
    /// not reach the disk, and a library with the WAL-reset race (< 3.51.3).
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        let conn = Connection::open(path)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        for (pragma, value) in [
            ("journal_mode", "WAL"),
            ("synchronous", "FULL"),
            ("foreign_keys", "ON"),
            ("temp_store", "MEMORY"),
            ("cache_size", "-16000"),
            ("wal_autocheckpoint", "4000"),
        ] {
            conn.pragma_update(None, pragma, value)?;
        }
        let synchronous: i64 = conn.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        let new_enough = rusqlite::version_number() >= 3_051_003;
        match synchronous == 2 && new_enough {
            true => Ok(Self {
                conn,
                durable: true,
            }),
            false => Err(Fault::Away(format!(
                "synchronous is {synchronous} and must be 2; SQLite is {} and must be 3.51.3 or newer",
                rusqlite::version()
            ))),
        }
    }

    /// Opens the file for reading.
    pub(crate) fn open_reader(path: &Path) -> Result<Self, Fault> {
        let conn = Connection::open(path)?;
        conn.busy_timeout(Duration::from_secs(5))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        conn.pragma_update(None, "query_only", "ON")?;
        conn.pragma_update(None, "wal_autocheckpoint", 0)?;
        Ok(Self {
            conn,
            durable: false,
        })
    }

    fn batch(&mut self, text: &str) -> Result<(), Fault> {
        Ok(self.conn.execute_batch(text)?)
    }

    fn rows(
        &mut self,
        text: &str,
        shape: &Shape,
        values: impl Iterator<Item = Value>,
    ) -> Result<Vec<Row>, Fault> {
        let mut statement = self.conn.prepare_cached(text)?;
        let mut found = statement.query(rusqlite::params_from_iter(values.map(cell)))?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            let mut values = Vec::with_capacity(shape.columns.len());
            for (place, column) in shape.columns.iter().enumerate() {
                values.push(value(row.get_ref(place)?, column.holds)?);
            }
            rows.push(values);
        }
        Ok(rows)
    }

    /// Runs a statement for each row, and returns how many rows each changed.
    fn each(
        &mut self,
        text: &str,
        rows: impl Iterator<Item = Vec<Value>>,
    ) -> Result<Vec<usize>, Fault> {
        let mut statement = self.conn.prepare_cached(text)?;
        rows.map(
            |row| Ok(statement.execute(rusqlite::params_from_iter(row.into_iter().map(cell)))?),
        )
        .collect()
    }
}

impl Backend for Sqlite {
    async fn begin(&mut self, durable: bool) -> Result<(), Fault> {
        if durable != self.durable {
            let level = if durable { "FULL" } else { "NORMAL" };
            self.conn.pragma_update(None, "synchronous", level)?;
            self.durable = durable;
        }
        self.batch("BEGIN IMMEDIATE")
    }

    async fn commit(&mut self) -> Result<(), Fault> {
        self.batch("COMMIT")
    }

    async fn rollback(&mut self) -> Result<(), Fault> {
        match self.conn.is_autocommit() {
            true => Ok(()),
            false => self.batch("ROLLBACK"),
        }
    }

    async fn select(
        &mut self,
        shape: &Shape,
        column: usize,
        values: &[Value],
    ) -> Result<Vec<Row>, Fault> {
        let mut rows = Vec::with_capacity(values.len());
        for some in values.chunks(MOST_IDS) {
            let Some(last) = some.last() else { continue };
            let count = some.len().next_power_of_two();
            let marks = vec!["?"; count].join(",");
            let text = format!(
                "{} where \"{}\" in ({marks})",
                select_text(shape),
                shape.columns[column].name
            );
            let padded = some
                .iter()
                .chain(std::iter::repeat(last))
                .take(count)
                .cloned();
            rows.extend(self.rows(&text, shape, padded)?);
        }
        Ok(rows)
    }

    async fn find(&mut self, shape: &Shape, by: &[(usize, Value)]) -> Result<Option<Row>, Fault> {
        let tests = joined(by.iter().map(|(place, _)| *place), shape, " and ");
        let text = format!("{} where {tests} limit 1", select_text(shape));
        let values = by.iter().map(|(_, value)| value.clone());
        Ok(self.rows(&text, shape, values)?.pop())
    }

    async fn insert(&mut self, shape: &Shape, rows: Vec<Row>) -> Result<(), Fault> {
        self.each(&insert_text(shape), rows.into_iter()).map(drop)
    }

    async fn put(&mut self, shape: &Shape, rows: Vec<Row>) -> Result<(), Fault> {
        let mut text = insert_text(shape);
        let keys: Vec<String> = shape
            .key
            .iter()
            .map(|place| format!("\"{}\"", shape.columns[*place].name))
            .collect();
        let others = (0..shape.columns.len()).filter(|place| !shape.key.contains(place));
        let sets: Vec<String> = others
            .map(|place| format!("\"{0}\" = excluded.\"{0}\"", shape.columns[place].name))
            .collect();
        let action = match sets.is_empty() {
            true => "nothing".to_owned(),
            false => format!("update set {}", sets.join(", ")),
        };
        let _ = write!(text, " on conflict ({}) do {action}", keys.join(", "));
        self.each(&text, rows.into_iter()).map(drop)
    }

    async fn delete(&mut self, shape: &Shape, rows: Vec<Row>) -> Result<(), Fault> {
        let tests = joined(shape.key.iter().copied(), shape, " and ");
        let text = format!("delete from \"{}\" where {tests}", shape.table);
        let keys = rows
            .into_iter()
            .map(|row| shape.key.iter().map(|place| row[*place].clone()).collect());
        self.each(&text, keys).map(drop)
    }

    async fn clear(&mut self, shape: &Shape) -> Result<(), Fault> {
        self.batch(&format!("delete from \"{}\"", shape.table))
    }

    async fn update(&mut self, shape: &Shape, changes: Vec<Change>) -> Result<(), Fault> {
        for change in changes {
            let sets = joined(change.set.iter().map(|(place, _)| *place), shape, ", ");
            let text = format!(
                "update \"{}\" set {sets} where \"id\" = ? and \"revision\" = ?",
                shape.table
            );
            let guard = [change.id, Value::BigInt(Some(change.revision))];
            let values = change
                .set
                .into_iter()
                .map(|(_, value)| value)
                .chain(guard)
                .collect();
            if self.each(&text, std::iter::once(values))? != [1] {
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
        let keys: Vec<String> = shape
            .key
            .iter()
            .map(|place| format!("\"{}\"", shape.columns[*place].name))
            .collect();
        let keys = keys.join(", ");
        let text = format!(
            "delete from \"{0}\" where ({keys}) in (select {keys} from \"{0}\" where \"{column}\" < ? limit {most})",
            shape.table
        );
        let changed = self.each(&text, std::iter::once(vec![below]))?;
        Ok(changed
            .into_iter()
            .map(|count| u64::try_from(count).unwrap_or(0))
            .sum())
    }

    async fn close(&mut self, _: &Heads) -> Result<(), Fault> {
        self.batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE)")
    }
}

fn select_text(shape: &Shape) -> String {
    format!("select {} from \"{}\"", shape.names, shape.table)
}

fn insert_text(shape: &Shape) -> String {
    let marks = vec!["?"; shape.columns.len()].join(", ");
    format!(
        "insert into \"{}\" ({}) values ({marks})",
        shape.table, shape.names
    )
}

fn joined(places: impl Iterator<Item = usize>, shape: &Shape, between: &str) -> String {
    let parts: Vec<String> = places
        .map(|place| format!("\"{}\" = ?", shape.columns[place].name))
        .collect();
    parts.join(between)
}

/// A value as SQLite keeps it; the same as sea-orm's readers expect.
fn cell(value: Value) -> Cell {
    let integer = |number: Option<i64>| number.map_or(Cell::Null, Cell::Integer);
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "records have no columns of other kinds"
    )]
    match value {
        Value::Bool(truth) => integer(truth.map(i64::from)),
        Value::TinyInt(number) => integer(number.map(i64::from)),
        Value::SmallInt(number) => integer(number.map(i64::from)),
        Value::Int(number) => integer(number.map(i64::from)),
        Value::BigInt(number) => integer(number),
        Value::Double(number) => number.map_or(Cell::Null, Cell::Real),
        Value::String(text) => text.map_or(Cell::Null, Cell::Text),
        Value::Bytes(bytes) => bytes.map_or(Cell::Null, Cell::Blob),
        Value::Uuid(id) => id.map_or(Cell::Null, |id| Cell::Blob(id.as_bytes().to_vec())),
        Value::Json(json) => json.map_or(Cell::Null, |json| Cell::Text(json.to_string())),
        _ => Cell::Null,
    }
}

/// A value as the column's type in the entity has it.
fn value(cell: ValueRef<'_>, holds: Holds) -> Result<Value, Fault> {
    let wrong = || Fault::Away(format!("a column of {holds:?} holds {}", cell.data_type()));
    let null = cell.data_type() == Type::Null;
    Ok(match holds {
        Holds::Bool => Value::Bool(if null {
            None
        } else {
            Some(cell.as_i64().map_err(|_| wrong())? != 0)
        }),
        Holds::Int => Value::Int(match null {
            true => None,
            false => Some(i32::try_from(cell.as_i64().map_err(|_| wrong())?).map_err(|_| wrong())?),
        }),
        Holds::BigInt => Value::BigInt(if null {
            None
        } else {
            Some(cell.as_i64().map_err(|_| wrong())?)
        }),
        Holds::Double => Value::Double(if null {
            None
        } else {
            Some(cell.as_f64().map_err(|_| wrong())?)
        }),
        Holds::Text => Value::String(if null {
            None
        } else {
            Some(cell.as_str().map_err(|_| wrong())?.to_owned())
        }),
        Holds::Bytes => Value::Bytes(if null {
            None
        } else {
            Some(cell.as_blob().map_err(|_| wrong())?.to_vec())
        }),
        Holds::Uuid => Value::Uuid(match null {
            true => None,
            false => {
                Some(Uuid::from_slice(cell.as_blob().map_err(|_| wrong())?).map_err(|_| wrong())?)
            }
        }),
        Holds::Json => Value::Json(match null {
            true => None,
            false => Some(Box::new(
                serde_json::from_str(cell.as_str().map_err(|_| wrong())?).map_err(|_| wrong())?,
            )),
        }),
    })
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self::Taken,
            _ => Self::Away(error.to_string()),
        }
    }
}
