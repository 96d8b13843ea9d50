//! A PostgreSQL server of the tests' own, from the programs found on the
//! machine: on a temporary folder and a free port of the loopback, durable as
//! in production. `MAINSTAY_TEST_DATABASE` names one that runs already.

use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mainstay_practice::conformance::Scratch;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long the server may take until it accepts connections.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the server is started with beside its place.
const SETTINGS: [&str; 5] = [
    "unix_socket_directories=",
    "fsync=on",
    "max_connections=400",
    "shared_buffers=256MB",
    "max_wal_size=2GB",
];

/// A server. Dropped, it is killed, and its folder goes.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    own: Option<Own>,
}

/// A server that these tests have started.
#[derive(Debug)]
struct Own {
    programs: PathBuf,
    folder: TempDir,
    /// The user and group that it runs as, where it must not be ours.
    user: Option<(u32, u32)>,
    port: u16,
    child: Child,
}

impl Postgres {
    /// The server that the tests are to use, or one of their own; none, and a
    /// sentence on standard error, where the machine has no PostgreSQL.
    pub async fn at_hand() -> Result<Option<Self>> {
        match std::env::var("MAINSTAY_TEST_DATABASE") {
            Ok(url) => Ok(Some(Self { url, own: None })),
            Err(_) => Self::start().await,
        }
    }

    /// Starts a server; none where the machine has no PostgreSQL.
    pub async fn start() -> Result<Option<Self>> {
        let Some(programs) = programs() else {
            ensure!(
                std::env::var_os("REQUIRE_POSTGRES").is_none(),
                "PostgreSQL is required, but there is none on this machine"
            );
            crate::tools::skipped("there is no PostgreSQL on this machine");
            return Ok(None);
        };
        let user = geteuid().is_root().then(unprivileged).transpose()?;
        let folder = tempfile::Builder::new()
            .prefix("mainstay-postgres-")
            .tempdir()?;
        if let Some((user, group)) = user {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let data = folder.path().join("data");
        // Texts that sort as people expect show who relies on their bytes.
        let people = ["--locale-provider=icu", "--icu-locale=en"];
        if initialize(&programs, &data, user, &people).await.is_err() {
            initialize(&programs, &data, user, &["--locale=C"]).await?;
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = serve(&programs, folder.path(), user, port).await?;
        Ok(Some(Self {
            url: format!("postgres://mainstay@127.0.0.1:{port}/postgres"),
            own: Some(Own {
                programs,
                folder,
                user,
                port,
                child,
            }),
        }))
    }

    /// Its URL, with the database that every server has.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A database of its own for a test.
    pub async fn scratch(&self) -> Scratch {
        Scratch::on(&self.url).await
    }

    /// Ends the server at once, as `pg_ctl stop -m immediate` does: what is not
    /// on the disk is lost.
    pub async fn kill(&mut self) -> Result<()> {
        let own = self.own.as_mut().context("it is somebody else's server")?;
        let id = own.child.id().context("it has ended already")?;
        let pid = Pid::from_raw(i32::try_from(id)?).context("0 is no process")?;
        kill_process(pid, Signal::QUIT)?;
        own.child.wait().await?;
        Ok(())
    }

    /// Starts it again after [`Postgres::kill`]; it recovers first.
    pub async fn restart(&mut self) -> Result<()> {
        let own = self.own.as_mut().context("it is somebody else's server")?;
        own.child = serve(&own.programs, own.folder.path(), own.user, own.port).await?;
        Ok(())
    }
}

/// The folder of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let newest_first = versions.into_iter().rev().map(|(_, folder)| folder);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
    newest_first
        .chain(on_path)
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// A user who may run the server, which refuses to be run by root.
fn unprivileged() -> Result<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd")?;
    let user = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    user("postgres")
        .or_else(|| user("nobody"))
        .context("there is neither a user postgres nor a user nobody")
}

fn command(program: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    // Whatever folder the tests run in, that user may not enter it.
    command.current_dir("/");
    command
}

async fn initialize(
    programs: &Path,
    data: &Path,
    user: Option<(u32, u32)>,
    locale: &[&str],
) -> Result<()> {
    let output = command(&programs.join("initdb"), user)
        .args(["--username=mainstay", "--auth=trust", "--encoding=UTF8"])
        .args(locale)
        .arg("--pgdata")
        .arg(data)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Starts the server and waits until it accepts connections.
async fn serve(
    programs: &Path,
    folder: &Path,
    user: Option<(u32, u32)>,
    port: u16,
) -> Result<Child> {
    let mut command = command(&programs.join("postgres"), user);
    command
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-D"])
        .arg(folder.join("data"));
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    let mut child = command.spawn().context("starting PostgreSQL")?;
    let errors = child.stderr.take().context("its errors are a pipe")?;
    let mut lines = BufReader::new(errors).lines();
    let ready = async {
        let mut said = Vec::new();
        while let Some(line) = lines.next_line().await? {
            if line.contains("ready to accept connections") {
                return Ok(());
            }
            said.push(line);
        }
        bail!("PostgreSQL ended: {}", said.join("\n"))
    };
    tokio::time::timeout(PATIENCE, ready)
        .await
        .context("PostgreSQL does not accept connections")??;
    // The rest is read, too, so that it never waits for a reader.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(child)
}
