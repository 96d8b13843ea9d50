//! Folders of data with a known number of incidents, made through the API
//! once and copied for every measurement.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;

use crate::drive::Work;
use crate::incidents::{Create, Resolve, shares, workers};
use crate::target::Target;

/// Number of clients that fill a folder.
const FILLERS: usize = 128;

/// A folder of data, and the incidents in it.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The folder; never served itself.
    pub(crate) folder: PathBuf,
    /// The incidents in the order of their creation, and whether each is resolved.
    pub(crate) incidents: Vec<(String, bool)>,
}

impl Snapshot {
    /// Number of incidents.
    pub(crate) fn size(&self) -> usize {
        self.incidents.len()
    }

    /// A copy to serve, in place of what was there.
    pub(crate) fn copy_to(&self, folder: &Path) -> Result<()> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        copy(&self.folder, folder)
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.incidents
            .iter()
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The newest of them.
    pub(crate) fn newest(&self, count: usize) -> &[(String, bool)] {
        &self.incidents[self.size().saturating_sub(count)..]
    }
}

/// Makes a snapshot of each size, in rising order; two of five incidents are resolved.
pub(crate) async fn snapshots(
    binary: &Path,
    folder: &Path,
    sizes: &[usize],
) -> Result<Vec<Snapshot>> {
    let data = folder.join("filled");
    let mut incidents: Vec<(String, bool)> = Vec::new();
    let mut snapshots = Vec::new();
    for size in sizes {
        let more = size
            .checked_sub(incidents.len())
            .context("the sizes must rise")?;
        let target = Target::product(binary, &data).await?;
        let fresh = fill(&target, more).await?;
        incidents.extend(fresh);
        target.stop().await?;
        let kept = folder.join(format!("snapshot-{size}"));
        copy(&data, &kept)?;
        snapshots.push(Snapshot {
            folder: kept,
            incidents: incidents.clone(),
        });
    }
    std::fs::remove_dir_all(&data)?;
    Ok(snapshots)
}

/// Creates incidents and resolves two of five.
async fn fill(target: &Target, count: usize) -> Result<Vec<(String, bool)>> {
    ensure!(
        count >= FILLERS,
        "a snapshot needs at least {FILLERS} more incidents than the one before"
    );
    let mut tasks = JoinSet::new();
    for (client, mut worker) in workers(&target.lines, FILLERS, |line, random, _| {
        Create::new(line, random)
    })
    .into_iter()
    .enumerate()
    {
        let calls = count / FILLERS + usize::from(client < count % FILLERS);
        tasks.spawn(async move {
            for _ in 0..calls {
                worker.call().await?;
            }
            anyhow::Ok(worker.made)
        });
    }
    let mut names = Vec::with_capacity(count);
    while let Some(made) = tasks.join_next().await {
        names.extend(made??);
    }
    // Ids rise with time, so the order of the names is that of creation.
    names.sort_unstable();
    let incidents = names
        .into_iter()
        .enumerate()
        .map(|(place, name)| (name, matches!(place % 5, 1 | 3)));
    let incidents: Vec<(String, bool)> = incidents.collect();
    let settled: Vec<(String, bool)> = incidents
        .iter()
        .filter(|(_, resolved)| *resolved)
        .map(|(name, _)| (name.clone(), false))
        .collect();
    resolve(target, &settled).await?;
    Ok(incidents)
}

async fn resolve(target: &Target, incidents: &[(String, bool)]) -> Result<()> {
    let mut tasks = JoinSet::new();
    for (client, share) in shares(incidents, FILLERS).into_iter().enumerate() {
        let line = target.lines.line(client);
        tasks.spawn(async move {
            for incident in share {
                Resolve::new(line.clone(), fastrand::Rng::new(), vec![incident])
                    .call()
                    .await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// Copies a folder of plain files and folders to the disk: what is only on its
/// way there would slow the first who is measured.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &place)?,
            false => {
                std::fs::copy(entry.path(), &place)?;
                std::fs::File::open(&place)?.sync_all()?;
            }
        }
    }
    Ok(())
}
