//! The incident: the record, as it lies in its table.
//!
//! Invariants: a hold is there exactly while the state is on hold; a
//! resolution exactly while it is resolved or closed; a time to close by itself
//! only while it is resolved, and by a verb; the priority followed from impact
//! and urgency when one of them was last said; no milestone is earlier than the start of
//! the impact; a parent has no parent of its own; a major incident has no parent. Only the rules under
//! `incident/` assign a field, and none of them reads a clock.

pub mod candidate;
pub mod change;
pub mod draft;
pub mod event;
mod guard;
pub mod history;
pub mod hold;
pub mod lifecycle;
pub mod links;
pub mod major;
pub mod merge;
pub mod milestones;
pub mod parent;
pub mod priority;
pub mod reaction;
pub mod redaction;
pub mod resolution;
pub mod terms;
pub mod timers;
pub mod verbs;
pub mod work;

use std::collections::BTreeMap;

use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

pub use change::Change;
pub use draft::{Draft, Origin, Standing};
pub use event::Event;
pub use history::Trail;
pub use hold::{Hold, HoldReason};
pub use lifecycle::{LIFECYCLE, State, Verb};
pub use links::{Link, Links};
pub use major::{Declaration, Major, MajorState, ResponseRole};
pub use milestones::{Milestone, Milestones};
pub use priority::{Impact, Priority, Severity, Urgency};
pub use resolution::{Resolution, ResolutionCode};
pub use terms::Terms;

/// An incident.
pub type Incident = Model;

/// An incident, as it lies in its table. Instants are microseconds since the
/// epoch; services, teams and users are slugs of the incident's organization.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "incident")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    id: Uuid,
    organization: String,
    number: i64,
    revision: i64,
    create_us: i64,
    occur_us: i64,
    state: State,
    status: String,
    title: String,
    description: String,
    impact: Impact,
    urgency: Urgency,
    priority: Priority,
    severity: Option<Severity>,
    category: Option<String>,
    service: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    affected_services: Slugs,
    team: Option<String>,
    assignee: Option<String>,
    creator: String,
    requester: Option<String>,
    origin_source: Option<String>,
    origin_key: Option<String>,
    origin_uri: Option<String>,
    imported: bool,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    trail: Option<Trail>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    hold: Option<Hold>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    resolution: Option<Resolution>,
    parent: Option<Uuid>,
    recurrence_of: Option<Uuid>,
    #[sea_orm(column_type = "JsonBinary")]
    links: Links,
    #[sea_orm(column_type = "JsonBinary")]
    labels: Labels,
    #[sea_orm(column_type = "JsonBinary")]
    milestones: Milestones,
    reopen_count: i32,
    auto_close_us: Option<i64>,
    major_state: Option<MajorState>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    major: Option<Major>,
    due_us: Option<i64>,
    merged_into: Option<Uuid>,
}

/// No relations: other records are known by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Slugs of services, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Slugs(pub Vec<String>);

/// Labels, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Labels(pub BTreeMap<String, String>);

/// A getter per line: what it is, its name, its type, and how it is told.
macro_rules! getters {
    ($($doc:literal $name:ident: $kind:ty = |$this:ident| $told:expr;)*) => {
        impl Model {
            $(#[doc = $doc] pub fn $name(&self) -> $kind { let $this = self; $told })*
        }
    };
}

getters! {
    "Its id."
    id: Uuid = |this| this.id;
    "Slug of its organization."
    organization: &str = |this| &this.organization;
    "Counts its changes."
    revision: i64 = |this| this.revision;
    "When its newest change occurred."
    occur_us: i64 = |this| this.occur_us;
    "What people call it, such as `INC-1042`."
    number_text: String = |this| format!("{NUMBER_PREFIX}-{}", this.number);
    "When it was raised."
    create_us: i64 = |this| this.create_us;
    "Where it stands."
    state: State = |this| this.state;
    "The team's own word for where it stands."
    status: &str = |this| &this.status;
    "What is wrong, in a line."
    title: &str = |this| &this.title;
    "What is wrong, at length."
    description: &str = |this| &this.description;
    "How much is hurt."
    impact: Impact = |this| this.impact;
    "How long it can wait."
    urgency: Urgency = |this| this.urgency;
    "What comes first."
    priority: Priority = |this| this.priority;
    "How bad it is technically."
    severity: Option<Severity> = |this| this.severity;
    "The team's own kind of incident."
    category: Option<&str> = |this| this.category.as_deref();
    "The service that is hurt."
    service: Option<&str> = |this| this.service.as_deref();
    "Other services that are hurt."
    affected_services: &[String] = |this| &this.affected_services.0;
    "The team that works on it."
    team: Option<&str> = |this| this.team.as_deref();
    "The person who works on it."
    assignee: Option<&str> = |this| this.assignee.as_deref();
    "Full name of who raised it here."
    creator: &str = |this| &this.creator;
    "Who asked for help."
    requester: Option<&str> = |this| this.requester.as_deref();
    "Why the work waits."
    hold: Option<&Hold> = |this| this.hold.as_ref();
    "How it was resolved."
    resolution: Option<&Resolution> = |this| this.resolution.as_ref();
    "The incident that it is part of."
    parent: Option<Uuid> = |this| this.parent;
    "The earlier incident that has come back."
    recurrence_of: Option<Uuid> = |this| this.recurrence_of;
    "Links to the outside."
    links: &[Link] = |this| &this.links.0;
    "Labels."
    label_map: &BTreeMap<String, String> = |this| &this.labels.0;
    "When things happened."
    milestones: &Milestones = |this| &this.milestones;
    "How often it was reopened."
    reopen_count: i32 = |this| this.reopen_count;
    "The incident that it was merged into."
    merged_into: Option<Uuid> = |this| this.merged_into;
    "How it stands as a major incident."
    major: Option<&Major> = |this| this.major.as_ref();
    "When it closes by itself; none unless it was resolved here."
    auto_close_us: Option<i64> = |this| this.auto_close_us;
}

/// What stands before an incident's number.
pub const NUMBER_PREFIX: &str = "INC";

impl Model {
    /// Where it came from, when it was not born here.
    pub fn origin(&self) -> Option<Origin> {
        let (source, key) = self.origin_source.clone().zip(self.origin_key.clone())?;
        Some(Origin {
            source,
            key,
            uri: self.origin_uri.clone(),
            imported: self.imported,
        })
    }
}
