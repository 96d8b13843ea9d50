//! What happened, as the contract's events tell it.

use mainstay_practice::{Payload, Word};
use mainstay_proto::mainstay::incident::v1 as pb;
use prost::Message;

use super::milestones_out;
use super::words::OnWire;
use crate::incident::Event;

/// The payload of an event after which the incident is as given.
pub(super) fn payload(incident: pb::Incident, event: &Event) -> Payload {
    let organization = incident
        .name
        .split('/')
        .nth(1)
        .unwrap_or_default()
        .to_owned();
    let full = |collection: &str, slug: &Option<String>| {
        let name = |slug: &String| format!("organizations/{organization}/{collection}/{slug}");
        slug.as_ref().map(name).unwrap_or_default()
    };
    let owned = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
    let incident = Some(incident);
    match event {
        Event::Created => encoded(
            "mainstay.incident.v1.IncidentCreated",
            &pb::IncidentCreated { incident },
        ),
        Event::Updated { changed } => {
            let changed_fields = owned(changed);
            encoded(
                "mainstay.incident.v1.IncidentUpdated",
                &pb::IncidentUpdated {
                    incident,
                    changed_fields,
                },
            )
        }
        Event::StateChanged {
            verb,
            previous,
            reason,
            changed,
        } => encoded(
            "mainstay.incident.v1.IncidentStateChanged",
            &pb::IncidentStateChanged {
                incident,
                verb: verb.map(Word::word).unwrap_or_default().to_owned(),
                previous_state: previous.number(),
                reason: reason.clone(),
                changed_fields: owned(changed),
            },
        ),
        Event::Assigned {
            previous_team,
            previous_assignee,
        } => encoded(
            "mainstay.incident.v1.IncidentAssigned",
            &pb::IncidentAssigned {
                incident,
                previous_team: full("teams", previous_team),
                previous_assignee: full("users", previous_assignee),
            },
        ),
        Event::Acknowledged => encoded(
            "mainstay.incident.v1.IncidentAcknowledged",
            &pb::IncidentAcknowledged { incident },
        ),
        Event::MilestonesChanged { changed, previous } => encoded(
            "mainstay.incident.v1.IncidentMilestonesChanged",
            &pb::IncidentMilestonesChanged {
                incident,
                changed_fields: owned(changed),
                previous: Some(milestones_out(previous)),
            },
        ),
        Event::Linked { uri, removed } => {
            let (uri, removed) = (uri.clone(), *removed);
            encoded(
                "mainstay.incident.v1.IncidentLinked",
                &pb::IncidentLinked {
                    incident,
                    uri,
                    removed,
                },
            )
        }
    }
}

/// A payload that everybody may read who may read events.
fn encoded(type_name: &'static str, message: &impl Message) -> Payload {
    Payload {
        type_name,
        bytes: message.encode_to_vec(),
        needs: None,
    }
}
