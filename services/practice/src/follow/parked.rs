//! The events that followers have put aside.

use std::collections::HashMap;

use mainstay_chassis::Refusal;
use mainstay_proto::mainstay::event::v1 as pb;
use prost::Message;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::heard::Heard;
use crate::Store;
use crate::scope::away;
use crate::tables::parked::{Column, Entity, Model};

/// Organization and name of a record.
pub(super) type RecordName = (String, String);

/// What is parked of a consumer, by record.
pub(super) async fn counted(
    store: &Store,
    consumer: &str,
) -> Result<HashMap<RecordName, usize>, Refusal> {
    let names: Vec<RecordName> = Entity::find()
        .select_only()
        .columns([Column::Organization, Column::Subject])
        .filter(Column::Consumer.eq(consumer))
        .into_tuple()
        .all(store.reader())
        .await
        .map_err(away)?;
    let mut counted = HashMap::new();
    names
        .into_iter()
        .for_each(|name| *counted.entry(name).or_default() += 1);
    Ok(counted)
}

/// Number of an organization's events that a consumer has parked.
pub(super) async fn count(
    store: &Store,
    consumer: &str,
    organization: &str,
) -> Result<u64, Refusal> {
    let rows = Entity::find()
        .filter(Column::Consumer.eq(consumer))
        .filter(Column::Organization.eq(organization));
    rows.count(store.reader()).await.map_err(away)
}

/// The parked events of a consumer, in the order in which they came.
pub(super) async fn all(
    store: &Store,
    consumer: &str,
    organization: Option<&str>,
    subject: Option<&str>,
) -> Result<Vec<Model>, Refusal> {
    let mut rows = Entity::find()
        .filter(Column::Consumer.eq(consumer))
        .order_by_asc(Column::ParkedUs)
        .order_by_asc(Column::Seq);
    if let Some(organization) = organization {
        rows = rows.filter(Column::Organization.eq(organization));
    }
    if let Some(subject) = subject {
        rows = rows.filter(Column::Subject.eq(subject));
    }
    rows.all(store.reader()).await.map_err(away)
}

/// A page of an organization's parked events of a consumer, after an event.
pub(super) async fn page(
    store: &Store,
    consumer: &str,
    organization: &str,
    after: (i64, i64),
    most: u64,
) -> Result<Vec<Model>, Refusal> {
    let (parked_us, seq) = after;
    let beside = Condition::all()
        .add(Column::ParkedUs.eq(parked_us))
        .add(Column::Seq.gt(seq));
    let later = Condition::any()
        .add(Column::ParkedUs.gt(parked_us))
        .add(beside);
    Entity::find()
        .filter(Column::Consumer.eq(consumer))
        .filter(Column::Organization.eq(organization))
        .filter(later)
        .order_by_asc(Column::ParkedUs)
        .order_by_asc(Column::Seq)
        .limit(most)
        .all(store.reader())
        .await
        .map_err(away)
}

impl Model {
    /// An event that is put aside.
    pub(super) fn aside(
        consumer: &str,
        epoch: Uuid,
        heard: &Heard,
        error: &str,
        attempts: i32,
        now_us: i64,
    ) -> Self {
        let (organization, subject) = heard.record();
        let event = heard.event.as_ref().ok();
        Self {
            consumer: consumer.to_owned(),
            epoch,
            seq: heard.sequence,
            organization,
            subject,
            event_id: heard.id(),
            event_type: event.map(|event| event.r#type.clone()).unwrap_or_default(),
            body: heard.body.to_vec(),
            error: error.to_owned(),
            attempts,
            parked_us: now_us,
        }
    }
}

impl From<&Model> for Heard {
    fn from(row: &Model) -> Self {
        Self {
            sequence: row.seq,
            record_us: row.parked_us,
            event: pb::Event::decode(row.body.as_slice()).map_err(|error| error.to_string()),
            body: row.body.clone().into(),
        }
    }
}
