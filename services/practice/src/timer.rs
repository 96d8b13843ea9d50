//! Timers: what a record wants to happen by itself when its time has come.
//!
//! A record says which timers should be armed while it is as it is
//! ([`Record::timers`]); nobody arms or disarms one. The kernel compares before
//! and after in the record's own transaction, and keeps the rows of the table
//! `timer` so. When a timer is due, its rule decides like a verb, on the record
//! as it is then: event and row change in one transaction, so a timer that has
//! fired is gone, and one whose process died before the commit fires again.
//! Rows are a hint only: a timer fires when the record still declares exactly
//! it, whatever the row says. Any number of processes may look for what is
//! due; the record's lock lets one of them through.

mod api;
mod fire;
mod list;
mod scan;

use std::any::type_name;
use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use mainstay_chassis::Refusal;
use mainstay_chassis::clock::timestamp;
use mainstay_proto::mainstay::event::v1::Firing;
use sea_orm::{FromQueryResult, IntoActiveModel};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::store::{Operation, Saves, row_of};
use crate::tables::timer;
use crate::{Decision, Moment, Record, Scope, Store};

pub use api::TimerApi;
pub use list::{Listed, merged};
pub(crate) use scan::Alarm;

/// A timer has failed to fire so often when it is reported as stuck.
pub const STUCK_AFTER: i32 = 10;

/// A timer that should be armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// What it is, such as `auto_close`; one of a name at a time.
    pub name: &'static str,
    /// When it is due.
    pub due_us: i64,
}

/// A timer that has come due. Rules count from `due_us`: what a timer leads to
/// occurs when it was due, however late the process was that fired it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// What it is.
    pub name: &'static str,
    /// When it was due.
    pub due_us: i64,
    /// When it fires.
    pub fired_us: i64,
}

impl Due {
    /// How much later than due it fires.
    pub fn late_us(&self) -> i64 {
        self.fired_us.saturating_sub(self.due_us)
    }

    /// The firing as events tell it.
    pub(crate) fn told(&self) -> Firing {
        let late_us = self.late_us().max(0);
        let nanos = i32::try_from(late_us % 1_000_000 * 1_000);
        Firing {
            timer: self.name.to_owned(),
            due_time: Some(timestamp(self.due_us)),
            late_by: Some(prost_types::Duration {
                seconds: late_us / 1_000_000,
                nanos: nanos.unwrap_or_default(),
            }),
        }
    }
}

/// What a timer's rule decides: like a verb, on the record and the moment.
type Rule<R> = Arc<
    dyn Fn(&mut R, &Due, &Moment) -> Result<Decision<<R as Record>::Event, R>, Refusal>
        + Send
        + Sync,
>;

/// What the kinds of records of a service do when a timer of theirs is due.
#[derive(Default)]
pub struct TimerRules(BTreeMap<&'static str, Box<dyn Kind>>);

impl TimerRules {
    /// Adds a kind of record and its rule. The rule must leave the timer not
    /// armed as it was: disarmed, or due later.
    #[must_use]
    pub fn on<R: Record + FromQueryResult>(
        mut self,
        rule: impl Fn(&mut R, &Due, &Moment) -> Result<Decision<R::Event, R>, Refusal>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let kind = KindOf::<R>(Arc::new(rule), PhantomData);
        self.0.insert(R::KIND, Box::new(kind));
        self
    }
}

impl std::fmt::Debug for TimerRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The timers of a service's records. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Timers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    rules: TimerRules,
}

impl Timers {
    /// Fires timers by these rules from now on, until the store's drain: when
    /// the machine's clock says that they are due, or when the virtual clock
    /// is moved there.
    pub fn start(store: Store, rules: TimerRules) -> Self {
        let timers = Self(Arc::new(Inner { store, rules }));
        match timers.0.store.clock().as_virtual() {
            Some(clock) => clock.register(Arc::new(timers.clone())),
            None => drop(tokio::spawn(timers.clone().scan())),
        }
        timers
    }

    /// The kind whose records' names have this collection.
    fn kind_in(&self, collection: &str) -> Option<&dyn Kind> {
        let mut kinds = self.0.rules.0.values();
        kinds
            .find(|kind| kind.collection() == collection)
            .map(AsRef::as_ref)
    }
}

type Found<'a> = Pin<Box<dyn Future<Output = Result<Uuid, Refusal>> + Send + 'a>>;

/// A kind of record that has timers.
trait Kind: Send + Sync {
    /// The collection in its records' names.
    fn collection(&self) -> &'static str;
    /// The id in a name that a request gave.
    fn id_of<'a>(&self, scope: &'a Scope, field: &'a str, name: &'a str) -> Found<'a>;
    /// The operation that fires a timer, or notes why it could not be fired.
    fn firing(
        &self,
        service: &'static str,
        row: timer::Model,
        failed: Option<String>,
    ) -> (Box<dyn Operation>, oneshot::Receiver<fire::Outcome>);
}

struct KindOf<R: Record>(Rule<R>, PhantomData<fn() -> R>);

impl<R: Record + FromQueryResult> Kind for KindOf<R> {
    fn collection(&self) -> &'static str {
        R::COLLECTION
    }

    fn id_of<'a>(&self, scope: &'a Scope, field: &'a str, name: &'a str) -> Found<'a> {
        Box::pin(scope.id_of::<R>(field, name))
    }

    fn firing(
        &self,
        service: &'static str,
        row: timer::Model,
        failed: Option<String>,
    ) -> (Box<dyn Operation>, oneshot::Receiver<fire::Outcome>) {
        let (operation, answer) = fire::Firing::new(service, row, self.0.clone(), failed);
        (Box::new(operation), answer)
    }
}

impl std::fmt::Debug for dyn Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(type_name::<Self>())
    }
}

/// Adds the timers that a change of a record arms, moves and disarms.
pub(crate) fn saves<R: Record>(before: Option<&R>, now: &R, saves: &mut Saves) {
    let old = before.map(Record::timers).unwrap_or_default();
    let new = now.timers();
    if old == new {
        return;
    }
    let row = |timer: &Timer| row_of(armed(now, timer).into_active_model());
    for timer in new.iter().filter(|timer| !old.contains(timer)) {
        saves.timers_put.push(row(timer));
        let nearest = saves.nearest_us.into_iter().chain([timer.due_us]);
        saves.nearest_us = nearest.min();
    }
    let gone = |timer: &&Timer| new.iter().all(|other| other.name != timer.name);
    saves.timers_delete.extend(old.iter().filter(gone).map(row));
}

/// The row of a timer that a record declares.
fn armed<R: Record>(record: &R, timer: &Timer) -> timer::Model {
    timer::Model {
        record_id: record.id(),
        name: timer.name.to_owned(),
        organization: record.organization().to_owned(),
        kind: R::KIND.to_owned(),
        due_us: timer.due_us,
        generation: record.revision(),
        attempts: 0,
        next_try_us: timer.due_us,
        error: None,
    }
}
