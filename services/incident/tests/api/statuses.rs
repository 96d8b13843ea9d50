//! The team's own words, and the windows of its policy.

use mainstay_proto::mainstay::incident::v1 as pb;
use pb::IncidentState as State;
use prost::Message;
use prost_types::Duration;

use super::bench::{Bench, DAY_US, START_US, reason, titled};
use super::policy::{NAME, apply, hold, resolve, rule, rule_of, start, statuses, update};

#[tokio::test]
async fn an_incident_carries_the_teams_own_word_and_is_found_by_it() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let policy = pb::IncidentPolicy {
        statuses: statuses(),
        ..Default::default()
    };
    apply(&agent, &policy).await.unwrap();
    let raised = agent.raise(titled("Slow")).await;
    assert_eq!(raised.status, "new");
    assert!(!raised.available_verbs.contains(&"start".to_owned()));
    let refusal = start(&agent, "").await.unwrap_err();
    assert_eq!(rule_of(&refusal), "statuses[0].next");
    let word = |status: &str| pb::Incident {
        status: status.to_owned(),
        ..Default::default()
    };
    let refusal = update(&agent, word("testing"), "status").await.unwrap_err();
    assert_eq!(rule_of(&refusal), "statuses[0].next");
    let triaged = update(&agent, word("triaged"), "status").await.unwrap();
    assert_eq!(
        (triaged.status.as_str(), triaged.state()),
        ("triaged", State::New)
    );
    let started = start(&agent, "testing").await.unwrap();
    assert_eq!(
        (started.status.as_str(), started.state()),
        ("testing", State::InProgress)
    );
    let newest = agent.events().await.pop().unwrap();
    let told = pb::IncidentStateChanged::decode(newest.data.unwrap().value.as_slice()).unwrap();
    assert_eq!(told.previous_status, "triaged");
    assert_eq!(agent.list("status == \"testing\"", "", 0).await, [NAME]);
    assert!(agent.list("status == \"new\"", "", 0).await.is_empty());
    let held = hold(&agent, pb::HoldReason::Vendor).await.unwrap();
    assert_eq!(held.status, "waiting");
    let refusal = start(&agent, "waiting").await.unwrap_err();
    assert_eq!(reason(&refusal), "VERB_NOT_ALLOWED");
    bench.close().await;
}

#[tokio::test]
async fn the_windows_are_those_of_the_policy() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("Slow")).await;
    let days = |days: i64| {
        Some(Duration {
            seconds: days * 86_400,
            nanos: 0,
        })
    };
    let policy = pb::IncidentPolicy {
        reopen_window: days(2),
        auto_close_window: days(5),
        ..Default::default()
    };
    apply(&agent, &policy).await.unwrap();
    let resolved = resolve(&agent, "").await.unwrap();
    let due = resolved.auto_close_time.unwrap();
    assert_eq!(due.seconds, (START_US + 5 * DAY_US) / 1_000_000);
    bench.pass(3 * DAY_US);
    assert!(
        !agent
            .get(NAME)
            .await
            .available_verbs
            .contains(&"reopen".to_owned())
    );
    let reopen = || pb::ReopenIncidentRequest {
        name: NAME.to_owned(),
        reason: "Again".to_owned(),
        ..Default::default()
    };
    let refusal = agent
        .incidents()
        .reopen_incident(reopen())
        .await
        .unwrap_err();
    assert_eq!(reason(&refusal), "REOPEN_WINDOW_PASSED");
    let longer = pb::IncidentPolicy {
        reopen_window: days(4),
        ..policy
    };
    apply(&agent, &longer).await.unwrap();
    let reopened = agent.incidents().reopen_incident(reopen()).await.unwrap();
    assert_eq!(
        reopened.into_inner().incident.unwrap().auto_close_time,
        None
    );
    bench.close().await;
}

#[tokio::test]
async fn history_is_imported_whatever_the_policy_asks_with_the_first_status_of_its_state() {
    let bench = Bench::new().await;
    let policy = pb::IncidentPolicy {
        statuses: statuses(),
        verbs: vec![pb::VerbRule {
            required_fields: vec!["service".to_owned()],
            ..rule("create")
        }],
        ..Default::default()
    };
    apply(&bench.agent(), &policy).await.unwrap();
    let fact = |seconds: i64, state: State| pb::Fact {
        time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        state: state.into(),
        ..Default::default()
    };
    let history = pb::IncidentHistory {
        origin: Some(mainstay_proto::mainstay::record::v1::Origin {
            source: "old".to_owned(),
            key: "1".to_owned(),
            ..Default::default()
        }),
        title: "Long ago".to_owned(),
        facts: vec![
            fact(1_360_000_000, State::New),
            fact(1_360_000_060, State::InProgress),
        ],
        ..Default::default()
    };
    bench.importer().import(vec![history]).await;
    let agent = bench.agent();
    assert_eq!(agent.get(NAME).await.status, "fixing");
    let events = agent.events().await;
    let imported: Vec<_> = events.iter().filter(|event| event.imported).collect();
    assert_eq!(imported.len(), 2);
    assert!(imported.iter().all(|event| event.policy_version.is_empty()));
    bench.close().await;
}
