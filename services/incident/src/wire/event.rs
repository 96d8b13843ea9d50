//! What happened, as the contract's events tell it.

use mainstay_practice::{Payload, Word};
use mainstay_proto::mainstay::incident::v1 as pb;
use prost::Message;

use super::values::milestones_out;
use super::words::OnWire;
use crate::incident::{Event, Milestones, State, Verb};

/// The payload of an event after which the incident is as given.
pub(super) fn payload(incident: pb::Incident, event: &Event) -> Payload {
    match event {
        Event::Created => {
            let incident = Some(incident);
            told(
                "mainstay.incident.v1.IncidentCreated",
                &pb::IncidentCreated { incident },
            )
        }
        Event::Updated { changed } => {
            let (incident, changed_fields) = (Some(incident), owned(changed));
            let event = pb::IncidentUpdated {
                incident,
                changed_fields,
            };
            told("mainstay.incident.v1.IncidentUpdated", &event)
        }
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
        Event::Acknowledged => {
            let incident = Some(incident);
            told(
                "mainstay.incident.v1.IncidentAcknowledged",
                &pb::IncidentAcknowledged { incident },
            )
        }
        Event::MilestonesChanged { changed, previous } => {
            milestones_changed(incident, changed, previous)
        }
        Event::Linked { uri, removed } => {
            let (incident, uri, removed) = (Some(incident), uri.clone(), *removed);
            let event = pb::IncidentLinked {
                incident,
                uri,
                removed,
            };
            told("mainstay.incident.v1.IncidentLinked", &event)
        }
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
    let organization = incident
        .name
        .split('/')
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let full = |collection: &str, slug: Option<&str>| {
        let name = |slug| format!("organizations/{organization}/{collection}/{slug}");
        slug.map(name).unwrap_or_default()
    };
    let event = pb::IncidentAssigned {
        incident: Some(incident),
        previous_team: full("teams", team),
        previous_assignee: full("users", assignee),
    };
    told("mainstay.incident.v1.IncidentAssigned", &event)
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
