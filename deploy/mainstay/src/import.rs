//! `mainstay import`: a log of another system goes in through the public API.
//! The whole file is read and judged before the first call, so that nothing of
//! a bad file is written; then histories go out, a few calls at a time.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::builder::Resettable;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use mainstay_proto::mainstay::incident::v1 as pb;
use tonic::{Request, Response, Status};

mod history;
mod log;
mod mapping;
mod pool;
mod report;
mod send;
mod slug;
mod source;
mod template;
#[cfg(test)]
mod tests;

pub(crate) use report::Report;

use history::{Words, count};
use log::Log;
use mapping::Mapping;
use source::{Source, Unreadable};

/// As long as a mapping may be; the largest sensible one is a fraction of it.
const MAPPING_LIMIT: u64 = 1024 * 1024;

/// What to import, and how.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = Resettable::Reset)]
pub(crate) struct ImportArgs {
    /// The mapping: which columns are what, and what their values mean
    #[arg(long, value_name = "MAP.yaml")]
    pub(crate) mapping: PathBuf,
    /// The log: CSV with a header, plain or gzip
    pub(crate) file: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Only say what would happen, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// How many calls to have under way at a time
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) in_flight: u8,
}

/// Why an import did not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The mapping cannot be read.
    #[error("the mapping {path} cannot be read")]
    NoMapping {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in the mapping is wrong.
    #[error("the mapping {path} is wrong:\n{problems}")]
    Mapping {
        /// Its path.
        path: PathBuf,
        /// What and where, a line each.
        problems: String,
    },
    /// The log cannot be read.
    #[error("{path} cannot be imported, nothing was sent")]
    Log {
        /// Its path.
        path: PathBuf,
        /// What is wrong, with the line.
        source: Unreadable,
    },
    /// Names in the log have no slug, or would share one.
    #[error("nothing was sent, since names in {path} need a word in the mapping:\n{problems}")]
    Names {
        /// The log's path.
        path: PathBuf,
        /// Which, and the remedy, a line each.
        problems: String,
    },
}

/// Imports a log. `call` makes one call of `ImportIncidents`, and `explain`
/// says in words why one failed for good.
///
/// # Errors
/// When the mapping or the log is bad; nothing was sent then. Whatever happens
/// later stands in the report.
pub(crate) async fn run<C, F>(
    args: &ImportArgs,
    call: C,
    explain: impl Fn(&Status) -> String,
) -> Result<Report, ImportError>
where
    C: Fn(Request<pb::ImportIncidentsRequest>) -> F,
    F: Future<Output = Result<Response<pb::ImportIncidentsResponse>, Status>>,
{
    let began = Instant::now();
    let mapping = read_mapping(&args.mapping)?;
    let mut report = Report {
        dry_run: args.dry_run,
        ..Report::default()
    };
    let (log, words) = read_log(&args.file, &mapping, &mut report)?;
    let manner = send::Manner {
        dry_run: args.dry_run,
        in_flight: usize::from(args.in_flight),
    };
    let bar = ProgressBar::new(report.incidents - report.rejected).with_style(style(
        "Sending {wide_bar} {human_pos}/{human_len} incidents, {rate}/s, {eta} left{msg}",
    ));
    bar.enable_steady_tick(Duration::from_millis(200));
    let sent = send::send(&log.incidents, &words, manner, call, &bar, &mut report).await;
    bar.finish_and_clear();
    report.error = sent.err().map(|status| explain(&status));
    report.finish(began.elapsed());
    Ok(report)
}

fn read_mapping(path: &Path) -> Result<Mapping, ImportError> {
    let wrong = |problems| ImportError::Mapping {
        path: path.to_owned(),
        problems,
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAPPING_LIMIT + 1).read_to_string(&mut text))
        .map_err(|source| ImportError::NoMapping {
            path: path.to_owned(),
            source,
        })?;
    if count(text.len()) > MAPPING_LIMIT {
        return Err(wrong(format!("it is longer than {MAPPING_LIMIT} bytes")));
    }
    Mapping::parse(&text).map_err(wrong)
}

/// Reads the whole log, and marks the incidents that are not to be sent.
fn read_log(
    path: &Path,
    mapping: &Mapping,
    report: &mut Report,
) -> Result<(Log, Words), ImportError> {
    let bar = ProgressBar::new(0).with_style(style(
        "Reading {wide_bar} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
    ));
    let read = Source::open(path, mapping.delimiter, &bar)
        .and_then(|mut source| Log::read(&mut source, mapping, report));
    bar.finish_and_clear();
    let mut log = read.map_err(|source| ImportError::Log {
        path: path.to_owned(),
        source,
    })?;
    let words = Words::new(mapping, &log.pools).map_err(|problems| ImportError::Names {
        path: path.to_owned(),
        problems: problems.join("\n"),
    })?;
    words.sift(&mut log, report);
    report.incidents = count(log.incidents.len());
    report.rejected = count(
        log.incidents
            .iter()
            .filter(|incident| incident.rejected)
            .count(),
    );
    Ok((log, words))
}

/// The look of a bar; it is drawn on a terminal only.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key(
        "rate",
        |state: &ProgressState, text: &mut dyn fmt::Write| {
            // A rate that cannot be drawn is not worth a failure.
            let _ = write!(text, "{:.0}", state.per_sec());
        },
    )
}
