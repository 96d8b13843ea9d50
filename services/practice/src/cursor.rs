//! Places in the log as clients hold them: opaque text, comparable only for
//! equality, bound to an organization, holding no secret.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mainstay_chassis::{Kind, Refusal};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use sha2::{Digest, Sha256};
use uuid::Uuid;

const VERSION: u8 = 1;
/// The form of a cursor within the telling of records.
const TELLING: u8 = 2;
/// Longest cursor that is looked at.
const LONGEST: usize = 512;

/// A place in the logs of one or more services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// First bytes of the hash of the organization.
    organization: [u8; 4],
    /// Whether it speaks of all services, so that one not in it begins at the
    /// earliest event; else the others begin at the latest.
    pub merged: bool,
    /// The places.
    pub places: Vec<Place>,
}

/// A place in the log of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The service.
    pub service: String,
    /// The log's epoch.
    pub epoch: Uuid,
    /// Sequence of the event right before it; 0 before the first.
    pub sequence: i64,
    /// While the records as they were there are still being told: the sequence
    /// up to which they were.
    pub told: Option<i64>,
}

impl Cursor {
    /// A place in one service's log.
    pub fn single(organization: &str, service: &str, epoch: Uuid, sequence: i64) -> Self {
        Self {
            organization: hash(organization),
            merged: false,
            places: vec![Place {
                service: service.to_owned(),
                epoch,
                sequence,
                told: None,
            }],
        }
    }

    /// The same place, from which the records as they are there are still to be
    /// told after a sequence.
    #[must_use]
    pub fn telling(mut self, told: i64) -> Self {
        for place in &mut self.places {
            place.told = Some(told);
        }
        self
    }

    /// A place in one service's log, as it is.
    pub fn at(organization: &str, place: Place) -> Self {
        Self {
            organization: hash(organization),
            merged: false,
            places: vec![place],
        }
    }

    /// A place in the logs of all services.
    pub fn merge(organization: &str, places: Vec<Place>) -> Self {
        Self {
            organization: hash(organization),
            merged: true,
            places,
        }
    }

    /// The place in a service's log.
    pub fn place(&self, service: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.service == service)
    }

    /// The cursor as text.
    pub fn encode(&self) -> String {
        let telling = self.places.iter().any(|place| place.told.is_some());
        let version = if telling { TELLING } else { VERSION };
        let mut bytes = vec![version, u8::from(self.merged)];
        bytes.extend(self.organization);
        for place in &self.places {
            bytes.push(u8::try_from(place.service.len()).unwrap_or(u8::MAX));
            bytes.extend(place.service.bytes());
            bytes.extend(place.epoch.as_bytes());
            bytes.extend(place.sequence.to_be_bytes());
            if telling {
                bytes.extend(place.told.unwrap_or(-1).to_be_bytes());
            }
        }
        let check = crc32fast::hash(&bytes);
        bytes.extend(check.to_be_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a cursor of an organization.
    pub fn decode(text: &str, organization: &str) -> Result<Self, Refusal> {
        let cursor = Self::parse(text).ok_or_else(|| invalid("the cursor is garbled"))?;
        match cursor.organization == hash(organization) {
            true => Ok(cursor),
            false => Err(invalid("the cursor is another organization's")),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (body, check) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_be_bytes(*check) {
            return None;
        }
        let (&[version, merged], rest) = body.split_first_chunk::<2>()?;
        let (organization, mut rest) = rest.split_first_chunk::<4>()?;
        if ![VERSION, TELLING].contains(&version) || merged > 1 {
            return None;
        }
        let mut places = Vec::new();
        while let Some((&length, tail)) = rest.split_first() {
            let (name, tail) = tail.split_at_checked(usize::from(length))?;
            let (epoch, tail) = tail.split_first_chunk::<16>()?;
            let (sequence, mut tail) = tail.split_first_chunk::<8>()?;
            let mut told = None;
            if version == TELLING {
                let (sequence, after) = tail.split_first_chunk::<8>()?;
                told = Some(i64::from_be_bytes(*sequence)).filter(|told| *told >= 0);
                tail = after;
            }
            places.push(Place {
                service: String::from_utf8(name.to_vec()).ok()?,
                epoch: Uuid::from_bytes(*epoch),
                sequence: i64::from_be_bytes(*sequence),
                told,
            });
            rest = tail;
        }
        Some(Self {
            organization: *organization,
            merged: merged == 1,
            places,
        })
    }
}

/// The refusal of a cursor that is none.
pub fn invalid(message: &str) -> Refusal {
    Refusal::new(Kind::Invalid, ErrorReason::EventCursorInvalid, message)
}

/// The refusal of a cursor that points where the log cannot be read: the cause
/// is `below_floor`, `epoch` or `ahead`.
pub fn expired(cause: &str, earliest: &Cursor) -> Refusal {
    let message = match cause {
        "epoch" => "the cursor is of a log that was replaced: begin again from the earliest cursor",
        "ahead" => "the cursor lies ahead of the log: it is of a copy that got further",
        _ => {
            "the cursor points before what the log still holds: begin again from the earliest cursor"
        }
    };
    Refusal::new(Kind::Expired, ErrorReason::EventCursorExpired, message)
        .with("cause", cause)
        .with("earliestCursor", earliest.encode())
}

fn hash(organization: &str) -> [u8; 4] {
    let digest = Sha256::digest(organization);
    [digest[0], digest[1], digest[2], digest[3]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_was(
            service in "[a-z]{1,20}", epoch: u128, sequence in 0..i64::MAX,
            told in prop::option::of(0..i64::MAX),
        ) {
            let mut cursor = Cursor::single("default", &service, Uuid::from_u128(epoch), sequence);
            if let Some(told) = told {
                cursor = cursor.telling(told);
            }
            prop_assert_eq!(Cursor::decode(&cursor.encode(), "default"), Ok(cursor));
        }

        #[test]
        fn garbled_text_is_refused_as_such(text in ".{0,600}") {
            let refusal = Cursor::decode(&text, "default").unwrap_err();
            prop_assert_eq!(refusal.reason(), ErrorReason::EventCursorInvalid);
        }

        #[test]
        fn a_flipped_bit_is_noticed(place in 0_usize..40, bit in 0_u8..6) {
            let mut text = Cursor::single("default", "incident", Uuid::from_u128(7), 42).encode().into_bytes();
            let place = place % text.len();
            text[place] ^= 1 << bit;
            if let Ok(text) = String::from_utf8(text) {
                prop_assert!(Cursor::decode(&text, "default").is_err());
            }
        }
    }

    #[test]
    fn another_organization_is_refused() {
        let cursor = Cursor::single("acme", "incident", Uuid::nil(), 1).encode();
        assert_eq!(
            Cursor::decode(&cursor, "default").unwrap_err().reason(),
            ErrorReason::EventCursorInvalid
        );
    }
}
