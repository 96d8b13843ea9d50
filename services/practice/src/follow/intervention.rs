//! What an operator had a follower do, as a record: its event in the log is
//! the audit, and its request id tells repeats. It never changes.

use mainstay_chassis::Refusal;
use mainstay_chassis::clock::{micros, timestamp};
use mainstay_proto::mainstay::practice::v1 as pb;
use mainstay_proto::mainstay::record::v1::Actor;
use prost::Message;
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Fixed, Moment, Payload, Record, Stamp};

/// The permission that a reader of its event must hold.
const NEEDS: &str = "follower.read";

/// An intervention.
pub type Intervention = Model;

/// An intervention, as it lies in its table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "intervention")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    id: Uuid,
    organization: String,
    follower: String,
    action: String,
    subject: String,
    #[sea_orm(column_type = "JsonBinary")]
    event_ids: EventIds,
    actor: String,
    revision: i64,
    occur_us: i64,
    update_us: i64,
}

/// No relations: events and followers are no records.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Ids of events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct EventIds(pub Vec<String>);

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    /// `retry`, `skip` or `rewind`.
    pub action: &'static str,
    /// Full name of the follower.
    pub follower: String,
    /// The record that it is about; empty for all.
    pub subject: String,
    /// The events that it is about; empty for all.
    pub event_ids: Vec<String>,
}

impl Asked {
    /// Parked events of a record, or all of them, are to be tried again.
    pub(super) fn retry(follower: String, subject: String) -> Self {
        Self {
            action: "retry",
            follower,
            subject,
            ..Self::default()
        }
    }

    /// Parked events are to be left out.
    pub(super) fn skip(follower: String, event_ids: Vec<String>) -> Self {
        Self {
            action: "skip",
            follower,
            event_ids,
            ..Self::default()
        }
    }

    /// It is to begin again.
    pub(super) fn rewind(follower: String) -> Self {
        Self {
            action: "rewind",
            follower,
            ..Self::default()
        }
    }
}

impl Model {
    /// Notes what is asked for.
    pub(super) fn note(organization: &str, asked: &Asked, moment: &Moment) -> Self {
        Self {
            id: moment.id,
            organization: organization.to_owned(),
            follower: asked.follower.clone(),
            action: asked.action.to_owned(),
            subject: asked.subject.clone(),
            event_ids: EventIds(asked.event_ids.clone()),
            actor: moment.actor.clone(),
            revision: 0,
            occur_us: moment.now_us,
            update_us: moment.now_us,
        }
    }

    fn snapshot(&self) -> pb::FollowerIntervention {
        pb::FollowerIntervention {
            name: self.name(),
            uid: self.id.to_string(),
            follower: self.follower.clone(),
            action: self.action.clone(),
            subject: self.subject.clone(),
            event_ids: self.event_ids.0.clone(),
            actor: Some(Actor {
                name: self.actor.clone(),
            }),
            create_time: Some(timestamp(self.occur_us)),
            revision: self.revision,
        }
    }

    fn restored(snapshot: &pb::FollowerIntervention) -> Option<Self> {
        let occur_us = micros(snapshot.create_time.as_ref()?)?;
        Some(Self {
            id: Uuid::parse_str(&snapshot.uid).ok()?,
            organization: snapshot.name.split('/').nth(1)?.to_owned(),
            follower: snapshot.follower.clone(),
            action: snapshot.action.clone(),
            subject: snapshot.subject.clone(),
            event_ids: EventIds(snapshot.event_ids.clone()),
            actor: snapshot.actor.clone()?.name,
            revision: snapshot.revision,
            occur_us,
            update_us: occur_us,
        })
    }
}

impl Record for Model {
    type Table = Entity;
    type Active = ActiveModel;
    type Event = ();
    type Snapshot = pb::FollowerIntervention;

    const KIND: &'static str = "intervention";
    const COLLECTION: &'static str = "interventions";

    fn fixed() -> Fixed<Column> {
        Fixed {
            id: Column::Id,
            organization: Column::Organization,
            revision: Column::Revision,
            number: None,
        }
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn organization(&self) -> &str {
        &self.organization
    }

    fn revision(&self) -> i64 {
        self.revision
    }

    fn occur_us(&self) -> i64 {
        self.occur_us
    }

    fn stamp(&mut self, stamp: Stamp) {
        self.revision = stamp.revision;
        self.occur_us = stamp.occur_us;
        self.update_us = stamp.update_us;
    }

    fn publish(&self, (): &()) -> Payload {
        let intervention = Some(self.snapshot());
        Payload {
            type_name: "mainstay.practice.v1.FollowerIntervened",
            bytes: pb::FollowerIntervened { intervention }.encode_to_vec(),
            needs: Some(NEEDS),
            policy_version: String::new(),
        }
    }

    fn restore(snapshot: pb::FollowerIntervention) -> Result<Self, Refusal> {
        let damaged = || Refusal::internal(format!("the snapshot of {} is damaged", snapshot.name));
        Self::restored(&snapshot).ok_or_else(damaged)
    }
}
