//! `mainstay verify`: walks the logs in a data folder, event by event.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mainstay_practice::verify::Report;

use crate::{Usage, output};

/// Which logs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder that holds the data.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
    /// Print one JSON object per log.
    #[arg(long)]
    json: bool,
}

/// Verifies every log, and fails when one is not whole.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut bad = 0;
    for path in databases(&args.data)? {
        let report = mainstay_practice::verify(&path).await?;
        bad += usize::from(report.fault.is_some());
        output::say(if args.json {
            json(&report)
        } else {
            text(&report)
        })?;
    }
    match bad {
        0 => Ok(()),
        1 => bail!("a log is not whole"),
        _ => bail!("{bad} logs are not whole"),
    }
}

/// The databases in a folder, by name.
fn databases(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "db") {
            found.push(path);
        }
    }
    found.sort();
    match found.is_empty() {
        true => Err(Usage::new(format!(
            "{} holds no data: name the folder with --data",
            folder.display()
        ))
        .into()),
        false => Ok(found),
    }
}

fn text(report: &Report) -> String {
    match &report.fault {
        None => format!("{}: {} events, whole", report.service, report.events),
        Some(flaw) => format!(
            "{}: event {} is bad: {} ({} before it are whole)",
            report.service, flaw.seq, flaw.what, report.events
        ),
    }
}

fn json(report: &Report) -> String {
    let fault = report
        .fault
        .as_ref()
        .map(|flaw| serde_json::json!({ "sequence": flaw.seq, "what": flaw.what }));
    serde_json::json!({ "service": report.service, "events": report.events, "fault": fault })
        .to_string()
}
