//! One running suite: the process, where it listens, and its tokens.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mainstay_proto::mainstay::access::v1 as access;
use mainstay_proto::mainstay::access::v1::access_service_client::AccessServiceClient;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use tonic::transport::{Channel, Endpoint};

use crate::{Bearer, Caller};

/// How long a suite may take to say where it listens, before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a suite is started with beside its address and its data.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Further arguments, such as `--config FILE`.
    pub arguments: Vec<String>,
    /// Settings in its environment, such as `MAINSTAY_LIMITS__UNITS_PER_SECOND`.
    pub environment: Vec<(String, String)>,
}

impl Extra {
    /// A setting in the environment.
    pub fn setting(variable: &str, value: &str) -> Self {
        Self {
            environment: vec![(variable.to_owned(), value.to_owned())],
            ..Self::default()
        }
    }
}

/// A suite that runs as a process of its own. Dropped, it is killed.
#[derive(Debug)]
pub struct Suite {
    data: PathBuf,
    address: String,
    extra: Extra,
    child: Child,
    _folder: Option<TempDir>,
}

impl Suite {
    /// Starts a suite on an empty folder, which goes when the suite is dropped.
    pub async fn start() -> Result<Self> {
        Self::start_with(Extra::default()).await
    }

    /// The same, started with more than address and data.
    pub async fn start_with(extra: Extra) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut suite = Self::start_on(&folder.path().join("data"), extra).await?;
        suite._folder = Some(folder);
        Ok(suite)
    }

    /// Starts a suite on a folder that the caller keeps.
    pub async fn start_on(data: &Path, extra: Extra) -> Result<Self> {
        let (child, address) = spawn(data, "127.0.0.1:0", &extra).await?;
        Ok(Self {
            data: data.to_owned(),
            address,
            extra,
            child,
            _folder: None,
        })
    }

    /// Ends the process at once, as a loss of power to it would (SIGKILL).
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("killing the suite")
    }

    /// Asks the process to end (SIGTERM) and waits until it has.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let id = self.child.id().context("the suite has ended already")?;
        let pid = Pid::from_raw(i32::try_from(id)?).context("0 is no process")?;
        kill_process(pid, Signal::TERM)?;
        Ok(self.child.wait().await?)
    }

    /// Starts it again after [`Suite::kill`] or [`Suite::stop`], on the same
    /// folder and address.
    pub async fn restart(&mut self) -> Result<()> {
        let (child, address) = spawn(&self.data, &self.address, &self.extra).await?;
        ensure!(
            address == self.address,
            "it came back at {address} instead of {}",
            self.address
        );
        self.child = child;
        Ok(())
    }

    /// Where it listens, such as `127.0.0.1:41234`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The folder of its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The id of its process.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The file that holds the administrator's token.
    pub fn token_file(&self) -> PathBuf {
        self.data.join("admin.token")
    }

    /// The administrator's token.
    pub fn administrator_token(&self) -> Result<String> {
        let file = self.token_file();
        let text = std::fs::read_to_string(&file)
            .with_context(|| format!("reading {}", file.display()))?;
        Ok(text.trim().to_owned())
    }

    /// A channel to it: connects on the first call, and again after a restart.
    pub fn channel(&self) -> Result<Channel> {
        Ok(Endpoint::from_shared(self.url())?.connect_lazy())
    }

    /// Calls with a token.
    pub fn caller(&self, token: &str) -> Result<Caller> {
        Ok(Caller::new(self.channel()?, Bearer::token(token)?))
    }

    /// Calls without a token.
    pub fn stranger(&self) -> Result<Caller> {
        Ok(Caller::new(self.channel()?, Bearer::none()))
    }

    /// Calls as the administrator.
    pub fn administrator(&self) -> Result<Caller> {
        self.caller(&self.administrator_token()?)
    }

    /// Calls with a fresh token of a role: `viewer`, `agent`, `importer` or
    /// `administrator`.
    pub async fn role(&self, role: &str) -> Result<Caller> {
        let made = self.create_token(role, None).await?;
        self.caller(&made.secret)
    }

    /// Makes a token of a role, for an account with the role's name.
    pub async fn create_token(
        &self,
        role: &str,
        expire_time: Option<prost_types::Timestamp>,
    ) -> Result<access::CreateTokenResponse> {
        let token = access::Token {
            account: role.to_owned(),
            role: role.to_owned(),
            expire_time,
            ..Default::default()
        };
        let request = access::CreateTokenRequest {
            token: Some(token),
            ..Default::default()
        };
        let mut client = AccessServiceClient::new(self.administrator()?);
        Ok(client.create_token(request).await?.into_inner())
    }

    /// A command of the same binary, such as `["verify", "--data", …]`, which
    /// finds this server and the administrator's token in its environment.
    pub fn command<I: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = I>,
    ) -> Result<Command> {
        let mut command = Command::new(binary()?);
        command
            .args(arguments)
            .env("MAINSTAY_SERVER", self.url())
            .env("MAINSTAY_TOKEN_FILE", self.token_file())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }
}

/// Starts the process and waits until it says where it listens.
async fn spawn(data: &Path, listen: &str, extra: &Extra) -> Result<(Child, String)> {
    std::fs::create_dir_all(data)?;
    let errors = data.with_extension("stderr");
    let mut child = Command::new(binary()?)
        .args(["--listen", listen, "--data"])
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
        .context("starting the suite")?;
    let stdout = child.stdout.take().context("its output is a pipe")?;
    let address = tokio::time::timeout(PATIENCE, listening(stdout)).await;
    let address = address.context("the suite does not say where it listens")??;
    address.map(|address| (child, address)).with_context(|| {
        let complaint = std::fs::read_to_string(&errors).unwrap_or_default();
        format!("the suite ended before it listened: {complaint}")
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

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The binary under test: `MAINSTAY_BINARY` where it is set, else the one that
/// cargo built beside this test. Built once when it is missing; `tests/run`
/// builds it first, so that it is never an old one.
pub fn binary() -> Result<PathBuf> {
    static FOUND: std::sync::LazyLock<Result<PathBuf, String>> =
        std::sync::LazyLock::new(|| find_binary().map_err(|error| format!("{error:#}")));
    FOUND.clone().map_err(anyhow::Error::msg)
}

fn find_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("MAINSTAY_BINARY") {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let folder = test
        .ancestors()
        .find(|folder| folder.join(".fingerprint").is_dir())
        .context("the test does not lie in a target folder")?;
    let binary = folder.join("mainstay");
    if !binary.exists() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = std::process::Command::new(cargo)
            .args(["build", "--locked", "--package", "mainstay"])
            .current_dir(repository())
            .status()?;
        ensure!(built.success(), "the suite does not build");
    }
    Ok(binary)
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
