//! Figures that the gateway counts from the logs of the practices. Every one
//! can be recomputed from the events, and must come out the same.
//!
//! Events become facts ([`facts`], a table for the restart), facts are walked
//! for each question ([`query`]): nothing is aggregated in advance, so that any
//! instant, interval and group can be asked for, and all of it is exact.

mod api;
pub mod definition;
pub mod facts;
pub mod figure;
mod follow;
mod memory;
pub mod query;
mod question;
pub(crate) mod simulated;
pub mod tables;
pub mod timeline;
mod wire;

use std::sync::Arc;

use mainstay_chassis::Refusal;
use mainstay_practice::Store;

pub use api::MetricApi;
pub use wire::practice_metrics;

use follow::Counter;
use memory::Memory;

/// What was counted, and the store that remembers it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    memory: Memory,
    store: Store,
}

impl Metrics {
    /// Name of the service whose log the counter follows.
    pub(crate) const SOURCE: &'static str = memory::SOURCE;

    /// The metrics kept in the gateway's store.
    pub async fn open(store: Store) -> Result<Self, Refusal> {
        let memory = Memory::new(follow::restore(&store).await?);
        Ok(Self { memory, store })
    }

    /// Who counts, once he follows the log of [`Metrics::SOURCE`].
    pub(crate) fn counter(&self) -> Arc<Counter> {
        Arc::new(Counter::new(self.memory.clone()))
    }
}

#[cfg(test)]
mod tests;
