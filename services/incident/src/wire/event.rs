//! What happened, as the contract's events tell it.

use mainstay_practice::{Payload, Word};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1 as record_pb;
use prost::Message;

use super::values::milestones_out;
use super::words::OnWire;
use crate::incident::{Event, ResponseRole};
use crate::policy::{Asked, Explanation};

/// The payload that is a message of the contract: the incident after the event,
/// and the message's other fields.
macro_rules! tell {
    ($message:ident, $incident:expr $(, $field:ident: $value:expr)*) => {
        told(
            concat!("mainstay.incident.v1.", stringify!($message)),
            &pb::$message {
                incident: Some($incident.incident),
                decision: $incident.decision,
                $($field: $value,)*
            },
        )
    };
}

/// What every payload tells: the incident after the event, and why the policy
/// let it happen.
struct Tale {
    incident: pb::Incident,
    decision: Option<record_pb::PolicyDecision>,
}

/// The payload of an event after which the incident is as given.
pub(super) fn payload(incident: pb::Incident, event: &Event) -> Payload {
    let (event, why) = event.parts();
    let decision = why.map(explained);
    let payload = undecided(Tale { incident, decision }, event);
    let policy_version = why.map(|why| why.version.clone()).unwrap_or_default();
    Payload {
        policy_version,
        ..payload
    }
}

fn explained(why: &Explanation) -> record_pb::PolicyDecision {
    let result = |asked: &Asked| record_pb::RuleResult {
        place: asked.place.clone(),
        result: asked.result.clone(),
        inputs: asked.inputs.clone(),
    };
    record_pb::PolicyDecision {
        policy_version: why.version.clone(),
        rules: why.asked.iter().map(result).collect(),
        actor_roles: why.roles.clone(),
        automatic: why.automatic,
    }
}

fn undecided(incident: Tale, event: &Event) -> Payload {
    match event {
        // A decision holds what happened, and no other decision.
        Event::Decided { event, .. } => undecided(incident, event),
        Event::StateChanged {
            verb,
            previous,
            previous_word,
            reason,
            changed,
        } => tell!(
            IncidentStateChanged, incident,
            verb: verb.map(Word::word).unwrap_or_default().to_owned(),
            previous_state: previous.number(),
            previous_status: previous_word.clone(),
            reason: reason.clone(),
            changed_fields: owned(changed)
        ),
        Event::Assigned {
            previous_team,
            previous_assignee,
        } => assigned(
            incident,
            previous_team.as_deref(),
            previous_assignee.as_deref(),
        ),
        Event::MilestonesChanged { changed, previous } => tell!(
            IncidentMilestonesChanged, incident,
            changed_fields: owned(changed),
            previous: Some(milestones_out(previous))
        ),
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
            let into = full(&incident.incident, "incidents", Some(&into.to_string()));
            tell!(IncidentMerged, incident, into: into, merged: String::new(), previous_state: previous.number())
        }
        Event::Absorbed { merged } => {
            let merged = full(&incident.incident, "incidents", Some(&merged.to_string()));
            tell!(IncidentMerged, incident, into: String::new(), merged: merged, previous_state: 0)
        }
        Event::MajorProposed { rule } => {
            tell!(MajorIncidentProposed, incident, rule: rule.clone())
        }
        Event::Redacted { reason } => redacted(incident.incident, reason),
        Event::MajorDismissed => tell!(MajorIncidentDismissed, incident),
        Event::MajorDeclared => tell!(MajorIncidentDeclared, incident),
        Event::MajorStoodDown => tell!(MajorIncidentStoodDown, incident),
    }
}

/// No policy decides that personal data are taken out.
fn redacted(incident: pb::Incident, reason: &str) -> Payload {
    let event = pb::IncidentRedacted {
        incident: Some(incident),
        reason: reason.to_owned(),
    };
    told("mainstay.incident.v1.IncidentRedacted", &event)
}

fn assigned(incident: Tale, team: Option<&str>, assignee: Option<&str>) -> Payload {
    let previous_team = full(&incident.incident, "teams", team);
    let previous_assignee = full(&incident.incident, "users", assignee);
    tell!(IncidentAssigned, incident, previous_team: previous_team, previous_assignee: previous_assignee)
}

fn role_assigned(incident: Tale, role: ResponseRole, assignee: Option<&str>) -> Payload {
    let previous_assignee = full(&incident.incident, "users", assignee);
    tell!(IncidentRoleAssigned, incident, role: role.number(), previous_assignee: previous_assignee)
}

/// The full name of a team, user or incident of the incident's organization.
fn full(incident: &pb::Incident, collection: &str, slug: Option<&str>) -> String {
    let organization = incident.name.split('/').nth(1).unwrap_or_default();
    let name = |slug| format!("organizations/{organization}/{collection}/{slug}");
    slug.map(name).unwrap_or_default()
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
