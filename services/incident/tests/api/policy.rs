//! What a team adapts, and what it does to the calls.

use mainstay_proto::mainstay::event::v1::Event;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::policy::v1 as policy_pb;
use mainstay_proto::mainstay::record::v1::PolicyDecision;
use pb::IncidentState as State;
use prost::Message;
use prost_types::{Any, FieldMask};
use tonic::{Code, Status};

use super::bench::{Bench, Caller, metadata, reason, titled};

pub(crate) const NAME: &str = "INC-1";

pub(crate) fn document(policy: &pb::IncidentPolicy) -> Any {
    Any {
        type_url: "type.googleapis.com/mainstay.incident.v1.IncidentPolicy".to_owned(),
        value: policy.encode_to_vec(),
    }
}

pub(crate) async fn apply(caller: &Caller, policy: &pb::IncidentPolicy) -> Result<String, Status> {
    let request = policy_pb::ApplyPolicyRequest {
        name: "policies/incident".to_owned(),
        document: Some(document(policy)),
        ..Default::default()
    };
    let reply = caller.policies().apply_policy(request).await?.into_inner();
    Ok(reply.policy_version.unwrap_or_default().name)
}

pub(crate) fn rule(verb: &str) -> pb::VerbRule {
    pb::VerbRule {
        verb: verb.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn status(id: &str, state: State, next: &[&str]) -> pb::StatusRule {
    pb::StatusRule {
        id: id.to_owned(),
        state: state.into(),
        next: next.iter().map(|id| (*id).to_owned()).collect(),
        ..Default::default()
    }
}

/// Two words for NEW and for IN_PROGRESS; nothing is closed before it is checked.
pub(crate) fn statuses() -> Vec<pb::StatusRule> {
    vec![
        status("new", State::New, &["triaged", "cancelled"]),
        status("triaged", State::New, &[]),
        status("fixing", State::InProgress, &[]),
        status("testing", State::InProgress, &[]),
        status("waiting", State::OnHold, &[]),
        status("calm", State::Mitigated, &[]),
        status("resolved", State::Resolved, &[]),
        status("closed", State::Closed, &[]),
        status("cancelled", State::Cancelled, &[]),
    ]
}

pub(crate) async fn start(caller: &Caller, status: &str) -> Result<pb::Incident, Status> {
    let request = pb::StartIncidentRequest {
        name: NAME.to_owned(),
        status: status.to_owned(),
        ..Default::default()
    };
    let reply = caller.incidents().start_incident(request).await?;
    Ok(reply.into_inner().incident.unwrap())
}

pub(crate) async fn hold(caller: &Caller, reason: pb::HoldReason) -> Result<pb::Incident, Status> {
    let request = pb::HoldIncidentRequest {
        name: NAME.to_owned(),
        reason: reason.into(),
        ..Default::default()
    };
    let reply = caller.incidents().hold_incident(request).await?;
    Ok(reply.into_inner().incident.unwrap())
}

pub(crate) async fn resolve(caller: &Caller, cause_code: &str) -> Result<pb::Incident, Status> {
    let resolution = pb::Resolution {
        code: pb::ResolutionCode::Fixed.into(),
        summary: "Restarted.".to_owned(),
        cause_code: cause_code.to_owned(),
    };
    let request = pb::ResolveIncidentRequest {
        name: NAME.to_owned(),
        resolution: Some(resolution),
        ..Default::default()
    };
    let reply = caller.incidents().resolve_incident(request).await?;
    Ok(reply.into_inner().incident.unwrap())
}

pub(crate) async fn update(
    caller: &Caller,
    incident: pb::Incident,
    path: &str,
) -> Result<pb::Incident, Status> {
    let request = pb::UpdateIncidentRequest {
        incident: Some(pb::Incident {
            name: NAME.to_owned(),
            ..incident
        }),
        update_mask: Some(FieldMask {
            paths: vec![path.to_owned()],
        }),
        ..Default::default()
    };
    let reply = caller.incidents().update_incident(request).await?;
    Ok(reply.into_inner().incident.unwrap())
}

/// The rule that refuses, as the refusal names it.
pub(crate) fn rule_of(refusal: &Status) -> String {
    assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal:?}");
    assert_eq!(reason(refusal), "POLICY_REFUSED");
    assert!(metadata(refusal, "resource").contains("/incidents/"));
    assert!(metadata(refusal, "policyVersion").ends_with("/versions/1"));
    metadata(refusal, "rule")
}

/// The decision in an event's payload.
fn decision(event: &Event) -> PolicyDecision {
    let value = event.data.clone().unwrap().value;
    let told = pb::IncidentStateChanged::decode(value.as_slice()).unwrap();
    told.decision.unwrap()
}

#[tokio::test]
async fn without_a_policy_everything_is_as_built_in_and_the_event_says_so() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let raised = agent.raise(titled("Slow")).await;
    assert_eq!(raised.status, "new");
    let started = start(&agent, "").await.unwrap();
    assert_eq!(
        (started.status.as_str(), started.auto_close_time),
        ("in-progress", None)
    );
    let events = agent.events().await;
    assert!(events.iter().all(|event| event.policy_version == "default"));
    let created = pb::IncidentCreated::decode(events[0].data.clone().unwrap().value.as_slice());
    let why = created.unwrap().decision.unwrap();
    assert_eq!(why.actor_roles, ["agent"]);
    assert_eq!(
        (why.rules[0].place.as_str(), why.rules[0].result.as_str()),
        ("matrix", "P3")
    );
    assert_eq!(why.rules[0].inputs["impact"], "MEDIUM");
    bench.close().await;
}

#[tokio::test]
async fn the_matrix_in_force_gives_the_priority_from_then_on() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let before = agent.raise(titled("Slow")).await;
    let policy = pb::IncidentPolicy {
        matrix: all_p1(),
        ..Default::default()
    };
    let version = apply(&agent, &policy).await.unwrap();
    assert!(
        version.ends_with("/policies/incident/versions/1"),
        "{version}"
    );
    assert_eq!(agent.get(NAME).await.priority, before.priority);
    let titled_anew = update(&agent, titled("Slower"), "title").await.unwrap();
    assert_eq!(titled_anew.priority, before.priority);
    let low = pb::Incident {
        impact: pb::Impact::Low.into(),
        ..Default::default()
    };
    let weighed = update(&agent, low, "impact").await.unwrap();
    assert_eq!(weighed.priority(), pb::Priority::P1);
    let raised = agent.raise(titled("Another")).await;
    assert_eq!(raised.priority(), pb::Priority::P1);
    let newest = agent.events().await.pop().unwrap();
    assert_eq!(newest.policy_version, version);
    assert_eq!(decision(&newest).policy_version, version);
    bench.close().await;
}

pub(crate) fn all_p1() -> Vec<pb::PriorityCell> {
    let mut cells = Vec::new();
    for impact in 1..=4 {
        for urgency in 1..=3 {
            cells.push(pb::PriorityCell {
                impact,
                urgency,
                priority: pb::Priority::P1.into(),
            });
        }
    }
    cells
}

/// Only administrators cancel; what is resolved has a team, a cause and was started.
fn strict() -> pb::IncidentPolicy {
    pb::IncidentPolicy {
        verbs: vec![
            pb::VerbRule {
                roles: vec!["administrator".to_owned()],
                ..rule("cancel")
            },
            pb::VerbRule {
                required_fields: vec!["team".to_owned(), "resolution.cause_code".to_owned()],
                guard: "previous.state != NEW && \"agent\" in actor.roles".to_owned(),
                message: "start it before you resolve it".to_owned(),
                ..rule("resolve")
            },
        ],
        ..Default::default()
    }
}

#[tokio::test]
async fn a_rule_asks_for_a_role_a_field_and_what_must_hold() {
    let bench = Bench::new().await;
    let (agent, lead) = (bench.agent(), bench.lead());
    agent.raise(titled("Slow")).await;
    apply(&agent, &strict()).await.unwrap();
    let verbs = agent.get(NAME).await.available_verbs;
    assert!(!verbs.contains(&"cancel".to_owned()) && !verbs.contains(&"resolve".to_owned()));
    assert!(
        lead.get(NAME)
            .await
            .available_verbs
            .contains(&"cancel".to_owned())
    );
    let cancel = pb::CancelIncidentRequest {
        name: NAME.to_owned(),
        reason: "A test".to_owned(),
        ..Default::default()
    };
    let refusal = agent.incidents().cancel_incident(cancel).await.unwrap_err();
    assert_eq!(rule_of(&refusal), "verbs[0].roles");
    assert_eq!(refusal.message(), "cancel is for the roles administrator");

    let refusal = resolve(&agent, "disk").await.unwrap_err();
    assert_eq!(rule_of(&refusal), "verbs[1].required_fields[0]");
    let assign = pb::AssignIncidentRequest {
        name: NAME.to_owned(),
        team: "net".to_owned(),
        ..Default::default()
    };
    agent.incidents().assign_incident(assign).await.unwrap();
    let refusal = resolve(&agent, "").await.unwrap_err();
    assert_eq!(rule_of(&refusal), "verbs[1].required_fields[1]");
    let refusal = resolve(&agent, "disk").await.unwrap_err();
    assert_eq!(rule_of(&refusal), "verbs[1].guard");
    assert_eq!(refusal.message(), "start it before you resolve it");
    let started = start(&agent, "").await.unwrap();
    assert!(started.available_verbs.contains(&"resolve".to_owned()));
    resolve(&agent, "disk").await.unwrap();

    let why = decision(&agent.events().await.pop().unwrap());
    let places: Vec<&str> = why.rules.iter().map(|rule| rule.place.as_str()).collect();
    let asked = [
        "auto_close_window",
        "verbs[1].required_fields[0]",
        "verbs[1].required_fields[1]",
        "verbs[1].guard",
    ];
    assert_eq!(places, asked);
    assert_eq!(why.rules[3].inputs["previous.state"], "IN_PROGRESS");
    assert_eq!(why.rules[3].inputs["actor.roles"], "agent");
    bench.close().await;
}

#[tokio::test]
async fn raising_an_incident_has_its_rules_too() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let policy = pb::IncidentPolicy {
        verbs: vec![pb::VerbRule {
            required_fields: vec!["service".to_owned()],
            ..rule("create")
        }],
        ..Default::default()
    };
    apply(&agent, &policy).await.unwrap();
    let request = pb::CreateIncidentRequest {
        incident: Some(titled("Slow")),
        ..Default::default()
    };
    let refusal = agent
        .incidents()
        .create_incident(request)
        .await
        .unwrap_err();
    assert_eq!(rule_of(&refusal), "verbs[0].required_fields[0]");
    agent
        .raise(pb::Incident {
            service: "mail".to_owned(),
            ..titled("Slow")
        })
        .await;
    bench.close().await;
}

#[tokio::test]
async fn only_the_reasons_of_the_policy_hold_the_work() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("Slow")).await;
    let vendor = pb::HoldReasonRule {
        reason: pb::HoldReason::Vendor.into(),
        label: "The vendor works on it".to_owned(),
    };
    let policy = pb::IncidentPolicy {
        hold_reasons: vec![vendor],
        ..Default::default()
    };
    apply(&agent, &policy).await.unwrap();
    let refusal = hold(&agent, pb::HoldReason::Parts).await.unwrap_err();
    assert_eq!(rule_of(&refusal), "hold_reasons");
    assert_eq!(
        refusal.message(),
        "PARTS is no reason here: give one of VENDOR"
    );
    hold(&agent, pb::HoldReason::Vendor).await.unwrap();
    bench.close().await;
}

#[tokio::test]
async fn a_document_that_makes_no_sense_is_refused_with_the_places() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let policy = pb::IncidentPolicy {
        verbs: vec![pb::VerbRule {
            guard: "incident.state == NEW".to_owned(),
            message: "no".to_owned(),
            ..rule("resolve")
        }],
        ..Default::default()
    };
    let refusal = apply(&agent, &policy).await.unwrap_err();
    assert_eq!(reason(&refusal), "POLICY_INVALID");
    assert!(
        refusal
            .message()
            .contains("verbs[0].guard can never be true"),
        "{refusal:?}"
    );
    assert_eq!(agent.raise(titled("Slow")).await.status, "new");
    bench.close().await;
}
