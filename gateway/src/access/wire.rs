//! The boundary between tokens and the wire, both ways. Nothing else converts.

use mainstay_chassis::{Refusal, clock};
use mainstay_proto::mainstay::access::v1 as pb;
use mainstay_proto::mainstay::record::v1 as record;
use sea_orm::prelude::Uuid;

use super::Role;
use super::token::{Draft, State};

/// A state on the wire.
pub(crate) fn state(state: State) -> pb::TokenState {
    match state {
        State::Active => pb::TokenState::Active,
        State::Revoked => pb::TokenState::Revoked,
    }
}

/// An actor on the wire.
pub(crate) fn actor(name: &str) -> Option<record::Actor> {
    Some(record::Actor {
        name: name.to_owned(),
    })
}

/// The draft in a request. Output-only fields are refused by name rather than
/// ignored, so that nobody believes that they were heard.
pub(crate) fn draft(token: pb::Token) -> Result<Draft, Refusal> {
    let given = [
        ("name", !token.name.is_empty()),
        ("uid", !token.uid.is_empty()),
        ("state", token.state != 0),
        ("creator", token.creator.is_some()),
        ("create_time", token.create_time.is_some()),
        ("revoke_time", token.revoke_time.is_some()),
        ("etag", !token.etag.is_empty()),
        ("revision", token.revision != 0),
    ];
    if let Some((field, _)) = given.into_iter().find(|(_, given)| *given) {
        return Err(Refusal::invalid(
            format!("token.{field}"),
            "is output only: leave it out",
        ));
    }
    let role = Role::of(&token.role).ok_or_else(|| {
        let known = Role::ALL.map(Role::word).join(", ");
        Refusal::invalid("token.role", format!("must be one of {known}"))
    })?;
    let instant = |time| {
        clock::micros(&time)
            .ok_or_else(|| Refusal::invalid("token.expire_time", "is no valid time"))
    };
    let expire_us = token.expire_time.map(instant).transpose()?;
    Ok(Draft {
        account: token.account,
        role,
        expire_us,
    })
}

/// The typed parts of a snapshot.
pub(crate) struct Restored {
    /// The id.
    pub(crate) id: Uuid,
    /// Slug of the organization.
    pub(crate) organization: String,
    /// The role.
    pub(crate) role: Role,
    /// The state.
    pub(crate) state: State,
    /// When it stops working.
    pub(crate) expire_us: Option<i64>,
    /// When it was made.
    pub(crate) create_us: i64,
    /// When it was revoked.
    pub(crate) revoke_us: Option<i64>,
}

impl Restored {
    /// Reads a snapshot; none when it is not one of ours.
    pub(crate) fn of(token: &pb::Token) -> Option<Self> {
        let state = match token.state() {
            pb::TokenState::Active => State::Active,
            pb::TokenState::Revoked => State::Revoked,
            pb::TokenState::Unspecified => return None,
        };
        Some(Self {
            id: Uuid::parse_str(&token.uid).ok()?,
            organization: token
                .name
                .strip_prefix("organizations/")?
                .split('/')
                .next()?
                .to_owned(),
            role: Role::of(&token.role)?,
            state,
            expire_us: token.expire_time.as_ref().and_then(clock::micros),
            create_us: token.create_time.as_ref().and_then(clock::micros)?,
            revoke_us: token.revoke_time.as_ref().and_then(clock::micros),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> pb::Token {
        pb::Token {
            account: "pager".to_owned(),
            role: "agent".to_owned(),
            ..Default::default()
        }
    }

    #[test]
    fn an_output_only_field_is_refused_by_name() {
        let refusal = draft(pb::Token {
            uid: "1".to_owned(),
            ..asked()
        })
        .unwrap_err();
        assert!(refusal.message().starts_with("token.uid is output only"));
    }

    #[test]
    fn an_unknown_role_is_refused_with_the_known_ones() {
        let refusal = draft(pb::Token {
            role: "root".to_owned(),
            ..asked()
        })
        .unwrap_err();
        assert_eq!(
            refusal.message(),
            "token.role must be one of viewer, agent, importer, administrator"
        );
    }
}
