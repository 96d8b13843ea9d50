//! Keeps a running server under load, for a profiler to be attached to it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use crate::drive::{Sample, Span, closed};
use crate::incidents::{Create, Get, List, Resolve, newest, shares, workers};
use crate::target::Lines;

/// How many of the newest incidents are worked on.
const NEWEST: usize = 5_000;

/// What to ask for, of whom, and how long.
#[derive(Debug, Args)]
pub(crate) struct Hold {
    /// What the clients do.
    #[arg(value_enum)]
    call: Call,
    /// The server.
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "MAINSTAY_SERVER")]
    server: String,
    /// The file with the token.
    #[arg(long, default_value = "data/admin.token", env = "MAINSTAY_TOKEN_FILE")]
    token_file: PathBuf,
    /// Number of clients.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// For how long.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

/// What clients do.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Call {
    /// Create incidents.
    Create,
    /// Get some of the newest 5,000.
    Get,
    /// List 50 by a filter.
    List,
    /// Resolve and reopen the newest 5,000 in turn.
    Resolve,
}

/// Keeps the server under load; what it came to.
pub(crate) async fn hold(hold: &Hold) -> Result<String> {
    let lines = Lines::connect(&hold.server, Some(&hold.token_file)).await?;
    let span = Span {
        warm_up: Duration::ZERO,
        measure: Duration::from_secs(hold.seconds),
    };
    let sample = match hold.call {
        Call::Create => {
            let work = workers(&lines, hold.clients, |line, random, _| {
                Create::new(line, random)
            });
            closed(span, work).await?
        }
        Call::List => {
            let work = workers(&lines, hold.clients, |line, random, _| {
                List::new(line, random)
            });
            closed(span, work).await?
        }
        Call::Get | Call::Resolve => on_newest(hold, &lines, span).await?,
    };
    Ok(format!(
        "{:.0} calls/s, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        sample.per_second,
        sample.quantile_ms(0.5),
        sample.quantile_ms(0.99),
        sample.quantile_ms(1.0)
    ))
}

async fn on_newest(hold: &Hold, lines: &Lines, span: Span) -> Result<Sample> {
    let incidents = newest(&lines.line(0), NEWEST).await?;
    ensure!(
        incidents.len() >= hold.clients,
        "the server has too few incidents: create some first"
    );
    let Call::Get = hold.call else {
        let share = shares(&incidents, hold.clients);
        let work = workers(lines, hold.clients, |line, random, client| {
            Resolve::new(line, random, share[client].clone())
        });
        return closed(span, work).await;
    };
    let names = Arc::new(incidents.into_iter().map(|(name, _)| name).collect());
    let work = workers(lines, hold.clients, |line, random, _| {
        Get::new(line, random, Arc::clone(&names))
    });
    closed(span, work).await
}
