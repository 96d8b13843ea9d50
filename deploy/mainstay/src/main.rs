//! The one binary: the suite in one process, and its command line.

use std::process::ExitCode;

pub(crate) use mainstay_chassis::process::Usage;
use mainstay_chassis::{process, settings};

mod bundle;
mod cli;
mod client;
mod commands;
mod import;
mod output;
mod serve;
mod suite;
mod time;

use cli::{Cli, Command};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The name of the program.
const NAME: &str = "mainstay";

fn main() -> ExitCode {
    process::main(NAME, run)
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => Box::pin(serve::run(cli.serve)).await?,
        Some(Command::Serve(args)) => Box::pin(serve::run(args)).await?,
        Some(Command::Keys { what }) => commands::keys::run(what)?,
        Some(Command::Config) => output::emit(settings::TABLE.document().as_bytes())?,
        Some(Command::Contract(args)) => commands::contract::run(args)?,
        Some(Command::Verify(args)) => commands::verify::run(args).await?,
        Some(Command::Token { server, what }) => commands::token::run(&server, what).await?,
        Some(Command::Watch { server, args }) => commands::watch::run(&server, args).await?,
        Some(Command::Practice { server, what }) => commands::practice::run(&server, what).await?,
        Some(Command::Timers { server, args }) => commands::timers::run(&server, args).await?,
        Some(Command::Clock { server, what }) => commands::clock::run(&server, what).await?,
        Some(Command::Metrics { server, args }) => commands::metrics::run(&server, args).await?,
        Some(Command::Apply { server, args }) => commands::policy::apply(&server, args).await?,
        Some(Command::Export { server, args }) => commands::policy::export(&server, args).await?,
        Some(Command::Simulate { server, args }) => commands::simulate::run(&server, args).await?,
        Some(Command::Redact { server, args }) => commands::redact::run(&server, args).await?,
        Some(Command::Import { server, args }) => {
            return Box::pin(commands::import::run(&server, &args)).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}
