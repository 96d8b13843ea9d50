//! The one binary: the suite in one process, and its command line.

use std::process::ExitCode;

use clap::Parser as _;
use mainstay_chassis::config::SettingsError;

mod bundle;
mod cli;
mod client;
mod commands;
mod data;
mod import;
mod output;
mod serve;
mod settings;
mod suite;
mod time;

use cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The exit code for a command or a setting that cannot be understood.
const BAD_USAGE: u8 = 64;
/// What tasks that are still under way at the end are given.
const LAST_WORD: std::time::Duration = std::time::Duration::from_millis(300);

/// A command that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(String);

impl Usage {
    /// Says what is wrong with it.
    pub(crate) fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refusal) => {
            let code = if refusal.use_stderr() {
                ExitCode::from(BAD_USAGE)
            } else {
                ExitCode::SUCCESS
            };
            let _ = refusal.print();
            return code;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let code = runtime
        .block_on(run(cli))
        .unwrap_or_else(|error| failed(&error));
    runtime.shutdown_timeout(LAST_WORD);
    code
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => Box::pin(serve::run(cli.serve)).await?,
        Some(Command::Config) => output::emit(settings::TABLE.document().as_bytes())?,
        Some(Command::Contract(args)) => commands::contract::run(args)?,
        Some(Command::Verify(args)) => commands::verify::run(args).await?,
        Some(Command::Token { server, what }) => commands::token::run(&server, what).await?,
        Some(Command::Watch { server, args }) => commands::watch::run(&server, args).await?,
        Some(Command::Practice { server, what }) => commands::practice::run(&server, what).await?,
        Some(Command::Metrics { server, args }) => commands::metrics::run(&server, args).await?,
        Some(Command::Apply { server, args }) => commands::policy::apply(&server, args).await?,
        Some(Command::Export { server, args }) => commands::policy::export(&server, args).await?,
        Some(Command::Import { server, args }) => {
            return Box::pin(commands::import::run(&server, &args)).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what went wrong, unless it is that nobody reads the output any more.
fn failed(error: &anyhow::Error) -> ExitCode {
    let closed = |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
    if error.downcast_ref::<std::io::Error>().is_some_and(closed) {
        return ExitCode::SUCCESS;
    }
    output::remark(format!("mainstay: {error:#}"));
    let usage = error.is::<Usage>() || error.is::<SettingsError>();
    ExitCode::from(if usage { BAD_USAGE } else { 1 })
}
