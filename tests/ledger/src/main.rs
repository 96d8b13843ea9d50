//! `mainstay-ledger`: runs the harness and says what it found.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use mainstay_ledger::check::{Violation, check};
use mainstay_ledger::fleet::Topology;
use mainstay_ledger::run::{Run, Settings, run};
use mainstay_ledger::strace;
use mainstay_ledger::summary::summary;

/// What switches the planted fault on, in a debug build of the server.
const PLANT: (&str, &str) = ("MAINSTAY_PLANT", "ack_before_commit");
/// At most so many violations are printed.
const PRINTED: usize = 20;

/// Kills the server at random moments and joins what it acknowledged with what it kept.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The server's program; by default the one beside this program.
    #[arg(long, env = "MAINSTAY_BINARY")]
    binary: Option<PathBuf>,
    /// How often the server is killed.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// Number of clients.
    #[arg(long, default_value_t = 32)]
    clients: u32,
    /// Which services of the server share a process; apart, each kill is of one
    /// of them.
    #[arg(
        long,
        env = "MAINSTAY_TEST_TOPOLOGY",
        value_enum,
        default_value = "together"
    )]
    topology: Topology,
    /// Where all randomness comes from; by default it is chosen and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// An empty folder that is kept; by default a temporary one, kept only after a violation.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Run a server with a planted fault, and expect to find it.
    #[arg(long)]
    plant: bool,
    /// How many runs with a planted fault must all find it.
    #[arg(long, default_value_t = 1, requires = "plant")]
    plant_runs: u32,
    /// Microseconds by which each write to the disk is delayed, which needs
    /// strace; with a planted fault 500 where there is strace, else 0.
    #[arg(long)]
    slow_disk: Option<u64>,
    /// Keep the records in a PostgreSQL server of our own, which is one of the
    /// processes that are killed.
    #[arg(long, conflicts_with_all = ["fsync", "slow_disk"])]
    postgres: bool,
    /// Only watch the server's system calls: an fsync before each acknowledgement.
    #[arg(long)]
    fsync: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match work(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mainstay-ledger: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

async fn work(arguments: Arguments) -> Result<bool> {
    if arguments.fsync {
        return fsync(&arguments).await;
    }
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    if !arguments.plant {
        return Ok(one(&arguments, seed).await? == 0);
    }
    let mut missed = 0;
    for round in 0..arguments.plant_runs {
        let found = one(&arguments, seed + u64::from(round)).await?;
        missed += u32::from(found == 0);
    }
    let runs = arguments.plant_runs;
    say(&format!(
        "the planted fault was found in {} of {runs} runs",
        runs - missed
    ));
    Ok(missed == 0)
}

/// One run; the number of violations.
async fn one(arguments: &Arguments, seed: u64) -> Result<usize> {
    let temporary = tempfile::Builder::new()
        .prefix("mainstay-ledger-")
        .tempdir()?;
    let settings = Settings {
        binary: binary(arguments)?,
        folder: arguments
            .folder
            .clone()
            .unwrap_or_else(|| temporary.path().to_owned()),
        kills: arguments.kills,
        clients: arguments.clients,
        topology: arguments.topology,
        seed,
        environment: environment(arguments),
        slow_disk: slow_disk(arguments)?,
        postgres: arguments.postgres,
    };
    say(&format!(
        "seed {seed}: {} kills, {} clients",
        settings.kills, settings.clients
    ));
    let result = run(&settings).await;
    if result.is_err() {
        say(&format!("kept: {}", temporary.keep().display()));
        return result.map(|_| 0);
    }
    let run = result?;
    say(&summary(&run)?);
    let violations = report(&run);
    if violations > 0 && !arguments.plant {
        say(&format!("kept: {}", temporary.keep().display()));
    }
    Ok(violations)
}

/// Prints what a run broke; the number of violations.
fn report(run: &Run) -> usize {
    let mut violations: Vec<String> = check(&run.evidence)
        .iter()
        .map(Violation::to_string)
        .collect();
    violations.extend(
        run.verify
            .iter()
            .map(|text| format!("mainstay verify: {text}")),
    );
    for violation in violations.iter().take(PRINTED) {
        say(&format!("  {violation}"));
    }
    match violations.len() {
        0 => say("no violation"),
        count => say(&format!("{count} violations")),
    }
    violations.len()
}

fn environment(arguments: &Arguments) -> Vec<(String, String)> {
    match arguments.plant {
        true => vec![(PLANT.0.to_owned(), PLANT.1.to_owned())],
        false => Vec::new(),
    }
}

fn slow_disk(arguments: &Arguments) -> Result<Option<(PathBuf, Duration)>> {
    let wish = match arguments.slow_disk {
        Some(0) => None,
        Some(wish) => Some((strace::tracer().context("a slow disk needs strace")?, wish)),
        None if arguments.plant && !arguments.postgres => {
            strace::tracer().map(|tracer| (tracer, 500))
        }
        None => None,
    };
    Ok(wish.map(|(tracer, delay)| (tracer, Duration::from_micros(delay))))
}

fn binary(arguments: &Arguments) -> Result<PathBuf> {
    match &arguments.binary {
        Some(path) => Ok(path.clone()),
        None => Ok(std::env::current_exe()?
            .parent()
            .context("a program lies in a folder")?
            .join("mainstay")),
    }
}

/// Watches system calls, where this machine has a tracer.
async fn fsync(arguments: &Arguments) -> Result<bool> {
    let Some(tracer) = strace::tracer() else {
        say("skipped: no strace here");
        return Ok(true);
    };
    let folder = tempfile::tempdir()?;
    let watched = strace::watch(
        &tracer,
        &binary(arguments)?,
        folder.path(),
        &environment(arguments),
    )
    .await?;
    say(&format!(
        "{} writes, {} syncs; {} writes acknowledged without one",
        watched.writes, watched.syncs, watched.unsynced
    ));
    Ok((watched.unsynced == 0) != arguments.plant)
}
