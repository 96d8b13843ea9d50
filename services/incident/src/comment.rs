//! A comment on an incident: a record of its own, with an author and an
//! audience. It is never changed, but for personal data that are taken out.

pub mod audience;

use mainstay_practice::Moment;
use sea_orm::entity::prelude::*;

pub use audience::{Audience, READ_INTERNAL};

use crate::incident::redaction::TAKEN_OUT;

/// A comment.
pub type Comment = Model;

/// A comment, as it lies in its table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "incident_comment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    id: Uuid,
    organization: String,
    incident: Uuid,
    revision: i64,
    create_us: i64,
    occur_us: i64,
    audience: Audience,
    #[sea_orm(column_type = "Text")]
    body: String,
    author: String,
}

/// No relations: the incident is known by its id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What may happen to a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was written.
    Created,
    /// Personal data were taken out of it.
    Redacted,
}

/// What an author says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who may read it.
    pub audience: Audience,
    /// The text.
    pub body: String,
}

/// Where a comment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its id.
    pub id: Uuid,
    /// The slug of its organization.
    pub organization: String,
    /// The incident that it is on.
    pub incident: Uuid,
    /// Counts its changes.
    pub revision: i64,
    /// When it was written.
    pub create_us: i64,
    /// Full name of who wrote it.
    pub author: String,
}

impl Model {
    /// Writes a comment on an incident.
    pub fn write(said: Said, incident: Uuid, organization: &str, at: &Moment) -> (Self, Event) {
        let place = Place {
            id: at.id,
            organization: organization.to_owned(),
            incident,
            revision: 0,
            create_us: at.now_us,
            author: at.actor.clone(),
        };
        (Self::standing(said, place), Event::Created)
    }

    /// The comment that says this and stands there.
    pub fn standing(said: Said, place: Place) -> Self {
        Self {
            id: place.id,
            organization: place.organization,
            incident: place.incident,
            revision: place.revision,
            create_us: place.create_us,
            occur_us: place.create_us,
            audience: said.audience,
            body: said.body,
            author: place.author,
        }
    }

    /// Takes personal data out: what somebody said in their own words.
    pub fn redact(&mut self) {
        TAKEN_OUT.clone_into(&mut self.body);
    }

    /// Takes what the kernel stamps on every change.
    pub(crate) fn take_stamp(&mut self, revision: i64, occur_us: i64) {
        self.revision = revision;
        self.occur_us = occur_us;
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Slug of its organization.
    pub fn organization(&self) -> &str {
        &self.organization
    }

    /// The incident that it is on.
    pub fn incident(&self) -> Uuid {
        self.incident
    }

    /// Counts its changes.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// When its newest change occurred.
    pub fn occur_us(&self) -> i64 {
        self.occur_us
    }

    /// When it was written.
    pub fn create_us(&self) -> i64 {
        self.create_us
    }

    /// Who may read it.
    pub fn audience(&self) -> Audience {
        self.audience
    }

    /// The text.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Full name of who wrote it.
    pub fn author(&self) -> &str {
        &self.author
    }
}
