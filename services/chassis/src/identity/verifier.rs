//! Verifies tokens: believes what a known issuer signed for this service, and
//! nothing else.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation};
use moka::sync::Cache;

use super::claims::{Claims, Head};
use super::{LIFE, LONGEST, TYPE, Verifying};
use crate::{Clock, Principal};

/// At most so many verified tokens are kept.
const KEPT: u64 = 20_000;

/// Why a token is not believed; for the log, and never told to the caller.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// There is none, or several.
    #[error("there is not one bearer token")]
    Missing,
    /// It is longer than any that is minted.
    #[error("it is too long")]
    Long,
    /// It has no head that can be read, or one with more than algorithm, type
    /// and key id.
    #[error("its head is none of ours")]
    Head,
    /// It is of another type.
    #[error("it is of another type")]
    Type,
    /// It is signed by another algorithm than its key is for.
    #[error("its algorithm is not that of our keys")]
    Algorithm,
    /// No such key is known.
    #[error("its key is not known here: is the issuer's public key in the folder?")]
    Key,
    /// The signature does not fit, or a claim about issuer and audience.
    #[error("it does not verify: {0}")]
    Unverified(String),
    /// It is made for longer than tokens live.
    #[error("it is made for longer than tokens live")]
    Life,
    /// It is not in force yet.
    #[error("it is not in force yet: do the clocks agree?")]
    Early,
    /// It has expired.
    #[error("it has expired: do the clocks agree?")]
    Expired,
    /// Its issuer may not say what it says.
    #[error("its issuer may not say that")]
    Overreach,
}

/// Verifies tokens for one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    audience: String,
    keys: Verifying,
    clock: Clock,
    /// What was believed. The time is looked at again on each use.
    believed: Cache<String, (Claims, Principal)>,
}

impl Verifier {
    /// Verifies tokens for a service.
    pub fn new(audience: &str, keys: Verifying, clock: Clock) -> Self {
        let life = Duration::from_secs(LIFE.unsigned_abs());
        let believed = Cache::builder().max_capacity(KEPT).time_to_live(life);
        Self(Arc::new(Inner {
            audience: audience.to_owned(),
            keys,
            clock,
            believed: believed.build(),
        }))
    }

    /// Who calls by a token.
    pub fn verify(&self, token: &str) -> Result<Principal, Flaw> {
        let now = self.0.clock.now_us() / 1_000_000;
        if let Some((claims, principal)) = self.0.believed.get(token) {
            return claims.in_force(now).map(|()| principal);
        }
        let claims = self.claims(token)?;
        claims.in_force(now)?;
        let principal = claims.principal()?;
        self.0
            .believed
            .insert(token.to_owned(), (claims, principal.clone()));
        Ok(principal)
    }

    /// What a token says that a known issuer signed for this service. The key
    /// is found by its id and brings issuer and algorithm: the head chooses
    /// neither. The times are ours to judge, so that one clock rules.
    fn claims(&self, token: &str) -> Result<Claims, Flaw> {
        let head = head(token)?;
        if head.typ != TYPE {
            return Err(Flaw::Type);
        }
        if head.alg != "EdDSA" {
            return Err(Flaw::Algorithm);
        }
        let known = self.0.keys.get(&head.kid).ok_or(Flaw::Key)?;
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.set_issuer(&[&known.issuer]);
        rules.set_audience(&[&self.0.audience]);
        rules.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        rules.validate_exp = false;
        rules.validate_nbf = false;
        let read = jsonwebtoken::decode::<Claims>(token, &known.key, &rules);
        read.map(|read| read.claims)
            .map_err(|flaw| Flaw::Unverified(flaw.to_string()))
    }
}

/// The head of a token, when it holds what ours hold and nothing else.
fn head(token: &str) -> Result<Head, Flaw> {
    if token.len() > LONGEST {
        return Err(Flaw::Long);
    }
    let (head, _) = token.split_once('.').ok_or(Flaw::Head)?;
    let json = URL_SAFE_NO_PAD.decode(head).map_err(|_| Flaw::Head)?;
    serde_json::from_slice(&json).map_err(|_| Flaw::Head)
}
