//! The plain tables: what followers keep of a log, and where they have come.

use std::sync::Arc;

use super::backend::{Backend, Fault, Row, Shape};
use super::engine::Engine;

/// What a batch does to plain tables, in this order.
#[derive(Default)]
pub(crate) struct Plain {
    /// Rows that must not be there yet.
    pub inserts: Vec<(Arc<Shape>, Vec<Row>)>,
    /// Tables that it empties.
    pub clears: Vec<Arc<Shape>>,
    /// Rows that it puts.
    pub puts: Vec<(Arc<Shape>, Vec<Row>)>,
    /// Rows that it deletes.
    pub deletes: Vec<(Arc<Shape>, Vec<Row>)>,
}

impl<B: Backend> Engine<B> {
    /// Writes them. Of two processes that begin with a consumer one fails here.
    pub(super) async fn save_plain(&mut self, plain: Plain) -> Result<(), Fault> {
        for (shape, rows) in plain.inserts {
            self.backend.insert(&shape, rows).await?;
        }
        for shape in plain.clears {
            self.backend.clear(&shape).await?;
        }
        for (shape, rows) in plain.puts {
            self.backend.put(&shape, rows).await?;
        }
        for (shape, rows) in plain.deletes {
            self.backend.delete(&shape, rows).await?;
        }
        Ok(())
    }
}
