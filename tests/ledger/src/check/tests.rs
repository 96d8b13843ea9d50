//! Synthetic ledgers with one planted fault each; the checker finds every one.

use mainstay_proto::mainstay::event::v1::EventFilter;
use uuid::Uuid;

use super::{Kind, chained, check};
use crate::evidence::{Evidence, Head, LogRow, Record, RequestRow, Seen, Sighting};
use crate::ledger::{Entry, Outcome};
use crate::operation::Verb;

/// A run without fault: `count` incidents, each created and then assigned.
fn sound(count: u128) -> Evidence {
    let mut evidence = Evidence::default();
    for incident in 1..=count {
        for (verb, revision) in [(Verb::Create, 1), (Verb::Assign, 2)] {
            let id = Uuid::from_u128(incident * 10 + u128::from(verb == Verb::Assign));
            done(&mut evidence, id, verb, incident, revision);
        }
    }
    settle(&mut evidence);
    evidence
}

fn name(incident: u128) -> String {
    format!(
        "organizations/default/incidents/{}",
        Uuid::from_u128(incident)
    )
}

/// An operation that was sent, done and acknowledged.
fn done(evidence: &mut Evidence, id: Uuid, verb: Verb, incident: u128, revision: i64) {
    ask(evidence, id, verb, 1);
    tell(
        evidence,
        id,
        1,
        Outcome::Ok {
            name: name(incident),
            revision,
            replayed: false,
        },
    );
    keep(evidence, id, verb, incident, revision);
}

fn now(evidence: &Evidence) -> u64 {
    u64::try_from(evidence.entries.len()).unwrap()
}

fn ask(evidence: &mut Evidence, id: Uuid, verb: Verb, attempt: u32) {
    let at_us = now(evidence);
    let digest = format!("digest of {id}");
    evidence.entries.push(Entry::Sent {
        id,
        attempt,
        verb,
        target: String::new(),
        digest,
        at_us,
    });
}

fn tell(evidence: &mut Evidence, id: Uuid, attempt: u32, outcome: Outcome) {
    let at_us = now(evidence);
    evidence.entries.push(Entry::Told {
        id,
        attempt,
        outcome,
        at_us,
    });
}

/// Event, request id and record of an operation.
fn keep(evidence: &mut Evidence, id: Uuid, verb: Verb, incident: u128, revision: i64) {
    let seq = i64::try_from(evidence.log.len()).unwrap() + 1;
    let record_id = Uuid::from_u128(incident);
    evidence.log.push(LogRow {
        seq,
        org_sequence: seq,
        event_id: Uuid::from_u128(1000 + id.as_u128()),
        event_type: verb.event_type().to_owned(),
        subject: name(incident),
        record_id,
        revision,
        needs: None,
        recorded_us: seq * 10,
        body_hash: vec![7; 32],
        body_digest: vec![7; 32],
        hash: Vec::new(),
        correlation_id: id.to_string(),
        snapshot: revision.to_be_bytes().to_vec(),
    });
    let digest = format!("digest of {id}");
    evidence.requests.push(RequestRow {
        id,
        digest,
        record_id,
        revision,
    });
    let content = revision.to_be_bytes().to_vec();
    evidence
        .records
        .insert(name(incident), Record { revision, content });
}

/// Numbers, chains and shows the log to two subscribers.
fn settle(evidence: &mut Evidence) {
    let mut before = vec![0; 32];
    for (seq, row) in (1..).zip(&mut evidence.log) {
        (row.seq, row.org_sequence, row.recorded_us) = (seq, seq, seq * 10);
        row.hash = chained(&before, row);
        before.clone_from(&row.hash);
    }
    let seq = i64::try_from(evidence.log.len()).unwrap();
    evidence.head = Head { seq, hash: before };
    let assigned = EventFilter {
        types: vec![Verb::Assign.event_type().to_owned()],
        subjects: Vec::new(),
    };
    evidence.subscribers = [EventFilter::default(), assigned]
        .into_iter()
        .map(|filter| {
            let rows = evidence
                .log
                .iter()
                .filter(|row| super::matches(&filter, &row.event_type, &row.subject));
            let events = rows.map(|row| Sighting {
                source: "incident".to_owned(),
                sequence: row.org_sequence,
                event_id: row.event_id,
                digest: row.body_digest.clone(),
            });
            let events = events.collect();
            Seen {
                name: "subscriber".to_owned(),
                filter,
                sees_all: true,
                events,
                ..Seen::default()
            }
        })
        .collect();
}

/// The kinds of violation found, without repeats.
fn kinds(evidence: &Evidence) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = check(evidence)
        .into_iter()
        .map(|violation| violation.kind)
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[test]
fn a_run_without_fault_has_no_violation() {
    assert_eq!(check(&sound(5)), []);
}

#[test]
fn an_acknowledged_write_that_is_not_kept_is_lost() {
    let mut evidence = sound(5);
    let row = evidence.log.pop().unwrap();
    evidence.requests.pop();
    let record = evidence.records.get_mut(&row.subject).unwrap();
    *record = Record {
        revision: 1,
        content: 1_i64.to_be_bytes().to_vec(),
    };
    settle(&mut evidence);
    assert_eq!(kinds(&evidence), [Kind::Lost]);
}

#[test]
fn an_event_without_its_request_id_is_found() {
    let mut evidence = sound(2);
    evidence.requests.remove(1);
    assert_eq!(kinds(&evidence), [Kind::Lost]);
}

#[test]
fn a_record_that_is_not_what_its_event_says_is_found() {
    let mut evidence = sound(2);
    evidence.records.get_mut(&name(1)).unwrap().content = vec![9];
    evidence.records.remove(&name(2));
    assert_eq!(kinds(&evidence), [Kind::Lost, Kind::Differs]);
}

#[test]
fn a_write_that_was_applied_twice_is_found() {
    let mut evidence = sound(3);
    let id = Uuid::from_u128(11);
    ask(&mut evidence, id, Verb::Assign, 2);
    tell(
        &mut evidence,
        id,
        2,
        Outcome::Ok {
            name: name(1),
            revision: 3,
            replayed: false,
        },
    );
    keep(&mut evidence, id, Verb::Assign, 1, 3);
    evidence.log.last_mut().unwrap().event_id = Uuid::from_u128(77);
    settle(&mut evidence);
    assert_eq!(kinds(&evidence), [Kind::Doubled, Kind::Differs]);
}

#[test]
fn a_hole_in_the_log_is_found() {
    let mut evidence = sound(3);
    evidence.log.remove(2);
    assert!(kinds(&evidence).contains(&Kind::Gap));
}

#[test]
fn a_cut_tail_is_found_by_the_head() {
    let mut evidence = sound(3);
    evidence.head.seq += 1;
    assert_eq!(kinds(&evidence), [Kind::Gap]);
}

#[test]
fn events_and_request_ids_that_nobody_asked_for_are_phantoms() {
    let mut evidence = sound(2);
    keep(&mut evidence, Uuid::from_u128(99), Verb::Create, 9, 1);
    settle(&mut evidence);
    assert_eq!(kinds(&evidence), [Kind::Phantom]);
}

#[test]
fn a_refused_write_that_is_in_the_log_is_a_phantom() {
    let mut evidence = sound(2);
    let id = Uuid::from_u128(99);
    ask(&mut evidence, id, Verb::Assign, 1);
    let refused = Outcome::Fail {
        code: "FailedPrecondition".to_owned(),
        reason: "VERB_NOT_ALLOWED".to_owned(),
    };
    tell(&mut evidence, id, 1, refused);
    assert_eq!(check(&evidence), []);
    keep(&mut evidence, id, Verb::Assign, 1, 3);
    settle(&mut evidence);
    assert_eq!(kinds(&evidence), [Kind::Phantom]);
}

#[test]
fn a_write_whose_outcome_stayed_open_may_be_there_or_not() {
    let mut evidence = sound(2);
    for (id, kept) in [(98, false), (99, true)] {
        let id = Uuid::from_u128(id);
        ask(&mut evidence, id, Verb::Assign, 1);
        tell(
            &mut evidence,
            id,
            1,
            Outcome::Unknown {
                code: "Unavailable".to_owned(),
            },
        );
        if kept {
            keep(&mut evidence, id, Verb::Assign, 1, 3);
        }
    }
    settle(&mut evidence);
    assert_eq!(check(&evidence), []);
}

#[test]
fn a_refused_repeat_settles_that_the_broken_call_was_not_done() {
    let mut evidence = sound(2);
    let id = Uuid::from_u128(99);
    ask(&mut evidence, id, Verb::Assign, 1);
    tell(
        &mut evidence,
        id,
        1,
        Outcome::Unknown {
            code: "Unavailable".to_owned(),
        },
    );
    ask(&mut evidence, id, Verb::Assign, 2);
    let refused = Outcome::Fail {
        code: "FailedPrecondition".to_owned(),
        reason: "VERB_NOT_ALLOWED".to_owned(),
    };
    tell(&mut evidence, id, 2, refused);
    keep(&mut evidence, id, Verb::Assign, 1, 3);
    settle(&mut evidence);
    assert_eq!(kinds(&evidence), [Kind::Phantom]);
}

#[test]
fn a_repeat_that_is_answered_otherwise_is_found() {
    let mut evidence = sound(2);
    let id = Uuid::from_u128(11);
    ask(&mut evidence, id, Verb::Assign, 2);
    let refused = Outcome::Fail {
        code: "FailedPrecondition".to_owned(),
        reason: String::new(),
    };
    tell(&mut evidence, id, 2, refused);
    assert_eq!(kinds(&evidence), [Kind::Differs]);
}

#[test]
fn a_write_that_stands_before_one_acknowledged_earlier_is_found() {
    let mut evidence = sound(4);
    let last = evidence.log.len() - 1;
    evidence.log.swap(2, last);
    settle(&mut evidence);
    assert!(kinds(&evidence).contains(&Kind::Order));
}

#[test]
fn a_changed_body_and_a_broken_chain_are_found() {
    let mut evidence = sound(2);
    evidence.log[1].body_digest = vec![8; 32];
    assert!(kinds(&evidence).contains(&Kind::Chain));
    let mut evidence = sound(2);
    evidence.log[1].hash[0] ^= 1;
    assert!(kinds(&evidence).contains(&Kind::Chain));
}

#[test]
fn a_subscriber_that_misses_repeats_or_reorders_is_found() {
    let faults: [fn(&mut Vec<Sighting>); 5] = [
        |events| drop(events.remove(1)),
        |events| drop(events.pop()),
        |events| events.insert(2, events[1].clone()),
        |events| events.swap(1, 2),
        |events| events[1].digest = vec![0; 32],
    ];
    for plant in faults {
        let mut evidence = sound(4);
        plant(&mut evidence.subscribers[0].events);
        assert_eq!(kinds(&evidence), [Kind::Subscriber]);
    }
}

#[test]
fn a_subscriber_must_not_see_what_its_filter_or_its_rights_leave_out() {
    let mut evidence = sound(3);
    evidence.subscribers[1].events = evidence.subscribers[0].events.clone();
    assert_eq!(kinds(&evidence), [Kind::Subscriber]);
    let mut evidence = sound(3);
    evidence.log[2].needs = Some("incident.read_internal".to_owned());
    evidence.subscribers[0].sees_all = false;
    assert_eq!(kinds(&evidence), [Kind::Subscriber]);
    evidence.subscribers[0].events.remove(2);
    assert_eq!(check(&evidence), []);
}

#[test]
fn a_subscriber_from_the_newest_on_may_begin_late_but_not_too_late() {
    let mut evidence = sound(4);
    evidence.subscribers[0].from_us = Some(8);
    evidence.subscribers[0].events.drain(..4);
    assert_eq!(check(&evidence), []);
    evidence.subscribers[0].events.remove(0);
    assert_eq!(kinds(&evidence), [Kind::Subscriber]);
}
