//! One run: starts the server, lets clients and subscribers at it, kills it
//! as often as asked, and collects the evidence.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mainstay_proto::mainstay::access::v1 as access;
use mainstay_proto::mainstay::access::v1::access_service_client::AccessServiceClient;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};

use crate::client::{Scribe, close, closing_ids};
use crate::evidence::Evidence;
use crate::fleet::Topology;
use crate::ledger::{self, Entry, Ledger};
use crate::operation::{Caller, Verb};
use crate::records::Reader;
use crate::stage::Stage;
use crate::store;
use crate::world::Phase;

/// What to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's program.
    pub binary: PathBuf,
    /// An empty folder, for the server's data and the ledger.
    pub folder: PathBuf,
    /// How often the server is killed.
    pub kills: u32,
    /// Number of clients.
    pub clients: u32,
    /// Which services of the server share a process.
    pub topology: Topology,
    /// Where all randomness comes from.
    pub seed: u64,
    /// What is added to the server's environment.
    pub environment: Vec<(String, String)>,
    /// A tracer that delays each write to the disk, and by how much.
    pub slow_disk: Option<(PathBuf, Duration)>,
    /// Whether it keeps its records in a PostgreSQL server, which is killed, too.
    pub postgres: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// The evidence.
    pub evidence: Evidence,
    /// What `mainstay verify` complained of.
    pub verify: Option<String>,
    /// How long the server needed to come back, the longest time.
    pub slowest_start: Duration,
    /// How long the run took.
    pub took: Duration,
}

/// Runs.
pub async fn run(settings: &Settings) -> Result<Run> {
    let began = Instant::now();
    let data = settings.folder.join("data");
    std::fs::create_dir_all(&data)?;
    let mut stage = Stage::open(settings, &data).await?;
    let path = settings.folder.join("ledger");
    let ledger = Ledger::create(&path)?;
    let scribe = Scribe { ledger, began };
    let token = token(&std::fs::read_to_string(data.join("admin.token"))?)?;
    let channel = stage.channel()?;
    let reader = Reader { channel, token };
    let viewer = viewer(&reader).await?;
    let closing = closing_ids(&mut stage.random);

    let clients = stage.clients(settings.clients, &reader.token, &scribe)?;
    let subscribers = stage.subscribers(&reader.token, &viewer, &closing, began)?;
    for _ in 0..settings.kills {
        stage.kill_and_restart().await?;
    }
    stage.let_work().await;
    stage.phase.send_replace(Phase::Closing);
    for ended in clients.join_all().await {
        ended.context("a client cannot write its ledger")?;
    }
    let caller = Caller::new(&reader.channel, reader.token.clone());
    close(&scribe, &caller, closing).await?;
    let seen = stage.gather(subscribers).await?;

    let entries = ledger::read(&path)?;
    let records = reader.records(commented(&entries)).await?;
    stage.fleet.stop().await?;
    let kept = match stage.fleet.scratch() {
        Some(scratch) => store::read_server(scratch).await?,
        None => store::read(&data)?,
    };
    let evidence = Evidence {
        entries,
        log: kept.log,
        head: kept.head,
        requests: kept.requests,
        records,
        subscribers: seen,
    };
    let url = stage.fleet.scratch().and_then(|scratch| scratch.url());
    let verify = verify(&settings.binary, &data, url).await?;
    Ok(Run {
        evidence,
        verify,
        slowest_start: stage.slowest_start,
        took: began.elapsed(),
    })
}

fn token(text: &str) -> Result<MetadataValue<Ascii>> {
    Ok(format!("Bearer {}", text.trim()).parse()?)
}

/// A token of the role `viewer`.
async fn viewer(administrator: &Reader) -> Result<MetadataValue<Ascii>> {
    let mut request = Request::new(access::CreateTokenRequest {
        token: Some(access::Token {
            account: "ledger-viewer".to_owned(),
            role: "viewer".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    });
    request
        .metadata_mut()
        .insert("authorization", administrator.token.clone());
    let mut client = AccessServiceClient::new(administrator.channel.clone());
    token(&client.create_token(request).await?.into_inner().secret)
}

/// Incidents on which somebody tried to comment.
fn commented(entries: &[Entry]) -> Vec<String> {
    let mut names: Vec<String> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Sent {
                verb: Verb::Comment,
                target,
                ..
            } => Some(target.clone()),
            Entry::Sent { .. } | Entry::Told { .. } => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Lets the product check its own log; what it complains of, if it does.
async fn verify(binary: &Path, data: &Path, url: Option<&str>) -> Result<Option<String>> {
    let place = match url {
        Some(url) => ["--database".into(), url.into()],
        None => ["--data".into(), data.as_os_str().to_owned()],
    };
    let command = ["verify".into()].into_iter().chain(place);
    let output = tokio::process::Command::new(binary)
        .args(command)
        .output()
        .await?;
    match output.status.success() {
        true => Ok(None),
        false => {
            let text =
                String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
            Ok(Some(text.trim().to_owned()))
        }
    }
}
