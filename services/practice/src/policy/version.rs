//! A version of a policy as a record: a document, who wrote it, and when it
//! comes into force. Only activations are ever added to it.

use mainstay_chassis::clock::{micros, timestamp};
use mainstay_chassis::{Kind, Refusal};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use mainstay_proto::mainstay::policy::v1 as pb;
use mainstay_proto::mainstay::record::v1::Actor;
use prost::Message;
use prost_types::Any;
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Decision, Fixed, Moment, Payload, Record, Stamp};

/// The permission that a reader of a policy's events must hold.
const NEEDS: &str = "policy.read";
/// So many activations a version may have.
const MOST: usize = 200;

/// A version.
pub type Version = Model;

/// A version, as it lies in its table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "policy_version")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    id: Uuid,
    organization: String,
    practice: String,
    number: i64,
    document_type: String,
    document: Vec<u8>,
    #[sea_orm(column_type = "Text")]
    note: String,
    creator: String,
    create_us: i64,
    #[sea_orm(column_type = "JsonBinary")]
    activations: Activations,
    revision: i64,
    occur_us: i64,
    update_us: i64,
}

/// No relations: a policy is what its versions have in common.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// When a version comes into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// When.
    pub activate_us: i64,
    /// Full name of who said so.
    pub actor: String,
    /// When it was said.
    pub record_us: i64,
}

/// The activations of a version, in the order in which they were said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Activations(pub Vec<Activation>);

/// What may happen to a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was written.
    Created,
    /// It was said when it comes into force.
    Activated {
        /// When.
        activate_us: i64,
    },
}

/// What a new version is to hold.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Slug of the organization.
    pub(crate) organization: String,
    /// The practice.
    pub(crate) practice: &'static str,
    /// The number after the newest one.
    pub(crate) number: i64,
    /// The document.
    pub(crate) document: Any,
    /// Why it was written.
    pub(crate) note: String,
}

impl Model {
    /// Writes a version.
    pub(crate) fn write(draft: &Draft, at: &Moment) -> Self {
        Self {
            id: at.id,
            organization: draft.organization.clone(),
            practice: draft.practice.to_owned(),
            number: draft.number,
            document_type: type_name(&draft.document).to_owned(),
            document: draft.document.value.clone(),
            note: draft.note.clone(),
            creator: at.actor.clone(),
            create_us: at.now_us,
            activations: Activations::default(),
            revision: 0,
            occur_us: at.now_us,
            update_us: at.now_us,
        }
    }

    /// Brings it into force at an instant, or at once. What is past stays as
    /// it was decided.
    pub(crate) fn activate(
        &mut self,
        asked_us: Option<i64>,
        at: &Moment,
    ) -> Result<Decision<Happened, Self>, Refusal> {
        let activate_us = asked_us.unwrap_or(at.now_us);
        if activate_us < at.now_us {
            let remedy = "must not be in the past: leave it out to activate at once";
            return Err(Refusal::invalid("activate_time", remedy));
        }
        if self.activations.0.len() >= MOST {
            let text = format!(
                "{} was activated {MOST} times: write a new version",
                self.name()
            );
            return Err(Refusal::new(
                Kind::Precondition,
                ErrorReason::PolicyInvalid,
                text,
            ));
        }
        self.activations.0.push(Activation {
            activate_us,
            actor: at.actor.clone(),
            record_us: at.now_us,
        });
        Ok(Decision::Changed(Happened::Activated { activate_us }))
    }

    /// Slug of its organization.
    pub fn organization(&self) -> &str {
        &self.organization
    }

    /// Its number.
    pub fn number(&self) -> i64 {
        self.number
    }

    /// Its activations, in the order in which they were said.
    pub fn activations(&self) -> &[Activation] {
        &self.activations.0
    }

    /// Its document.
    pub fn document(&self) -> Any {
        Any {
            type_url: type_url(&self.document_type),
            value: self.document.clone(),
        }
    }

    /// The version on the wire.
    pub fn snapshot(&self) -> pb::PolicyVersion {
        pb::PolicyVersion {
            name: self.name(),
            uid: self.id.to_string(),
            number: self.number,
            document: Some(self.document()),
            note: self.note.clone(),
            creator: actor(&self.creator),
            create_time: Some(timestamp(self.create_us)),
            activations: self
                .activations
                .0
                .iter()
                .map(|said| self.told(said))
                .collect(),
            etag: self.etag(),
            revision: self.revision,
        }
    }

    /// One of its activations on the wire.
    pub(crate) fn told(&self, said: &Activation) -> pb::PolicyActivation {
        pb::PolicyActivation {
            version: self.name(),
            activate_time: Some(timestamp(said.activate_us)),
            actor: actor(&said.actor),
            record_time: Some(timestamp(said.record_us)),
        }
    }

    fn restored(snapshot: &pb::PolicyVersion) -> Option<Self> {
        let mut parts = snapshot.name.split('/');
        let (organization, practice) = (parts.nth(1)?, parts.nth(1)?);
        let document = snapshot.document.as_ref()?;
        let create_us = micros(snapshot.create_time.as_ref()?)?;
        let said = |said: &pb::PolicyActivation| {
            Some(Activation {
                activate_us: micros(said.activate_time.as_ref()?)?,
                actor: said.actor.clone()?.name,
                record_us: micros(said.record_time.as_ref()?)?,
            })
        };
        let activations: Vec<Activation> = snapshot
            .activations
            .iter()
            .map(said)
            .collect::<Option<_>>()?;
        let changed_us = activations.last().map_or(create_us, |said| said.record_us);
        Some(Self {
            id: Uuid::parse_str(&snapshot.uid).ok()?,
            organization: organization.to_owned(),
            practice: practice.to_owned(),
            number: snapshot.number,
            document_type: type_name(document).to_owned(),
            document: document.value.clone(),
            note: snapshot.note.clone(),
            creator: snapshot.creator.clone()?.name,
            create_us,
            activations: Activations(activations),
            revision: snapshot.revision,
            occur_us: changed_us,
            update_us: changed_us,
        })
    }
}

impl Record for Model {
    type Table = Entity;
    type Active = ActiveModel;
    type Event = Happened;
    type Snapshot = pb::PolicyVersion;

    const KIND: &'static str = "policy_version";
    const COLLECTION: &'static str = "policies";

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

    fn name(&self) -> String {
        let (organization, practice) = (&self.organization, &self.practice);
        format!(
            "organizations/{organization}/policies/{practice}/versions/{}",
            self.number
        )
    }

    fn publish(&self, event: &Happened) -> Payload {
        let policy_version = Some(self.snapshot());
        let (type_name, bytes) = match event {
            Happened::Created => (
                "mainstay.policy.v1.PolicyVersionCreated",
                pb::PolicyVersionCreated { policy_version }.encode_to_vec(),
            ),
            Happened::Activated { activate_us } => (
                "mainstay.policy.v1.PolicyVersionActivated",
                pb::PolicyVersionActivated {
                    policy_version,
                    activate_time: Some(timestamp(*activate_us)),
                }
                .encode_to_vec(),
            ),
        };
        Payload {
            type_name,
            bytes,
            needs: Some(NEEDS),
            policy_version: String::new(),
        }
    }

    fn restore(snapshot: pb::PolicyVersion) -> Result<Self, Refusal> {
        let damaged = || Refusal::internal(format!("the snapshot of {} is damaged", snapshot.name));
        Self::restored(&snapshot).ok_or_else(damaged)
    }
}

fn actor(name: &str) -> Option<Actor> {
    Some(Actor {
        name: name.to_owned(),
    })
}

/// Full name of the message in an `Any`.
pub(crate) fn type_name(any: &Any) -> &str {
    any.type_url.rsplit('/').next().unwrap_or_default()
}

/// The URL of a message's full name, as an `Any` has it.
pub(crate) fn type_url(name: &str) -> String {
    format!("type.googleapis.com/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(now_us: i64) -> Moment {
        Moment {
            now_us,
            actor: "organizations/default/users/ada".to_owned(),
            id: Uuid::now_v7(),
            roles: std::sync::Arc::default(),
        }
    }

    fn version() -> Version {
        let document = Any {
            type_url: type_url("example.v1.NotePolicy"),
            value: vec![1, 2, 3],
        };
        let draft = Draft {
            organization: "default".to_owned(),
            practice: "note",
            number: 7,
            document,
            note: "Shorter notes".to_owned(),
        };
        Version::write(&draft, &moment(10))
    }

    #[test]
    fn an_event_restores_the_version() {
        let mut version = version();
        version.activate(Some(40), &moment(20)).unwrap();
        version.stamp(Stamp {
            revision: 2,
            update_us: 20,
            occur_us: 20,
        });
        let payload = version.publish(&Happened::Activated { activate_us: 40 });
        let event = pb::PolicyVersionActivated::decode(payload.bytes.as_slice()).unwrap();
        assert_eq!(Version::restore(event.policy_version.unwrap()), Ok(version));
    }

    #[test]
    fn a_version_comes_into_force_now_or_later_but_never_in_the_past() {
        let mut version = version();
        let refusal = version.activate(Some(19), &moment(20)).unwrap_err();
        assert!(
            refusal
                .message()
                .starts_with("activate_time must not be in the past")
        );
        version.activate(None, &moment(20)).unwrap();
        version.activate(Some(50), &moment(30)).unwrap();
        let times: Vec<i64> = version
            .activations()
            .iter()
            .map(|said| said.activate_us)
            .collect();
        assert_eq!(times, [20, 50]);
    }
}
