//! What another policy would have made of what was decided.

use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::policy::v1 as policy_pb;
use prost_types::Duration;

use super::bench::{Bench, Caller, DAY_US, titled};
use super::policy::{NAME, all_p1, apply, document, hold, resolve, rule, start, statuses, update};

/// What a policy would have made of everything, as `verb field recorded>simulated`.
async fn simulate(caller: &Caller, policy: &pb::IncidentPolicy) -> Vec<String> {
    let request = policy_pb::SimulatePolicyRequest {
        name: "policies/incident".to_owned(),
        candidate: Some(policy_pb::simulate_policy_request::Candidate::Document(
            document(policy),
        )),
        ..Default::default()
    };
    let reply = caller
        .policies()
        .simulate_policy(request)
        .await
        .unwrap()
        .into_inner();
    let told = |it: policy_pb::PolicyDifference| match it.refused {
        true => format!("{} {}: {}", it.verb, it.field, it.explanation),
        false => format!(
            "{} {}: {} > {}",
            it.verb, it.field, it.recorded, it.simulated
        ),
    };
    reply.differences.into_iter().map(told).collect()
}

/// A life under any policy that has these statuses or none: raised, triaged,
/// started, held, resolved and reopened.
async fn live(bench: &Bench, agent: &Caller) {
    agent.raise(titled("Slow")).await;
    let triaged = pb::Incident {
        status: "triaged".to_owned(),
        ..Default::default()
    };
    // Without such a status it stays as it is.
    let _ = update(agent, triaged, "status").await;
    start(agent, "").await.unwrap();
    hold(agent, pb::HoldReason::Parts).await.unwrap();
    bench.pass(DAY_US);
    resolve(agent, "").await.unwrap();
    bench.pass(DAY_US);
    let reopen = pb::ReopenIncidentRequest {
        name: NAME.to_owned(),
        reason: "Again".to_owned(),
        ..Default::default()
    };
    agent.incidents().reopen_incident(reopen).await.unwrap();
}

#[tokio::test]
async fn a_policy_differs_nowhere_from_what_was_decided_under_it() {
    for policy in [pb::IncidentPolicy::default(), lively()] {
        let bench = Bench::new().await;
        let agent = bench.agent();
        apply(&agent, &policy).await.unwrap();
        live(&bench, &agent).await;
        let differences = simulate(&agent, &policy).await;
        assert!(differences.is_empty(), "{differences:?}");
        bench.close().await;
    }
}

/// A policy with a rule of every kind, which lets that life pass.
fn lively() -> pb::IncidentPolicy {
    pb::IncidentPolicy {
        matrix: all_p1(),
        statuses: statuses(),
        verbs: vec![
            pb::VerbRule {
                roles: vec!["agent".to_owned()],
                required_fields: vec!["milestones.resolve_time".to_owned()],
                guard: "previous.hold.reason == PARTS && now > incident.create_time".to_owned(),
                message: "wait for parts first".to_owned(),
                ..rule("resolve")
            },
            pb::VerbRule {
                guard: "reason != \"\" && \"agent\" in actor.roles".to_owned(),
                message: "say why".to_owned(),
                ..rule("reopen")
            },
        ],
        auto_close_window: Some(Duration {
            seconds: 432_000,
            nanos: 0,
        }),
        ..Default::default()
    }
}

#[tokio::test]
async fn another_policy_tells_what_it_would_refuse_or_decide_otherwise() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    live(&bench, &agent).await;
    let other = pb::IncidentPolicy {
        reopen_window: Some(Duration {
            seconds: 3_600,
            nanos: 0,
        }),
        hold_reasons: vec![pb::HoldReasonRule {
            reason: pb::HoldReason::Vendor.into(),
            ..Default::default()
        }],
        verbs: vec![pb::VerbRule {
            roles: vec!["administrator".to_owned()],
            ..rule("start")
        }],
        ..lively()
    };
    let differences = simulate(&agent, &other).await;
    let expected = [
        "create matrix: P3 > P1",
        "start verbs[0].roles: start is for the roles administrator",
        "start statuses[0].next: in-progress may not follow new",
        "hold statuses[4]: on-hold > waiting",
        "hold hold_reasons: PARTS is no reason here",
    ];
    assert_eq!(differences[..5], expected);
    assert!(
        differences
            .iter()
            .any(|told| told.starts_with("resolve auto_close_window: "))
    );
    let passed = "reopen reopen_window: the window for reopening had passed";
    assert!(
        differences.iter().any(|told| told == passed),
        "{differences:?}"
    );
    bench.close().await;
}
