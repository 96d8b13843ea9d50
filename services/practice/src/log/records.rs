//! The records of an organization as they were at a position, out of the log
//! alone: of each record its newest event up to there. The log does not change
//! behind a position, so a reader may take its time, come again, and go on with
//! what followed the position: nothing is missed, nothing comes twice.

use bytes::{Buf, Bytes};
use mainstay_chassis::Refusal;
use mainstay_chassis::clock::timestamp;
use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_proto::mainstay::event::v1::Event;
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, skip_field};
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{Entry, Log, Position};
use crate::tables::event_log;

/// So many events are looked at for a page.
const WINDOW: i64 = 1_000;

/// Records, and how far the log was looked at for them.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    /// Of each record its newest event, in the order of these.
    pub(crate) entries: Vec<Entry>,
    /// Sequence of the last event that was looked at.
    pub(crate) scanned: i64,
}

impl Log {
    /// The records whose newest event at a position follows a sequence.
    pub(crate) async fn records(
        &self,
        organization: &str,
        after: i64,
        at: Position,
    ) -> Result<Records, Refusal> {
        let all = organization == ALL_ORGANIZATIONS;
        let place = match all {
            true => event_log::Column::Seq,
            false => event_log::Column::OrgSequence,
        };
        let end = Ord::min(after.saturating_add(WINDOW), at.sequence);
        let mut query = event_log::Entity::find()
            .filter(place.gt(after))
            .filter(place.lte(end))
            .filter(Expr::exists(newer(at.seq)).not())
            .order_by_asc(place);
        if !all {
            query = query.filter(event_log::Column::Organization.eq(organization));
        }
        let rows = query
            .all(&self.0.reader)
            .await
            .map_err(crate::scope::away)?;
        Ok(Records {
            entries: rows.into_iter().map(Entry::from).collect(),
            scanned: end,
        })
    }
}

/// A later event of the same record, up to a position.
fn newer(seq: i64) -> SelectStatement {
    let newer = |column: &'static str| Expr::col(("newer", column));
    Query::select()
        .expr(Expr::val(1))
        .from_as("event_log", "newer")
        .and_where(newer("record_id").equals(("event_log", "record_id")))
        .and_where(newer("revision").gt(Expr::col(("event_log", "revision"))))
        .and_where(newer("seq").lte(seq))
        .take()
}

impl Entry {
    /// The record after the event, told as an event of its own: its type is the
    /// record's message, and it has no id, since nothing has happened.
    pub(crate) fn as_record(&self) -> Result<Self, Refusal> {
        let event = Event::decode(self.body.clone()).map_err(Refusal::internal)?;
        let payload = event.data.clone().unwrap_or_default();
        // What the contract does not know tells the record in its own words.
        let Some(record) = record_type(&event.r#type) else {
            return Ok(self.clone());
        };
        let value = snapshot(payload.value.into()).map_err(Refusal::internal)?;
        let told = Event {
            source: event.source,
            r#type: record.clone(),
            subject: event.subject,
            subject_revision: self.revision,
            occur_time: Some(timestamp(self.occurred_us)),
            organization: event.organization,
            imported: event.imported,
            redacted_revision: event.redacted_revision,
            data: Some(prost_types::Any {
                type_url: format!("type.googleapis.com/{record}"),
                value: value.to_vec(),
            }),
            ..Event::default()
        };
        Ok(Self {
            event_type: record,
            body: told.encode_to_vec().into(),
            ..self.clone()
        })
    }
}

/// The message of the record in field 1 of an event's payload.
fn record_type(payload: &str) -> Option<String> {
    let message = mainstay_proto::descriptors().get_message_by_name(payload)?;
    let kind = message.get_field(1)?.kind();
    Some(kind.as_message()?.full_name().to_owned())
}

/// The bytes of field 1 of a payload.
pub(crate) fn snapshot(mut payload: Bytes) -> Result<Bytes, prost::DecodeError> {
    while payload.has_remaining() {
        let (tag, kind) = decode_key(&mut payload)?;
        if tag == 1 && kind == WireType::LengthDelimited {
            let length = usize::try_from(decode_varint(&mut payload)?).unwrap_or(usize::MAX);
            return Ok(payload.split_to(length.min(payload.len())));
        }
        skip_field(
            kind,
            tag,
            &mut payload,
            prost::encoding::DecodeContext::default(),
        )?;
    }
    Ok(Bytes::new())
}
