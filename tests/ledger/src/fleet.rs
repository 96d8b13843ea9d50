//! The processes of the server under test: one, or one for each service. Any
//! of them may be the one that is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay_practice::conformance::Scratch;
use mainstay_tests::Postgres;

use crate::process::{Launch, Process};
use crate::run::Settings;
use crate::strace::{WRITES_AND_SYNCS, slowed};

/// Which services share a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Topology {
    /// All of them.
    Together,
    /// None.
    Apart,
}

/// The practices, each a process of its own when the server is apart.
const PRACTICES: [&str; 1] = ["incident"];

/// The processes.
pub(crate) struct Fleet {
    /// Those of the server. The last is the one that clients call.
    processes: Vec<(Launch, Process)>,
    /// The database server, where there is one.
    database: Option<Database>,
}

/// A database server of the run's own, and the database on it.
struct Database {
    scratch: Scratch,
    server: Postgres,
}

impl Fleet {
    /// Starts them on a folder.
    pub(crate) async fn open(settings: &Settings, data: &Path) -> Result<Self> {
        let mut settings = settings.clone();
        let database = database(&settings).await?;
        if let Some(url) = database.as_ref().and_then(|own| own.scratch.url()) {
            let variable = ("MAINSTAY_DATABASE".to_owned(), url.to_owned());
            settings.environment.push(variable);
        }
        let settings = &settings;
        let mut fleet = Vec::new();
        let mut gateway = Vec::new();
        if settings.topology == Topology::Apart {
            let keys = keys(&settings.binary, data).await?;
            for practice in PRACTICES {
                let arguments = ["--only", practice, "--keys", &keys].map(str::to_owned);
                let (launch, process) = start(settings, data, &arguments).await?;
                let peer = format!("{practice}=http://{}", process.address());
                gateway.extend(["--peer".to_owned(), peer]);
                fleet.push((launch, process));
            }
            gateway.extend(["--only", "gateway", "--keys", &keys].map(str::to_owned));
        }
        fleet.push(start(settings, data, &gateway).await?);
        Ok(Self {
            processes: fleet,
            database,
        })
    }

    /// The database, where it is no file.
    pub(crate) fn scratch(&self) -> Option<&Scratch> {
        self.database.as_ref().map(|database| &database.scratch)
    }

    /// Where clients call.
    pub(crate) fn address(&self) -> &str {
        self.processes[self.processes.len() - 1].1.address()
    }

    /// Kills one of them, whichever chance will have; says which.
    pub(crate) async fn kill(&mut self, random: &mut fastrand::Rng) -> Result<usize> {
        let all = self.processes.len() + usize::from(self.database.is_some());
        let victim = random.usize(..all);
        match (self.processes.get_mut(victim), &mut self.database) {
            (Some((_, process)), _) => process.kill().await?,
            (None, Some(database)) => database.server.kill().await?,
            (None, None) => {}
        }
        Ok(victim)
    }

    /// Starts it again; says how long that took.
    pub(crate) async fn restart(&mut self, victim: usize) -> Result<Duration> {
        let start = Instant::now();
        match (self.processes.get_mut(victim), &mut self.database) {
            (Some((launch, process)), _) => *process = launch.start().await?,
            (None, Some(database)) => database.server.restart().await?,
            (None, None) => {}
        }
        Ok(start.elapsed())
    }

    /// Asks them to end and waits until they have, the gateway first.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        for (_, process) in self.processes.iter_mut().rev() {
            process.stop().await?;
        }
        Ok(())
    }
}

/// A server of the run's own, where the run is to have one.
async fn database(settings: &Settings) -> Result<Option<Database>> {
    if !settings.postgres {
        return Ok(None);
    }
    let server = Postgres::start().await?;
    let server = server.context("there is no PostgreSQL on this machine")?;
    let scratch = server.scratch().await;
    Ok(Some(Database { scratch, server }))
}

/// Starts a process on any port, and tells how it is started there again.
async fn start(
    settings: &Settings,
    data: &Path,
    arguments: &[String],
) -> Result<(Launch, Process)> {
    let launch = |listen: &str| {
        let mut plain = Launch::server(&settings.binary, data, listen);
        plain.environment = settings.environment.clone();
        plain.arguments.extend(arguments.iter().map(Into::into));
        match &settings.slow_disk {
            Some((tracer, delay)) => slowed(
                plain,
                tracer,
                WRITES_AND_SYNCS,
                *delay,
                Path::new("/dev/null"),
            ),
            None => plain,
        }
    };
    let process = launch("127.0.0.1:0").start().await?;
    Ok((launch(process.address()), process))
}

/// Makes the keys of a server that is apart; returns their folder.
async fn keys(binary: &Path, data: &Path) -> Result<String> {
    let folder = data.with_extension("keys").display().to_string();
    let mut command = tokio::process::Command::new(binary);
    let made = command.args(["keys", "generate", &folder]).output().await?;
    let complaint = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "no keys were made: {complaint}");
    Ok(folder)
}
