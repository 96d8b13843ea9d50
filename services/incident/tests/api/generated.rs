//! Logs made at random: a policy that is asked about its own decisions differs
//! nowhere, whatever was called, by whom and when.

use mainstay_chassis::clock::timestamp;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::policy::v1 as policy_pb;
use policy_pb::simulate_policy_request::Candidate;
use proptest::collection::vec;
use proptest::prelude::*;
use prost_types::{Duration, FieldMask, Timestamp};
use tonic::Status;

use super::bench::{Bench, Caller, MINUTE_US, titled};
use super::policy::{all_p1, apply, document, rule, statuses};

/// A call: which verb, with which choices, by whom, and how long after the one
/// before.
type Step = (u8, u8, u8, bool, i64);

const REASONS: [pb::HoldReason; 3] = [
    pb::HoldReason::Vendor,
    pb::HoldReason::Parts,
    pb::HoldReason::Requester,
];
const IMPACTS: [pb::Impact; 3] = [pb::Impact::Low, pb::Impact::Medium, pb::Impact::Critical];

fn pick<T: Copy>(from: &[T], choice: u8) -> T {
    from[usize::from(choice) % from.len()]
}

/// Policies that let some calls pass and refuse others.
fn policies() -> [pb::IncidentPolicy; 3] {
    let seconds = |seconds| Some(Duration { seconds, nanos: 0 });
    let strict = pb::IncidentPolicy {
        matrix: all_p1(),
        statuses: statuses(),
        hold_reasons: vec![pb::HoldReasonRule {
            reason: pb::HoldReason::Parts.into(),
            ..Default::default()
        }],
        verbs: vec![
            pb::VerbRule {
                guard: "incident.impact != LOW && previous.state != NEW".to_owned(),
                message: "is not for small ones, nor for new ones".to_owned(),
                ..rule("resolve")
            },
            pb::VerbRule {
                guard: "reason != \"\" && now - previous.create_time > duration(\"1h\")".to_owned(),
                message: "needs a reason, and an hour".to_owned(),
                ..rule("cancel")
            },
            pb::VerbRule {
                required_fields: vec!["team".to_owned()],
                ..rule("acknowledge")
            },
        ],
        reopen_window: seconds(7_200),
        auto_close_window: seconds(86_400),
        ..Default::default()
    };
    let loose = pb::IncidentPolicy {
        reopen_window: seconds(864_000),
        ..Default::default()
    };
    [pb::IncidentPolicy::default(), strict, loose]
}

/// Makes a call; it may well be refused.
async fn take(caller: &Caller, step: Step) -> Result<(), Status> {
    let (verb, choice, number, says_why, _) = step;
    let name = format!("INC-{}", number % 3 + 1);
    let why = if says_why { "because" } else { "" }.to_owned();
    match verb % 14 {
        0..=4 => work(caller, verb % 14, name, choice, why).await,
        5..=9 => end(caller, verb % 14, name, why).await,
        _ => change(caller, verb % 14, name, choice).await,
    }
}

async fn work(
    caller: &Caller,
    verb: u8,
    name: String,
    choice: u8,
    note: String,
) -> Result<(), Status> {
    let mut incidents = caller.incidents();
    match verb {
        0 => {
            let request = pb::StartIncidentRequest {
                name,
                ..Default::default()
            };
            incidents.start_incident(request).await.map(drop)
        }
        1 => {
            let reason = pick(&REASONS, choice).into();
            let request = pb::HoldIncidentRequest {
                name,
                reason,
                note,
                ..Default::default()
            };
            incidents.hold_incident(request).await.map(drop)
        }
        2 => {
            let request = pb::ResumeIncidentRequest {
                name,
                ..Default::default()
            };
            incidents.resume_incident(request).await.map(drop)
        }
        3 => {
            let request = pb::MitigateIncidentRequest {
                name,
                note,
                ..Default::default()
            };
            incidents.mitigate_incident(request).await.map(drop)
        }
        _ => {
            let request = pb::AcknowledgeIncidentRequest {
                name,
                ..Default::default()
            };
            incidents.acknowledge_incident(request).await.map(drop)
        }
    }
}

async fn end(caller: &Caller, verb: u8, name: String, reason: String) -> Result<(), Status> {
    let mut incidents = caller.incidents();
    match verb {
        5 | 6 => {
            let resolution = Some(pb::Resolution {
                code: pb::ResolutionCode::Fixed.into(),
                summary: "Restarted".to_owned(),
                ..Default::default()
            });
            let request = pb::ResolveIncidentRequest {
                name,
                resolution,
                ..Default::default()
            };
            incidents.resolve_incident(request).await.map(drop)
        }
        7 => {
            let request = pb::ReopenIncidentRequest {
                name,
                reason: "It is back".to_owned(),
                ..Default::default()
            };
            incidents.reopen_incident(request).await.map(drop)
        }
        8 => {
            let request = pb::CloseIncidentRequest {
                name,
                ..Default::default()
            };
            incidents.close_incident(request).await.map(drop)
        }
        _ => {
            let request = pb::CancelIncidentRequest {
                name,
                reason,
                ..Default::default()
            };
            incidents.cancel_incident(request).await.map(drop)
        }
    }
}

async fn change(caller: &Caller, verb: u8, name: String, choice: u8) -> Result<(), Status> {
    let mut incidents = caller.incidents();
    let impact = pick(&IMPACTS, choice).into();
    let (incident, path) = match verb {
        10 => {
            let request = pb::AssignIncidentRequest {
                name,
                team: "net".to_owned(),
                ..Default::default()
            };
            return incidents.assign_incident(request).await.map(drop);
        }
        11 => {
            let incident = pb::Incident {
                impact,
                ..titled("Another")
            };
            let request = pb::CreateIncidentRequest {
                incident: Some(incident),
                ..Default::default()
            };
            return incidents.create_incident(request).await.map(drop);
        }
        12 => (
            pb::Incident {
                impact,
                ..Default::default()
            },
            "impact",
        ),
        _ => {
            let status = "testing".to_owned();
            (
                pb::Incident {
                    status,
                    ..Default::default()
                },
                "status",
            )
        }
    };
    let request = pb::UpdateIncidentRequest {
        incident: Some(pb::Incident { name, ..incident }),
        update_mask: Some(FieldMask {
            paths: vec![path.to_owned()],
        }),
        ..Default::default()
    };
    incidents.update_incident(request).await.map(drop)
}

/// Number of decisions in a window, and what a policy differs in.
async fn simulate(
    caller: &Caller,
    policy: &pb::IncidentPolicy,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
) -> (i64, Vec<policy_pb::PolicyDifference>) {
    let request = policy_pb::SimulatePolicyRequest {
        name: "incident".to_owned(),
        candidate: Some(Candidate::Document(document(policy))),
        start_time,
        end_time,
        ..Default::default()
    };
    let reply = caller
        .policies()
        .simulate_policy(request)
        .await
        .unwrap()
        .into_inner();
    (reply.simulation.unwrap().decision_count, reply.differences)
}

/// Calls under one policy after the other; each is then asked about its time.
async fn live(first: &[Step], then: &[Step], order: (usize, usize)) {
    let (policies, bench) = (policies(), Bench::new().await);
    let callers = [bench.agent(), bench.lead()];
    let mut bounds = vec![None];
    let mut eras = Vec::new();
    for (steps, place) in [(first, order.0), (then, order.1)] {
        let policy = &policies[place % policies.len()];
        bench.pass(MINUTE_US);
        let from = timestamp(bench.now_us());
        apply(&callers[0], policy).await.unwrap();
        bounds.push(Some(from));
        eras.push(policy);
        bench.pass(1);
        for step in steps {
            bench.pass(step.4 * MINUTE_US);
            // A refusal is no decision that was accepted.
            let _ = take(&callers[usize::from(step.1) % 2], *step).await;
        }
    }
    bounds.push(None);
    let mut decisions = 0;
    for (policy, era) in eras.iter().zip(bounds[1..].windows(2)) {
        let (count, differences) = simulate(&callers[0], policy, era[0], era[1]).await;
        assert_eq!(differences, [], "{policy:?}");
        decisions += count;
    }
    let (all, _) = simulate(&callers[0], &policies[0], None, None).await;
    assert_eq!(decisions, all);
    bench.close().await;
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u8..14, any::<u8>(), 0_u8..3, any::<bool>(), 0_i64..300);
    vec(step, 5..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_policy_differs_nowhere_from_its_own_decisions(
        first in steps(), then in steps(), order in (0_usize..3, 0_usize..3),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(live(&first, &then, order));
    }
}
