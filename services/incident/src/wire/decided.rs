//! What an event tells of a decision that was taken.

use mainstay_practice::policy::Taken;
use mainstay_practice::{Moment, Word};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1::PolicyDecision;
use prost::Message;
use uuid::Uuid;

use crate::incident::{Incident, Verb};
use crate::policy::CREATE;

/// A decision that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    /// The verb, or `create`.
    pub(crate) verb: &'static str,
    /// What the caller gave as reason or note.
    pub(crate) reason: String,
    /// Whether the suite itself acted.
    pub(crate) automatic: bool,
    /// Whether it is imported history, in which nobody took a verb here.
    pub(crate) imported: bool,
    /// Who acted, and when.
    pub(crate) at: Moment,
    /// Whether the roles of who acted are known.
    pub(crate) roles_known: bool,
}

/// The decision that an event tells of; none when nobody decided.
pub(crate) fn decided(taken: &Taken<'_, Incident>) -> Option<Decided> {
    let event = taken.event;
    let name = event.r#type.strip_prefix("mainstay.incident.v1.")?;
    let payload = event.data.as_ref()?.value.as_slice();
    let (verb, reason) = match event.imported {
        true => ("", String::new()),
        false => verb(name, payload, taken.after)?,
    };
    // Every payload has its decision in the same field.
    let decision = pb::IncidentCreated::decode(payload).ok()?.decision;
    let PolicyDecision {
        actor_roles,
        automatic,
        ..
    } = decision.clone().unwrap_or_default();
    let actor = event.actor.clone().unwrap_or_default().name;
    Some(Decided {
        verb,
        reason,
        automatic,
        imported: event.imported,
        at: Moment {
            now_us: taken.occur_us,
            actor,
            roles: actor_roles.into(),
            id: Uuid::nil(),
        },
        roles_known: decision.is_some(),
    })
}

/// The verb of an event, with what was given as reason; none when no verb led
/// to it.
fn verb(name: &str, payload: &[u8], after: &Incident) -> Option<(&'static str, String)> {
    let verb = match name {
        "IncidentCreated" => return Some((CREATE, String::new())),
        "IncidentUpdated" => {
            let changed = pb::IncidentUpdated::decode(payload).ok()?.changed_fields;
            match changed
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .as_slice()
            {
                ["major"] => Verb::DeclareMajor,
                fields if fields.contains(&"parent") => Verb::SetParent,
                _ => Verb::Update,
            }
        }
        "IncidentStateChanged" => {
            let told = pb::IncidentStateChanged::decode(payload).ok()?;
            let verb = Verb::ALL.iter().find(|verb| verb.word() == told.verb)?;
            return Some((verb.word(), told.reason));
        }
        "IncidentAssigned" => {
            let told = pb::IncidentAssigned::decode(payload).ok()?;
            match !told.previous_assignee.is_empty() && after.assignee().is_none() {
                true => Verb::Unassign,
                false => Verb::Assign,
            }
        }
        "IncidentAcknowledged" => Verb::Acknowledge,
        "IncidentMilestonesChanged" => Verb::UpdateMilestones,
        "IncidentLinked" => match pb::IncidentLinked::decode(payload).ok()?.removed {
            true => Verb::Unlink,
            false => Verb::Link,
        },
        "MajorIncidentDeclared" => Verb::DeclareMajor,
        "MajorIncidentDismissed" => Verb::DismissMajor,
        "MajorIncidentStoodDown" => Verb::StandDown,
        "IncidentRoleAssigned" => Verb::AssignRole,
        // The one that goes on only hears of it.
        "IncidentMerged" if !pb::IncidentMerged::decode(payload).ok()?.into.is_empty() => {
            Verb::Merge
        }
        _ => return None,
    };
    Some((verb.word(), String::new()))
}
