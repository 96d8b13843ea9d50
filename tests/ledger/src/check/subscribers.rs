//! Subscribers against the log: each saw every event of its filter once and
//! in order, however often it was cut off.

use std::collections::{BTreeMap, HashMap};

use mainstay_proto::mainstay::event::v1::EventFilter;
use uuid::Uuid;

use super::{Account, Findings, Kind};
use crate::evidence::{Evidence, LogRow, Seen, Sighting};

/// Name of the service whose log the operations are in.
const SOURCE: &str = "incident";

/// Whether a filter lets an event through.
pub fn matches(filter: &EventFilter, event_type: &str, subject: &str) -> bool {
    let fits = |patterns: &[String], text: &str, before: &str| {
        let fit = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) if prefix.ends_with(before) => text.starts_with(prefix),
            Some(_) | None => pattern == text,
        };
        patterns.is_empty() || patterns.iter().any(fit)
    };
    fits(&filter.types, event_type, ".") && fits(&filter.subjects, subject, "/")
}

pub(super) fn check(evidence: &Evidence, accounts: &BTreeMap<Uuid, Account>, found: &mut Findings) {
    for seen in &evidence.subscribers {
        for trouble in &seen.troubles {
            found.add(Kind::Subscriber, format!("{}: {trouble}", seen.name));
        }
        let expected: Vec<&LogRow> = evidence
            .log
            .iter()
            .filter(|row| seen.sees_all || row.needs.is_none())
            .filter(|row| matches(&seen.filter, &row.event_type, &row.subject))
            .collect();
        let own: Vec<&Sighting> = seen
            .events
            .iter()
            .filter(|event| event.source == SOURCE)
            .collect();
        let begin = begin(seen, &expected, &own, accounts);
        if let Some(text) = difference(&expected[begin..], &own) {
            found.add(Kind::Subscriber, format!("{}: {text}", seen.name));
        }
        others(seen, found);
    }
}

/// Where a subscriber had to begin at the latest: at the first event, or,
/// when it asked for what is new, at the first whose operation was sent after
/// it had its first cursor; earlier only where it did begin earlier.
fn begin(
    seen: &Seen,
    expected: &[&LogRow],
    own: &[&Sighting],
    accounts: &BTreeMap<Uuid, Account>,
) -> usize {
    let Some(from_us) = seen.from_us else {
        return 0;
    };
    let sent_later = |row: &&LogRow| {
        let account = Uuid::parse_str(&row.correlation_id)
            .ok()
            .and_then(|id| accounts.get(&id));
        account.is_some_and(|account| account.sent_us >= from_us)
    };
    let must = expected
        .iter()
        .position(sent_later)
        .unwrap_or(expected.len());
    let did = own.first().and_then(|first| {
        expected
            .iter()
            .position(|row| row.event_id == first.event_id)
    });
    did.map_or(must, |did| did.min(must))
}

/// The first difference between what had to come and what came.
fn difference(expected: &[&LogRow], own: &[&Sighting]) -> Option<String> {
    let mut last = 0;
    for (place, sighting) in own.iter().enumerate() {
        let sequence = sighting.sequence;
        if sequence <= last {
            return Some(format!("saw event {sequence} after event {last}"));
        }
        match expected.get(place) {
            None => {
                return Some(format!(
                    "saw event {sequence}, which it should not have seen"
                ));
            }
            Some(row) if row.org_sequence < sequence => {
                return Some(format!(
                    "saw event {sequence} where event {} belongs",
                    row.org_sequence
                ));
            }
            Some(row) if row.org_sequence > sequence => {
                return Some(format!(
                    "saw event {sequence}, which is not in the log for it"
                ));
            }
            Some(row)
                if row.event_id != sighting.event_id || row.body_digest != sighting.digest =>
            {
                return Some(format!(
                    "saw another event {sequence} than the one in the log"
                ));
            }
            Some(_) => last = sequence,
        }
    }
    let missing = expected.get(own.len())?;
    Some(format!(
        "never saw event {} and those after it",
        missing.org_sequence
    ))
}

/// The logs of other services are not read here; what came of them came in
/// order and once.
fn others(seen: &Seen, found: &mut Findings) {
    let mut last: HashMap<&str, i64> = HashMap::new();
    for event in &seen.events {
        let before = last.insert(&event.source, event.sequence).unwrap_or(0);
        if event.sequence <= before && event.source != SOURCE {
            let text = format!(
                "{}: saw event {} of {} after {before}",
                seen.name, event.sequence, event.source
            );
            found.add(Kind::Subscriber, text);
        }
    }
}
