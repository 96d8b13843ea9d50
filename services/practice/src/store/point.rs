//! Reading one record by a unique key. SQLite answers it in place: it takes
//! microseconds, less than to hand it to a reader's thread and back.

use std::any::TypeId;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use mainstay_chassis::Refusal;
use sea_orm::sea_query::Value;
use sea_orm::{EntityTrait, IdenStatic};

use super::backend::{Backend, Fault, Row, Shape, model};
use super::sqlite::Sqlite;
use crate::Record;

/// So many connections are kept open.
const KEPT: usize = 8;

/// Connections for reads of one record.
#[derive(Debug)]
pub(crate) struct Points {
    path: PathBuf,
    idle: Mutex<Vec<Sqlite>>,
    shapes: RwLock<HashMap<TypeId, Arc<Shape>>>,
}

impl Points {
    /// Reads from a file.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::default(),
            shapes: RwLock::default(),
        }
    }

    /// The record with these values in these columns.
    pub(crate) async fn one<R: Record>(
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

    /// Closes the connections.
    pub(crate) fn close(&self) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
