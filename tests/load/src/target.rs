//! A server under measurement: its process, a few connections that the
//! clients share, and a token.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mainstay_ledger::process::{Launch, Process};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};

/// Number of connections that the clients share.
const CONNECTIONS: usize = 4;

/// A running server.
#[derive(Debug)]
pub(crate) struct Target {
    process: Process,
    /// The connections that clients share.
    pub(crate) lines: Lines,
    /// How long it took from its start until it listened.
    pub(crate) started_in: Duration,
}

/// A few connections to one server, and a token.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    channels: Vec<Channel>,
    token: Option<MetadataValue<Ascii>>,
}

impl Lines {
    /// Connects to a server at a URL, with the token in a file.
    pub(crate) async fn connect(url: &str, token: Option<&Path>) -> Result<Self> {
        let endpoint = Endpoint::from_shared(url.to_owned())?;
        let mut channels = Vec::with_capacity(CONNECTIONS);
        while channels.len() < CONNECTIONS {
            channels.push(
                endpoint
                    .connect()
                    .await
                    .context("the server does not answer")?,
            );
        }
        let token = match token {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("reading {}", path.display()))?;
                Some(format!("Bearer {}", text.trim()).parse()?)
            }
            None => None,
        };
        Ok(Self { channels, token })
    }

    /// One of the connections, in turn.
    pub(crate) fn line(&self, client: usize) -> Line {
        Line {
            channel: self.channels[client % self.channels.len()].clone(),
            token: self.token.clone(),
        }
    }
}

/// A connection and its token; makes requests.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The connection.
    pub(crate) channel: Channel,
    token: Option<MetadataValue<Ascii>>,
}

impl Line {
    /// A request with the token.
    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        if let Some(token) = &self.token {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        request
    }
}

impl Target {
    /// The product on a folder of data.
    pub(crate) async fn product(binary: &Path, data: &Path) -> Result<Self> {
        std::fs::create_dir_all(data)?;
        Self::start(
            &Launch::server(binary, data, "127.0.0.1:0"),
            Some(&data.join("admin.token")),
        )
        .await
    }

    /// This very program, with a hidden command.
    pub(crate) async fn own(command: &str, data: Option<&Path>, log: &Path) -> Result<Self> {
        let mut arguments: Vec<OsString> = vec![command.into()];
        arguments.extend(data.map(|data| data.as_os_str().to_owned()));
        let launch = Launch {
            program: std::env::current_exe()?,
            arguments,
            environment: Vec::new(),
            log: log.to_owned(),
        };
        Self::start(&launch, None).await
    }

    async fn start(launch: &Launch, token: Option<&Path>) -> Result<Self> {
        let begin = Instant::now();
        let process = launch.start().await?;
        let started_in = begin.elapsed();
        let lines = Lines::connect(&format!("http://{}", process.address()), token).await?;
        Ok(Self {
            process,
            lines,
            started_in,
        })
    }

    /// A connection of its own, for a stream.
    pub(crate) async fn fresh_line(&self) -> Result<Line> {
        let channel = Endpoint::from_shared(self.url())?.connect().await?;
        Ok(Line {
            channel,
            token: self.lines.token.clone(),
        })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.process.address())
    }

    /// The memory that it alone uses, with its share of what it shares (PSS), in MB.
    pub(crate) fn memory_mb(&self) -> Result<f64> {
        let id = self.process.id().context("the server has ended")?;
        let path = PathBuf::from(format!("/proc/{id}/smaps_rollup"));
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Pss:"))
            .context("no Pss in smaps_rollup")?;
        let kilobytes: u32 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(f64::from(kilobytes) / 1_000.0)
    }

    /// Ends it as an operator would.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.process.stop().await.map(drop)
    }

    /// Ends one that this program has started as itself: there is nothing to save.
    pub(crate) async fn end(mut self) {
        let _ = self.process.kill().await;
    }
}
