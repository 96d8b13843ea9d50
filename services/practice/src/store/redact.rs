//! Taking personal data out of a record and out of its history. The bytes of
//! its events are replaced by others that tell the record without those data;
//! their digests stay, and with them the chain. That this was done is an event
//! itself, in the same transaction, to which the replaced ones point.

use std::sync::Arc;

use bytes::Bytes;
use mainstay_chassis::Refusal;
use mainstay_proto::mainstay::error::v1::ErrorReason;
use mainstay_proto::mainstay::event::v1::Event;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::backend::{Fault, Row, Shape, row_of};
use super::batch::{Batch, Sealed};
use super::op::{Op, Pending, restored};
use super::shelf::Shelves;
use super::write::{Targets, Write, on_one};
use super::{Store, one};
use crate::log::{Entry, snapshot};
use crate::scope::away;
use crate::tables::event_log;
use crate::{Call, Decision, Moment, Record, RequestKey, Written};

/// What the last word of a redaction's event ends with: the log forgets what
/// it holds in memory when one comes.
pub(crate) const REDACTED: &str = "Redacted";
/// So often a redaction begins anew when the record changes meanwhile.
const ATTEMPTS: usize = 5;

impl Store {
    /// Takes personal data out of a record, as `clean` says, and out of all its
    /// events; `event` tells that it was done, and its type ends with
    /// `Redacted`. A record without such data, and without a history that has
    /// some, stays as it is.
    pub async fn redact<R: Record>(
        &self,
        call: Call,
        id: Uuid,
        event: R::Event,
        clean: fn(&mut R),
    ) -> Result<Written<R>, Refusal> {
        let mut attempt = 1;
        loop {
            let history = self.history::<R>(call.organization(), id).await?;
            let rows = history.cleaned::<R>(&event, clean)?;
            let revision = history.revision;
            let (event, unguarded) = (event.clone(), call.etag.is_none());
            let idle = rows.is_empty();
            let decide =
                move |record: &mut R, _: &Moment| decided(record, revision, idle, &event, clean);
            let written = self.submit_redaction(call.clone(), id, rows, decide).await;
            match written {
                Err(refusal)
                    if unguarded
                        && attempt < ATTEMPTS
                        && refusal.reason() == ErrorReason::EtagMismatch =>
                {
                    attempt += 1;
                }
                written => return written,
            }
        }
    }

    async fn submit_redaction<R: Record>(
        &self,
        call: Call,
        id: Uuid,
        rows: Vec<Row>,
        decide: impl Fn(&mut R, &Moment) -> Result<Decision<R::Event, R>, Refusal> + Send + 'static,
    ) -> Result<Written<R>, Refusal> {
        let decide = on_one(id, move |record: &mut R, _: &_, moment: &Moment| {
            decide(record, moment)
        });
        let (pending, answer) = Pending::new(Write::new(call, Targets::of([id]), decide));
        self.submit(Box::new(Redaction {
            pending,
            shape: Arc::new(Shape::of::<event_log::Entity>()),
            rows,
        }))?;
        let written: Result<Vec<Written<R>>, _> =
            answer.await.unwrap_or_else(|_| Err(Refusal::unavailable()));
        one(written?.into_iter().next())
    }

    /// The events of a record.
    async fn history<R: Record>(&self, organization: &str, id: Uuid) -> Result<History, Refusal> {
        let events = event_log::Entity::find()
            .filter(event_log::Column::Organization.eq(organization))
            .filter(event_log::Column::RecordId.eq(id))
            .order_by_asc(event_log::Column::Revision)
            .all(self.reader())
            .await
            .map_err(away)?;
        let absent = || {
            Refusal::not_found(format!(
                "organizations/{organization}/{}/{id}",
                R::COLLECTION
            ))
        };
        let revision = events.last().ok_or_else(absent)?.revision;
        Ok(History { events, revision })
    }
}

/// What a redaction decides, when the record is still as its history was read.
fn decided<R: Record>(
    record: &mut R,
    revision: i64,
    idle: bool,
    event: &R::Event,
    clean: fn(&mut R),
) -> Result<Decision<R::Event, R>, Refusal> {
    if record.revision() != revision {
        return Err(Refusal::stale(record.name(), record.etag()));
    }
    let before = record.clone();
    clean(record);
    Ok(match idle && *record == before {
        true => Decision::Unchanged,
        false => Decision::Changed(event.clone()),
    })
}

/// The events of a record, and its newest revision among them.
struct History {
    events: Vec<event_log::Model>,
    revision: i64,
}

impl History {
    /// The rows of those events that tell personal data, without them.
    fn cleaned<R: Record>(&self, event: &R::Event, clean: fn(&mut R)) -> Result<Vec<Row>, Refusal> {
        let mut rows = Vec::new();
        for row in &self.events {
            if let Some(body) = self.cleaned_body(row, event, clean)? {
                let row = event_log::Model {
                    body: body.encode_to_vec(),
                    ..row.clone()
                };
                rows.push(row_of(
                    IntoActiveModel::<event_log::ActiveModel>::into_active_model(row),
                ));
            }
        }
        Ok(rows)
    }

    /// The event with the record alone as its payload, as it was but for
    /// personal data; none when it tells none.
    fn cleaned_body<R: Record>(
        &self,
        row: &event_log::Model,
        event: &R::Event,
        clean: fn(&mut R),
    ) -> Result<Option<Event>, Refusal> {
        let mut record = restored::<R>(&Entry::from(row.clone()))?;
        let before = record.clone();
        clean(&mut record);
        if record == before {
            return Ok(None);
        }
        let told = snapshot(Bytes::from(record.publish(event).bytes));
        let told = told.map_err(Refusal::internal)?;
        let mut payload = Vec::with_capacity(told.len() + 8);
        encode_key(1, WireType::LengthDelimited, &mut payload);
        encode_varint(u64::try_from(told.len()).unwrap_or_default(), &mut payload);
        payload.extend_from_slice(&told);
        let mut body = Event::decode(row.body.as_slice()).map_err(Refusal::internal)?;
        if let Some(data) = &mut body.data {
            data.value = payload;
        }
        body.redacted_revision = self.revision + 1;
        Ok(Some(body))
    }
}

/// A redaction that waits for the writer.
struct Redaction<R: Record> {
    pending: Pending<R>,
    shape: Arc<Shape>,
    rows: Vec<Row>,
}

impl<R: Record> Op for Redaction<R> {
    fn key(&self) -> Option<(RequestKey, &str, &str)> {
        self.pending.key()
    }

    fn want(&self, shelves: &mut Shelves) {
        self.pending.want(shelves);
    }

    fn decide(&mut self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        self.pending.decide(batch)?;
        if self.pending.is_decided() && !self.rows.is_empty() {
            batch
                .plain
                .puts
                .push((self.shape.clone(), self.rows.clone()));
        }
        Ok(())
    }

    fn sealed(&mut self, sealed: &Sealed<'_>) {
        self.pending.sealed(sealed);
    }

    fn replay(&mut self, events: &[Entry], cursor: &str) {
        self.pending.replay(events, cursor);
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.pending.refuse(refusal);
    }

    fn fail(&mut self, fault: &Fault) {
        self.pending.fail(fault);
    }

    fn answer(self: Box<Self>) {
        Box::new(self.pending).answer();
    }
}
