//! One running suite: its process, or its processes, where it listens, and its
//! tokens. The same tests run on both: `MAINSTAY_TEST_TOPOLOGY=apart` gives
//! each service a process of its own.

mod part;

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};
use mainstay_practice::conformance::Scratch;
use mainstay_proto::mainstay::access::v1 as access;
use mainstay_proto::mainstay::access::v1::access_service_client::AccessServiceClient;
use part::Part;
use tempfile::TempDir;
use tokio::process::Command;
use tonic::transport::{Channel, Endpoint};

use crate::{Bearer, Caller};

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

/// Which services share a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// All of them.
    Together,
    /// None.
    Apart,
}

impl Topology {
    /// What `MAINSTAY_TEST_TOPOLOGY` says: `apart`, or `together` as when it
    /// is not set.
    pub fn asked() -> Result<Self> {
        match std::env::var("MAINSTAY_TEST_TOPOLOGY").as_deref() {
            Err(_) | Ok("together") => Ok(Self::Together),
            Ok("apart") => Ok(Self::Apart),
            Ok(other) => {
                bail!("MAINSTAY_TEST_TOPOLOGY is `{other}`: it is to be `together` or `apart`")
            }
        }
    }
}

/// The practices, each a process of its own when the suite is apart.
pub const PRACTICES: [&str; 1] = ["incident"];
/// The process that clients call.
pub const GATEWAY: &str = "gateway";

/// A suite that runs in processes of its own. Dropped, they are killed.
#[derive(Debug)]
pub struct Suite {
    data: PathBuf,
    /// The gateway's process, or that of all, is the last.
    parts: Vec<Part>,
    _folder: Option<TempDir>,
    /// Its database, where the tests run on PostgreSQL; the files lie in the folder.
    scratch: Option<Scratch>,
}

impl Suite {
    /// Starts a suite on an empty folder, which goes when the suite is dropped.
    pub async fn start() -> Result<Self> {
        Self::start_with(Extra::default()).await
    }

    /// The same, started with more than address and data.
    pub async fn start_with(extra: Extra) -> Result<Self> {
        Self::start_as(Topology::asked()?, extra).await
    }

    /// The same, in processes that the test needs so.
    pub async fn start_as(topology: Topology, mut extra: Extra) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let scratch = Scratch::new().await;
        extra.environment.extend(database(&scratch));
        let mut suite = Self::open(topology, &folder.path().join("data"), extra).await?;
        suite._folder = Some(folder);
        suite.scratch = Some(scratch);
        Ok(suite)
    }

    /// Starts a suite on a folder that the caller keeps.
    pub async fn start_on(data: &Path, extra: Extra) -> Result<Self> {
        Self::open(Topology::asked()?, data, extra).await
    }

    async fn open(topology: Topology, data: &Path, extra: Extra) -> Result<Self> {
        let mut parts = Vec::new();
        let mut gateway = extra.clone();
        if topology == Topology::Apart {
            let keys = data.with_extension("keys");
            make_keys(&keys).await?;
            let named = |only: &str| ["--only", only, "--keys"].map(str::to_owned);
            for practice in PRACTICES {
                let mut extra = extra.clone();
                extra.arguments.extend(named(practice));
                extra.arguments.push(keys.display().to_string());
                let part = Part::start(practice, data, extra).await?;
                let peer = format!("{practice}=http://{}", part.address());
                gateway.arguments.extend(["--peer".to_owned(), peer]);
                parts.push(part);
            }
            gateway.arguments.extend(named(GATEWAY));
            gateway.arguments.push(keys.display().to_string());
        }
        parts.push(Part::start(GATEWAY, data, gateway).await?);
        Ok(Self {
            data: data.to_owned(),
            parts,
            _folder: None,
            scratch: None,
        })
    }

    fn gateway(&self) -> &Part {
        &self.parts[self.parts.len() - 1]
    }

    /// The process in which a service runs.
    fn part(&mut self, service: &str) -> Result<&mut Part> {
        let mut parts = self.parts.iter_mut();
        parts
            .find(|part| part.name() == service)
            .with_context(|| format!("{service} has no process of its own"))
    }

    /// Ends all processes at once, as a loss of power to them would (SIGKILL).
    pub async fn kill(&mut self) -> Result<()> {
        for part in &mut self.parts {
            part.kill().await?;
        }
        Ok(())
    }

    /// Ends one of the processes at once.
    pub async fn kill_only(&mut self, service: &str) -> Result<()> {
        self.part(service)?.kill().await
    }

    /// Asks the processes to end (SIGTERM) and waits until they have; says how
    /// the gateway did, and fails if another ended badly.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        let mut last = None;
        for part in self.parts.iter_mut().rev() {
            let status = part.stop().await?;
            ensure!(
                last.is_none() || status.success(),
                "{} ended with {status}",
                part.name()
            );
            last = last.or(Some(status));
        }
        last.context("a suite has a process")
    }

    /// Starts it again after [`Suite::kill`] or [`Suite::stop`], on the same
    /// folder and address.
    pub async fn restart(&mut self) -> Result<()> {
        for part in &mut self.parts {
            part.restart().await?;
        }
        Ok(())
    }

    /// Starts one of the processes again, on the same folder and address.
    pub async fn restart_only(&mut self, service: &str) -> Result<()> {
        self.part(service)?.restart().await
    }

    /// Where it listens, such as `127.0.0.1:41234`.
    pub fn address(&self) -> &str {
        self.gateway().address()
    }

    /// Where it listens, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// The folder of its data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The id of the process that clients call.
    pub fn pid(&self) -> Option<u32> {
        self.gateway().pid()
    }

    /// Where a service listens that has a process of its own.
    pub fn address_of(&mut self, service: &str) -> Result<String> {
        Ok(self.part(service)?.address().to_owned())
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
            .envs(self.scratch.as_ref().and_then(database))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Ok(command)
    }
}

/// The setting that names a test's database, where that is no folder.
fn database(scratch: &Scratch) -> Option<(String, String)> {
    let url = scratch.url()?;
    Some(("MAINSTAY_DATABASE".to_owned(), url.to_owned()))
}

/// Makes the keys of a suite that runs apart.
async fn make_keys(folder: &Path) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let mut command = Command::new(binary()?);
    let made = command
        .args(["keys", "generate"])
        .arg(folder)
        .output()
        .await?;
    let complaint = String::from_utf8_lossy(&made.stderr);
    ensure!(made.status.success(), "no keys were made: {complaint}");
    Ok(())
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
