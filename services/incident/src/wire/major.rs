//! How an incident stands as a major one: the contract's messages and what is
//! kept.

use mainstay_chassis::Refusal;
use mainstay_chassis::clock::{micros, timestamp};
use mainstay_practice::name;
use mainstay_proto::mainstay::incident::v1 as pb;

use super::words::OnWire;
use crate::incident::major::{Declaration, Major, ResponseRole, ResponseRoles};

/// A standing on the wire; users are full names there.
pub(super) fn major_out(major: &Major, organization: &str) -> pb::MajorIncident {
    let user = |slug: &Option<String>| match slug {
        Some(slug) => format!("organizations/{organization}/users/{slug}"),
        None => String::new(),
    };
    let roles = &major.roles;
    pb::MajorIncident {
        state: major.state.number(),
        reason: major.reason.clone(),
        propose_time: major.propose_us.map(timestamp),
        declare_time: major.declare_us.map(timestamp),
        stand_down_time: major.stand_down_us.map(timestamp),
        bridge_uri: major.bridge_uri.clone().unwrap_or_default(),
        roles: Some(pb::ResponseRoles {
            commander: user(&roles.commander),
            scribe: user(&roles.scribe),
            liaison: user(&roles.liaison),
            communications: user(&roles.communications),
        }),
    }
}

/// A standing as it is kept; none when it has no state.
pub(super) fn major_in(said: pb::MajorIncident) -> Option<Major> {
    let user = |name: &str| {
        let slug = name.rsplit('/').next().unwrap_or_default();
        Some(slug.to_owned()).filter(|slug| !slug.is_empty())
    };
    let us = |time: Option<prost_types::Timestamp>| time.as_ref().and_then(micros);
    let roles = said.roles.unwrap_or_default();
    Some(Major {
        state: OnWire::of(said.state)?,
        reason: said.reason,
        propose_us: us(said.propose_time),
        declare_us: us(said.declare_time),
        stand_down_us: us(said.stand_down_time),
        bridge_uri: Some(said.bridge_uri).filter(|uri| !uri.is_empty()),
        roles: ResponseRoles {
            commander: user(&roles.commander),
            scribe: user(&roles.scribe),
            liaison: user(&roles.liaison),
            communications: user(&roles.communications),
        },
    })
}

/// What DeclareMajorIncident says.
pub(crate) fn declaration(
    said: &pb::DeclareMajorIncidentRequest,
    organization: &str,
) -> Result<Declaration, Refusal> {
    Ok(Declaration {
        reason: said.reason.clone(),
        bridge_uri: Some(said.bridge_uri.clone()).filter(|uri| !uri.is_empty()),
        commander: name::slug("commander", &said.commander, organization, "users")?,
    })
}

/// Which role AssignIncidentRole gives to whom.
pub(crate) fn role(
    said: &pb::AssignIncidentRoleRequest,
    organization: &str,
) -> Result<(ResponseRole, Option<String>), Refusal> {
    let role = OnWire::of(said.role).ok_or_else(|| Refusal::invalid("role", "is required"))?;
    let assignee = name::slug("assignee", &said.assignee, organization, "users")?;
    Ok((role, assignee))
}
