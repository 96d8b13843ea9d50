//! All versions of a practice's policy, in memory, and which one is in force
//! when. A decision asks it inside of a transaction, so it never waits.
//!
//! The replica that writes a version takes it in before it answers; the others
//! hear of it by their service's own log, at most a second later. Whichever
//! policy decided, the event says so.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use mainstay_chassis::Refusal;
use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_proto::mainstay::policy::v1 as pb;
use prost_types::Any;
use tokio::sync::{Mutex, MutexGuard};

use super::document::{built_in, check};
use super::version::{Entity, Version};
use super::{BUILT_IN, InForce, PolicyDocument};
use crate::log::{Log, Position};
use crate::store::restored;
use crate::{Record, Store, StoreError};

/// The log is looked at so seldom, however much is written to it.
const PAUSE: Duration = Duration::from_millis(250);
/// What the types of all events of policies begin with.
const EVENTS: &str = "mainstay.policy.v1.";

/// The policies of all organizations. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PolicyBook<P>(Arc<Inner<P>>);

#[derive(Debug)]
struct Inner<P> {
    built_in: Arc<InForce<P>>,
    document: Any,
    shelves: RwLock<BTreeMap<String, Shelf<P>>>,
    writing: Mutex<()>,
}

/// The policy of one organization.
#[derive(Debug)]
struct Shelf<P> {
    versions: BTreeMap<i64, Kept<P>>,
    /// Instant of activation, when it was said, and the number of the version.
    schedule: Vec<(i64, i64, i64)>,
}

#[derive(Clone, Debug)]
struct Kept<P> {
    record: Arc<Version>,
    policy: Arc<InForce<P>>,
}

impl<P> Default for Shelf<P> {
    fn default() -> Self {
        Self {
            versions: BTreeMap::new(),
            schedule: Vec::new(),
        }
    }
}

/// The policy of an organization as callers see it.
#[derive(Clone, Debug)]
pub(crate) struct Standing<P> {
    /// The policy in force.
    pub(crate) policy: Arc<InForce<P>>,
    /// Its version; none for the built-in one.
    pub(crate) version: Option<Arc<Version>>,
    /// Its document.
    pub(crate) document: Any,
    /// Since when it is in force.
    pub(crate) since_us: Option<i64>,
    /// What comes into force later, the earliest first.
    pub(crate) upcoming: Vec<pb::PolicyActivation>,
    /// The policy's etag.
    pub(crate) etag: String,
}

impl<P: PolicyDocument> PolicyBook<P> {
    /// The book of a service, with all that its store holds; from now on it
    /// follows the log.
    pub async fn open(store: &Store) -> Result<Self, StoreError> {
        let book = Self::built_in().map_err(|refusal| store.unusable(&refusal))?;
        let opened = async {
            let from = store.log().latest(ALL_ORGANIZATIONS).await?;
            store.each::<Entity>(|version| book.take(version)).await?;
            Ok(from)
        };
        let from = opened
            .await
            .map_err(|refusal: Refusal| store.unusable(&refusal))?;
        let (followed, log) = (book.clone(), store.log().clone());
        let following = async move { followed.follow(log, from).await };
        tokio::spawn(store.closed().clone().run_until_cancelled_owned(following));
        Ok(book)
    }

    /// A book in which everybody lives by the built-in policy.
    pub fn built_in() -> Result<Self, Refusal> {
        let checked = check::<P>(&built_in::<P>()).map_err(|findings| {
            Refusal::internal(format!("the built-in policy of {}: {findings:?}", P::KIND))
        })?;
        let built_in = Arc::new(InForce {
            version: BUILT_IN.to_owned(),
            policy: checked.policy,
        });
        Ok(Self(Arc::new(Inner {
            built_in,
            document: checked.document,
            shelves: RwLock::default(),
            writing: Mutex::default(),
        })))
    }

    /// The policy in force in an organization at an instant.
    pub fn at(&self, organization: &str, at_us: i64) -> Arc<InForce<P>> {
        let kept = self.read(
            |shelf| shelf.at(at_us).map(|(kept, _)| kept.policy.clone()),
            organization,
        );
        kept.unwrap_or_else(|| self.0.built_in.clone())
    }

    /// The policy with a version's name, which an event holds.
    pub fn version(&self, organization: &str, name: &str) -> Option<Arc<InForce<P>>> {
        if name == BUILT_IN {
            return Some(self.0.built_in.clone());
        }
        let number = name.rsplit_once("/versions/")?.1.parse().ok()?;
        let find = |shelf: &Shelf<P>| shelf.versions.get(&number).map(|kept| kept.policy.clone());
        self.read(find, organization)
    }

    /// The record of a version.
    pub(crate) fn record(&self, organization: &str, number: i64) -> Option<Arc<Version>> {
        let find = |shelf: &Shelf<P>| shelf.versions.get(&number).map(|kept| kept.record.clone());
        self.read(find, organization)
    }

    /// How an organization's policy stands at an instant.
    pub(crate) fn standing(&self, organization: &str, at_us: i64) -> Standing<P> {
        let built_in = || Standing {
            policy: self.0.built_in.clone(),
            version: None,
            document: self.0.document.clone(),
            since_us: None,
            upcoming: Vec::new(),
            etag: etag(0),
        };
        let find = |shelf: &Shelf<P>| {
            let (in_force, since_us) = shelf.at(at_us).unzip();
            Some(Standing {
                upcoming: shelf.upcoming(at_us),
                etag: shelf.etag(),
                since_us,
                ..match in_force {
                    Some(kept) => Standing {
                        policy: kept.policy.clone(),
                        version: Some(kept.record.clone()),
                        document: kept.record.document(),
                        ..built_in()
                    },
                    None => built_in(),
                }
            })
        };
        self.read(find, organization).unwrap_or_else(built_in)
    }

    /// The number of an organization's newest version; 0 when it has none.
    pub(crate) fn newest(&self, organization: &str) -> i64 {
        self.read(
            |shelf| shelf.versions.keys().next_back().copied(),
            organization,
        )
        .unwrap_or(0)
    }

    /// The etag of an organization's policy.
    pub(crate) fn etag(&self, organization: &str) -> String {
        self.read(|shelf| Some(shelf.etag()), organization)
            .unwrap_or_else(|| etag(0))
    }

    /// Takes in a version, unless it knows it as new as that or newer.
    pub(crate) fn take(&self, version: Version) -> Result<(), Refusal> {
        let known = self.record(version.organization(), version.number());
        if known.is_some_and(|known| known.revision() >= version.revision()) {
            return Ok(());
        }
        let checked = check::<P>(&version.document()).map_err(|findings| {
            let name = version.name();
            Refusal::internal(format!(
                "{name} is not understood by this release: {findings:?}"
            ))
        })?;
        let policy = Arc::new(InForce {
            version: version.name(),
            policy: checked.policy,
        });
        let mut shelves = self
            .0
            .shelves
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves
            .entry(version.organization().to_owned())
            .or_default();
        shelf.take(Kept {
            record: Arc::new(version),
            policy,
        });
        Ok(())
    }

    /// Holds back the other writers of this process, which would only lose the
    /// next number to one another.
    pub(crate) async fn writing(&self) -> MutexGuard<'_, ()> {
        self.0.writing.lock().await
    }

    fn read<T>(&self, find: impl FnOnce(&Shelf<P>) -> Option<T>, organization: &str) -> Option<T> {
        let shelves = self
            .0
            .shelves
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        shelves.get(organization).and_then(find)
    }

    /// Takes in what other replicas write.
    async fn follow(&self, log: Log, from: Position) {
        let (mut head, mut position) = (log.head(), from);
        loop {
            match self.catch_up(&log, position).await {
                Ok(reached) => position = reached,
                Err(refusal) => {
                    tracing::warn!(cause = %refusal, "the log of policies cannot be read");
                }
            }
            tokio::time::sleep(PAUSE).await;
            if *head.borrow_and_update() <= position.seq && head.changed().await.is_err() {
                return;
            }
        }
    }

    async fn catch_up(&self, log: &Log, mut position: Position) -> Result<Position, Refusal> {
        loop {
            let page = log.after(ALL_ORGANIZATIONS, position).await?;
            for entry in page
                .entries
                .iter()
                .filter(|entry| entry.event_type.starts_with(EVENTS))
            {
                self.take(restored::<Version>(entry)?)?;
            }
            position = page.position;
            if page.at_head {
                return Ok(position);
            }
        }
    }
}

impl<P> Shelf<P> {
    /// The version in force at an instant, and since when.
    fn at(&self, at_us: i64) -> Option<(&Kept<P>, i64)> {
        let past = self
            .schedule
            .partition_point(|(activate_us, ..)| *activate_us <= at_us);
        let (activate_us, _, number) = self.schedule.get(past.checked_sub(1)?)?;
        Some((self.versions.get(number)?, *activate_us))
    }

    fn upcoming(&self, at_us: i64) -> Vec<pb::PolicyActivation> {
        let later = self.versions.values().flat_map(|kept| {
            let later = kept.record.activations().iter();
            later
                .filter(|said| said.activate_us > at_us)
                .map(|said| (said.activate_us, said.record_us, kept.record.told(said)))
        });
        let mut later: Vec<_> = later.collect();
        later.sort_by_key(|(activate_us, record_us, _)| (*activate_us, *record_us));
        later.into_iter().map(|(.., told)| told).collect()
    }

    fn etag(&self) -> String {
        etag(
            self.versions
                .values()
                .map(|kept| kept.record.revision())
                .sum(),
        )
    }

    fn take(&mut self, kept: Kept<P>) {
        let number = kept.record.number();
        let newer = |known: &Kept<P>| known.record.revision() >= kept.record.revision();
        if self.versions.get(&number).is_some_and(newer) {
            return;
        }
        self.versions.insert(number, kept);
        let said = self.versions.values().flat_map(|kept| {
            let all = kept.record.activations().iter();
            all.map(|said| (said.activate_us, said.record_us, kept.record.number()))
        });
        self.schedule = said.collect();
        self.schedule.sort_unstable();
    }
}

/// The etag of a policy that was changed so many times.
fn etag(changes: i64) -> String {
    format!("\"{changes}\"")
}
