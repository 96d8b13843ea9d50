//! The record and its form on the wire: a snapshot tells everything.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::LazyLock;

use mainstay_incident::comment::{Audience, Comment, Said};
use mainstay_incident::incident::{
    Declaration, Draft, Event, HoldReason, Impact, Incident, Link, Links, Milestones, Origin,
    Resolution, ResolutionCode, ResponseRole, Severity, State, Terms, Urgency, Verb,
};
use mainstay_incident::policy::{InForce, built_in};
use mainstay_practice::{Moment, Record, Stamp};
use mainstay_proto::mainstay::incident::v1 as pb;
use proptest::prelude::*;
use prost::Message;
use uuid::Uuid;

static BUILT_IN: LazyLock<InForce> = LazyLock::new(built_in);

fn moment(now_us: i64) -> Moment {
    let actor = "organizations/default/users/ada".to_owned();
    Moment {
        now_us,
        actor,
        roles: std::sync::Arc::default(),
        id: Uuid::from_u128(7),
    }
}

fn origins() -> impl Strategy<Value = Option<Origin>> {
    let uri = prop::option::of("https://[a-z]{1,9}");
    let origin = ("[a-z]{1,9}", ".{1,20}", uri, any::<bool>());
    prop::option::of(origin.prop_map(|(source, key, uri, imported)| Origin {
        source,
        key,
        uri,
        imported,
    }))
}

fn values() -> impl Strategy<Value = Draft> {
    let links = prop::collection::btree_map("https://[a-z]{1,9}", ".{0,40}", 0..4);
    let values = (
        prop::collection::vec("[a-z0-9]{1,9}", 0..4),
        prop::collection::btree_map("[a-z]{1,9}", ".{0,40}", 0..4),
        origins(),
        prop::option::of(any::<u128>()),
        prop::option::of(any::<u128>()),
        prop::option::of(0..1_000_i64),
        links,
    );
    values.prop_map(
        |(affected_services, labels, origin, parent, earlier, detect_us, links)| Draft {
            affected_services,
            labels,
            origin,
            parent: parent.map(Uuid::from_u128),
            recurrence_of: earlier.map(Uuid::from_u128),
            links: Links(
                links
                    .into_iter()
                    .map(|(uri, title)| Link { uri, title })
                    .collect(),
            ),
            milestones: Milestones {
                detect_us,
                ..Milestones::default()
            },
            ..Draft::default()
        },
    )
}

fn drafts() -> impl Strategy<Value = Draft> {
    let slug = || prop::option::of("[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?");
    let words = (".{0,40}", ".{0,40}", slug(), slug(), slug(), slug(), slug());
    let kinds = (
        prop::sample::select(&[Impact::Low, Impact::Medium, Impact::High, Impact::Critical][..]),
        prop::sample::select(&[Urgency::Low, Urgency::Medium, Urgency::High][..]),
        prop::option::of(prop::sample::select(&[Severity::Sev1, Severity::Sev5][..])),
    );
    (words, kinds, values()).prop_map(|(words, (impact, urgency, severity), values)| {
        let (title, description, category, service, team, assignee, requester) = words;
        Draft {
            title,
            description,
            impact,
            urgency,
            severity,
            category,
            service,
            team,
            assignee,
            requester,
            ..values
        }
    })
}

fn declaration() -> Declaration {
    Declaration {
        reason: "Nobody can pay.".to_owned(),
        bridge_uri: Some("https://meet.example.org/7".to_owned()),
        commander: Some("ada".to_owned()),
    }
}

/// Field 1 of a payload.
fn snapshot(payload: &[u8]) -> pb::Incident {
    pb::IncidentCreated::decode(payload)
        .unwrap()
        .incident
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_is_restored_from_a_snapshot_is_the_record(
        draft in drafts(), verbs in prop::collection::vec(0..9_usize, 0..8), number in 1..i64::MAX,
    ) {
        let at = moment(5_000_000);
        let (mut incident, _) = Incident::raise(draft, "default", &mut Terms::new(&BUILT_IN, &at)).unwrap();
        incident.set_number(number);
        for (revision, verb) in (2..).zip(verbs) {
            let at = moment(5_000_000 + revision);
            let resolution = Resolution {
                code: ResolutionCode::Workaround,
                summary: "x".to_owned(),
                cause_code: Some("disk".to_owned()),
            };
            let by = &mut Terms::new(&BUILT_IN, &at);
            let _ = match verb {
                0 => incident.start(by),
                1 => incident.put_on_hold(HoldReason::Other, "n".to_owned(), Some(9_000_000), by),
                2 => incident.mitigate(None, String::new(), by),
                3 => incident.resolve(resolution, by),
                4 => incident.close(by),
                5 => incident.declare_major(&declaration(), by),
                6 => incident.assign_role(ResponseRole::Liaison, Some("grace".to_owned()), by),
                7 => incident.stand_down_major("over".to_owned(), by),
                _ => incident.reopen("r".to_owned(), by),
            };
            incident.stamp(Stamp { revision, update_us: at.now_us, occur_us: at.now_us });
        }
        let payload = incident.publish(&Event::Created);
        let restored = Incident::restore(snapshot(&payload.bytes)).unwrap();
        prop_assert_eq!(&restored, &incident);
        prop_assert_eq!(restored.publish(&Event::Created).bytes, payload.bytes);
    }

    #[test]
    fn a_snapshot_that_is_garbled_is_refused_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(told) = pb::Incident::decode(bytes.as_slice()) {
            let _ = Incident::restore(told);
        }
    }

    #[test]
    fn a_comment_comes_back_as_it_went(body in ".{1,60}", internal in any::<bool>(), incident in any::<u128>()) {
        let audience = if internal { Audience::Internal } else { Audience::Public };
        let said = Said { audience, body };
        let (comment, event) = Comment::write(said, Uuid::from_u128(incident), "default", &moment(5_000_000));
        let payload = comment.publish(&event);
        prop_assert_eq!(payload.needs.is_some(), internal);
        let told = pb::IncidentCommentCreated::decode(payload.bytes.as_slice()).unwrap().comment.unwrap();
        prop_assert_eq!(Comment::restore(told).unwrap(), comment);
    }
}

/// One of each kind of event.
fn events() -> Vec<Event> {
    let changed = vec!["title"];
    vec![
        Event::Created,
        Event::Updated {
            changed: changed.clone(),
        },
        Event::StateChanged {
            previous_word: "new".to_owned(),
            verb: Some(Verb::Start),
            previous: State::New,
            reason: "r".to_owned(),
            changed: changed.clone(),
        },
        Event::Assigned {
            previous_team: Some("net".to_owned()),
            previous_assignee: None,
        },
        Event::Acknowledged,
        Event::MilestonesChanged {
            changed,
            previous: Milestones::default(),
        },
        Event::Linked {
            uri: "https://a".to_owned(),
            removed: true,
        },
        Event::MergedInto {
            into: Uuid::from_u128(9),
            previous: State::New,
        },
        Event::Redacted {
            reason: "Asked for.".to_owned(),
        },
        Event::Absorbed {
            merged: Uuid::from_u128(9),
        },
        Event::MajorProposed {
            rule: "wide".to_owned(),
        },
        Event::MajorDismissed,
        Event::MajorDeclared,
        Event::MajorStoodDown,
        Event::RoleAssigned {
            role: ResponseRole::Scribe,
            previous_assignee: Some("ada".to_owned()),
        },
    ]
}

#[test]
fn every_event_is_a_message_of_the_contract_with_the_record_in_field_one() {
    let (incident, _) = Incident::raise(
        Draft::default(),
        "default",
        &mut Terms::new(&BUILT_IN, &moment(1)),
    )
    .unwrap();
    let pool = mainstay_proto::descriptors();
    let mut types = std::collections::BTreeSet::new();
    for event in events() {
        let payload = incident.publish(&event);
        let message = pool.get_message_by_name(payload.type_name).unwrap();
        let field = message.get_field(1).unwrap();
        assert_eq!(
            field.kind().as_message().unwrap().full_name(),
            "mainstay.incident.v1.Incident"
        );
        assert_eq!(snapshot(&payload.bytes).title, incident.title());
        types.insert(payload.type_name.to_owned());
    }
    types.insert("mainstay.incident.v1.IncidentCommentCreated".to_owned());
    types.insert("mainstay.incident.v1.IncidentCommentRedacted".to_owned());
    let file = pool
        .get_file_by_name("mainstay/incident/v1/incident_events.proto")
        .unwrap();
    let told = file
        .messages()
        .map(|message| message.full_name().to_owned())
        .collect();
    assert_eq!(types, told, "every event of the contract has a producer");
}
