//! Importing the histories of another system.

use mainstay_chassis::clock::timestamp;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1 as record_pb;
use pb::{ImportOutcome, IncidentState};
use prost::Message;

use crate::bench::{Bench, DAY_US, MINUTE_US, START_US, reason};

fn at(minute: i64) -> Option<prost_types::Timestamp> {
    Some(timestamp(START_US - 90 * DAY_US + minute * MINUTE_US))
}

fn fact(minute: i64, state: IncidentState) -> pb::Fact {
    pb::Fact {
        time: at(minute),
        state: state.into(),
        ..Default::default()
    }
}

fn waiting(minute: i64, reason: pb::HoldReason) -> pb::Fact {
    pb::Fact {
        hold_reason: reason.into(),
        ..fact(minute, IncidentState::OnHold)
    }
}

fn history(key: &str, facts: Vec<pb::Fact>) -> pb::IncidentHistory {
    pb::IncidentHistory {
        origin: Some(record_pb::Origin {
            source: "helpdesk".to_owned(),
            key: key.to_owned(),
            ..Default::default()
        }),
        title: format!("Ticket {key}"),
        facts,
        ..Default::default()
    }
}

/// Raised, worked on, told again, on hold twice, resolved, reopened, closed.
fn quirks() -> Vec<pb::Fact> {
    vec![
        pb::Fact {
            team: "first-line".to_owned(),
            service: "payroll".to_owned(),
            ..fact(0, IncidentState::New)
        },
        pb::Fact {
            assignee: "ada".to_owned(),
            ..fact(1, IncidentState::InProgress)
        },
        fact(2, IncidentState::InProgress),
        pb::Fact {
            team: "second-line".to_owned(),
            ..fact(3, IncidentState::InProgress)
        },
        waiting(4, pb::HoldReason::Vendor),
        waiting(5, pb::HoldReason::Requester),
        pb::Fact {
            unassigned: true,
            ..fact(6, IncidentState::InProgress)
        },
        fact(7, IncidentState::Resolved),
        fact(7, IncidentState::InProgress),
        fact(9, IncidentState::Closed),
    ]
}

#[tokio::test]
async fn a_history_becomes_an_incident_with_its_own_times() {
    let bench = Bench::new().await;
    let results = bench.importer().import(vec![history("a", quirks())]).await;
    let result = results.first().unwrap();
    assert_eq!(
        (result.outcome(), result.written_facts, result.idle_facts),
        (ImportOutcome::Created, 9, 1)
    );
    let told = bench.viewer().get(&result.incident).await;
    assert_eq!((told.create_time, told.update_time), (at(0), at(9)));
    assert_eq!(
        (told.state(), told.reopen_count, told.revision),
        (IncidentState::Closed, 1, 9)
    );
    assert_eq!(
        told.resolution.as_ref().unwrap().code(),
        pb::ResolutionCode::Imported
    );
    assert_eq!(
        (told.team.as_str(), told.assignee.as_str()),
        ("organizations/default/teams/second-line", "")
    );
    assert!(told.origin.unwrap().imported);
    let milestones = told.milestones.unwrap();
    assert_eq!(
        (milestones.resolve_time, milestones.close_time),
        (at(9), at(9))
    );
    let events = bench.viewer().events().await;
    assert!(events.iter().all(|event| event.imported));
    let times: Vec<_> = events.iter().map(|event| event.occur_time).collect();
    assert_eq!(times, [0, 1, 3, 4, 5, 6, 7, 7, 9].map(at));
    let expected = [
        "IncidentCreated",
        "IncidentStateChanged",
        "IncidentAssigned",
    ];
    assert_eq!(bench.viewer().event_types().await[..3], expected);
    let held = pb::IncidentStateChanged::decode(events[4].data.as_ref().unwrap().value.as_slice())
        .unwrap();
    assert_eq!(
        (held.verb.as_str(), held.previous_state()),
        ("", IncidentState::OnHold)
    );
    assert_eq!(
        held.incident.unwrap().hold.unwrap().since_time,
        at(4),
        "another reason keeps since"
    );
}

#[tokio::test]
async fn the_same_again_changes_nothing_and_a_longer_one_extends() {
    let bench = Bench::new().await;
    let importer = bench.importer();
    let (facts, all) = (quirks(), quirks());
    for known in 1..=facts.len() {
        let results = importer
            .import(vec![history("a", facts[..known].to_vec())])
            .await;
        let result = results.first().unwrap();
        let expected = match known {
            1 => ImportOutcome::Created,
            3 => ImportOutcome::Unchanged,
            _ => ImportOutcome::Extended,
        };
        assert_eq!(
            result.outcome(),
            expected,
            "{known} facts: {}",
            result.message
        );
    }
    let grown = bench.viewer().events().await;
    assert_eq!(grown.len(), 9);
    for _ in 0..2 {
        let results = importer.import(vec![history("a", all.clone())]).await;
        assert_eq!(results[0].outcome(), ImportOutcome::Unchanged);
        assert_eq!((results[0].written_facts, results[0].idle_facts), (0, 1));
    }
    let shorter = importer
        .import(vec![history("a", facts[..4].to_vec())])
        .await;
    assert_eq!(shorter[0].outcome(), ImportOutcome::Unchanged);
    // Grown step by step or taken at once, the incident is the same.
    let at_once = importer.import(vec![history("b", all)]).await;
    let mut one = bench.viewer().get(&shorter[0].incident).await;
    let other = bench.viewer().get(&at_once[0].incident).await;
    one.name.clone_from(&other.name);
    one.uid.clone_from(&other.uid);
    one.number.clone_from(&other.number);
    one.title.clone_from(&other.title);
    one.origin.clone_from(&other.origin);
    assert_eq!(one, other);
}

#[tokio::test]
async fn facts_that_contradict_are_refused_by_their_number() {
    let bench = Bench::new().await;
    let importer = bench.importer();
    importer.import(vec![history("a", quirks())]).await;
    let mut facts = quirks();
    facts[4].hold_reason = pb::HoldReason::Parts.into();
    let results = importer.import(vec![history("a", facts)]).await;
    assert_eq!(
        (results[0].outcome(), results[0].reason.as_str()),
        (ImportOutcome::Refused, "IMPORT_CONFLICT")
    );
    assert!(
        results[0].message.starts_with("fact 4 "),
        "{}",
        results[0].message
    );
    assert!(!results[0].incident.is_empty());
    let renamed = pb::IncidentHistory {
        title: "Other".to_owned(),
        ..history("a", quirks())
    };
    assert!(
        importer.import(vec![renamed]).await[0]
            .message
            .starts_with("fact 0 ")
    );
    assert_eq!(bench.viewer().events().await.len(), 9);
}

#[tokio::test]
async fn what_people_have_touched_is_no_longer_extended() {
    let bench = Bench::new().await;
    let importer = bench.importer();
    let facts = quirks();
    let results = importer
        .import(vec![history("a", facts[..2].to_vec())])
        .await;
    let name = results[0].incident.clone();
    let touch = pb::AcknowledgeIncidentRequest {
        name,
        ..Default::default()
    };
    bench
        .agent()
        .incidents()
        .acknowledge_incident(touch)
        .await
        .unwrap();
    let results = importer.import(vec![history("a", facts.clone())]).await;
    assert_eq!(
        (results[0].outcome(), results[0].reason.as_str()),
        (ImportOutcome::Refused, "IMPORT_TOUCHED")
    );
    let results = importer
        .import(vec![history("a", facts[..2].to_vec())])
        .await;
    assert_eq!(
        results[0].outcome(),
        ImportOutcome::Unchanged,
        "nothing is asked of it"
    );
}

#[tokio::test]
async fn an_incident_born_here_is_not_taken_for_imported() {
    let bench = Bench::new().await;
    let origin = record_pb::Origin {
        source: "helpdesk".to_owned(),
        key: "a".to_owned(),
        ..Default::default()
    };
    let born = pb::Incident {
        title: "x".to_owned(),
        origin: Some(origin),
        ..Default::default()
    };
    let born = bench.agent().raise(born).await;
    let results = bench.importer().import(vec![history("a", quirks())]).await;
    assert_eq!(results[0].reason, "RESOURCE_EXISTS");
    assert_eq!(results[0].incident, born.name);
}

#[tokio::test]
async fn one_bad_history_does_not_hold_up_the_others() {
    let bench = Bench::new().await;
    let reasonless = vec![fact(0, IncidentState::OnHold)];
    let needless = vec![pb::Fact {
        hold_reason: 1,
        ..fact(0, IncidentState::New)
    }];
    let backwards = vec![fact(1, IncidentState::New), fact(0, IncidentState::Closed)];
    let stateless = vec![pb::Fact {
        time: at(0),
        ..Default::default()
    }];
    let tomorrow = vec![pb::Fact {
        time: Some(timestamp(START_US + 1)),
        ..fact(0, IncidentState::New)
    }];
    let torn = vec![pb::Fact {
        assignee: "ada".to_owned(),
        unassigned: true,
        ..fact(0, IncidentState::New)
    }];
    let foreign = vec![pb::Fact {
        team: "organizations/acme/teams/a".to_owned(),
        ..fact(0, IncidentState::New)
    }];
    let bad = [
        reasonless, needless, backwards, stateless, tomorrow, torn, foreign,
    ];
    let mut histories: Vec<_> = bad
        .into_iter()
        .enumerate()
        .map(|(index, facts)| history(&index.to_string(), facts))
        .collect();
    histories.push(history("good", quirks()));
    let results = bench.importer().import(histories).await;
    let messages: Vec<_> = results
        .iter()
        .map(|result| result.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "facts[0].hold_reason is required with ON_HOLD",
            "facts[0].hold_reason goes with ON_HOLD only",
            "facts[1].time must not be earlier than the fact before it",
            "facts[0].state is required in the first fact",
            "facts[0].time must not be in the future",
            "facts[0].unassigned must not stand beside an assignee",
            "organizations/acme/teams/a is not in the caller's organization",
            "",
        ]
    );
    assert_eq!(results[7].outcome(), ImportOutcome::Created);
    assert_eq!(bench.viewer().list("", "", 0).await.len(), 1);
}

#[tokio::test]
async fn the_same_history_from_many_sides_at_once_is_written_once() {
    let bench = Bench::new().await;
    let facts = quirks();
    let calls = (0..24).map(|index| {
        let importer = bench.importer();
        let known = facts[..(index % facts.len()) + 1].to_vec();
        async move {
            importer
                .import(vec![history("a", known.clone()), history("b", known)])
                .await
        }
    });
    let results = futures::future::join_all(calls).await;
    let results: Vec<_> = results.into_iter().flatten().collect();
    let created = results
        .iter()
        .filter(|result| result.outcome() == ImportOutcome::Created)
        .count();
    assert_eq!(created, 2);
    assert!(
        results
            .iter()
            .all(|result| result.outcome() != ImportOutcome::Refused),
        "{results:?}"
    );
    assert_eq!(bench.viewer().events().await.len(), 18);
}

#[tokio::test]
async fn validate_only_says_what_would_happen() {
    let bench = Bench::new().await;
    let importer = bench.importer();
    let plan = async |facts: Vec<pb::Fact>| {
        let histories = vec![history("a", facts)];
        let request = pb::ImportIncidentsRequest {
            histories,
            validate_only: true,
            ..Default::default()
        };
        importer
            .incidents()
            .import_incidents(request)
            .await
            .unwrap()
            .into_inner()
            .results
            .swap_remove(0)
    };
    let planned = plan(quirks()).await;
    assert_eq!(
        (planned.outcome(), planned.written_facts),
        (ImportOutcome::Created, 9)
    );
    assert!(bench.viewer().events().await.is_empty());
    importer
        .import(vec![history("a", quirks()[..5].to_vec())])
        .await;
    let planned = plan(quirks()).await;
    assert_eq!(
        (planned.outcome(), planned.written_facts),
        (ImportOutcome::Extended, 5)
    );
}

#[tokio::test]
async fn only_an_importer_imports() {
    let bench = Bench::new().await;
    let histories = vec![history("a", quirks())];
    let request = pb::ImportIncidentsRequest {
        histories,
        ..Default::default()
    };
    let status = bench
        .agent()
        .incidents()
        .import_incidents(request)
        .await
        .unwrap_err();
    assert_eq!(reason(&status), "PERMISSION_DENIED");
}
