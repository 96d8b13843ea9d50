//! Who sees what, and what was: rights, organizations, the past, and what the
//! practice says of itself.

use mainstay_chassis::clock::timestamp;
use mainstay_proto::mainstay::incident::v1 as pb;

use crate::bench::{Bench, MINUTE_US, START_US, metadata, reason, titled};

const NAME: &str = "INC-1";

#[tokio::test]
async fn available_verbs_are_those_that_the_caller_may_take() {
    let bench = Bench::new().await;
    bench.agent().raise(titled("x")).await;
    assert!(bench.viewer().get(NAME).await.available_verbs.is_empty());
    let rights = ["incident.read", "incident.start", "incident.close"].map(str::to_owned);
    let starter = bench.caller("starter", "default", rights);
    assert_eq!(starter.get(NAME).await.available_verbs, ["start"]);
    let start = pb::StartIncidentRequest {
        name: NAME.to_owned(),
        ..Default::default()
    };
    let status = bench
        .viewer()
        .incidents()
        .start_incident(start)
        .await
        .unwrap_err();
    assert_eq!(metadata(&status, "permission"), "incident.start");
}

#[tokio::test]
async fn another_organization_sees_nothing_and_touches_nothing() {
    let bench = Bench::new().await;
    let told = bench.agent().raise(titled("x")).await;
    let stranger = bench.stranger();
    for (name, expected) in [
        (told.name.as_str(), "PERMISSION_DENIED"),
        (&told.uid, "RESOURCE_NOT_FOUND"),
        (NAME, "RESOURCE_NOT_FOUND"),
    ] {
        let request = pb::StartIncidentRequest {
            name: name.to_owned(),
            ..Default::default()
        };
        let status = stranger
            .incidents()
            .start_incident(request)
            .await
            .unwrap_err();
        assert_eq!(reason(&status), expected, "{name}");
    }
    assert!(stranger.events().await.is_empty());
    assert_eq!(stranger.raise(titled("y")).await.number, "INC-1");
}

#[tokio::test]
async fn what_was_can_be_read_by_time_and_by_cursor() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let request = pb::CreateIncidentRequest {
        incident: Some(titled("x")),
        ..Default::default()
    };
    let created = agent
        .incidents()
        .create_incident(request)
        .await
        .unwrap()
        .into_inner();
    bench.pass(MINUTE_US);
    let start = pb::StartIncidentRequest {
        name: NAME.to_owned(),
        ..Default::default()
    };
    agent.incidents().start_incident(start).await.unwrap();
    let read = async |at: pb::as_of::At| {
        let request = pb::GetIncidentRequest {
            name: NAME.to_owned(),
            as_of: Some(pb::AsOf { at: Some(at) }),
        };
        agent
            .incidents()
            .get_incident(request)
            .await
            .map(|reply| reply.into_inner().incident.unwrap())
    };
    let then = read(pb::as_of::At::Time(timestamp(START_US + MINUTE_US - 1)))
        .await
        .unwrap();
    assert_eq!((then.state(), then.revision), (pb::IncidentState::New, 1));
    let later = read(pb::as_of::At::Time(timestamp(START_US + MINUTE_US)))
        .await
        .unwrap();
    assert_eq!(later.state(), pb::IncidentState::InProgress);
    assert_eq!(
        read(pb::as_of::At::Cursor(created.cursor)).await.unwrap(),
        then
    );
    let status = read(pb::as_of::At::Time(timestamp(START_US - 1)))
        .await
        .unwrap_err();
    assert_eq!(reason(&status), "RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn the_practice_describes_itself_from_what_enforces_it() {
    use mainstay_proto::mainstay::practice::v1::GetPracticeRequest;
    let bench = Bench::new().await;
    let request = GetPracticeRequest {
        name: "incident".to_owned(),
    };
    let told = bench
        .viewer()
        .practices()
        .get_practice(request)
        .await
        .unwrap()
        .into_inner()
        .practice
        .unwrap();
    let workflow = told.workflows.first().unwrap();
    assert_eq!(
        (workflow.record.as_str(), workflow.states.len()),
        ("incident", 7)
    );
    for transition in &workflow.transitions {
        let asked = told
            .rpcs
            .iter()
            .any(|rpc| rpc.permission == transition.permission);
        assert!(asked, "no RPC asks for {}", transition.permission);
    }
    let resolve = workflow
        .transitions
        .iter()
        .find(|step| step.verb == "resolve")
        .unwrap();
    assert_eq!((resolve.to.as_str(), resolve.from.len()), ("RESOLVED", 4));
    assert!(
        told.emitted_events
            .iter()
            .any(|event| event.r#type == "mainstay.incident.v1.IncidentAssigned")
    );
    bench.close().await;
}
