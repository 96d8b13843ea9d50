//! Page tokens: where a list goes on, and which list it is. They give no
//! rights and hold no secret, so they are plain, with a checksum.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mainstay_chassis::{Kind, Refusal};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::keyset::{Place, Sorted};

/// The form of the bytes.
const VERSION: u8 = 1;
/// How long a token is good for, from the first page on.
const VALID_US: i64 = 72 * 3_600 * 1_000_000;
/// What a token is bound to.
const ARGUMENTS: [&str; 5] = ["organization", "method", "parent", "filter", "order_by"];

/// Tells one list from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint([[u8; 8]; ARGUMENTS.len()]);

impl Fingerprint {
    /// Of the arguments, in the order of their names.
    pub(crate) fn of(arguments: [&str; ARGUMENTS.len()]) -> Self {
        Self(arguments.map(|argument| {
            let digest = Sha256::digest(argument.as_bytes());
            std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default())
        }))
    }
}

/// A token, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    fingerprint: Fingerprint,
    /// When the first page was asked for.
    pub(crate) began_us: i64,
    /// The last place that was listed; none before the first page.
    pub(crate) after: Option<Place>,
}

impl Token {
    /// What stands for a token before the first page.
    pub(crate) fn first(fingerprint: Fingerprint, now_us: i64) -> Self {
        Self {
            fingerprint,
            began_us: now_us,
            after: None,
        }
    }

    /// The token of the page after a place.
    pub(crate) fn next(&self, place: Place) -> Self {
        Self {
            after: Some(place),
            ..*self
        }
    }

    /// The token as callers see it.
    pub(crate) fn write(&self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.fingerprint.0.as_flattened());
        bytes.extend(self.began_us.to_be_bytes());
        for value in self.after.iter().flat_map(|place| &place.0) {
            match value {
                Sorted::Number(number) => {
                    bytes.push(1);
                    bytes.extend(number.to_be_bytes());
                }
                Sorted::Id(id) => {
                    bytes.push(2);
                    bytes.extend(id.as_bytes());
                }
                Sorted::Text(text) => {
                    bytes.push(3);
                    bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token that must be of this list.
    pub(crate) fn read(
        text: &str,
        fingerprint: &Fingerprint,
        now_us: i64,
    ) -> Result<Self, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        let token = bytes
            .and_then(|bytes| Self::decode(&bytes))
            .ok_or_else(|| invalid("is garbled"))?;
        let differs = token
            .fingerprint
            .0
            .iter()
            .zip(&fingerprint.0)
            .position(|(a, b)| a != b);
        if let Some(field) = differs.and_then(|at| ARGUMENTS.get(at)) {
            let message = format!(
                "the page token belongs to a list with another {field}: begin again without one"
            );
            return Err(
                Refusal::new(Kind::Invalid, ErrorReason::PageTokenMismatch, message)
                    .with("field", *field),
            );
        }
        match now_us.saturating_sub(token.began_us) > VALID_US {
            true => Err(invalid("is older than 72 hours")),
            false => Ok(token),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body).to_be_bytes() != *checksum {
            return None;
        }
        let (version, mut rest) = body.split_first()?;
        if *version != VERSION {
            return None;
        }
        let mut hashes = [[0; 8]; ARGUMENTS.len()];
        for hash in &mut hashes {
            *hash = take(&mut rest)?;
        }
        let began_us = i64::from_be_bytes(take(&mut rest)?);
        let mut values = Vec::new();
        while let Some((kind, after)) = rest.split_first() {
            rest = after;
            values.push(match kind {
                1 => Sorted::Number(i64::from_be_bytes(take(&mut rest)?)),
                2 => Sorted::Id(Uuid::from_bytes(take(&mut rest)?)),
                3 => {
                    let length = usize::try_from(u32::from_be_bytes(take(&mut rest)?)).ok()?;
                    let (text, after) = rest.split_at_checked(length)?;
                    rest = after;
                    Sorted::Text(std::str::from_utf8(text).ok()?.to_owned())
                }
                _ => return None,
            });
        }
        let after = Some(Place(values)).filter(|place| place.id().is_some())?;
        Some(Self {
            fingerprint: Fingerprint(hashes),
            began_us,
            after: Some(after),
        })
    }
}

/// The refusal of a token that is of no use.
pub(crate) fn invalid(what: &str) -> Refusal {
    let message = format!("the page token {what}: begin again without one");
    Refusal::new(Kind::Invalid, ErrorReason::PageTokenInvalid, message)
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list() -> Fingerprint {
        Fingerprint::of(["default", "List", "", "", "create_time"])
    }

    fn value() -> impl Strategy<Value = Sorted> {
        prop_oneof![
            any::<i64>().prop_map(Sorted::Number),
            ".*".prop_map(Sorted::Text),
            any::<u128>().prop_map(|id| Sorted::Id(Uuid::from_u128(id))),
        ]
    }

    #[test]
    fn a_token_names_the_argument_that_differs() {
        let place = Place(vec![Sorted::Id(Uuid::nil())]);
        let text = Token::first(list(), 0).next(place).write();
        for (at, name) in ARGUMENTS.iter().enumerate() {
            let mut other = list();
            other.0[at][0] ^= 1;
            let refusal = Token::read(&text, &other, 0).unwrap_err();
            assert_eq!(refusal.reason(), ErrorReason::PageTokenMismatch);
            assert!(refusal.message().contains(name), "{refusal}");
        }
    }

    #[test]
    fn a_token_ends_after_72_hours() {
        let text = Token::first(list(), 5)
            .next(Place(vec![Sorted::Id(Uuid::nil())]))
            .write();
        assert!(Token::read(&text, &list(), 5 + VALID_US).is_ok());
        let refusal = Token::read(&text, &list(), 6 + VALID_US).unwrap_err();
        assert_eq!(refusal.reason(), ErrorReason::PageTokenInvalid);
    }

    proptest! {
        #[test]
        fn tokens_are_read_as_they_were_written(mut values in prop::collection::vec(value(), 0..4), id: u128, began_us: i64) {
            values.push(Sorted::Id(Uuid::from_u128(id)));
            let token = Token::first(list(), began_us).next(Place(values));
            prop_assert_eq!(Token::read(&token.write(), &list(), began_us).unwrap(), token);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[A-Za-z0-9_=-]{0,200}|.*") {
            let refusal = Token::read(&text, &list(), 0).unwrap_err();
            prop_assert_eq!(refusal.reason(), ErrorReason::PageTokenInvalid);
        }

        #[test]
        fn no_changed_token_is_read(at in 0_usize..60, flip in 1_u8..) {
            let text = Token::first(list(), 7).next(Place(vec![Sorted::Number(1), Sorted::Id(Uuid::nil())])).write();
            let mut bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            bytes[at] ^= flip;
            prop_assert!(Token::read(&URL_SAFE_NO_PAD.encode(bytes), &list(), 7).is_err());
        }
    }
}
