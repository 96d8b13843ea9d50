//! What incidents do on hearing of comments and of the major incident that
//! they are part of.

use mainstay_proto::mainstay::event::v1 as ev;
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::incident::v1 as pb;

use crate::bench::{Bench, Caller, MINUTE_US, titled};

/// The first event of a type about a record, when it comes.
pub(crate) async fn heard(caller: &Caller, kind: &str, subject: &str) -> ev::Event {
    let request = ev::ListEventsRequest {
        filter: Some(ev::EventFilter {
            types: vec![format!("mainstay.incident.v1.{kind}")],
            subjects: vec![subject.to_owned()],
        }),
        wait: Some(prost_types::Duration {
            seconds: 30,
            nanos: 0,
        }),
        ..Default::default()
    };
    let page = EventServiceClient::new(caller.clone())
        .list_events(request)
        .await;
    page.unwrap().into_inner().events[0].decode().unwrap()
}

async fn comment(caller: &Caller, name: &str, audience: pb::CommentAudience) -> String {
    let request = pb::CreateIncidentCommentRequest {
        parent: name.to_owned(),
        comment: Some(pb::IncidentComment {
            audience: audience.into(),
            body: "It works again.".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let reply = caller.comments().create_incident_comment(request).await;
    reply.unwrap().into_inner().comment.unwrap().name
}

async fn hold(caller: &Caller, name: &str, reason: pb::HoldReason) {
    let request = pb::HoldIncidentRequest {
        name: name.to_owned(),
        reason: reason.into(),
        ..Default::default()
    };
    caller.incidents().hold_incident(request).await.unwrap();
}

fn asked_by(requester: &str) -> pb::Incident {
    pb::Incident {
        requester: requester.to_owned(),
        ..titled("x")
    }
}

#[tokio::test]
async fn the_requesters_answer_ends_the_wait_for_it() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let kim = bench.caller("kim", "default", ["incident.comment".to_owned()]);
    let waits = agent.raise(asked_by("kim")).await.name;
    let waits_for_parts = agent.raise(asked_by("kim")).await.name;
    hold(&agent, &waits, pb::HoldReason::Requester).await;
    hold(&agent, &waits_for_parts, pb::HoldReason::Parts).await;
    comment(&kim, &waits_for_parts, pb::CommentAudience::Public).await;
    let said = comment(&kim, &waits, pb::CommentAudience::Public).await;
    let cause = heard(&agent, "IncidentCommentCreated", &said).await.id;
    let request = ev::ListEventsRequest {
        filter: Some(ev::EventFilter {
            subjects: vec![waits.clone()],
            types: vec!["mainstay.incident.v1.IncidentStateChanged".to_owned()],
        }),
        ..Default::default()
    };
    let mut client = EventServiceClient::new(agent.clone());
    let page = client
        .list_events(request.clone())
        .await
        .unwrap()
        .into_inner();
    let on = ev::ListEventsRequest {
        start: (page.events.len() == 1).then(|| ev::Start {
            at: Some(ev::start::At::Cursor(page.next_cursor.clone())),
        }),
        wait: Some(prost_types::Duration {
            seconds: 30,
            nanos: 0,
        }),
        ..request
    };
    let page = client.list_events(on).await.unwrap().into_inner();
    let resumed = page.events.last().unwrap().decode().unwrap();
    assert_eq!(resumed.cause, cause);
    assert_eq!(
        (resumed.hops, resumed.rules),
        (1, vec!["incident/reactions".to_owned()])
    );
    assert_eq!(
        agent.get(&waits).await.state(),
        pb::IncidentState::InProgress
    );
    let other = agent.get(&waits_for_parts).await;
    assert_eq!(other.state(), pb::IncidentState::OnHold);
    bench.close().await;
}

#[tokio::test]
async fn the_first_public_comment_of_somebody_else_is_the_first_response() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let kim = bench.caller("kim", "default", ["incident.comment".to_owned()]);
    let name = agent.raise(asked_by("kim")).await.name;
    comment(&kim, &name, pb::CommentAudience::Public).await;
    comment(&agent, &name, pb::CommentAudience::Internal).await;
    bench.pass(MINUTE_US);
    let said = comment(&agent, &name, pb::CommentAudience::Public).await;
    let answer = heard(&agent, "IncidentCommentCreated", &said).await;
    let told = heard(&agent, "IncidentMilestonesChanged", &name).await;
    assert_eq!(told.cause, answer.id);
    let milestones = agent.get(&name).await.milestones.unwrap();
    assert_eq!(milestones.first_response_time, answer.occur_time);
    bench.close().await;
}

#[tokio::test]
async fn children_of_a_major_incident_hear_of_its_bridge_and_are_resolved_with_it() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let parent = agent.raise(titled("All is down")).await;
    let child = agent
        .raise(pb::Incident {
            parent: parent.name.clone(),
            ..titled("Mail is down")
        })
        .await;
    let cancelled = agent
        .raise(pb::Incident {
            parent: parent.name.clone(),
            ..titled("A test")
        })
        .await;
    let request = pb::CancelIncidentRequest {
        name: cancelled.name.clone(),
        reason: "A test.".to_owned(),
        ..Default::default()
    };
    agent.incidents().cancel_incident(request).await.unwrap();
    let request = pb::DeclareMajorIncidentRequest {
        name: parent.name.clone(),
        reason: "Nobody can work.".to_owned(),
        bridge_uri: "https://meet.example.org/7".to_owned(),
        ..Default::default()
    };
    agent
        .incidents()
        .declare_major_incident(request)
        .await
        .unwrap();
    heard(&agent, "IncidentLinked", &child.name).await;
    let link = agent.get(&child.name).await.links.remove(0);
    assert_eq!(link.uri, "https://meet.example.org/7");
    assert_eq!(link.title, "Bridge of INC-1");
    let request = pb::ResolveIncidentRequest {
        name: parent.name.clone(),
        resolution: Some(pb::Resolution {
            code: pb::ResolutionCode::Fixed.into(),
            summary: "The switch is back.".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    agent.incidents().resolve_incident(request).await.unwrap();
    let told = heard(&agent, "IncidentStateChanged", &child.name).await;
    let cause = heard(&agent, "IncidentStateChanged", &parent.name).await;
    assert_eq!(told.cause, cause.id);
    let child = agent.get(&child.name).await;
    assert_eq!(child.state(), pb::IncidentState::Resolved);
    assert_eq!(
        child.resolution.unwrap().summary,
        "Resolved with INC-1: The switch is back."
    );
    let cancelled = agent.get(&cancelled.name).await;
    assert_eq!(cancelled.state(), pb::IncidentState::Cancelled);
    bench.close().await;
}
