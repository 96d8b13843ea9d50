//! A move of the virtual clock. Made once, and never changed.

use mainstay_chassis::Refusal;
use mainstay_chassis::clock::{Turn, micros, timestamp};
use mainstay_practice::{Fixed, Moment, Payload, Record, Stamp};
use mainstay_proto::mainstay::clock::v1 as pb;
use mainstay_proto::mainstay::record::v1::Actor;
use prost::Message as _;
use sea_orm::entity::prelude::*;

/// A move.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "clock_advance")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    id: Uuid,
    organization: String,
    from_us: i64,
    to_us: i64,
    creator: String,
    occur_us: i64,
    revision: i64,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What happens to a move: it is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advanced;

impl Model {
    /// A move from now on.
    pub(super) fn begin(
        organization: &str,
        turn: Turn,
        moment: &Moment,
    ) -> Result<(Self, Advanced), Refusal> {
        let from_us = moment.now_us;
        let advance = Self {
            id: moment.id,
            organization: organization.to_owned(),
            from_us,
            to_us: turn.from(from_us)?,
            creator: moment.actor.clone(),
            occur_us: from_us,
            revision: 0,
        };
        Ok((advance, Advanced))
    }

    /// Where the clock is sent.
    pub(super) fn to_us(&self) -> i64 {
        self.to_us
    }

    fn snapshot(&self) -> pb::ClockAdvance {
        pb::ClockAdvance {
            name: self.name(),
            uid: self.id.to_string(),
            from_time: Some(timestamp(self.from_us)),
            to_time: Some(timestamp(self.to_us)),
            creator: Some(Actor {
                name: self.creator.clone(),
            }),
            revision: self.revision,
        }
    }

    fn of(snapshot: pb::ClockAdvance) -> Option<Self> {
        let from_us = micros(&snapshot.from_time?)?;
        Some(Self {
            id: snapshot.uid.parse().ok()?,
            organization: snapshot.name.split('/').nth(1)?.to_owned(),
            from_us,
            to_us: micros(&snapshot.to_time?)?,
            creator: snapshot.creator?.name,
            occur_us: from_us,
            revision: snapshot.revision,
        })
    }
}

impl Record for Model {
    type Table = Entity;
    type Active = ActiveModel;
    type Event = Advanced;
    type Snapshot = pb::ClockAdvance;

    const KIND: &'static str = "clock_advance";
    const COLLECTION: &'static str = "clockAdvances";

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
        (self.revision, self.occur_us) = (stamp.revision, stamp.occur_us);
    }

    fn publish(&self, Advanced: &Advanced) -> Payload {
        let clock_advance = Some(self.snapshot());
        Payload {
            type_name: "mainstay.clock.v1.ClockAdvanced",
            bytes: pb::ClockAdvanced { clock_advance }.encode_to_vec(),
            needs: None,
            policy_version: String::new(),
        }
    }

    fn restore(snapshot: pb::ClockAdvance) -> Result<Self, Refusal> {
        Self::of(snapshot).ok_or_else(|| Refusal::internal("a move's snapshot is damaged"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(now_us: i64) -> Moment {
        Moment {
            now_us,
            actor: "organizations/default/serviceAccounts/root".to_owned(),
            id: Uuid::now_v7(),
            roles: std::sync::Arc::default(),
        }
    }

    #[test]
    fn an_event_restores_the_move() {
        let (mut advance, event) = Model::begin("acme", Turn::By(5), &moment(10)).unwrap();
        advance.stamp(Stamp {
            revision: 1,
            update_us: 10,
            occur_us: 10,
        });
        let payload = advance.publish(&event);
        let event = pb::ClockAdvanced::decode(payload.bytes.as_slice()).unwrap();
        let restored = Model::restore(event.clock_advance.unwrap()).unwrap();
        assert_eq!((restored.to_us(), &restored), (15, &advance));
    }

    #[test]
    fn nobody_moves_the_clock_back() {
        let refusal = Model::begin("acme", Turn::To(9), &moment(10)).unwrap_err();
        assert!(
            refusal.message().contains("to must not be earlier"),
            "{refusal}"
        );
    }
}
