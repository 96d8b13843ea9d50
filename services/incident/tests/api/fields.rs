//! Creating: what may be said, and how it is told back.

use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1 as record_pb;
use tonic::Code;

use crate::bench::{Bench, START_US, fields, metadata, reason, titled};
use mainstay_chassis::clock::timestamp;

fn create(incident: pb::Incident) -> pb::CreateIncidentRequest {
    pb::CreateIncidentRequest {
        incident: Some(incident),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_incident_is_told_back_with_full_names_and_a_computed_priority() {
    let bench = Bench::new().await;
    let told = bench
        .agent()
        .raise(pb::Incident {
            impact: pb::Impact::High.into(),
            urgency: pb::Urgency::High.into(),
            service: "payments".to_owned(),
            affected_services: vec!["services/checkout".to_owned()],
            team: "organizations/default/teams/net-ops".to_owned(),
            assignee: "users/ada".to_owned(),
            labels: [("env".to_owned(), "prod".to_owned())].into(),
            ..titled("Payments are slow")
        })
        .await;
    assert_eq!(told.number, "INC-1");
    assert_eq!(
        told.name,
        format!("organizations/default/incidents/{}", told.uid)
    );
    assert_eq!(told.priority(), pb::Priority::P1);
    assert_eq!(told.state(), pb::IncidentState::New);
    assert_eq!(told.service, "organizations/default/services/payments");
    assert_eq!(
        told.affected_services,
        ["organizations/default/services/checkout"]
    );
    assert_eq!(told.team, "organizations/default/teams/net-ops");
    assert_eq!(told.assignee, "organizations/default/users/ada");
    assert_eq!(
        told.creator.unwrap().name,
        "organizations/default/serviceAccounts/agent"
    );
    assert_eq!((told.revision, told.etag.as_str()), (1, "\"1\""));
    assert_eq!(told.create_time, Some(timestamp(START_US)));
    for name in ["INC-1", "incidents/INC-1", &told.name, &told.uid] {
        assert_eq!(bench.agent().get(name).await.name, told.name);
    }
}

#[tokio::test]
async fn nothing_said_means_medium() {
    let bench = Bench::new().await;
    let told = bench.agent().raise(titled("A question")).await;
    assert_eq!(
        (told.impact(), told.urgency()),
        (pb::Impact::Medium, pb::Urgency::Medium)
    );
    assert_eq!(told.priority(), pb::Priority::P3);
}

#[tokio::test]
async fn what_only_the_server_says_is_refused_by_name() {
    let bench = Bench::new().await;
    let said = pb::Incident {
        name: "incidents/x".to_owned(),
        state: pb::IncidentState::Closed.into(),
        reopen_count: 3,
        origin: Some(record_pb::Origin {
            source: "x".to_owned(),
            key: "1".to_owned(),
            imported: true,
            ..Default::default()
        }),
        milestones: Some(pb::Milestones {
            restore_time: Some(timestamp(START_US)),
            ..Default::default()
        }),
        ..titled("x")
    };
    let status = bench
        .agent()
        .incidents()
        .create_incident(create(said))
        .await
        .unwrap_err();
    let blamed = [
        "name",
        "state",
        "origin.imported",
        "reopen_count",
        "milestones",
    ];
    assert_eq!(
        fields(&status),
        blamed.map(|field| format!("incident.{field}"))
    );
}

#[tokio::test]
async fn a_reference_of_another_organization_or_shape_is_refused() {
    let bench = Bench::new().await;
    let foreign = pb::Incident {
        team: "organizations/acme/teams/a".to_owned(),
        ..titled("x")
    };
    let status = bench
        .agent()
        .incidents()
        .create_incident(create(foreign))
        .await
        .unwrap_err();
    assert_eq!(reason(&status), "PERMISSION_DENIED");
    let odd = pb::Incident {
        service: "Pay Ments".to_owned(),
        ..titled("x")
    };
    let status = bench
        .agent()
        .incidents()
        .create_incident(create(odd))
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["incident.service"]);
}

#[tokio::test]
async fn an_origin_is_unique_in_its_organization() {
    let bench = Bench::new().await;
    let origin = record_pb::Origin {
        source: "pager".to_owned(),
        key: "42".to_owned(),
        ..Default::default()
    };
    let said = pb::Incident {
        origin: Some(origin),
        ..titled("x")
    };
    let first = bench.agent().raise(said.clone()).await;
    let status = bench
        .agent()
        .incidents()
        .create_incident(create(said.clone()))
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::AlreadyExists, "RESOURCE_EXISTS")
    );
    assert_eq!(metadata(&status, "resource"), first.name);
    bench.stranger().raise(said).await;
}

#[tokio::test]
async fn a_repeat_with_the_same_request_id_gets_the_same_incident() {
    let bench = Bench::new().await;
    let origin = record_pb::Origin {
        source: "pager".to_owned(),
        key: "7".to_owned(),
        ..Default::default()
    };
    let request = pb::CreateIncidentRequest {
        request_id: "0190d3f2-0000-7000-8000-000000000001".to_owned(),
        ..create(pb::Incident {
            origin: Some(origin),
            ..titled("x")
        })
    };
    let first = bench
        .agent()
        .incidents()
        .create_incident(request.clone())
        .await
        .unwrap();
    let second = bench
        .agent()
        .incidents()
        .create_incident(request.clone())
        .await
        .unwrap();
    assert_eq!(
        second.metadata().get("idempotent-replayed").unwrap(),
        "true"
    );
    assert_eq!(first.into_inner(), second.into_inner());
    let other = pb::CreateIncidentRequest {
        incident: Some(titled("y")),
        ..request
    };
    let status = bench
        .agent()
        .incidents()
        .create_incident(other)
        .await
        .unwrap_err();
    assert_eq!(reason(&status), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn validate_only_checks_and_writes_nothing() {
    let bench = Bench::new().await;
    let request = pb::CreateIncidentRequest {
        validate_only: true,
        ..create(titled("x"))
    };
    let reply = bench
        .agent()
        .incidents()
        .create_incident(request)
        .await
        .unwrap()
        .into_inner();
    let told = reply.incident.unwrap();
    assert_eq!(
        (
            told.name.as_str(),
            told.number.as_str(),
            reply.cursor.as_str()
        ),
        ("", "", "")
    );
    assert_eq!(told.priority(), pb::Priority::P3);
    assert!(bench.agent().events().await.is_empty());
}

#[tokio::test]
async fn an_earlier_incident_and_a_parent_are_found_by_number() {
    let bench = Bench::new().await;
    let first = bench.agent().raise(titled("first")).await;
    let child = pb::Incident {
        parent: "INC-1".to_owned(),
        recurrence_of: first.uid.clone(),
        ..titled("again")
    };
    let child = bench.agent().raise(child).await;
    assert_eq!(
        (&child.parent, &child.recurrence_of),
        (&first.name, &first.name)
    );
    let grandchild = pb::Incident {
        parent: "INC-2".to_owned(),
        ..titled("deeper")
    };
    let status = bench
        .agent()
        .incidents()
        .create_incident(create(grandchild))
        .await
        .unwrap_err();
    assert_eq!(reason(&status), "PARENT_NOT_ALLOWED");
    let lost = pb::Incident {
        parent: "INC-9".to_owned(),
        ..titled("lost")
    };
    let status = bench
        .agent()
        .incidents()
        .create_incident(create(lost))
        .await
        .unwrap_err();
    assert_eq!(reason(&status), "RESOURCE_NOT_FOUND");
}
