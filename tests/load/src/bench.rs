//! A run of the bench: what is measured, how long, and what came of it so far.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::drive::Span;
use crate::report::Samples;
use crate::seed::Snapshot;
use crate::target::Target;

/// What to measure.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The product's program.
    pub(crate) binary: PathBuf,
    /// Where servers keep their data; ends with the run.
    pub(crate) scratch: PathBuf,
    /// Number of repeats.
    pub(crate) repeats: usize,
    /// How long each loop runs.
    pub(crate) span: Span,
    /// Numbers of incidents to measure at, rising.
    pub(crate) sizes: Vec<usize>,
    /// Rows and incidents of the log to import.
    pub(crate) import: (usize, usize),
    /// Figures to measure; empty means all.
    pub(crate) only: Vec<String>,
    /// A log to import with the product's own command, and its mapping.
    pub(crate) log: Option<(PathBuf, PathBuf)>,
}

/// The plan and what came of it.
#[derive(Debug)]
pub(crate) struct Bench {
    /// What to measure.
    pub(crate) plan: Plan,
    /// What was measured.
    pub(crate) samples: Samples,
    /// Where progress is told.
    pub(crate) say: fn(&str),
}

impl Bench {
    /// Whether any of these figures is asked for.
    pub(crate) fn wants(&self, ids: &[&str]) -> bool {
        self.plan.only.is_empty()
            || self
                .plan
                .only
                .iter()
                .any(|only| ids.contains(&only.as_str()))
    }

    /// Starts the product on a copy of a snapshot.
    pub(crate) async fn product_on(&self, snapshot: &Snapshot) -> Result<Target> {
        let data = self.folder("work");
        snapshot.copy_to(&data)?;
        Target::product(&self.plan.binary, &data).await
    }

    /// Starts the service without the door on a copy of a snapshot.
    pub(crate) async fn direct_on(&self, snapshot: &Snapshot) -> Result<Target> {
        let data = self.folder("direct");
        snapshot.copy_to(&data)?;
        Target::own("serve-direct", Some(&data), &self.folder("direct.stderr")).await
    }

    /// Starts the echo.
    pub(crate) async fn echo(&self) -> Result<Target> {
        Target::own("serve-echo", None, &self.folder("echo.stderr")).await
    }

    /// A place in the scratch folder.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.plan.scratch.join(name)
    }

    /// The time of one loop.
    pub(crate) fn time(&self) -> Duration {
        self.plan.span.measure
    }

    /// The scratch folder.
    pub(crate) fn scratch(&self) -> &Path {
        &self.plan.scratch
    }
}
