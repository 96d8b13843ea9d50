//! `mainstay` and `mainstay serve`: the suite in one process, or one service of
//! it alone.

use mainstay_chassis::Process;
use mainstay_chassis::process::Usage;
use mainstay_chassis::settings::Settings;
use mainstay_gateway::gateway;
use mainstay_practice::process::stores;

use crate::cli::ServeArgs;
use crate::suite::{self, SERVICES, Suite};

/// Serves until the process is asked to end.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let only = match args.only {
        Some(only) => only,
        None => Settings::of(&args.process)?.only,
    };
    let args = args.process;
    match only.as_str() {
        "" => together(args).await,
        gateway::NAME => mainstay_gateway::process::run_alone(&args).await,
        name => {
            let found = SERVICES.iter().find(|(known, _)| *known == name);
            let (name, open) = found.ok_or_else(|| unknown(name))?;
            mainstay_practice::process::run(&args, name, open).await
        }
    }
}

/// Serves the gateway and every service that the settings do not find
/// elsewhere.
async fn together(args: mainstay_chassis::settings::ProcessArgs) -> anyhow::Result<()> {
    let elsewhere = Settings::of(&args)?.peers()?;
    let here = suite::here(&elsewhere);
    let names: Vec<&str> = here.iter().map(|(name, _)| *name).collect();
    let process = Process::open(&args, &[&names[..], &[gateway::NAME]].concat()).await?;
    let suite = Suite::open(here, |name| stores(&process, name)).await?;
    mainstay_gateway::process::run(process, suite.neighbours(), suite.close()).await
}

/// Refuses a service that nobody knows.
fn unknown(name: &str) -> Usage {
    let known: Vec<&str> = SERVICES.iter().map(|(known, _)| *known).collect();
    Usage::new(format!(
        "there is no service `{name}` to serve alone: there is {}, {}",
        gateway::NAME,
        known.join(", ")
    ))
}
