//! A server as a process of its own: started, killed, stopped, started again.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long a server may take from its start to the line that says where it listens.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to start, the same each time.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What is added to its environment.
    pub environment: Vec<(String, String)>,
    /// Where what it complains of is kept.
    pub log: PathBuf,
}

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    address: String,
}

impl Launch {
    /// The server on a folder of data, with a place beside it for its complaints.
    pub fn server(binary: &Path, data: &Path, listen: &str) -> Self {
        let arguments = [
            "--listen".into(),
            listen.into(),
            "--data".into(),
            data.into(),
        ];
        Self {
            program: binary.to_owned(),
            arguments: arguments.into(),
            environment: Vec::new(),
            log: data.with_extension("stderr"),
        }
    }

    /// Starts it and waits until it says where it listens.
    pub async fn start(&self) -> Result<Process> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let address = tokio::time::timeout(PATIENCE, listening(&mut child)).await;
        match address.context("the server does not say where it listens")? {
            Ok(address) => Ok(Process { child, address }),
            Err(said) => {
                let complaint = std::fs::read_to_string(&self.log).unwrap_or_default();
                let tail: Vec<&str> = complaint.lines().rev().take(20).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                bail!(
                    "the server ended before it listened: {said:#}\n{}",
                    tail.join("\n")
                )
            }
        }
    }
}

impl Process {
    /// Where it listens, such as `127.0.0.1:41234`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends it at once (SIGKILL), and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("killing the server")
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let id = self.child.id().context("the server has ended already")?;
        let pid = Pid::from_raw(i32::try_from(id)?).context("0 is no process")?;
        kill_process(pid, Signal::TERM)?;
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        Ok(ended.context("the server does not end within 30 s of SIGTERM")??)
    }
}

/// Reads what the server says until it names its address; the rest is read
/// too, so that it never waits for a reader.
async fn listening(child: &mut Child) -> Result<String> {
    let output = child.stdout.take().context("its output is a pipe")?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(address) = address_in(&line) {
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(address);
        }
    }
    bail!("{}", child.wait().await?)
}

/// The first loopback address with a port in a line.
fn address_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then(|| format!("127.0.0.1:{port}"))
}

#[cfg(test)]
mod tests {
    use super::address_in;

    #[test]
    fn the_address_is_found_in_a_line_for_people() {
        let line = "Listening on http://127.0.0.1:8081, token in ./data/admin.token";
        assert_eq!(address_in(line).as_deref(), Some("127.0.0.1:8081"));
        assert_eq!(address_in("nothing yet at 127.0.0.1:"), None);
    }
}
