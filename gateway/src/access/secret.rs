//! The secret of a token: made here, shown once, kept as a hash only.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mainstay_chassis::Refusal;
use sha2::{Digest as _, Sha256};

/// What every secret begins with, so that scanners find one that was leaked.
const PREFIX: &str = "mst_";

/// A secret. It has no form for logs.
#[derive(Clone)]
pub struct Secret(String);

/// SHA-256 of a secret. Secrets are 256 random bits, so that a plain hash is
/// as good as a slow one: there is nothing to guess.
pub(crate) type Digest = [u8; 32];

impl Secret {
    /// A new secret from the machine's randomness.
    pub fn generate() -> Result<Self, Refusal> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(Refusal::internal)?;
        Ok(Self(format!(
            "{PREFIX}{}",
            BASE64_URL_SAFE_NO_PAD.encode(bytes)
        )))
    }

    /// The text to send as `authorization: Bearer TEXT`.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its hash.
    pub(crate) fn digest(&self) -> Digest {
        digest(&self.0)
    }
}

/// The hash under which the token of a secret is kept.
pub(crate) fn digest(secret: &str) -> Digest {
    Sha256::digest(secret.as_bytes()).into()
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_are_told_from_other_text() {
        let (one, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        assert!(one.reveal().starts_with("mst_") && one.reveal().len() == 47);
    }

    #[test]
    fn a_secret_is_never_formatted() {
        assert_eq!(format!("{:?}", Secret::generate().unwrap()), "Secret(…)");
    }
}
