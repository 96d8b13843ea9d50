//! Reading one record by a unique key. SQLite answers it in place: it takes
//! microseconds, less than to hand it to a reader's thread and back.
//! PostgreSQL answers it through the readers' pool.

use std::any::TypeId;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use mainstay_chassis::Refusal;
use sea_orm::sea_query::Value;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, IdenStatic, QueryFilter};

use super::backend::{Backend, Fault, Row, Shape, model};
use super::sqlite::Sqlite;
use crate::Record;

/// So many connections are kept open.
const KEPT: usize = 8;

/// Where one record is read.
#[derive(Debug)]
pub(crate) enum Points {
    /// In a file, in place.
    File(File),
    /// By a connection of a pool.
    Pool(DatabaseConnection),
}

impl Points {
    /// Reads from a file.
    pub(crate) fn of_file(path: PathBuf) -> Self {
        Self::File(File {
            path,
            idle: Mutex::default(),
            shapes: RwLock::default(),
        })
    }

    /// Reads through a pool.
    pub(crate) fn of_pool(reader: DatabaseConnection) -> Self {
        Self::Pool(reader)
    }

    /// The record with these values in these columns.
    pub(crate) async fn one<R: Record>(
        &self,
        by: impl IntoIterator<Item = (<R::Table as EntityTrait>::Column, Value)>,
    ) -> Result<Option<R>, Refusal> {
        match self {
            Self::File(file) => file.one::<R>(by).await,
            Self::Pool(reader) => {
                let all = by
                    .into_iter()
                    .fold(R::Table::find(), |all, (column, value)| {
                        all.filter(column.eq(value))
                    });
                all.one(reader).await.map_err(crate::scope::away)
            }
        }
    }

    /// Closes the connections.
    pub(crate) fn close(&self) {
        match self {
            Self::File(file) => file.close(),
            // The store closes its readers.
            Self::Pool(_) => {}
        }
    }
}

/// Connections to a file, for reads of one record.
#[derive(Debug)]
pub(crate) struct File {
    path: PathBuf,
    idle: Mutex<Vec<Sqlite>>,
    shapes: RwLock<HashMap<TypeId, Arc<Shape>>>,
}

impl File {
    async fn one<R: Record>(
        &self,
        by: impl IntoIterator<Item = (<R::Table as EntityTrait>::Column, Value)>,
    ) -> Result<Option<R>, Refusal> {
        let shape = self.shape::<R>();
        let place = |(column, value): (<R::Table as EntityTrait>::Column, Value)| {
            shape.place(column.as_str()).map(|place| (place, value))
        };
        let by: Vec<_> = by.into_iter().filter_map(place).collect();
        let row = self.find(&shape, &by).await.map_err(|fault| {
            tracing::error!(cause = %fault, "a read failed");
            Refusal::unavailable()
        })?;
        row.map(model::<R::Active, R>)
            .transpose()
            .map_err(crate::scope::away)
    }

    async fn find(&self, shape: &Shape, by: &[(usize, Value)]) -> Result<Option<Row>, Fault> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Sqlite::open_reader(&self.path)?,
        };
        let found = connection.find(shape, by).await;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(connection);
        }
        found
    }

    fn shape<R: Record>(&self) -> Arc<Shape> {
        let kind = TypeId::of::<R>();
        let known = self.shapes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(shape) = known.get(&kind) {
            return shape.clone();
        }
        drop(known);
        let shape = Arc::new(Shape::of::<R::Table>());
        let mut known = self.shapes.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(kind).or_insert(shape).clone()
    }

    fn close(&self) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
