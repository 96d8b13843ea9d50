//! What happened, as the contract's events tell it.

use mainstay_practice::{Payload, Word};
use mainstay_proto::mainstay::incident::v1 as pb;
use prost::Message;

use super::values::milestones_out;
use super::words::OnWire;
use crate::incident::{Event, Milestones, ResponseRole, State, Verb};

/// The payload that is a message of the contract: the incident after the event,
/// and the message's other fields.
macro_rules! tell {
    ($message:ident, $incident:expr $(, $field:ident: $value:expr)*) => {
        told(
            concat!("mainstay.incident.v1.", stringify!($message)),
            &pb::$message { incident: Some($incident), $($field: $value,)* },
        )
    };
}

/// The payload of an event after which the incident is as given.
pub(super) fn payload(incident: pb::Incident, event: &Event) -> Payload {
    match event {
        Event::StateChanged {
            verb,
            previous,
            reason,
            changed,
        } => state_changed(incident, *verb, *previous, reason, changed),
        Event::Assigned {
            previous_team,
            previous_assignee,
        } => assigned(
            incident,
            previous_team.as_deref(),
            previous_assignee.as_deref(),
        ),
        Event::MilestonesChanged { changed, previous } => {
            milestones_changed(incident, changed, previous)
        }
        Event::RoleAssigned {
            role,
            previous_assignee,
        } => role_assigned(incident, *role, previous_assignee.as_deref()),
        Event::Created => tell!(IncidentCreated, incident),
        Event::Updated { changed } => {
            tell!(IncidentUpdated, incident, changed_fields: owned(changed))
        }
        Event::Acknowledged => tell!(IncidentAcknowledged, incident),
        Event::Linked { uri, removed } => {
            tell!(IncidentLinked, incident, uri: uri.clone(), removed: *removed)
        }
        Event::MergedInto { into, previous } => {
            let into = full(&incident, "incidents", Some(&into.to_string()));
            tell!(IncidentMerged, incident, into: into, merged: String::new(), previous_state: previous.number())
        }
        Event::Absorbed { merged } => {
            let merged = full(&incident, "incidents", Some(&merged.to_string()));
            tell!(IncidentMerged, incident, into: String::new(), merged: merged, previous_state: 0)
        }
        Event::MajorProposed { rule } => {
            tell!(MajorIncidentProposed, incident, rule: rule.clone())
        }
        Event::MajorDismissed => tell!(MajorIncidentDismissed, incident),
        Event::MajorDeclared => tell!(MajorIncidentDeclared, incident),
        Event::MajorStoodDown => tell!(MajorIncidentStoodDown, incident),
    }
}

fn state_changed(
    incident: pb::Incident,
    verb: Option<Verb>,
    previous: State,
    reason: &str,
    changed: &[&str],
) -> Payload {
    let event = pb::IncidentStateChanged {
        incident: Some(incident),
        verb: verb.map(Word::word).unwrap_or_default().to_owned(),
        previous_state: previous.number(),
        reason: reason.to_owned(),
        changed_fields: owned(changed),
    };
    told("mainstay.incident.v1.IncidentStateChanged", &event)
}

fn assigned(incident: pb::Incident, team: Option<&str>, assignee: Option<&str>) -> Payload {
    let previous_team = full(&incident, "teams", team);
    let previous_assignee = full(&incident, "users", assignee);
    tell!(IncidentAssigned, incident, previous_team: previous_team, previous_assignee: previous_assignee)
}

fn role_assigned(incident: pb::Incident, role: ResponseRole, assignee: Option<&str>) -> Payload {
    let previous_assignee = full(&incident, "users", assignee);
    tell!(IncidentRoleAssigned, incident, role: role.number(), previous_assignee: previous_assignee)
}

/// The full name of a team, user or incident of the incident's organization.
fn full(incident: &pb::Incident, collection: &str, slug: Option<&str>) -> String {
    let organization = incident.name.split('/').nth(1).unwrap_or_default();
    let name = |slug| format!("organizations/{organization}/{collection}/{slug}");
    slug.map(name).unwrap_or_default()
}

fn milestones_changed(incident: pb::Incident, changed: &[&str], previous: &Milestones) -> Payload {
    let event = pb::IncidentMilestonesChanged {
        incident: Some(incident),
        changed_fields: owned(changed),
        previous: Some(milestones_out(previous)),
    };
    told("mainstay.incident.v1.IncidentMilestonesChanged", &event)
}

fn owned(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

/// A payload that everybody may read who may read events.
fn told(type_name: &'static str, message: &impl Message) -> Payload {
    Payload {
        type_name,
        bytes: message.encode_to_vec(),
        needs: None,
        policy_version: String::new(),
    }
}
