//! The processes of the server under test: one, or one for each service. Any
//! of them may be the one that is killed.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

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

/// The processes. The last is the one that clients call.
pub(crate) struct Fleet(Vec<(Launch, Process)>);

impl Fleet {
    /// Starts them on a folder.
    pub(crate) async fn open(settings: &Settings, data: &Path) -> Result<Self> {
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
        Ok(Self(fleet))
    }

    /// Where clients call.
    pub(crate) fn address(&self) -> &str {
        self.0[self.0.len() - 1].1.address()
    }

    /// Kills one of them, whichever chance will have; says which.
    pub(crate) async fn kill(&mut self, random: &mut fastrand::Rng) -> Result<usize> {
        let victim = random.usize(..self.0.len());
        self.0[victim].1.kill().await?;
        Ok(victim)
    }

    /// Starts it again; says how long that took.
    pub(crate) async fn restart(&mut self, victim: usize) -> Result<Duration> {
        let start = Instant::now();
        let (launch, process) = &mut self.0[victim];
        *process = launch.start().await?;
        Ok(start.elapsed())
    }

    /// Asks them to end and waits until they have, the gateway first.
    pub(crate) async fn stop(&mut self) -> Result<()> {
        for (_, process) in self.0.iter_mut().rev() {
            process.stop().await?;
        }
        Ok(())
    }
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
