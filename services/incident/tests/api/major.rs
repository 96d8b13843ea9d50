//! Major incidents: proposed, declared, led, stood down.

use mainstay_chassis::clock::timestamp;
use mainstay_proto::mainstay::incident::v1 as pb;
use pb::{MajorIncidentState as Stands, ResponseRole as Role};
use prost::Message;
use tonic::{Code, Status};

use crate::bench::{Bench, Caller, MINUTE_US, START_US, metadata, reason, titled};

const NAME: &str = "INC-1";

/// An incident that hurts the business and three services.
fn wide() -> pb::Incident {
    pb::Incident {
        impact: pb::Impact::Critical.into(),
        urgency: pb::Urgency::High.into(),
        service: "payments".to_owned(),
        affected_services: vec!["shop".to_owned(), "mail".to_owned()],
        ..titled("Nobody can pay")
    }
}

fn major(incident: &pb::Incident) -> pb::MajorIncident {
    incident.major.clone().unwrap_or_default()
}

async fn declare(caller: &Caller, bridge_uri: &str) -> Result<pb::Incident, Status> {
    let request = pb::DeclareMajorIncidentRequest {
        name: NAME.to_owned(),
        reason: "Nobody can pay.".to_owned(),
        bridge_uri: bridge_uri.to_owned(),
        commander: "users/ada".to_owned(),
        ..Default::default()
    };
    let reply = caller.incidents().declare_major_incident(request).await?;
    Ok(reply.into_inner().incident.unwrap())
}

async fn stand_down(caller: &Caller) -> Result<pb::Incident, Status> {
    let request = pb::StandDownMajorIncidentRequest {
        name: NAME.to_owned(),
        reason: "It is over.".to_owned(),
        ..Default::default()
    };
    let reply = caller
        .incidents()
        .stand_down_major_incident(request)
        .await?;
    Ok(reply.into_inner().incident.unwrap())
}

async fn dismiss(caller: &Caller) -> Result<pb::Incident, Status> {
    let request = pb::DismissMajorIncidentRequest {
        name: NAME.to_owned(),
        reason: "A drill.".to_owned(),
        ..Default::default()
    };
    let reply = caller.incidents().dismiss_major_incident(request).await?;
    Ok(reply.into_inner().incident.unwrap())
}

async fn give(caller: &Caller, role: Role, assignee: &str) -> Result<pb::Incident, Status> {
    let request = pb::AssignIncidentRoleRequest {
        name: NAME.to_owned(),
        role: role.into(),
        assignee: assignee.to_owned(),
        ..Default::default()
    };
    let reply = caller.incidents().assign_incident_role(request).await?;
    Ok(reply.into_inner().incident.unwrap())
}

#[tokio::test]
async fn what_comes_first_and_hurts_widely_is_proposed_when_it_is_raised() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let raised = agent.raise(wide()).await;
    let proposed = major(&raised);
    assert_eq!(proposed.state(), Stands::Proposed);
    assert_eq!(proposed.reason, "P1, and three services or more are hurt");
    assert_eq!(proposed.propose_time, Some(timestamp(START_US)));
    assert_eq!(raised.revision, 2);
    assert_eq!(
        agent.event_types().await,
        ["IncidentCreated", "MajorIncidentProposed"]
    );
    let events = agent.events().await;
    let told = pb::MajorIncidentProposed::decode(events[1].data.clone().unwrap().value.as_slice())
        .unwrap();
    assert_eq!(told.rule, "wide");
    bench.close().await;
}

#[tokio::test]
async fn what_becomes_wide_is_proposed_then_and_only_once() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("Slow")).await;
    let update = |incident: pb::Incident, paths: &[&str]| pb::UpdateIncidentRequest {
        incident: Some(pb::Incident {
            name: NAME.to_owned(),
            ..incident
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
        ..Default::default()
    };
    let all = ["impact", "urgency", "service", "affected_services"];
    agent
        .incidents()
        .update_incident(update(wide(), &all))
        .await
        .unwrap();
    assert_eq!(major(&agent.get(NAME).await).state(), Stands::Proposed);
    let dismissed = dismiss(&agent).await.unwrap();
    assert_eq!(major(&dismissed).state(), Stands::Dismissed);
    let wider = pb::Incident {
        affected_services: vec!["a".to_owned(), "b".to_owned(), "c".to_owned()],
        ..wide()
    };
    agent
        .incidents()
        .update_incident(update(wider, &["affected_services"]))
        .await
        .unwrap();
    assert_eq!(major(&agent.get(NAME).await).state(), Stands::Dismissed);
    assert_eq!(
        agent.event_types().await,
        [
            "IncidentCreated",
            "IncidentUpdated",
            "MajorIncidentProposed",
            "MajorIncidentDismissed",
            "IncidentUpdated"
        ]
    );
    bench.close().await;
}

#[tokio::test]
async fn a_major_incident_is_declared_led_and_stood_down() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(wide()).await;
    bench.pass(MINUTE_US);
    let declared = declare(&agent, "https://meet.example.org/7").await.unwrap();
    let told = major(&declared);
    assert_eq!(told.state(), Stands::Declared);
    assert_eq!(told.propose_time, Some(timestamp(START_US)));
    assert_eq!(told.declare_time, Some(timestamp(START_US + MINUTE_US)));
    assert_eq!(told.bridge_uri, "https://meet.example.org/7");
    let ada = "organizations/default/users/ada";
    assert_eq!(told.roles.unwrap_or_default().commander, ada);
    let given = give(&agent, Role::Commander, "grace").await.unwrap();
    let roles = major(&given).roles.unwrap_or_default();
    assert_eq!(roles.commander, "organizations/default/users/grace");
    let again = give(&agent, Role::Commander, "users/grace").await.unwrap();
    assert_eq!(again.revision, given.revision);
    let events = agent.events().await;
    let told = pb::IncidentRoleAssigned::decode(
        events
            .last()
            .unwrap()
            .data
            .clone()
            .unwrap()
            .value
            .as_slice(),
    )
    .unwrap();
    assert_eq!(
        (told.role(), told.previous_assignee.as_str()),
        (Role::Commander, ada)
    );
    let over = stand_down(&agent).await.unwrap();
    let told = major(&over);
    assert_eq!(told.state(), Stands::StoodDown);
    assert_eq!(told.reason, "It is over.");
    assert_eq!(told.stand_down_time, Some(timestamp(START_US + MINUTE_US)));
    let back = declare(&agent, "").await.unwrap();
    assert_eq!(major(&back).stand_down_time, None);
    assert_eq!(major(&back).bridge_uri, "https://meet.example.org/7");
    bench.close().await;
}

#[tokio::test]
async fn a_second_declaration_may_only_name_another_bridge() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("x")).await;
    let first = declare(&agent, "https://meet.example.org/7").await.unwrap();
    let same = declare(&agent, "https://meet.example.org/7").await.unwrap();
    assert_eq!(same.revision, first.revision);
    let moved = declare(&agent, "https://meet.example.org/8").await.unwrap();
    assert_eq!(major(&moved).bridge_uri, "https://meet.example.org/8");
    assert_eq!(
        agent.event_types().await,
        [
            "IncidentCreated",
            "MajorIncidentDeclared",
            "IncidentUpdated"
        ]
    );
    bench.close().await;
}

#[tokio::test]
async fn a_verb_that_its_standing_does_not_allow_is_refused_with_how_it_stands() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let plain = agent.raise(titled("x")).await;
    for verb in ["stand_down", "dismiss_major", "assign_role"] {
        assert!(!plain.available_verbs.contains(&verb.to_owned()));
    }
    assert!(plain.available_verbs.contains(&"declare_major".to_owned()));
    for refused in [
        stand_down(&agent).await,
        dismiss(&agent).await,
        give(&agent, Role::Scribe, "ada").await,
    ] {
        let status = refused.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(reason(&status), "MAJOR_NOT_ALLOWED");
        assert_eq!(metadata(&status, "major"), "NONE");
    }
    bench.close().await;
}

#[tokio::test]
async fn what_is_part_of_another_is_no_major_incident() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let child = agent.raise(wide()).await;
    let parent = agent.raise(titled("The whole")).await;
    let set = |name: &str, parent: &str| pb::SetIncidentParentRequest {
        name: name.to_owned(),
        parent: parent.to_owned(),
        ..Default::default()
    };
    let joined = agent
        .incidents()
        .set_incident_parent(set(&child.name, &parent.name))
        .await
        .unwrap();
    let joined = joined.into_inner().incident.unwrap();
    assert_eq!(major(&joined).state(), Stands::Dismissed);
    let refused = declare(&agent, "").await.unwrap_err();
    assert_eq!(reason(&refused), "MAJOR_NOT_ALLOWED");
    agent
        .incidents()
        .set_incident_parent(set(&child.name, ""))
        .await
        .unwrap();
    declare(&agent, "").await.unwrap();
    let refused = agent
        .incidents()
        .set_incident_parent(set(&child.name, &parent.name))
        .await
        .unwrap_err();
    assert_eq!(reason(&refused), "PARENT_NOT_ALLOWED");
    bench.close().await;
}

#[tokio::test]
async fn lists_find_incidents_by_how_they_stand() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("one")).await;
    agent.raise(wide()).await;
    agent.raise(titled("three")).await;
    declare(&agent, "").await.unwrap();
    assert_eq!(
        agent.list("major == DECLARED", "create_time", 50).await,
        ["INC-1"]
    );
    assert_eq!(
        agent.list("major == PROPOSED", "create_time", 50).await,
        ["INC-2"]
    );
    let both = agent
        .list(
            "major in [PROPOSED, DECLARED] && priority == P1",
            "create_time",
            50,
        )
        .await;
    assert_eq!(both, ["INC-2"]);
    bench.close().await;
}

#[tokio::test]
async fn declaring_asks_for_a_permission_of_its_own() {
    let bench = Bench::new().await;
    bench.agent().raise(titled("x")).await;
    let refused = declare(&bench.viewer(), "").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(metadata(&refused, "permission"), "incident.declare_major");
    bench.close().await;
}
