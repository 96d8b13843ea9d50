//! How an incident begins: what a caller says of it, and what it gets.

use std::collections::BTreeMap;

use mainstay_chassis::Refusal;
use sea_orm::prelude::Uuid;

use super::{
    Event, Hold, Impact, Incident, Labels, Links, Major, Milestones, Priority, Resolution,
    Severity, Slugs, State, Terms, Urgency,
};
use crate::policy::CREATE;

/// What is said of an incident when it is raised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draft {
    /// The team's own word for where it stands; none means the first.
    pub status: Option<String>,
    /// What is wrong, in a line.
    pub title: String,
    /// What is wrong, at length.
    pub description: String,
    /// How much is hurt.
    pub impact: Impact,
    /// How long it can wait.
    pub urgency: Urgency,
    /// How bad it is technically.
    pub severity: Option<Severity>,
    /// The team's own kind of incident.
    pub category: Option<String>,
    /// The service that is hurt.
    pub service: Option<String>,
    /// Other services that are hurt.
    pub affected_services: Vec<String>,
    /// The team that works on it.
    pub team: Option<String>,
    /// The person who works on it.
    pub assignee: Option<String>,
    /// Who asked for help.
    pub requester: Option<String>,
    /// Where it came from.
    pub origin: Option<Origin>,
    /// The incident that it is part of.
    pub parent: Option<Uuid>,
    /// The earlier incident that has come back.
    pub recurrence_of: Option<Uuid>,
    /// Links to the outside.
    pub links: Links,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// When things happened.
    pub milestones: Milestones,
}

/// Where a record came from, when it was not born here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The system it came from.
    pub source: String,
    /// The key that it has there.
    pub key: String,
    /// Where a person can look at it there.
    pub uri: Option<String>,
    /// Whether it came by an import of history.
    pub imported: bool,
}

/// What the incident has that no caller says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its id.
    pub id: Uuid,
    /// The slug of its organization.
    pub organization: String,
    /// Its number.
    pub number: i64,
    /// Counts its changes.
    pub revision: i64,
    /// When it was raised.
    pub create_us: i64,
    /// When its newest change occurred.
    pub occur_us: i64,
    /// Where it stands.
    pub state: State,
    /// The team's own word for that.
    pub status: String,
    /// What comes first.
    pub priority: Priority,
    /// Full name of who raised it here.
    pub creator: String,
    /// Why the work waits.
    pub hold: Option<Hold>,
    /// How it was resolved.
    pub resolution: Option<Resolution>,
    /// How often it was reopened.
    pub reopen_count: i32,
    /// When it is closed by itself.
    pub auto_close_us: Option<i64>,
    /// How it stands as a major incident.
    pub major: Option<Major>,
    /// The incident that it was merged into.
    pub merged_into: Option<Uuid>,
}

impl Standing {
    /// The standing of an incident that is raised on these terms.
    pub fn new(draft: &Draft, organization: &str, by: &Terms<'_>) -> Self {
        let at = by.at();
        Self {
            id: at.id,
            organization: organization.to_owned(),
            number: 0,
            revision: 0,
            create_us: at.now_us,
            occur_us: at.now_us,
            state: State::New,
            status: by.policy().statuses.first(State::New),
            priority: by.policy().matrix.priority(draft.impact, draft.urgency),
            creator: at.actor.clone(),
            hold: None,
            resolution: None,
            reopen_count: 0,
            auto_close_us: None,
            major: None,
            merged_into: None,
        }
    }
}

impl Incident {
    /// Raises an incident.
    pub fn raise(
        draft: Draft,
        organization: &str,
        by: &mut Terms<'_>,
    ) -> Result<(Self, Event), Refusal> {
        let now_us = by.at().now_us;
        draft.milestones.check(now_us, "incident.milestones.")?;
        by.wish(draft.status.as_deref());
        let mut incident = Self::standing(draft.clone(), Standing::new(&draft, organization, by));
        by.admit(CREATE, &incident)?;
        incident.status = by.word("", State::New, State::New, &incident)?;
        incident.priority = by.priority(incident.impact, incident.urgency);
        by.pass(CREATE, None, &incident, "")?;
        Ok((incident, by.decided(Event::Created)))
    }

    /// The incident of which this is said, and which stands so.
    pub fn standing(draft: Draft, standing: Standing) -> Self {
        let (source, key, uri, imported) = match draft.origin {
            Some(origin) => (
                Some(origin.source),
                Some(origin.key),
                origin.uri,
                origin.imported,
            ),
            None => (None, None, None, false),
        };
        let mut incident = Self {
            id: standing.id,
            organization: standing.organization,
            number: standing.number,
            revision: standing.revision,
            create_us: standing.create_us,
            occur_us: standing.occur_us,
            state: standing.state,
            status: standing.status,
            title: draft.title,
            description: draft.description,
            impact: draft.impact,
            urgency: draft.urgency,
            priority: standing.priority,
            severity: draft.severity,
            category: draft.category,
            service: draft.service,
            affected_services: Slugs(draft.affected_services),
            team: draft.team,
            assignee: draft.assignee,
            creator: standing.creator,
            requester: draft.requester,
            origin_source: source,
            origin_key: key,
            origin_uri: uri,
            imported,
            trail: None,
            hold: standing.hold,
            resolution: standing.resolution,
            parent: draft.parent,
            recurrence_of: draft.recurrence_of,
            links: draft.links,
            labels: Labels(draft.labels),
            milestones: draft.milestones,
            reopen_count: standing.reopen_count,
            auto_close_us: standing.auto_close_us,
            major_state: standing.major.as_ref().map(|major| major.state),
            major: standing.major,
            due_us: None,
            merged_into: standing.merged_into,
        };
        incident.set_due();
        incident
    }

    /// Takes what the kernel stamps on every change.
    pub(crate) fn take_stamp(&mut self, revision: i64, occur_us: i64) {
        self.revision = revision;
        self.occur_us = occur_us;
        self.set_due();
    }

    /// Takes its number, once.
    pub(crate) fn take_number(&mut self, number: i64) {
        self.number = number;
    }
}
