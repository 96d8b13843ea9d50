//! Mints tokens: what one process says to another about who calls.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use moka::sync::Cache;

use super::claims::Claims;
use super::{LONGEST, Signing, TYPE};
use crate::{Clock, Principal, Refusal};

/// A token is sent for so long, so that much of its life is left on arrival.
const SENT_FOR: Duration = Duration::from_secs(20);
/// At most so many tokens are kept.
const KEPT: u64 = 20_000;

/// Mints tokens by one key. Cheap to clone.
#[derive(Clone)]
pub struct Minter(Arc<Inner>);

struct Inner {
    signing: Signing,
    clock: Clock,
    /// What was minted, by the principal's serial and the audience.
    minted: Cache<(u64, &'static str), HeaderValue>,
}

impl std::fmt::Debug for Minter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Minter({:?})", self.0.signing)
    }
}

impl Minter {
    /// Mints by a key.
    pub fn new(signing: Signing, clock: Clock) -> Self {
        let minted = Cache::builder().max_capacity(KEPT).time_to_live(SENT_FOR);
        Self(Arc::new(Inner {
            signing,
            clock,
            minted: minted.build(),
        }))
    }

    /// The value of `authorization` that says to a service who calls.
    pub(crate) fn bearer(
        &self,
        principal: &Principal,
        audience: &'static str,
    ) -> Result<HeaderValue, Refusal> {
        let key = (principal.serial(), audience);
        if let Some(minted) = self.0.minted.get(&key) {
            return Ok(minted);
        }
        let minted = self.mint(principal, audience)?;
        self.0.minted.insert(key, minted.clone());
        Ok(minted)
    }

    fn mint(&self, principal: &Principal, audience: &str) -> Result<HeaderValue, Refusal> {
        let signing = &self.0.signing;
        let now = self.0.clock.now_us() / 1_000_000;
        let claims = Claims::of(principal, &signing.issuer, audience, now);
        let token = signed(&signing.id, &signing.key, &claims).map_err(Refusal::internal)?;
        if token.len() > LONGEST {
            let length = token.len();
            return Err(Refusal::internal(format!(
                "the token of {} for {audience} has {length} bytes",
                principal.name()
            )));
        }
        let mut value =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(Refusal::internal)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// The claims as a token.
pub(super) fn signed(
    id: &str,
    key: &EncodingKey,
    claims: &Claims,
) -> Result<String, jsonwebtoken::errors::Error> {
    let mut head = Header::new(Algorithm::EdDSA);
    head.typ = Some(TYPE.to_owned());
    head.kid = Some(id.to_owned());
    jsonwebtoken::encode(&head, claims, key)
}
