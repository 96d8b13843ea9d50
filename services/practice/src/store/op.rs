//! An operation handed to the writer: data that decides in memory, and only
//! its own code knows the record's type.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mainstay_chassis::{Kind, Refusal};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use prost::Message;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::backend::Fault;
use super::batch::Batch;
use super::shelf::Shelves;
use crate::log::Entry;
use crate::tables::idempotency;
use crate::{Call, Moment, Record, RequestKey, Stamp, Step, Written};

/// One operation.
pub(crate) trait Op: Send {
    /// What tells it from its repeats: request id, organization, principal.
    fn key(&self) -> Option<(RequestKey, &str, &str)>;
    /// The consumer whose place it moves.
    fn consumer(&self) -> Option<&str> {
        None
    }
    /// Whether somebody is told that it is on the disk. What a follower makes of
    /// a log it makes again, should the newest of it be lost with its place.
    fn durable(&self) -> bool {
        true
    }
    /// Names the records to load.
    fn want(&self, shelves: &mut Shelves);
    /// Decides in memory; may run again.
    fn decide(&mut self, batch: &mut Batch<'_>);
    /// Takes what an earlier call with the same request id came to.
    fn replay(&mut self, event: &Entry, cursor: String);
    /// Is refused.
    fn refuse(&mut self, refusal: Refusal);
    /// Could not be written alone.
    fn fail(&mut self, fault: &Fault);
    /// Tells the caller.
    fn answer(self: Box<Self>);
}

/// The request id was used for another request.
pub(crate) fn reused(id: Uuid) -> Refusal {
    let message = "the request id was used for another request: use a fresh one";
    Refusal::new(Kind::Invalid, ErrorReason::RequestIdReused, message)
        .with("requestId", id.to_string())
}

/// What a write came to: its steps, or that nothing changes.
pub(crate) type Decided<R> = Result<Option<Vec<Step<<R as Record>::Event, R>>>, Refusal>;

/// A write of one record that waits for the writer.
pub(crate) struct Pending<R: Record, F> {
    call: Call,
    /// The record to change; none when one is made.
    target: Option<Uuid>,
    decide: F,
    outcome: Result<Written<R>, Refusal>,
    natural_key: String,
    to: oneshot::Sender<Result<Written<R>, Refusal>>,
}

impl<R: Record, F> Pending<R, F> {
    /// The operation, and where its answer arrives.
    pub(crate) fn new(
        call: Call,
        target: Option<Uuid>,
        decide: F,
    ) -> (Self, oneshot::Receiver<Result<Written<R>, Refusal>>) {
        let (to, answer) = oneshot::channel();
        let natural_key = String::new();
        (
            Self {
                call,
                target,
                decide,
                outcome: Err(Refusal::unavailable()),
                natural_key,
                to,
            },
            answer,
        )
    }
}

impl<R, F> Pending<R, F>
where
    R: Record,
    F: Fn(Option<&R>, &Moment) -> Decided<R>,
{
    fn outcome(&mut self, batch: &mut Batch<'_>) -> Result<Written<R>, Refusal> {
        if self
            .call
            .deadline
            .is_some_and(mainstay_chassis::Deadline::passed)
        {
            return Err(Refusal::deadline());
        }
        let before = self.before(batch)?;
        let moment = batch.moment(&self.call);
        let steps = self.steps(before.as_ref(), &moment)?;
        let written = match (steps, before) {
            (Some(steps), before) => self.write(batch, before, steps, moment.now_us)?,
            (None, Some(record)) => {
                let sequence = batch.org_sequence(self.call.organization());
                Written {
                    record,
                    cursor: batch.cursor(self.call.organization(), sequence),
                    replayed: false,
                }
            }
            (None, None) => return Err(Refusal::internal("a record was neither there nor made")),
        };
        if let Some(key) = self.call.request {
            batch.keys.push(idempotency::Model {
                request_id: key.id,
                organization: self.call.organization().to_owned(),
                principal: self.call.permit.principal().name().to_owned(),
                digest: key.digest.to_vec(),
                record_id: written.record.id(),
                revision: written.record.revision(),
                created_us: moment.now_us,
            });
        }
        Ok(written)
    }

    /// The record to change, when it is the caller's and as fresh as expected.
    fn before(&self, batch: &mut Batch<'_>) -> Result<Option<R>, Refusal> {
        let Some(id) = self.target else {
            return Ok(None);
        };
        let absent = || {
            Refusal::not_found(format!(
                "organizations/{}/{}/{id}",
                self.call.organization(),
                R::COLLECTION
            ))
        };
        let record = batch.shelves.of::<R>().get(id).ok_or_else(absent)?;
        if record.organization() != self.call.organization() {
            return Err(absent());
        }
        match &self.call.etag {
            Some(etag) if *etag != record.etag() => {
                Err(Refusal::stale(record.name(), record.etag()))
            }
            Some(_) | None => Ok(Some(record.clone())),
        }
    }

    /// A panic in a rule is the rule's defect, and refuses only its own call.
    fn steps(&self, before: Option<&R>, moment: &Moment) -> Decided<R> {
        catch_unwind(AssertUnwindSafe(|| (self.decide)(before, moment)))
            .unwrap_or_else(|_| Err(Refusal::internal("a decision panicked")))
    }

    fn write(
        &mut self,
        batch: &mut Batch<'_>,
        before: Option<R>,
        steps: Vec<Step<R::Event, R>>,
        now_us: i64,
    ) -> Result<Written<R>, Refusal> {
        let (mut revision, mut occur_us, mut number) =
            before.as_ref().map_or((0, i64::MIN, 0), |record| {
                (record.revision(), record.occur_us(), 0)
            });
        if before.is_none() && !R::NUMBER_PREFIX.is_empty() {
            number = batch.number(self.call.organization(), R::KIND);
        }
        let count = steps.len();
        let mut newest = None;
        for (place, mut step) in steps.into_iter().enumerate() {
            revision += 1;
            occur_us = occur_us.max(step.occur_us);
            step.after.stamp(Stamp {
                revision,
                update_us: now_us,
                occur_us,
            });
            if number > 0 {
                step.after.set_number(number);
            }
            let sequence = batch.append(&self.call, &step.after, &step.event, place + 1 == count);
            newest = Some((step.after, sequence));
        }
        let (record, sequence) =
            newest.ok_or_else(|| Refusal::internal("a change without an event"))?;
        self.natural_key = record.natural_key();
        batch.shelves.of::<R>().set(record.clone());
        Ok(Written {
            cursor: batch.cursor(record.organization(), sequence),
            record,
            replayed: false,
        })
    }
}

impl<R, F> Op for Pending<R, F>
where
    R: Record,
    F: Fn(Option<&R>, &Moment) -> Decided<R> + Send,
{
    fn key(&self) -> Option<(RequestKey, &str, &str)> {
        let key = self.call.request?;
        Some((
            key,
            self.call.organization(),
            self.call.permit.principal().name(),
        ))
    }

    fn want(&self, shelves: &mut Shelves) {
        if let Some(id) = self.target {
            shelves.of::<R>().want(id);
        }
    }

    fn decide(&mut self, batch: &mut Batch<'_>) {
        self.outcome = self.outcome(batch);
    }

    fn replay(&mut self, event: &Entry, cursor: String) {
        self.outcome = restored::<R>(event).map(|record| Written {
            record,
            cursor,
            replayed: true,
        });
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.outcome = Err(refusal);
    }

    fn fail(&mut self, fault: &Fault) {
        self.outcome = Err(fault.refusal(&self.natural_key));
    }

    fn answer(self: Box<Self>) {
        let _ = self.to.send(self.outcome);
    }
}

/// The record as an event's payload holds it, in its field 1.
pub(crate) fn restored<R: Record>(event: &Entry) -> Result<R, Refusal> {
    let defect =
        |error: prost::DecodeError| Refusal::internal(format!("event {}: {error}", event.event_id));
    let data = mainstay_proto::mainstay::event::v1::Event::decode(event.body.clone())
        .map_err(defect)?
        .data
        .unwrap_or_default();
    let mut snapshot = R::Snapshot::default();
    let mut rest = data.value.as_slice();
    while !rest.is_empty() {
        let (tag, kind) = prost::encoding::decode_key(&mut rest).map_err(defect)?;
        match tag {
            1 => prost::encoding::message::merge(
                kind,
                &mut snapshot,
                &mut rest,
                prost::encoding::DecodeContext::default(),
            )
            .map_err(defect)?,
            _ => prost::encoding::skip_field(
                kind,
                tag,
                &mut rest,
                prost::encoding::DecodeContext::default(),
            )
            .map_err(defect)?,
        }
    }
    R::restore(snapshot)
}
