//! The verbs, as callers take them.

use mainstay_chassis::clock::timestamp;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1::Link;
use prost::Message;
use tonic::{Code, Status};

use crate::bench::{Bench, Caller, DAY_US, MINUTE_US, START_US, fields, metadata, reason, titled};

const NAME: &str = "INC-1";

/// Takes a verb on INC-1, with its own fields.
macro_rules! take {
    ($caller:expr, $method:ident, $request:ident { $($field:ident: $value:expr),* }) => {
        $caller.incidents().$method(pb::$request {
            name: NAME.to_owned(), $($field: $value,)* ..Default::default()
        }).await.map(|reply| reply.into_inner().incident.unwrap())
    };
}

fn resolution() -> Option<pb::Resolution> {
    Some(pb::Resolution {
        code: pb::ResolutionCode::Fixed.into(),
        summary: "Replaced the disk.".to_owned(),
        ..Default::default()
    })
}

async fn resolve(caller: &Caller) -> Result<pb::Incident, Status> {
    take!(
        caller,
        resolve_incident,
        ResolveIncidentRequest {
            resolution: resolution()
        }
    )
}

#[tokio::test]
async fn an_incident_lives_through_its_states() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("x")).await;
    bench.pass(MINUTE_US);
    let started = take!(agent, start_incident, StartIncidentRequest {}).unwrap();
    assert_eq!(started.state(), pb::IncidentState::InProgress);
    let held = take!(agent, hold_incident, HoldIncidentRequest { reason: 2 }).unwrap();
    assert_eq!(
        held.hold.unwrap().since_time,
        Some(timestamp(START_US + MINUTE_US))
    );
    let resumed = take!(agent, resume_incident, ResumeIncidentRequest {}).unwrap();
    assert_eq!(
        (resumed.state(), resumed.hold),
        (pb::IncidentState::InProgress, None)
    );
    bench.pass(MINUTE_US);
    let time = Some(timestamp(START_US + 7));
    let mitigated = take!(
        agent,
        mitigate_incident,
        MitigateIncidentRequest {
            mitigate_time: time
        }
    );
    assert_eq!(mitigated.unwrap().milestones.unwrap().mitigate_time, time);
    let resolved = resolve(&agent).await.unwrap();
    let resolve_time = resolved.milestones.unwrap().resolve_time;
    assert_eq!(resolve_time, Some(timestamp(START_US + 2 * MINUTE_US)));
    let closed = take!(agent, close_incident, CloseIncidentRequest {}).unwrap();
    assert_eq!(
        closed.available_verbs,
        ["reopen", "update_milestones", "link", "unlink", "redact"]
    );
    let reason = "Again.".to_owned();
    let reopened = take!(
        agent,
        reopen_incident,
        ReopenIncidentRequest { reason: reason }
    )
    .unwrap();
    assert_eq!((reopened.reopen_count, reopened.resolution), (1, None));
    let milestones = reopened.milestones.unwrap();
    assert_eq!(
        (milestones.resolve_time, milestones.close_time),
        (None, None)
    );
    let reason = "It was none.".to_owned();
    let cancelled = take!(
        agent,
        cancel_incident,
        CancelIncidentRequest { reason: reason }
    )
    .unwrap();
    assert_eq!(cancelled.state(), pb::IncidentState::Cancelled);
}

#[tokio::test]
async fn every_step_is_told_with_its_verb_and_reason() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("x")).await;
    let note = "Ticket 7.".to_owned();
    take!(
        agent,
        hold_incident,
        HoldIncidentRequest {
            reason: 2,
            note: note
        }
    )
    .unwrap();
    resolve(&agent).await.unwrap();
    let reason = "Again.".to_owned();
    take!(
        agent,
        reopen_incident,
        ReopenIncidentRequest { reason: reason }
    )
    .unwrap();
    let mut told = Vec::new();
    for event in agent.events().await.into_iter().skip(1) {
        assert_eq!(event.r#type, "mainstay.incident.v1.IncidentStateChanged");
        let step = pb::IncidentStateChanged::decode(event.data.unwrap().value.as_slice()).unwrap();
        let previous = step.previous_state();
        assert_eq!(step.incident.unwrap().revision, event.subject_revision);
        told.push((step.verb, previous, step.reason));
    }
    let expected = [
        ("hold", pb::IncidentState::New, "Ticket 7."),
        ("resolve", pb::IncidentState::OnHold, ""),
        ("reopen", pb::IncidentState::Resolved, "Again."),
    ];
    let owned =
        |(verb, state, reason): (&str, _, &str)| (verb.to_owned(), state, reason.to_owned());
    assert_eq!(told, expected.map(owned));
}

#[tokio::test]
async fn a_verb_out_of_place_is_refused_with_those_that_are_open() {
    let bench = Bench::new().await;
    let told = bench.agent().raise(titled("x")).await;
    let status = take!(bench.agent(), close_incident, CloseIncidentRequest {}).unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "VERB_NOT_ALLOWED")
    );
    assert_eq!(metadata(&status, "resource"), told.name);
    assert_eq!(
        (metadata(&status, "state"), metadata(&status, "verb")),
        ("NEW".to_owned(), "close".to_owned())
    );
    assert_eq!(
        metadata(&status, "openVerbs"),
        told.available_verbs.join(",")
    );
}

#[tokio::test]
async fn another_reason_to_wait_keeps_since_and_the_same_one_changes_nothing() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("x")).await;
    let hold = async |reason: pb::HoldReason| {
        take!(
            agent,
            hold_incident,
            HoldIncidentRequest {
                reason: reason.into()
            }
        )
        .unwrap()
    };
    let first = hold(pb::HoldReason::Vendor).await;
    bench.pass(MINUTE_US);
    let second = hold(pb::HoldReason::Parts).await;
    assert_eq!(
        second.hold.as_ref().unwrap().since_time,
        first.hold.unwrap().since_time
    );
    assert_eq!(
        second.hold.as_ref().unwrap().reason(),
        pb::HoldReason::Parts
    );
    assert_eq!(hold(pb::HoldReason::Parts).await.revision, second.revision);
    let past = Some(timestamp(START_US));
    let status = take!(
        agent,
        hold_incident,
        HoldIncidentRequest {
            reason: 1,
            resume_time: past
        }
    )
    .unwrap_err();
    assert_eq!(fields(&status), ["resume_time"]);
}

#[tokio::test]
async fn reopening_ends_thirty_days_after_the_last_resolution() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("x")).await;
    resolve(&agent).await.unwrap();
    bench.pass(30 * DAY_US);
    assert!(
        agent
            .get(NAME)
            .await
            .available_verbs
            .contains(&"reopen".to_owned())
    );
    bench.pass(1);
    assert!(
        !agent
            .get(NAME)
            .await
            .available_verbs
            .contains(&"reopen".to_owned())
    );
    let status = take!(
        agent,
        reopen_incident,
        ReopenIncidentRequest {
            reason: "Again.".to_owned()
        }
    )
    .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::FailedPrecondition, "REOPEN_WINDOW_PASSED")
    );
    assert_eq!(metadata(&status, "windowEnd"), "2026-01-31T00:00:00Z");
}

#[tokio::test]
async fn the_first_acknowledgement_counts() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("x")).await;
    let first = take!(agent, acknowledge_incident, AcknowledgeIncidentRequest {}).unwrap();
    bench.pass(MINUTE_US);
    let second = take!(agent, acknowledge_incident, AcknowledgeIncidentRequest {}).unwrap();
    assert_eq!(first, second);
    assert_eq!(
        agent.event_types().await,
        ["IncidentCreated", "IncidentAcknowledged"]
    );
}

#[tokio::test]
async fn an_assignment_keeps_what_is_not_given_and_tells_who_had_it() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("x")).await;
    take!(
        agent,
        assign_incident,
        AssignIncidentRequest {
            team: "net".to_owned(),
            assignee: "ada".to_owned()
        }
    )
    .unwrap();
    let moved = take!(
        agent,
        assign_incident,
        AssignIncidentRequest {
            team: "db".to_owned()
        }
    )
    .unwrap();
    assert_eq!(moved.assignee, "organizations/default/users/ada");
    let freed = take!(agent, unassign_incident, UnassignIncidentRequest {}).unwrap();
    assert_eq!(
        (freed.team.as_str(), freed.assignee.as_str()),
        ("organizations/default/teams/db", "")
    );
    let again = take!(agent, unassign_incident, UnassignIncidentRequest {}).unwrap();
    assert_eq!(again.revision, freed.revision);
    let status = take!(agent, assign_incident, AssignIncidentRequest {}).unwrap_err();
    assert_eq!(fields(&status), ["team"]);
    let moved = agent.events().await.swap_remove(2);
    let told = pb::IncidentAssigned::decode(moved.data.unwrap().value.as_slice()).unwrap();
    assert_eq!(told.previous_team, "organizations/default/teams/net");
}

#[tokio::test]
async fn a_family_is_one_level_deep() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    for title in ["child", "parent", "other"] {
        agent.raise(titled(title)).await;
    }
    let set = async |name: &str, parent: &str| {
        let request = pb::SetIncidentParentRequest {
            name: name.to_owned(),
            parent: parent.to_owned(),
            ..Default::default()
        };
        agent
            .incidents()
            .set_incident_parent(request)
            .await
            .map(|reply| reply.into_inner().incident.unwrap())
    };
    let child = set("INC-1", "INC-2").await.unwrap();
    assert_eq!(child.parent, agent.get("INC-2").await.name);
    assert_eq!(
        set("INC-1", "INC-2").await.unwrap().revision,
        child.revision
    );
    for (name, parent) in [("INC-3", "INC-3"), ("INC-3", "INC-1"), ("INC-2", "INC-3")] {
        let status = set(name, parent).await.unwrap_err();
        assert_eq!(
            reason(&status),
            "PARENT_NOT_ALLOWED",
            "{name} under {parent}"
        );
        assert_eq!(metadata(&status, "resource"), agent.get(name).await.name);
        assert_eq!(metadata(&status, "parent"), agent.get(parent).await.name);
    }
    assert_eq!(set("INC-1", "").await.unwrap().parent, "");
    assert!(set("INC-2", "INC-3").await.is_ok());
}

#[tokio::test]
async fn links_are_kept_by_uri() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("x")).await;
    let link = |title: &str| {
        Some(Link {
            uri: "https://wiki/x".to_owned(),
            title: title.to_owned(),
        })
    };
    take!(
        agent,
        link_incident,
        LinkIncidentRequest { link: link("one") }
    )
    .unwrap();
    let told = take!(
        agent,
        link_incident,
        LinkIncidentRequest { link: link("two") }
    )
    .unwrap();
    assert_eq!(told.links, [link("two").unwrap()]);
    let same = take!(
        agent,
        link_incident,
        LinkIncidentRequest { link: link("two") }
    )
    .unwrap();
    assert_eq!(same.revision, told.revision);
    resolve(&agent).await.unwrap();
    let uri = "https://wiki/x".to_owned();
    assert!(
        take!(agent, unlink_incident, UnlinkIncidentRequest { uri: uri })
            .unwrap()
            .links
            .is_empty()
    );
}
