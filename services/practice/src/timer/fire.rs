//! Firing a timer: one operation, in which the record's rule decides under the
//! record's lock. A timer that the record no longer declares fires nothing.

use std::sync::Arc;

use mainstay_chassis::{Principal, Refusal};
use sea_orm::IntoActiveModel;
use tokio::sync::oneshot;

use super::{Due, Rule, STUCK_AFTER, Timer, armed};
use crate::store::{Batch, Fault, Operation, Shape, Shelves, Targets, Write, row_of};
use crate::tables::timer;
use crate::{Call, Record};

/// The pause after a failure doubles up to the longest.
const LONGEST_PAUSE_US: i64 = 5 * 60 * 1_000_000;
/// What a timer's rule acts by.
const PERMISSION: &str = "timer.fire";

/// What came of firing a timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its rule has decided, or somebody else was faster.
    Done,
    /// It is not due by the database's clock.
    Early,
    /// It failed, and is tried again after a pause.
    Failed,
    /// Nothing could be written.
    Lost(Refusal),
    /// The write of what its rule decided broke a constraint.
    Broken(String),
}

/// A timer that waits for the writer.
pub(super) struct Firing<R: Record> {
    service: &'static str,
    row: timer::Model,
    rule: Rule<R>,
    failed: Option<String>,
    outcome: Outcome,
    to: oneshot::Sender<Outcome>,
}

impl<R: Record> Firing<R> {
    /// The operation, and where its outcome arrives. With a failure it fires
    /// nothing, and notes why.
    pub(super) fn new(
        service: &'static str,
        row: timer::Model,
        rule: Rule<R>,
        failed: Option<String>,
    ) -> (Self, oneshot::Receiver<Outcome>) {
        let (to, answer) = oneshot::channel();
        let firing = Self {
            service,
            row,
            rule,
            failed,
            outcome: Outcome::Lost(Refusal::unavailable()),
            to,
        };
        (firing, answer)
    }

    fn outcome(&self, batch: &mut Batch<'_>) -> Outcome {
        let now_us = batch.now_us();
        let Some((record, timer)) = self.declared(batch) else {
            batch.plain.deletes.push(self.write(self.row.clone()));
            return Outcome::Done;
        };
        if timer.due_us != self.row.due_us {
            batch.plain.puts.push(self.write(armed(&record, &timer)));
            return Outcome::Done;
        }
        if timer.due_us > now_us {
            return Outcome::Early;
        }
        let failed = match &self.failed {
            Some(failed) => Err(failed.clone()),
            None => self
                .fire(batch, timer, now_us)
                .map_err(|refusal| refusal.message().to_owned()),
        };
        let Err(error) = failed else {
            return Outcome::Done;
        };
        let row = self.row_after(error, now_us);
        tell(&record.name(), &row);
        batch.plain.puts.push(self.write(row));
        Outcome::Failed
    }

    /// The record, and the timer of this name that it declares now.
    fn declared(&self, batch: &mut Batch<'_>) -> Option<(R, Timer)> {
        let record = batch.shelves.of::<R>().get(self.row.record_id)?.clone();
        let mut timers = record.timers().into_iter();
        let timer = timers.find(|timer| timer.name == self.row.name)?;
        Some((record, timer))
    }

    fn fire(&self, batch: &mut Batch<'_>, timer: Timer, fired_us: i64) -> Result<(), Refusal> {
        let due = Due {
            name: timer.name,
            due_us: timer.due_us,
            fired_us,
        };
        let (rule, id) = (self.rule.clone(), self.row.record_id);
        let call = call(self.service, &self.row.organization, due)?;
        let write = Write::<R>::new(call, Targets::of([id]), move |seen, moment| {
            let mut draft = seen
                .get(id)
                .ok_or_else(|| Refusal::internal("a timer without a record"))?
                .clone();
            let decision = rule(&mut draft, &due, moment)?;
            let steps = decision.steps(draft, due.due_us);
            let last = steps.last().map(|step| step.after.timers());
            match last.is_none_or(|timers| timers.contains(&timer)) {
                true => Err(Refusal::internal("a rule leaves its timer as it was")),
                false => Ok(steps),
            }
        });
        write.run(batch).map(drop)
    }

    fn row_after(&self, error: String, now_us: i64) -> timer::Model {
        let attempts = self.row.attempts.saturating_add(1);
        let pause_us = 1_i64
            .checked_shl(u32::try_from(attempts.clamp(0, 30)).unwrap_or(0))
            .map_or(LONGEST_PAUSE_US, |seconds| seconds * 1_000_000)
            .min(LONGEST_PAUSE_US);
        timer::Model {
            attempts,
            next_try_us: now_us.saturating_add(pause_us),
            error: Some(error),
            ..self.row.clone()
        }
    }

    fn write(&self, row: timer::Model) -> (Arc<Shape>, Vec<crate::store::Row>) {
        let shape = Arc::new(Shape::of::<timer::Entity>());
        (shape, vec![row_of(row.into_active_model())])
    }
}

/// Says in the process's log that a timer has failed.
fn tell(record: &str, row: &timer::Model) {
    let (timer, error) = (&row.name, row.error.as_deref().unwrap_or_default());
    match row.attempts >= STUCK_AFTER {
        true => {
            tracing::error!(
                record,
                timer,
                attempts = row.attempts,
                error,
                "a timer is stuck"
            );
        }
        false => tracing::warn!(
            record,
            timer,
            attempts = row.attempts,
            error,
            "a timer failed"
        ),
    }
}

/// The call of a timer that fires: the service acts, in the organization of
/// the record, and may do nothing else.
fn call(service: &str, organization: &str, due: Due) -> Result<Call, Refusal> {
    let principal = Principal::service(service, organization, [PERMISSION]);
    Ok(Call {
        firing: Some(due),
        ..Call::by(principal.permit(PERMISSION)?)
    })
}

impl<R: Record> Operation for Firing<R> {
    fn repeatable(&self) -> bool {
        true
    }

    fn want(&self, shelves: &mut Shelves) {
        shelves.of::<R>().want(self.row.record_id);
    }

    fn decide(&mut self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        self.outcome = self.outcome(batch);
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.outcome = Outcome::Lost(refusal);
    }

    fn fail(&mut self, fault: &Fault) {
        self.outcome = match fault {
            Fault::Taken | Fault::Refused => Outcome::Broken("a unique key is taken".to_owned()),
            Fault::Guard | Fault::Conflict | Fault::Unknown(_) | Fault::Away(_) => {
                Outcome::Lost(fault.refusal(""))
            }
        };
    }

    fn answer(self: Box<Self>) {
        let _ = self.to.send(self.outcome);
    }
}
