//! An operation handed to the writer: data that decides in memory, and only
//! its own code knows the record's type.

use mainstay_chassis::{Kind, Refusal};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use prost::Message;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::backend::Fault;
use super::batch::{Batch, Sealed};
use super::shelf::Shelves;
use super::write::{Kept, Write};
use crate::log::Entry;
use crate::{Record, RequestKey, Written};

/// One operation.
pub(crate) trait Op: Send {
    /// What tells it from its repeats: request id, organization, principal.
    fn key(&self) -> Option<(RequestKey, &str, &str)> {
        None
    }
    /// Whether it may be tried again although its commit may have been done.
    fn repeatable(&self) -> bool {
        self.key().is_some()
    }
    /// Whether somebody is told that it is on the disk. What a follower makes of
    /// a log it makes again, should the newest of it be lost with its place.
    fn durable(&self) -> bool {
        true
    }
    /// Names the numbers that it may use up: organization and kind of each.
    fn numbers(&self, _wanted: &mut Vec<(String, &'static str)>) {}
    /// Names the records and rows to load.
    fn want(&self, shelves: &mut Shelves);
    /// Decides in memory; may run again. A fault undoes the whole batch, and
    /// fails this operation alone once it stands alone.
    fn decide(&mut self, batch: &mut Batch<'_>) -> Result<(), Fault>;
    /// Hears where its events have come to lie.
    fn sealed(&mut self, _sealed: &Sealed<'_>) {}
    /// Takes what an earlier call with the same request id came to.
    fn replay(&mut self, _events: &[Entry], _cursor: &str) {}
    /// Is refused.
    fn refuse(&mut self, refusal: Refusal);
    /// Could not be written alone.
    fn fail(&mut self, fault: &Fault) {
        self.refuse(fault.refusal(""));
    }
    /// Tells the caller.
    fn answer(self: Box<Self>);
}

/// The request id was used for another request.
pub(crate) fn reused(id: Uuid) -> Refusal {
    let message = "the request id was used for another request: use a fresh one";
    Refusal::new(Kind::Invalid, ErrorReason::RequestIdReused, message)
        .with("requestId", id.to_string())
}

/// What a caller waits for.
type Answer<R> = Result<Vec<Written<R>>, Refusal>;

/// A caller's write that waits for the writer.
pub(crate) struct Pending<R: Record> {
    write: Write<R>,
    kept: Option<Vec<Kept<R>>>,
    outcome: Answer<R>,
    to: oneshot::Sender<Answer<R>>,
}

impl<R: Record> Pending<R> {
    /// The operation, and where its answer arrives.
    pub(crate) fn new(write: Write<R>) -> (Self, oneshot::Receiver<Answer<R>>) {
        let (to, answer) = oneshot::channel();
        let pending = Self {
            write,
            kept: None,
            outcome: Err(Refusal::unavailable()),
            to,
        };
        (pending, answer)
    }

    /// Whether it was decided, and not refused.
    pub(super) fn is_decided(&self) -> bool {
        self.kept.is_some()
    }
}

impl<R: Record> Op for Pending<R> {
    fn key(&self) -> Option<(RequestKey, &str, &str)> {
        let call = &self.write.call;
        let key = call.request?;
        Some((key, call.organization(), call.permit.principal().name()))
    }

    fn numbers(&self, wanted: &mut Vec<(String, &'static str)>) {
        self.write.numbers(wanted);
    }

    fn want(&self, shelves: &mut Shelves) {
        self.write.want(shelves);
    }

    fn decide(&mut self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        self.kept = None;
        match self.write.run(batch) {
            Ok(kept) => self.kept = Some(kept),
            Err(refusal) => self.outcome = Err(refusal),
        }
        Ok(())
    }

    fn sealed(&mut self, sealed: &Sealed<'_>) {
        let Some(kept) = &self.kept else { return };
        let newest = kept.iter().filter_map(|kept| kept.event).max();
        let cursor = sealed.cursor(self.write.call.organization(), newest);
        let written = |kept: &Kept<R>| Written {
            record: kept.record.clone(),
            cursor: cursor.clone(),
            replayed: false,
        };
        self.outcome = Ok(kept.iter().map(written).collect());
    }

    fn replay(&mut self, events: &[Entry], cursor: &str) {
        let written = |event: &Entry| {
            restored::<R>(event).map(|record| Written {
                record,
                cursor: cursor.to_owned(),
                replayed: true,
            })
        };
        self.outcome = events.iter().map(written).collect();
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.outcome = Err(refusal);
    }

    fn fail(&mut self, fault: &Fault) {
        let newest = self.kept.iter().flatten().last();
        let newest = newest.map(|kept| kept.record.natural_key());
        self.outcome = Err(fault.refusal(&newest.unwrap_or_default()));
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
