//! The boundary: the contract's messages and the records, both ways. Nothing
//! else converts.

mod collection;
mod comment;
mod decided;
mod event;
mod import;
mod major;
#[cfg(test)]
mod plans;
mod request;
mod search;
mod told;
mod values;
mod verbs;
mod words;
mod work;

use std::collections::BTreeMap;
use std::sync::Arc;

use mainstay_chassis::clock::{micros, timestamp};
use mainstay_chassis::{Permit, Refusal};
use mainstay_practice::{Fixed, Moment, Payload, Record, Stamp, Timer, Word, name};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1 as record_pb;
use uuid::Uuid;

use crate::incident::{
    ActiveModel, Column, Draft, Entity, Event, Incident, Links, Milestones, NUMBER_PREFIX, Origin,
    Standing, State, Terms, Verb,
};
use crate::policy::InForce;
use major::{major_in, major_out};
use values::{
    hold_in, hold_out, link_in, link_out, milestones_in, milestones_out, origin_in, other_in,
    resolution_in, resolution_out,
};
use words::number;

pub(crate) use collection::{COMMENTS, incidents};
pub(crate) use comment::{comment, commented, said};
pub(crate) use decided::{Decided, decided};
pub(crate) use import::{Imported, histories, imported};
pub(crate) use major::{declaration, role};
pub(crate) use request::{
    Raised, as_of, assignment, changes, corrections, hold, instant, link, raised, resolution,
};
pub(crate) use search::Search;
pub(crate) use told::{is_resolved_by_verb, told, told_comment};
pub(crate) use verbs::{Addressed, answer, reply};
pub(crate) use words::OnWire;
pub(crate) use work::{WORK, item};

impl Record for Incident {
    type Table = Entity;
    type Active = ActiveModel;
    type Event = Event;
    type Snapshot = pb::Incident;

    const KIND: &'static str = "incident";
    const COLLECTION: &'static str = "incidents";
    const NUMBER_PREFIX: &'static str = NUMBER_PREFIX;

    fn fixed() -> Fixed<Column> {
        Fixed {
            id: Column::Id,
            organization: Column::Organization,
            revision: Column::Revision,
            number: Some(Column::Number),
        }
    }

    fn id(&self) -> Uuid {
        self.id()
    }

    fn organization(&self) -> &str {
        self.organization()
    }

    fn revision(&self) -> i64 {
        self.revision()
    }

    fn occur_us(&self) -> i64 {
        self.occur_us()
    }

    fn stamp(&mut self, stamp: Stamp) {
        self.take_stamp(stamp.revision, stamp.occur_us);
    }

    fn set_number(&mut self, number: i64) {
        self.take_number(number);
    }

    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        Some(self.label_map())
    }

    fn natural_key(&self) -> String {
        match self.origin() {
            Some(origin) => format!(
                "an incident of {} with the key {}",
                origin.source, origin.key
            ),
            None => self.name(),
        }
    }

    fn timers(&self) -> Vec<Timer> {
        self.armed()
    }

    fn publish(&self, event: &Event) -> Payload {
        event::payload(snapshot(self), event)
    }

    fn restore(snapshot: pb::Incident) -> Result<Self, Refusal> {
        restored(snapshot)
    }
}

/// How much of an incident is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Without description, links and milestones.
    Basic,
    /// Everything.
    Full,
}

impl View {
    /// The view that a list asks for.
    pub(crate) fn of(view: i32) -> Self {
        match pb::IncidentView::try_from(view) {
            Ok(pb::IncidentView::Full) => Self::Full,
            Ok(pb::IncidentView::Basic | pb::IncidentView::Unspecified) | Err(_) => Self::Basic,
        }
    }
}

/// Who sees incidents, when, and which policy is in force then.
#[derive(Clone, Debug)]
pub(crate) struct Viewer {
    permit: Permit,
    at: Moment,
    in_force: Arc<InForce>,
}

impl Viewer {
    /// Whoever holds the permit, at an instant.
    pub(crate) fn new(permit: &Permit, now_us: i64, in_force: Arc<InForce>) -> Self {
        let principal = permit.principal();
        let at = Moment {
            now_us,
            actor: principal.name().to_owned(),
            roles: principal.roles().clone(),
            id: Uuid::nil(),
        };
        Self {
            permit: permit.clone(),
            at,
            in_force,
        }
    }
}

/// The incident as a viewer sees it: with the verbs that it could take.
pub(crate) fn incident(incident: &Incident, viewer: &Viewer, view: View) -> pb::Incident {
    let mut told = snapshot(incident);
    let terms = Terms::new(&viewer.in_force, &viewer.at);
    let principal = viewer.permit.principal();
    let may =
        |verb: &&Verb| principal.may(verb.permission()) && incident.is_open_to(**verb, &terms);
    told.available_verbs = Verb::ALL
        .iter()
        .filter(may)
        .map(|verb| verb.word().to_owned())
        .collect();
    if view == View::Basic {
        told.description.clear();
        told.links.clear();
        told.milestones = None;
    }
    told
}

/// The incident as its events tell it: the same for everybody.
pub(crate) fn snapshot(incident: &Incident) -> pb::Incident {
    let full = |collection: &str, slug: Option<&str>| match slug {
        Some(slug) => format!(
            "organizations/{}/{collection}/{slug}",
            incident.organization()
        ),
        None => String::new(),
    };
    let other = |id: Option<Uuid>| full("incidents", id.map(|id| id.to_string()).as_deref());
    let origin = |origin: Origin| record_pb::Origin {
        source: origin.source,
        key: origin.key,
        uri: origin.uri.unwrap_or_default(),
        imported: origin.imported,
    };
    let services = incident.affected_services().iter();
    pb::Incident {
        name: incident.name(),
        uid: incident.id().to_string(),
        number: incident.number_text(),
        title: incident.title().to_owned(),
        description: incident.description().to_owned(),
        state: incident.state().number(),
        status: incident.status().to_owned(),
        impact: incident.impact().number(),
        urgency: incident.urgency().number(),
        priority: incident.priority().number(),
        severity: number(incident.severity()),
        category: incident.category().unwrap_or_default().to_owned(),
        service: full("services", incident.service()),
        affected_services: services.map(|slug| full("services", Some(slug))).collect(),
        team: full("teams", incident.team()),
        assignee: full("users", incident.assignee()),
        creator: Some(record_pb::Actor {
            name: incident.creator().to_owned(),
        }),
        requester: full("users", incident.requester()),
        origin: incident.origin().map(origin),
        hold: incident.hold().map(hold_out),
        resolution: incident.resolution().map(resolution_out),
        parent: other(incident.parent()),
        recurrence_of: other(incident.recurrence_of()),
        links: incident.links().iter().map(link_out).collect(),
        labels: incident.label_map().clone(),
        milestones: Some(milestones_out(incident.milestones())),
        reopen_count: incident.reopen_count(),
        auto_close_time: incident.auto_close_us().map(timestamp),
        available_verbs: Vec::new(),
        create_time: Some(timestamp(incident.create_us())),
        update_time: Some(timestamp(incident.occur_us())),
        etag: incident.etag(),
        revision: incident.revision(),
        merged_into: other(incident.merged_into()),
        major: incident
            .major()
            .map(|major| major_out(major, incident.organization())),
    }
}

/// The incident that a snapshot tells of; what it cannot be is a defect.
fn restored(told: pb::Incident) -> Result<Incident, Refusal> {
    let name = told.name.clone();
    let defect = || Refusal::internal(format!("the snapshot of {name} cannot be read"));
    let organization = name.split('/').nth(1).ok_or_else(defect)?.to_owned();
    let time = |time: &Option<_>| time.as_ref().and_then(micros).ok_or_else(defect);
    let digits = told
        .number
        .rsplit('-')
        .next()
        .and_then(|digits| digits.parse().ok());
    let state: State = OnWire::of(told.state).ok_or_else(defect)?;
    let standing = Standing {
        id: Uuid::parse_str(&told.uid).map_err(|_| defect())?,
        number: digits.ok_or_else(defect)?,
        revision: told.revision,
        create_us: time(&told.create_time)?,
        occur_us: time(&told.update_time)?,
        state,
        status: match told.status.as_str() {
            // Told before there were statuses.
            "" => state.own_word(),
            status => status.to_owned(),
        },
        priority: OnWire::of(told.priority).ok_or_else(defect)?,
        creator: told.creator.clone().unwrap_or_default().name,
        hold: told
            .hold
            .as_ref()
            .map(|hold| hold_in(hold).ok_or_else(defect))
            .transpose()?,
        resolution: told
            .resolution
            .clone()
            .map(|one| resolution_in(one).ok_or_else(defect))
            .transpose()?,
        reopen_count: told.reopen_count,
        merged_into: other_in(&told.merged_into).map_err(|()| defect())?,
        auto_close_us: told.auto_close_time.as_ref().and_then(micros),
        major: told
            .major
            .clone()
            .map(|one| major_in(one).ok_or_else(defect))
            .transpose()?,
        organization,
    };
    let milestones = milestones_in(told.milestones.unwrap_or_default());
    let parent = other_in(&told.parent).map_err(|()| defect())?;
    let recurrence_of = other_in(&told.recurrence_of).map_err(|()| defect())?;
    let draft = draft_of(told, &standing.organization)?;
    let draft = Draft {
        milestones,
        parent,
        recurrence_of,
        ..draft
    };
    Ok(Incident::standing(draft, standing))
}

/// What a message says of an incident, but for milestones and other incidents.
fn draft_of(said: pb::Incident, organization: &str) -> Result<Draft, Refusal> {
    let slug = |field: &str, text: &str, collection: &str| {
        name::slug(&format!("incident.{field}"), text, organization, collection)
    };
    let mut affected_services = Vec::with_capacity(said.affected_services.len());
    for (index, text) in said.affected_services.iter().enumerate() {
        affected_services.extend(slug(
            &format!("affected_services[{index}]"),
            text,
            "services",
        )?);
    }
    let mut links = Links::default();
    for link in said.links {
        links.add(link_in(link))?;
    }
    Ok(Draft {
        status: Some(said.status).filter(|status| !status.is_empty()),
        impact: OnWire::of(said.impact).unwrap_or_default(),
        urgency: OnWire::of(said.urgency).unwrap_or_default(),
        severity: OnWire::of(said.severity),
        category: Some(said.category).filter(|category| !category.is_empty()),
        service: slug("service", &said.service, "services")?,
        affected_services,
        team: slug("team", &said.team, "teams")?,
        assignee: slug("assignee", &said.assignee, "users")?,
        requester: slug("requester", &said.requester, "users")?,
        origin: said.origin.map(origin_in),
        links,
        title: said.title,
        description: said.description,
        labels: said.labels,
        parent: None,
        recurrence_of: None,
        milestones: Milestones::default(),
    })
}
