//! One process of a suite.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::{Extra, binary};

/// How long a process may take to say where it listens, before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The process of a service, or of all. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Part {
    name: &'static str,
    data: PathBuf,
    address: String,
    extra: Extra,
    child: Child,
}

impl Part {
    /// Starts it on any free port.
    pub(super) async fn start(name: &'static str, data: &Path, extra: Extra) -> Result<Self> {
        let (child, address) = spawn(name, data, "127.0.0.1:0", &extra).await?;
        Ok(Self {
            name,
            data: data.to_owned(),
            address,
            extra,
            child,
        })
    }

    pub(super) fn name(&self) -> &str {
        self.name
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    pub(super) async fn kill(&mut self) -> Result<()> {
        let killed = self.child.kill().await;
        killed.with_context(|| format!("killing {}", self.name))
    }

    pub(super) async fn stop(&mut self) -> Result<ExitStatus> {
        let id = self.child.id();
        let id = id.with_context(|| format!("{} has ended already", self.name))?;
        let pid = Pid::from_raw(i32::try_from(id)?).context("0 is no process")?;
        kill_process(pid, Signal::TERM)?;
        Ok(self.child.wait().await?)
    }

    /// Starts it again on the same folder and address.
    pub(super) async fn restart(&mut self) -> Result<()> {
        let (child, address) = spawn(self.name, &self.data, &self.address, &self.extra).await?;
        ensure!(
            address == self.address,
            "{} came back at {address} instead of {}",
            self.name,
            self.address
        );
        self.child = child;
        Ok(())
    }
}

/// Starts the process and waits until it says where it listens.
async fn spawn(name: &str, data: &Path, listen: &str, extra: &Extra) -> Result<(Child, String)> {
    std::fs::create_dir_all(data)?;
    let errors = data.with_extension(format!("{name}.stderr"));
    let mut child = Command::new(binary()?)
        .args(["serve", "--listen", listen, "--data"])
        .arg(data)
        .args(&extra.arguments)
        .envs(extra.environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(
            std::fs::File::options()
                .create(true)
                .append(true)
                .open(&errors)?,
        )
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    let stdout = child.stdout.take().context("its output is a pipe")?;
    let address = tokio::time::timeout(PATIENCE, listening(stdout)).await;
    let address = address.context("it does not say where it listens")??;
    address.map(|address| (child, address)).with_context(|| {
        let complaint = std::fs::read_to_string(&errors).unwrap_or_default();
        format!("{name} ended before it listened: {complaint}")
    })
}

/// Reads what it prints up to the line that says where it listens; none when
/// it ends before. The rest is read too, so that it never waits for a reader.
async fn listening(stdout: ChildStdout) -> Result<Option<String>> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(address) = address_in(&line) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(Some(address));
        }
    }
    Ok(None)
}

/// The first loopback address with a port in a line.
fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("127.0.0.1:{digits}"))
}

#[cfg(test)]
mod tests {
    use super::address_in;

    #[test]
    fn the_address_is_found_in_a_line_for_people() {
        let line = "Mainstay listens on http://127.0.0.1:8080 (gRPC, gRPC-Web, Connect)";
        assert_eq!(address_in(line).as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(address_in("the token is in ./data/admin.token"), None);
    }
}
