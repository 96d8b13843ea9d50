//! The clock that a log is made under, marked beside it. Time that somebody
//! moved by hand and time itself do not belong into one log: what was to come
//! due in a week would come due at once, or never.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use mainstay_chassis::clock::{OtherClock, Sleeper, VirtualClock};
use mainstay_chassis::{Clock, Refusal};
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseConnection, DbErr, EntityTrait, IntoActiveModel};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Batch, Fault, Operation, Shelves, Store, row_of};
use crate::follow::{Standing, State};
use crate::store::Shape;
use crate::tables::{log_head, store_clock};
use crate::timer::Alarm;

/// The clock of a log, marked now when it has no event yet. A log from before
/// there were marks is of the machine's clock.
pub(super) async fn mark(
    conn: &DatabaseConnection,
    clock: &Clock,
    head: &log_head::Model,
) -> Result<store_clock::Model, DbErr> {
    let found = store_clock::Entity::find_by_id(0).one(conn).await?;
    if let (Some(marked), 1..) = (found, head.seq) {
        return Ok(marked);
    }
    let mark = store_clock::Model {
        id: 0,
        virtual_clock: head.seq == 0 && clock.as_virtual().is_some(),
        now_us: 0,
    };
    let columns = [
        store_clock::Column::VirtualClock,
        store_clock::Column::NowUs,
    ];
    let replaced = OnConflict::column(store_clock::Column::Id)
        .update_columns(columns)
        .to_owned();
    store_clock::Entity::insert(mark.clone().into_active_model())
        .on_conflict(replaced)
        .exec_without_returning(conn)
        .await?;
    Ok(mark)
}

/// Goes on at the time that was kept, or says why the clock does not fit.
pub(super) fn resume(
    clock: &Clock,
    marked: &store_clock::Model,
    recorded_us: i64,
) -> Result<(), OtherClock> {
    match (clock.as_virtual(), marked.virtual_clock) {
        (Some(clock), true) => {
            clock.resume_at(marked.now_us.max(recorded_us));
            Ok(())
        }
        (None, false) => Ok(()),
        (Some(_), false) => Err(OtherClock::OfTheMachine),
        (None, true) => Err(OtherClock::Virtual),
    }
}

impl Store {
    /// Rings when a timer was armed that is due soon.
    pub(crate) fn alarm(&self) -> &Alarm {
        &self.0.alarm
    }

    /// Whether nothing can be written any more.
    pub(crate) fn is_closed(&self) -> bool {
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.is_none()
    }
}

/// How long followers may take to hear of all before a move is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has a virtual clock wait for the store's followers, and keeps its time over
/// a restart.
pub(super) fn join(store: &Store) {
    if let Some(clock) = store.clock().as_virtual() {
        clock.register_log(store.log().service(), store.log().head());
        let keeper = Keeper(store.clone(), clock.clone());
        clock.register(Arc::new(keeper));
    }
}

struct Keeper(Store, Arc<VirtualClock>);

impl Keeper {
    /// Whether a follower has not yet heard of all that is in a log of this
    /// process. One that is stuck will not, and holds up nobody.
    fn behind(&self) -> bool {
        let heads = self.1.heads();
        let behind = |follower: &Standing| {
            let head = heads.get(follower.source).copied().unwrap_or(0);
            follower.state != State::Stuck && follower.sequence < head
        };
        let followers = self.0.followers().all();
        followers.iter().any(|(_, follower)| behind(follower))
    }
}

#[tonic::async_trait]
impl Sleeper for Keeper {
    async fn settle(&self) -> Result<bool, Refusal> {
        let mut bell = self.0.followers().bell();
        if !self.behind() {
            return Ok(false);
        }
        let heard = async {
            while self.behind() {
                let _ = bell.changed().await;
            }
        };
        match timeout(PATIENCE, heard).await {
            Ok(()) => Ok(true),
            Err(_) => {
                let service = self.0.log().service();
                tracing::error!(service, "followers do not come to the end of the logs");
                Err(Refusal::unavailable())
            }
        }
    }

    async fn keep(&self, now_us: i64) -> Result<(), Refusal> {
        let (answer, kept) = oneshot::channel();
        let outcome = Err(Refusal::unavailable());
        self.0.submit(Box::new(Keep {
            now_us,
            outcome,
            answer,
        }))?;
        kept.await.unwrap_or_else(|_| Err(Refusal::unavailable()))
    }
}

struct Keep {
    now_us: i64,
    outcome: Result<(), Refusal>,
    answer: oneshot::Sender<Result<(), Refusal>>,
}

impl Operation for Keep {
    fn repeatable(&self) -> bool {
        true
    }

    fn want(&self, _: &mut Shelves) {}

    fn decide(&mut self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        let row = store_clock::Model {
            id: 0,
            virtual_clock: true,
            now_us: self.now_us,
        };
        let shape = Arc::new(Shape::of::<store_clock::Entity>());
        batch
            .plain
            .puts
            .push((shape, vec![row_of(row.into_active_model())]));
        self.outcome = Ok(());
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.outcome = Err(refusal);
    }

    fn answer(self: Box<Self>) {
        let _ = self.answer.send(self.outcome);
    }
}
