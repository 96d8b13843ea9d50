//! What a token says, and what its issuer may say.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Flaw, GATEWAY, LIFE};
use crate::Principal;
use crate::principal::{ALL_ORGANIZATIONS, FOLLOWER_PERMISSIONS};

/// Clocks of two machines may differ by so much, in seconds.
const LEEWAY: i64 = 5;

/// The head of a token: these members, and no other. Whatever else a head may
/// hold (`jku`, `x5u`, `jwk`, `x5c`, `crit`) is a way to bring one's own key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) alg: String,
    pub(super) typ: String,
    pub(super) kid: String,
}

/// The claims. Those that a later version adds are skipped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    /// Who signed: `gateway`, or a service.
    pub(super) iss: String,
    /// The one service it is for.
    pub(super) aud: String,
    /// Full name of the principal.
    pub(super) sub: String,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
    /// Id of the token, for the logs.
    pub(super) jti: String,
    /// Slug of the principal's organization.
    pub(super) organization: String,
    /// What it may do, separated by spaces.
    pub(super) permissions: String,
    /// Names of its roles.
    pub(super) roles: Vec<String>,
}

impl Claims {
    /// What an issuer says of a principal to a service.
    pub(super) fn of(principal: &Principal, issuer: &str, audience: &str, now: i64) -> Self {
        let permissions: Vec<&str> = principal.permissions().iter().map(String::as_str).collect();
        Self {
            iss: issuer.to_owned(),
            aud: audience.to_owned(),
            sub: principal.name().to_owned(),
            iat: now,
            nbf: now,
            exp: now + LIFE,
            jti: uuid::Uuid::now_v7().to_string(),
            organization: principal.organization().to_owned(),
            permissions: permissions.join(" "),
            roles: principal.roles().to_vec(),
        }
    }

    /// Whether the token is in force at a second.
    pub(super) fn in_force(&self, now: i64) -> Result<(), Flaw> {
        match () {
            () if self.exp - self.iat > LIFE || self.exp <= self.nbf => Err(Flaw::Life),
            () if self.nbf.max(self.iat) > now + LEEWAY => Err(Flaw::Early),
            () if self.exp <= now - LEEWAY => Err(Flaw::Expired),
            () => Ok(()),
        }
    }

    /// The principal, if the issuer may speak for it.
    pub(super) fn principal(&self) -> Result<Principal, Flaw> {
        let permissions: BTreeSet<String> = self
            .permissions
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let modest = permissions
            .iter()
            .all(|permission| FOLLOWER_PERMISSIONS.contains(&permission.as_str()));
        let follower = self.organization == ALL_ORGANIZATIONS
            && self.sub == format!("services/{}", self.iss)
            && modest;
        let everybodys = self.iss == GATEWAY && self.organization != ALL_ORGANIZATIONS;
        if self.organization.is_empty() || self.sub.is_empty() || !(follower || everybodys) {
            return Err(Flaw::Overreach);
        }
        // What was opened with a token is ended by whoever sent it.
        let ended = CancellationToken::new();
        Ok(
            Principal::new(&self.sub, &self.organization, Arc::new(permissions), ended)
                .with_roles(self.roles.iter().cloned()),
        )
    }
}
