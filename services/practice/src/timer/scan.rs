//! Finding what is due. Every process of a service looks for itself, without a
//! leader. A herd of timers does not starve the writes of callers: no more of
//! them wait for the writer at once than a quarter of a batch.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use mainstay_chassis::Refusal;
use mainstay_chassis::clock::Sleeper;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::sync::Notify;

use super::Timers;
use super::fire::Outcome;
use crate::scope::away;
use crate::store::MOST_OPERATIONS;
use crate::tables::timer;

/// How often is looked.
const PERIOD: Duration = Duration::from_millis(500);
/// So many timers are read at once.
const BATCH: u64 = 100;
/// So many wait for the writer at once: 1 in 4 of its batch.
const AT_ONCE: usize = MOST_OPERATIONS / 4;
/// The pause when the writer takes no more.
const BUSY: Duration = Duration::from_millis(100);

/// Rings when a timer was armed that is due before the next look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarm(Arc<Notify>);

impl Alarm {
    /// Hears when the first timer is due that was armed at an instant.
    pub(crate) fn armed(&self, due_us: Option<i64>, now_us: i64) {
        let period_us = i64::try_from(PERIOD.as_micros()).unwrap_or(i64::MAX);
        if due_us.is_some_and(|due_us| due_us < now_us.saturating_add(period_us)) {
            self.0.notify_one();
        }
    }
}

impl Timers {
    /// Looks and fires until the store's drain.
    pub(super) async fn scan(self) {
        let drain = self.0.store.drain().clone();
        while !drain.is_cancelled() && !self.0.store.is_closed() {
            let rest = tokio::select! {
                rest = self.round() => rest,
                () = drain.cancelled() => return,
            };
            if rest.is_zero() {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(rest) => {}
                () = self.0.store.alarm().0.notified() => {}
                () = drain.cancelled() => return,
            }
        }
    }

    /// Fires what is due now; returns how long there is nothing to do.
    async fn round(&self) -> Duration {
        let (due, next_us) = match self.due().await {
            Ok(found) => found,
            Err(_) => return PERIOD,
        };
        if due.is_empty() {
            let left = next_us.unwrap_or(i64::MAX) - self.0.store.clock().now_us();
            let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
            return left.clamp(Duration::from_millis(1), PERIOD);
        }
        match self.fire(due).await {
            Ok(0) => PERIOD,
            Ok(_) => Duration::ZERO,
            Err(_) => BUSY,
        }
    }

    /// The timers that are due, the longest due first; and when the next one
    /// after them is.
    async fn due(&self) -> Result<(Vec<timer::Model>, Option<i64>), Refusal> {
        let kinds = self.0.rules.0.keys().copied();
        let mut rows = timer::Entity::find()
            .filter(timer::Column::Kind.is_in(kinds))
            .order_by_asc(timer::Column::NextTryUs)
            .order_by_asc(timer::Column::RecordId)
            .order_by_asc(timer::Column::Name)
            .limit(BATCH)
            .all(self.0.store.reader())
            .await
            .map_err(away)?;
        let now_us = self.0.store.clock().now_us();
        let later = rows.split_off(rows.partition_point(|row| row.next_try_us <= now_us));
        Ok((rows, later.first().map(|row| row.next_try_us)))
    }

    /// Fires timers in their order; returns how many were dealt with.
    async fn fire(&self, due: Vec<timer::Model>) -> Result<u64, Refusal> {
        let mut done = 0;
        for some in due.chunks(AT_ONCE) {
            let mut answers = Vec::with_capacity(some.len());
            for row in some {
                answers.push(self.submit(row.clone(), None)?);
            }
            for (row, outcome) in some.iter().zip(join_all(answers).await) {
                let outcome = match outcome.unwrap_or(Outcome::Lost(Refusal::unavailable())) {
                    Outcome::Broken(why) => self.submit(row.clone(), Some(why))?.await,
                    told
                    @ (Outcome::Done | Outcome::Early | Outcome::Failed | Outcome::Lost(_)) => {
                        Ok(told)
                    }
                };
                match outcome.unwrap_or(Outcome::Lost(Refusal::unavailable())) {
                    Outcome::Done | Outcome::Failed => done += 1,
                    Outcome::Early => {}
                    Outcome::Lost(refusal) => return Err(refusal),
                    Outcome::Broken(why) => return Err(Refusal::internal(why)),
                }
            }
        }
        Ok(done)
    }

    fn submit(
        &self,
        row: timer::Model,
        failed: Option<String>,
    ) -> Result<tokio::sync::oneshot::Receiver<Outcome>, Refusal> {
        let kinds = &self.0.rules.0;
        let kind = kinds
            .get(row.kind.as_str())
            .ok_or_else(|| Refusal::internal("a timer of another kind"))?;
        let (operation, answer) = kind.firing(self.0.store.log().service(), row, failed);
        self.0.store.submit(operation)?;
        Ok(answer)
    }
}

#[tonic::async_trait]
impl Sleeper for Timers {
    async fn next_us(&self) -> Result<Option<i64>, Refusal> {
        let (due, next_us) = self.due().await?;
        Ok(due.first().map(|row| row.next_try_us).or(next_us))
    }

    async fn wake(&self) -> Result<u64, Refusal> {
        let mut woken = 0;
        loop {
            let (due, _) = self.due().await?;
            match self.fire(due).await? {
                0 => return Ok(woken),
                some => woken += some,
            }
        }
    }
}
