//! Runs a command with a PostgreSQL server at hand: `with_postgres cargo test`
//! runs the tests on it. Ends as the command does; with 77 where the machine
//! has no PostgreSQL.

use std::process::ExitCode;

use anyhow::{Context, Result};
use mainstay_tests::Postgres;
use tokio::process::Command;

/// What says that nothing was run.
const SKIPPED: u8 = 77;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Some(server) = Postgres::start().await? else {
        return Ok(ExitCode::from(SKIPPED));
    };
    let mut words = std::env::args_os().skip(1);
    let program = words.next().context("name a command")?;
    let status = Command::new(program)
        .args(words)
        .env("MAINSTAY_TEST_DATABASE", server.url())
        .status()
        .await?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}
