//! What a database does for the engine: SQLite and PostgreSQL. Nothing above
//! this trait knows which one it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use mainstay_chassis::{Clock, Refusal};
use sea_orm::sea_query::Value;
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ColumnType, EntityTrait, IdenStatic, Iterable,
    PrimaryKeyToColumn, TryIntoModel,
};

use super::batch::Heads;

/// Why a step failed.
#[derive(Debug)]
pub(crate) enum Fault {
    /// A unique key is taken.
    Taken,
    /// A record was changed by somebody else under the engine's feet.
    Guard,
    /// Another process was in the way: the same again may do.
    Conflict,
    /// An operation fails as a whole, and has noted why.
    Refused,
    /// The database refuses or is away; nothing was committed.
    Away(String),
    /// The database went away in the commit: nobody knows what it did.
    Unknown(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("a unique key is taken"),
            Self::Guard => f.write_str("a guarded write found another revision"),
            Self::Conflict => f.write_str("another process was in the way"),
            Self::Refused => f.write_str("an operation was refused as a whole"),
            Self::Away(cause) => write!(f, "the database failed: {cause}"),
            Self::Unknown(cause) => write!(f, "the database failed in the commit: {cause}"),
        }
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// What the caller of the only operation hit by it is told.
    pub(crate) fn refusal(&self, natural_key: &str) -> Refusal {
        match self {
            Self::Taken => Refusal::exists(natural_key),
            Self::Guard | Self::Conflict | Self::Refused | Self::Away(_) | Self::Unknown(_) => {
                tracing::error!(cause = %self, "a write failed");
                Refusal::unavailable()
            }
        }
    }
}

/// A table as the engine writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Its name.
    pub table: String,
    /// Its columns, in the entity's order.
    pub columns: Vec<Column>,
    /// Places of the primary key's columns.
    pub key: Vec<usize>,
    /// Its columns as a statement lists them.
    pub names: String,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub holds: Holds,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// True or false.
    Bool,
    /// A 32-bit integer.
    Int,
    /// A 64-bit integer.
    BigInt,
    /// A floating-point number.
    Double,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// A UUID.
    Uuid,
    /// JSON.
    Json,
}

/// The values of a row, in the order of the shape's columns.
pub(crate) type Row = Vec<Value>;

/// A guarded change of one row: only when its revision is still `revision`.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// Value of the id column.
    pub id: Value,
    /// The revision that it must have.
    pub revision: i64,
    /// Places and new values of the columns that change.
    pub set: Vec<(usize, Value)>,
}

impl Shape {
    /// The shape of an entity's table.
    pub(crate) fn of<E: EntityTrait>() -> Self {
        let key: Vec<String> = E::PrimaryKey::iter()
            .map(|part| part.into_column().as_str().to_owned())
            .collect();
        let columns: Vec<Column> = E::Column::iter()
            .map(|column| Column {
                name: column.as_str().to_owned(),
                holds: Holds::of(column.def().get_column_type()),
            })
            .collect();
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let quoted: Vec<String> = columns
            .iter()
            .map(|column| format!("\"{}\"", column.name))
            .collect();
        Self {
            table: E::default().table_name().to_owned(),
            key: key.iter().filter_map(place).collect(),
            names: quoted.join(", "),
            columns,
        }
    }

    /// Place of a column.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}

impl Holds {
    fn of(kind: &ColumnType) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other kinds of columns are kept as text"
        )]
        match kind {
            ColumnType::Boolean => Self::Bool,
            ColumnType::TinyInteger | ColumnType::SmallInteger | ColumnType::Integer => Self::Int,
            ColumnType::BigInteger => Self::BigInt,
            ColumnType::Float | ColumnType::Double => Self::Double,
            ColumnType::Blob | ColumnType::Binary(_) | ColumnType::VarBinary(_) => Self::Bytes,
            ColumnType::Uuid => Self::Uuid,
            ColumnType::Json | ColumnType::JsonBinary => Self::Json,
            _ => Self::Text,
        }
    }
}

/// The row of an active model with every field set.
pub(crate) fn row_of<A: ActiveModelTrait>(active: A) -> Row {
    <A::Entity as EntityTrait>::Column::iter()
        .map(|column| match active.get(column) {
            ActiveValue::Set(value) | ActiveValue::Unchanged(value) => value,
            ActiveValue::NotSet => Value::String(None),
        })
        .collect()
}

/// The model of a row.
pub(crate) fn model<A, M>(row: Row) -> Result<M, sea_orm::DbErr>
where
    A: ActiveModelTrait + TryIntoModel<M>,
    M: sea_orm::ModelTrait<Entity = A::Entity>,
{
    let mut active = A::default();
    for (column, value) in <A::Entity as EntityTrait>::Column::iter().zip(row) {
        active.try_set(column, value)?;
    }
    active.try_into_model()
}

/// A database, as the engine uses it: one connection, one transaction at a time.
///
/// Several processes may write one database, each with an engine of its own.
/// All take their locks in one order: request ids, records by kind and id,
/// rows of plain tables, and last the head of the log. What a database that
/// only one process writes need not do has an empty body here.
pub(crate) trait Backend: Send + 'static {
    /// Whether numbers are handed out in blocks, whatever becomes of a batch.
    const BLOCKS: bool = false;
    /// Makes sure that so many numbers of these organizations and kinds may be
    /// handed out. Called before a transaction begins.
    fn numbers(
        &mut self,
        _heads: &mut Heads,
        _wanted: &BTreeMap<(String, &'static str), i64>,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Ok(()) }
    }
    /// Locks request ids, by sorted hashes: waits for a twin under way elsewhere.
    fn claim(&mut self, _keys: &[i64]) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Ok(()) }
    }
    /// Returns the rows whose column (by place) has one of the values, and locks
    /// them in the values' order until the transaction ends.
    fn lock(
        &mut self,
        shape: &Shape,
        column: usize,
        values: &[Value],
    ) -> impl Future<Output = Result<Vec<Row>, Fault>> + Send {
        self.select(shape, column, values)
    }
    /// The time for decisions, once the records are locked.
    fn now_us(&mut self, clock: &Clock) -> impl Future<Output = Result<i64, Fault>> + Send {
        let now_us = clock.now_us();
        async move { Ok(now_us) }
    }
    /// Locks the head of the log, and reads where the log and the parts of these
    /// organizations end.
    fn heads(
        &mut self,
        _heads: &mut Heads,
        _organizations: &BTreeSet<String>,
    ) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Ok(()) }
    }
    /// Tells other processes, with the commit, how far the log goes.
    fn ring(&mut self, _seq: i64) -> impl Future<Output = Result<(), Fault>> + Send {
        async { Ok(()) }
    }
    /// Begins a transaction that will write. What can be made again from a log
    /// need not reach the disk with its commit, only whole and in order.
    fn begin(&mut self, durable: bool) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Commits it, durably.
    fn commit(&mut self) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Rolls it back.
    fn rollback(&mut self) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Returns the rows whose column (by place) has one of the values.
    fn select(
        &mut self,
        shape: &Shape,
        column: usize,
        values: &[Value],
    ) -> impl Future<Output = Result<Vec<Row>, Fault>> + Send;
    /// Returns the row with these values in these columns.
    fn find(
        &mut self,
        shape: &Shape,
        by: &[(usize, Value)],
    ) -> impl Future<Output = Result<Option<Row>, Fault>> + Send;
    /// Inserts rows.
    fn insert(
        &mut self,
        shape: &Shape,
        rows: Vec<Row>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Inserts rows, or replaces those with the same primary key.
    fn put(
        &mut self,
        shape: &Shape,
        rows: Vec<Row>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Deletes the rows with the primary keys of these.
    fn delete(
        &mut self,
        shape: &Shape,
        rows: Vec<Row>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Deletes all rows.
    fn clear(&mut self, shape: &Shape) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Changes rows, each guarded by its revision.
    fn update(
        &mut self,
        shape: &Shape,
        changes: Vec<Change>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Deletes at most so many rows whose column is below the value; says how many.
    fn purge(
        &mut self,
        shape: &Shape,
        column: &'static str,
        below: Value,
        most: u64,
    ) -> impl Future<Output = Result<u64, Fault>> + Send;
    /// Leaves the database tidy; nothing is written after it. Numbers that were
    /// taken and not handed out may be given back.
    fn close(&mut self, heads: &Heads) -> impl Future<Output = Result<(), Fault>> + Send;
}
