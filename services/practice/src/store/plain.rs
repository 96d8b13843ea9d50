//! The plain tables: what followers keep of a log, and where they have come.

use super::backend::{Backend, Fault};
use super::batch::Made;
use super::engine::Engine;

impl<B: Backend> Engine<B> {
    /// Writes them. Of two processes that begin with a consumer one fails here.
    pub(super) async fn save_plain(&mut self, made: &mut Made) -> Result<(), Fault> {
        for (shape, rows) in std::mem::take(&mut made.inserts) {
            self.backend.insert(&shape, rows).await?;
        }
        for shape in std::mem::take(&mut made.clears) {
            self.backend.clear(&shape).await?;
        }
        for (shape, rows) in std::mem::take(&mut made.puts) {
            self.backend.put(&shape, rows).await?;
        }
        for (shape, rows) in std::mem::take(&mut made.deletes) {
            self.backend.delete(&shape, rows).await?;
        }
        Ok(())
    }
}
