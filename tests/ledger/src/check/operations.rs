//! Operations against log and request ids: what was done is in both exactly
//! once, what was refused in neither, and nothing else is there.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::{Account, Findings, Kind, Verdict};
use crate::evidence::{Evidence, LogRow, RequestRow};
use crate::operation::Verb;

type Events<'a> = HashMap<&'a str, Vec<&'a LogRow>>;

pub(super) fn check(
    evidence: &Evidence,
    accounts: &BTreeMap<Uuid, Account>,
    events: &Events<'_>,
    found: &mut Findings,
) {
    let mut requests: HashMap<Uuid, Vec<&RequestRow>> = HashMap::new();
    for request in &evidence.requests {
        requests.entry(request.id).or_default().push(request);
    }
    let places: HashSet<(Uuid, i64)> = evidence
        .log
        .iter()
        .map(|row| (row.record_id, row.revision))
        .collect();
    for account in accounts.values() {
        let rows = events
            .get(account.id.to_string().as_str())
            .map_or(&[][..], Vec::as_slice);
        let keys = requests.get(&account.id).map_or(&[][..], Vec::as_slice);
        one(account, rows, keys, &places, found);
    }
    for row in &evidence.log {
        let known = Uuid::parse_str(&row.correlation_id).is_ok_and(|id| accounts.contains_key(&id));
        if !known {
            let text = format!(
                "event {} ({} of {}) answers to no operation",
                row.seq, row.event_type, row.subject
            );
            found.add(Kind::Phantom, text);
        }
    }
    for request in &evidence.requests {
        if !accounts.contains_key(&request.id) {
            found.add(
                Kind::Phantom,
                format!("the request id {} was never sent", request.id),
            );
        }
    }
}

/// One operation against its events and its request ids.
fn one(
    account: &Account,
    rows: &[&LogRow],
    keys: &[&RequestRow],
    places: &HashSet<(Uuid, i64)>,
    found: &mut Findings,
) {
    let label = account.label();
    if rows.len() > 1 {
        let places: Vec<i64> = rows.iter().map(|row| row.seq).collect();
        let text = format!("{label} is in the log at {places:?}");
        found.add(Kind::Doubled, text);
    }
    if keys.len() > 1 {
        let text = format!("{label} has its request id kept {} times", keys.len());
        found.add(Kind::Doubled, text);
    }
    if let Some((kind, text)) = verdict(account, rows.first(), keys.first()) {
        found.add(kind, format!("{label} {text}"));
    }
    if let Some(row) = rows.first()
        && row.event_type != account.verb.event_type()
    {
        let text = format!("{label} led to {} at {}", row.event_type, row.seq);
        found.add(Kind::Differs, text);
    }
    if let Some(key) = keys.first() {
        kept(account, rows.first(), key, places, found);
    }
}

/// What was told about an operation against whether it is there.
fn verdict(
    account: &Account,
    row: Option<&&LogRow>,
    key: Option<&&RequestRow>,
) -> Option<(Kind, String)> {
    let may_be_idle = account.verb == Verb::Hold;
    match (account.verdict(), row, key) {
        (Verdict::Done(name, _), _, None) => Some((
            Kind::Lost,
            format!("was acknowledged for {name}, and its request id is not kept"),
        )),
        (Verdict::Done(name, _), None, Some(_)) if !may_be_idle => Some((
            Kind::Lost,
            format!("was acknowledged for {name}, and has no event"),
        )),
        (Verdict::Done(name, revision), Some(row), Some(_))
            if (&*row.subject, row.revision) != (name, revision) =>
        {
            let text = format!(
                "was answered with {name} at {revision}, but event {} is {} at {}",
                row.seq, row.subject, row.revision
            );
            Some((Kind::Differs, text))
        }
        (Verdict::Refused, Some(row), _) => Some((
            Kind::Phantom,
            format!("was refused, and is in the log at {}", row.seq),
        )),
        (Verdict::Refused, None, Some(_)) => Some((
            Kind::Phantom,
            "was refused, and its request id is kept".to_owned(),
        )),
        (Verdict::Open, Some(row), None) => Some((
            Kind::Lost,
            format!("is in the log at {} without its request id", row.seq),
        )),
        (Verdict::Open, None, Some(_)) if !may_be_idle => Some((
            Kind::Lost,
            "has its request id kept, but no event".to_owned(),
        )),
        (Verdict::Done(..) | Verdict::Open | Verdict::Refused, _, _) => None,
    }
}

/// A request id against its request and its event; that of an operation which
/// changed nothing leads to an event of somebody else.
fn kept(
    account: &Account,
    row: Option<&&LogRow>,
    key: &RequestRow,
    places: &HashSet<(Uuid, i64)>,
    found: &mut Findings,
) {
    let label = account.label();
    if key.digest != account.digest {
        let text = format!("{label} is kept with the digest of another request");
        found.add(Kind::Differs, text);
    }
    let leads_to = (key.record_id, key.revision);
    let right = match row {
        Some(row) => leads_to == (row.record_id, row.revision),
        None => places.contains(&leads_to),
    };
    if !right {
        let (record, revision) = leads_to;
        let text = format!("the request id of {label} leads to {record} at {revision}");
        found.add(Kind::Differs, text);
    }
}

/// What was acknowledged before something else was asked stands before it in the log.
pub(super) fn check_order(
    accounts: &BTreeMap<Uuid, Account>,
    events: &Events<'_>,
    found: &mut Findings,
) {
    let mut begun: Vec<(u64, i64, &Account)> = Vec::new();
    let mut ended: Vec<(u64, i64)> = Vec::new();
    for account in accounts.values() {
        let Some(row) = events
            .get(account.id.to_string().as_str())
            .and_then(|rows| rows.first())
        else {
            continue;
        };
        begun.push((account.sent_us, row.seq, account));
        ended.extend(account.done_us.map(|us| (us, row.seq)));
    }
    begun.sort_unstable_by_key(|(us, seq, _)| (*us, *seq));
    ended.sort_unstable();
    let mut ended = ended.into_iter().peekable();
    let mut newest = 0;
    for (sent_us, seq, account) in begun {
        while let Some((_, done)) = ended.next_if(|(us, _)| *us < sent_us) {
            newest = newest.max(done);
        }
        if seq < newest {
            let text = format!(
                "{} was sent after event {newest} was acknowledged, and is in the log at {seq}",
                account.label()
            );
            found.add(Kind::Order, text);
        }
    }
}
