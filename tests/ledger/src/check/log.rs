//! The log by itself: dense, in order of time, chained.

use std::collections::HashSet;

use sha2::{Digest, Sha256};

use super::{Findings, Kind};
use crate::evidence::{Evidence, LogRow};

/// The hash of an event on its place, after the hash before it.
pub fn chained(before: &[u8], row: &LogRow) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(row.seq.to_be_bytes());
    hash.update(row.org_sequence.to_be_bytes());
    hash.update(row.recorded_us.to_be_bytes());
    hash.update(&row.body_hash);
    hash.finalize().to_vec()
}

pub(super) fn check(evidence: &Evidence, found: &mut Findings) {
    let mut before = vec![0; 32];
    let mut recorded_us = i64::MIN;
    let mut ids = HashSet::new();
    for (expected, row) in (1..).zip(&evidence.log) {
        if row.seq != expected {
            found.add(
                Kind::Gap,
                format!("the log has {} where {expected} belongs", row.seq),
            );
            return;
        }
        if row.org_sequence != expected {
            let text = format!(
                "event {expected} is number {} of its organization",
                row.org_sequence
            );
            found.add(Kind::Gap, text);
        }
        if row.recorded_us < recorded_us {
            found.add(
                Kind::Order,
                format!("event {expected} was recorded before the one in front of it"),
            );
        }
        if !ids.insert(row.event_id) {
            found.add(
                Kind::Doubled,
                format!("the id {} is in the log twice", row.event_id),
            );
        }
        if row.body_hash != row.body_digest {
            found.add(
                Kind::Chain,
                format!("the body of event {expected} is not the one that was hashed"),
            );
        }
        if row.hash != chained(&before, row) {
            found.add(
                Kind::Chain,
                format!("the hash of event {expected} does not follow from the one before"),
            );
        }
        recorded_us = row.recorded_us;
        before.clone_from(&row.hash);
    }
    let end = evidence.log.last().map_or(0, |row| row.seq);
    if evidence.head.seq != end || (end > 0 && evidence.head.hash != before) {
        found.add(
            Kind::Gap,
            format!("the log ends at {end}, its head says {}", evidence.head.seq),
        );
    }
}
