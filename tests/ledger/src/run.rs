//! One run: starts the server, lets clients and subscribers at it, kills it
//! as often as asked, and collects the evidence.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mainstay_proto::mainstay::access::v1 as access;
use mainstay_proto::mainstay::access::v1::access_service_client::AccessServiceClient;
use mainstay_proto::mainstay::event::v1::{EventFilter, StartPoint};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use crate::check::matches;
use crate::client::{CLOSING, Client, Scribe, close, closing_ids};
use crate::evidence::{Evidence, Seen};
use crate::ledger::{self, Entry, Ledger, Outcome};
use crate::operation::{Caller, Verb};
use crate::process::{Launch, Process};
use crate::records::Reader;
use crate::store;
use crate::subscriber::{Manner, Subscriber};
use crate::world::{Phase, World};

/// How long the subscribers may take to see the end of the log.
const CATCH_UP: Duration = Duration::from_secs(60);

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
    /// Where all randomness comes from.
    pub seed: u64,
    /// What is added to the server's environment.
    pub environment: Vec<(String, String)>,
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

/// The server, its connections and where the run stands.
struct Stage {
    launch: Launch,
    process: Process,
    random: fastrand::Rng,
    phase: watch::Sender<Phase>,
    slowest_start: Duration,
}

/// Runs.
pub async fn run(settings: &Settings) -> Result<Run> {
    let began = Instant::now();
    let data = settings.folder.join("data");
    std::fs::create_dir_all(&data)?;
    let mut stage = Stage::open(settings, &data).await?;
    let path = settings.folder.join("ledger");
    let scribe = Scribe {
        ledger: Ledger::create(&path)?,
        began,
    };
    let token = token(&std::fs::read_to_string(data.join("admin.token"))?)?;
    let reader = Reader {
        channel: stage.channel()?,
        token: token.clone(),
    };
    let viewer = Reader {
        channel: stage.channel()?,
        token: viewer(&reader).await?,
    };
    let closing = closing_ids(&mut stage.random);

    let mut clients = JoinSet::new();
    let world = Arc::new(World::default());
    for _ in 0..settings.clients {
        let callers = [
            Caller::new(&stage.channel()?, token.clone()),
            Caller::new(&stage.channel()?, token.clone()),
        ];
        let client = Client {
            random: stage.random.fork(),
            callers,
            scribe: scribe.clone(),
            world: Arc::clone(&world),
            phase: stage.phase.subscribe(),
        };
        clients.spawn(client.run());
    }
    let mut subscribers = JoinSet::new();
    for subscriber in stage.subscribers(&token, &viewer.token, &closing, began)? {
        subscribers.spawn(subscriber.run());
    }

    for _ in 0..settings.kills {
        stage.kill_and_restart().await?;
    }
    stage.let_work().await;
    stage.phase.send_replace(Phase::Closing);
    while let Some(client) = clients.join_next().await {
        client?.context("a client cannot write its ledger")?;
    }
    close(&scribe, &Caller::new(&reader.channel, token), closing).await?;
    let seen = stage.gather(subscribers).await?;

    let mut evidence = Evidence {
        entries: ledger::read(&path)?,
        subscribers: seen,
        ..Evidence::default()
    };
    evidence.records = reader.records(commented(&evidence.entries)).await?;
    stage.process.stop().await?;
    let kept = store::read(&data)?;
    (evidence.log, evidence.head, evidence.requests) = (kept.log, kept.head, kept.requests);
    let verify = verify(&settings.binary, &data).await?;
    Ok(Run {
        evidence,
        verify,
        slowest_start: stage.slowest_start,
        took: began.elapsed(),
    })
}

impl Stage {
    async fn open(settings: &Settings, data: &Path) -> Result<Self> {
        let mut launch = Launch::server(&settings.binary, data, "127.0.0.1:0");
        launch.environment.clone_from(&settings.environment);
        let process = launch.start().await?;
        let environment = std::mem::take(&mut launch.environment);
        launch = Launch {
            environment,
            ..Launch::server(&settings.binary, data, process.address())
        };
        let (phase, _) = watch::channel(Phase::Up);
        let random = fastrand::Rng::with_seed(settings.seed);
        Ok(Self {
            launch,
            process,
            random,
            phase,
            slowest_start: Duration::ZERO,
        })
    }

    /// A connection of its own, made on the first call and again after a kill.
    fn channel(&self) -> Result<Channel> {
        Ok(Endpoint::from_shared(format!("http://{}", self.process.address()))?.connect_lazy())
    }

    /// Lets everybody work for a random time.
    async fn let_work(&mut self) {
        let work = Duration::from_millis(self.random.u64(50..1500));
        tokio::time::sleep(work).await;
    }

    /// Kills the server at a random moment and starts it again.
    async fn kill_and_restart(&mut self) -> Result<()> {
        self.let_work().await;
        let kill = self.process.kill();
        self.phase.send_replace(Phase::Down);
        kill.await?;
        let start = Instant::now();
        self.process = self.launch.start().await?;
        self.slowest_start = self.slowest_start.max(start.elapsed());
        self.phase.send_replace(Phase::Up);
        Ok(())
    }

    /// The subscribers of a run: all events, some types, some subjects, from
    /// both ends of the log, by stream and by page, with all rights and with few.
    fn subscribers(
        &mut self,
        token: &MetadataValue<Ascii>,
        viewer: &MetadataValue<Ascii>,
        closing: &[Uuid; 6],
        began: Instant,
    ) -> Result<Vec<Subscriber>> {
        let types = |verbs: &[Verb]| EventFilter {
            types: verbs
                .iter()
                .map(|verb| verb.event_type().to_owned())
                .collect(),
            subjects: Vec::new(),
        };
        let package = EventFilter {
            types: vec!["mainstay.incident.v1.*".to_owned()],
            subjects: vec!["organizations/default/incidents/*".to_owned()],
        };
        let (earliest, latest) = (StartPoint::Earliest, StartPoint::Latest);
        let all = EventFilter::default();
        let plan = [
            ("watches all", Manner::Watch, all.clone(), earliest, true),
            (
                "watches all from the newest on",
                Manner::Watch,
                all.clone(),
                latest,
                true,
            ),
            (
                "watches changes of state",
                Manner::Watch,
                types(&[Verb::Resolve]),
                earliest,
                true,
            ),
            (
                "watches comments and assignments",
                Manner::Watch,
                types(&[Verb::Comment, Verb::Assign]),
                earliest,
                true,
            ),
            (
                "watches the package",
                Manner::Watch,
                package,
                earliest,
                true,
            ),
            (
                "watches as a viewer",
                Manner::Watch,
                all.clone(),
                earliest,
                false,
            ),
            ("polls all", Manner::Poll, all, earliest, true),
            (
                "polls creations",
                Manner::Poll,
                types(&[Verb::Create]),
                earliest,
                true,
            ),
        ];
        plan.into_iter()
            .map(|(name, manner, filter, start, sees_all)| {
                let subject = "organizations/default/incidents/any";
                let last = CLOSING.iter().zip(closing).rev();
                let mut last =
                    last.filter(|(verb, _)| matches(&filter, verb.event_type(), subject));
                let token = if sees_all {
                    token.clone()
                } else {
                    viewer.clone()
                };
                Ok(Subscriber {
                    random: self.random.fork(),
                    reader: Reader {
                        channel: self.channel()?,
                        token,
                    },
                    manner,
                    start,
                    seen: Seen {
                        name: name.to_owned(),
                        filter: filter.clone(),
                        sees_all,
                        ..Seen::default()
                    },
                    phase: self.phase.subscribe(),
                    began,
                    last: last
                        .next()
                        .map(|(_, id)| *id)
                        .context("every filter sees an end")?,
                })
            })
            .collect()
    }

    /// Waits until the subscribers have seen the end of the log.
    async fn gather(&self, mut subscribers: JoinSet<Seen>) -> Result<Vec<Seen>> {
        let phase = self.phase.clone();
        let patience = tokio::spawn(async move {
            tokio::time::sleep(CATCH_UP).await;
            phase.send_replace(Phase::Over);
        });
        let mut seen = Vec::new();
        while let Some(subscriber) = subscribers.join_next().await {
            seen.push(subscriber?);
        }
        patience.abort();
        seen.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(seen)
    }
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
async fn verify(binary: &Path, data: &Path) -> Result<Option<String>> {
    let command = [
        "verify".into(),
        "--data".into(),
        data.as_os_str().to_owned(),
    ];
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

/// A run in a few lines.
pub fn summary(run: &Run) -> Result<String> {
    let evidence = &run.evidence;
    let told = |wanted: fn(&Outcome) -> bool| {
        let told = evidence.entries.iter().filter(|entry| match entry {
            Entry::Told { outcome, .. } => wanted(outcome),
            Entry::Sent { .. } => false,
        });
        told.count()
    };
    let sent = evidence
        .entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Sent { .. }))
        .count();
    if sent == 0 {
        bail!("the run sent nothing");
    }
    let connections: u64 = evidence
        .subscribers
        .iter()
        .map(|seen| seen.connections)
        .sum();
    let received: usize = evidence
        .subscribers
        .iter()
        .map(|seen| seen.events.len())
        .sum();
    Ok(format!(
        "{sent} calls: {} acknowledged ({} of them replays), {} refused, {} broken off\n\
         {} events in the log, {} request ids, {} records\n\
         {} subscribers connected {connections} times and received {received} events\n\
         {:.1} s; slowest restart {:.2} s",
        told(|outcome| matches!(outcome, Outcome::Ok { .. })),
        told(|outcome| matches!(outcome, Outcome::Ok { replayed: true, .. })),
        told(|outcome| matches!(outcome, Outcome::Fail { .. })),
        told(|outcome| matches!(outcome, Outcome::Unknown { .. })),
        evidence.log.len(),
        evidence.requests.len(),
        evidence.records.len(),
        evidence.subscribers.len(),
        run.took.as_secs_f64(),
        run.slowest_start.as_secs_f64(),
    ))
}
