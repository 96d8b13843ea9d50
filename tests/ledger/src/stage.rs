//! The stage of a run: the server, of which a process is killed and started again, the
//! clients and the subscribers, and where the run stands.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mainstay_proto::mainstay::event::v1::{EventFilter, StartPoint};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use crate::check::matches;
use crate::client::{CLOSING, Client, Scribe};
use crate::evidence::Seen;
use crate::fleet::Fleet;
use crate::operation::Caller;
use crate::records::Reader;
use crate::run::Settings;
use crate::subscriber::{Manner, Subscriber};
use crate::world::{Phase, World};

/// How long the subscribers may take to see the end of the log.
const CATCH_UP: Duration = Duration::from_secs(60);

/// What a subscriber of a run wants to see.
struct Wish {
    name: &'static str,
    manner: Manner,
    types: &'static [&'static str],
    subjects: &'static [&'static str],
    start: StartPoint,
    sees_all: bool,
}

/// Sees everything.
const ALL: Wish = Wish {
    name: "watches all",
    manner: Manner::Watch,
    types: &[],
    subjects: &[],
    start: StartPoint::Earliest,
    sees_all: true,
};

/// All events, some types, some subjects, from both ends of the log, by stream
/// and by page, with all rights and with few.
const WISHES: [Wish; 8] = [
    ALL,
    Wish {
        name: "watches all from the newest on",
        start: StartPoint::Latest,
        ..ALL
    },
    Wish {
        name: "watches changes of state",
        types: &["mainstay.incident.v1.IncidentStateChanged"],
        ..ALL
    },
    Wish {
        name: "watches comments and assignments",
        types: &[
            "mainstay.incident.v1.IncidentCommentCreated",
            "mainstay.incident.v1.IncidentAssigned",
        ],
        ..ALL
    },
    Wish {
        name: "watches the package",
        types: &["mainstay.incident.v1.*"],
        subjects: &["organizations/default/incidents/*"],
        ..ALL
    },
    Wish {
        name: "watches as a viewer",
        sees_all: false,
        ..ALL
    },
    Wish {
        name: "polls all",
        manner: Manner::Poll,
        ..ALL
    },
    Wish {
        name: "polls creations",
        manner: Manner::Poll,
        types: &["mainstay.incident.v1.IncidentCreated"],
        ..ALL
    },
];

impl Wish {
    fn filter(&self) -> EventFilter {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        EventFilter {
            types: owned(self.types),
            subjects: owned(self.subjects),
        }
    }
}

/// The last of the operations that end a run which a filter lets through.
fn last(filter: &EventFilter, closing: &[Uuid; 6]) -> Option<Uuid> {
    let subject = "organizations/default/incidents/any";
    let mut closing = CLOSING.iter().zip(closing).rev();
    let (_, id) = closing.find(|(verb, _)| matches(filter, verb.event_type(), subject))?;
    Some(*id)
}

/// The server, its connections and where the run stands.
pub(crate) struct Stage {
    pub(crate) fleet: Fleet,
    pub(crate) random: fastrand::Rng,
    pub(crate) phase: watch::Sender<Phase>,
    /// The longest time that it took to come back.
    pub(crate) slowest_start: Duration,
}

impl Stage {
    pub(crate) async fn open(settings: &Settings, data: &Path) -> Result<Self> {
        let fleet = Fleet::open(settings, data).await?;
        let (phase, _) = watch::channel(Phase::Up);
        let random = fastrand::Rng::with_seed(settings.seed);
        Ok(Self {
            fleet,
            random,
            phase,
            slowest_start: Duration::ZERO,
        })
    }

    /// A connection of its own, made on the first call and again after a kill.
    pub(crate) fn channel(&self) -> Result<Channel> {
        Ok(Endpoint::from_shared(format!("http://{}", self.fleet.address()))?.connect_lazy())
    }

    /// Lets everybody work for a random time.
    pub(crate) async fn let_work(&mut self) {
        let work = Duration::from_millis(self.random.u64(50..1500));
        tokio::time::sleep(work).await;
    }

    /// Kills the server at a random moment and starts it again.
    pub(crate) async fn kill_and_restart(&mut self) -> Result<()> {
        self.let_work().await;
        let kill = self.fleet.kill(&mut self.random);
        self.phase.send_replace(Phase::Down);
        let victim = kill.await?;
        let took = self.fleet.restart(victim).await?;
        self.slowest_start = self.slowest_start.max(took);
        self.phase.send_replace(Phase::Up);
        Ok(())
    }

    /// The clients of a run, at work.
    pub(crate) fn clients(
        &mut self,
        count: u32,
        token: &MetadataValue<Ascii>,
        scribe: &Scribe,
    ) -> Result<JoinSet<Result<()>>> {
        let world = Arc::new(World::default());
        let mut clients = JoinSet::new();
        for _ in 0..count {
            let client = Client {
                random: self.random.fork(),
                callers: [
                    Caller::new(&self.channel()?, token.clone()),
                    Caller::new(&self.channel()?, token.clone()),
                ],
                scribe: scribe.clone(),
                world: Arc::clone(&world),
                phase: self.phase.subscribe(),
            };
            clients.spawn(client.run());
        }
        Ok(clients)
    }

    /// The subscribers of a run, at work.
    pub(crate) fn subscribers(
        &mut self,
        token: &MetadataValue<Ascii>,
        viewer: &MetadataValue<Ascii>,
        closing: &[Uuid; 6],
        began: Instant,
    ) -> Result<JoinSet<Seen>> {
        let mut subscribers = JoinSet::new();
        for wish in WISHES {
            let filter = wish.filter();
            let token = if wish.sees_all { token } else { viewer };
            let subscriber = Subscriber {
                random: self.random.fork(),
                reader: Reader {
                    channel: self.channel()?,
                    token: token.clone(),
                },
                manner: wish.manner,
                start: wish.start,
                last: last(&filter, closing).context("every filter sees an end")?,
                seen: Seen {
                    name: wish.name.to_owned(),
                    filter,
                    sees_all: wish.sees_all,
                    ..Seen::default()
                },
                phase: self.phase.subscribe(),
                began,
            };
            subscribers.spawn(subscriber.run());
        }
        Ok(subscribers)
    }

    /// Waits until the subscribers have seen the end of the log.
    pub(crate) async fn gather(&self, mut subscribers: JoinSet<Seen>) -> Result<Vec<Seen>> {
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
