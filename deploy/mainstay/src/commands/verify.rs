//! `mainstay verify`: walks the logs in a data folder or in a database, event
//! by event.

use std::path::PathBuf;

use anyhow::bail;
use mainstay_practice::verify::{Report, services, verify};
use mainstay_practice::{Database, DatabaseUrl};

use crate::{Usage, output};

/// Which logs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder that holds the data; `data` when nothing is said.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// PostgreSQL database that holds the records instead; MAINSTAY_DATABASE names it
    /// as well.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    database: Option<String>,
    /// Print one JSON object per log.
    #[arg(long)]
    json: bool,
}

/// Verifies every log, and fails when one is not whole.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut bad = 0;
    let database = database(&args)?;
    for service in logs(&database).await? {
        let report = verify(&database, &service).await?;
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

/// Where the logs are.
fn database(args: &Args) -> Result<Database, Usage> {
    let set = || match args.data {
        Some(_) => None,
        None => std::env::var("MAINSTAY_DATABASE").ok(),
    };
    let url = args.database.clone().or_else(set);
    match url.filter(|url| !url.is_empty()) {
        Some(url) => {
            let url: DatabaseUrl = url
                .parse()
                .map_err(|error| Usage::new(format!("--database {error}")))?;
            Ok(Database::Postgres { url })
        }
        None => {
            let usual = || PathBuf::from("data");
            Ok(Database::files(args.data.clone().unwrap_or_else(usual)))
        }
    }
}

/// The services that have a log there, by name.
async fn logs(database: &Database) -> anyhow::Result<Vec<String>> {
    let found = services(database).await?;
    match (found.is_empty(), database) {
        (false, _) => Ok(found),
        (true, Database::Sqlite { folder }) => Err(Usage::new(format!(
            "{} holds no data: name the folder with --data",
            folder.display()
        ))
        .into()),
        (true, Database::Postgres { url }) => Err(Usage::new(format!(
            "{url} holds no data: name the database with --database"
        ))
        .into()),
    }
}

fn text(report: &Report) -> String {
    match &report.fault {
        None => format!(
            "{}: {} events, whole{}",
            report.service,
            report.events,
            redacted(report)
        ),
        Some(flaw) => format!(
            "{}: event {} is bad: {} ({} before it are whole)",
            report.service, flaw.seq, flaw.what, report.events
        ),
    }
}

/// How many of the events personal data were taken out of.
fn redacted(report: &Report) -> String {
    match report.redacted {
        0 => String::new(),
        count => format!(", {count} of them redacted"),
    }
}

fn json(report: &Report) -> String {
    let fault = report
        .fault
        .as_ref()
        .map(|flaw| serde_json::json!({ "sequence": flaw.seq, "what": flaw.what }));
    serde_json::json!({
        "service": report.service, "events": report.events, "redacted": report.redacted, "fault": fault
    })
    .to_string()
}
