//! Streams and pages that begin with the records as they are.

use ev::watch_events_response::Content;
use futures::StreamExt;
use mainstay_proto::mainstay::event::v1 as ev;
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::incident::v1 as pb;
use prost::Message;

use crate::bench::{Bench, Caller, titled};

const RECORD: &str = "mainstay.incident.v1.Incident";

fn snapshot() -> Option<ev::Start> {
    let point = ev::start::At::Point(ev::StartPoint::Snapshot.into());
    Some(ev::Start { at: Some(point) })
}

fn after(cursor: &str) -> Option<ev::Start> {
    let at = Some(ev::start::At::Cursor(cursor.to_owned()));
    Some(ev::Start { at })
}

async fn acknowledge(caller: &Caller, name: &str) {
    let request = pb::AcknowledgeIncidentRequest {
        name: name.to_owned(),
        ..Default::default()
    };
    caller
        .incidents()
        .acknowledge_incident(request)
        .await
        .unwrap();
}

/// Subject and revision of an event.
fn told(event: &ev::Event) -> (String, i64) {
    (event.subject.clone(), event.subject_revision)
}

#[tokio::test]
async fn a_stream_tells_the_records_then_a_bookmark_then_what_happens() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let first = agent.raise(titled("one")).await;
    let second = agent.raise(titled("two")).await;
    acknowledge(&agent, &first.name).await;
    let request = ev::WatchEventsRequest {
        start: snapshot(),
        ..Default::default()
    };
    let mut stream = EventServiceClient::new(agent.clone())
        .watch_events(request)
        .await
        .unwrap()
        .into_inner();
    let mut records = Vec::new();
    loop {
        let response = stream.next().await.unwrap().unwrap();
        match response.content {
            Some(Content::Events(batch)) => {
                records.extend(batch.events.iter().map(|one| one.decode().unwrap()));
            }
            Some(Content::Bookmark(_)) => break,
            Some(Content::Drain(_)) => panic!("drained"),
            None => {}
        }
    }
    let expected = [(second.name.clone(), 1), (first.name.clone(), 2)];
    assert_eq!(records.iter().map(told).collect::<Vec<_>>(), expected);
    for record in &records {
        assert_eq!((record.r#type.as_str(), record.id.as_str()), (RECORD, ""));
        let data = record.data.clone().unwrap();
        assert_eq!(data.type_url, format!("type.googleapis.com/{RECORD}"));
        let incident = pb::Incident::decode(data.value.as_slice()).unwrap();
        let now = agent.get(&record.subject).await;
        assert_eq!(
            (incident.etag, incident.milestones),
            (now.etag, now.milestones)
        );
    }
    acknowledge(&agent, &second.name).await;
    let response = stream.next().await.unwrap().unwrap();
    let Some(Content::Events(batch)) = response.content else {
        panic!("{response:?}");
    };
    let live = batch.events[0].decode().unwrap();
    assert_eq!(told(&live), (second.name.clone(), 2));
    drop(stream);
    bench.close().await;
}

#[tokio::test]
async fn pages_tell_each_record_once_while_others_change() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let mut names = Vec::new();
    for _ in 0..7 {
        names.push(agent.raise(titled("x")).await.name);
    }
    let mut client = EventServiceClient::new(agent.clone());
    let mut start = snapshot();
    let (mut records, mut events) = (Vec::new(), Vec::new());
    for turn in 0..20 {
        let request = ev::ListEventsRequest {
            start: start.clone(),
            page_size: 2,
            ..Default::default()
        };
        let page = client.list_events(request).await.unwrap().into_inner();
        for event in page.events.iter().map(|one| one.decode().unwrap()) {
            match event.r#type == RECORD {
                true => records.push(told(&event)),
                false => events.push(told(&event)),
            }
        }
        start = after(&page.next_cursor);
        if let Some(name) = names.get(turn) {
            acknowledge(&agent, name).await;
        }
    }
    let expect = |revision| {
        names
            .iter()
            .map(|name| (name.clone(), revision))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        records,
        expect(1),
        "as they were when the first page was asked for"
    );
    assert_eq!(events, expect(2), "and all that has happened since");
    bench.close().await;
}

#[tokio::test]
async fn records_are_told_to_those_who_may_see_them_and_ask_for_them() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let incident = agent.raise(titled("x")).await;
    let comment = pb::CreateIncidentCommentRequest {
        parent: incident.name.clone(),
        comment: Some(pb::IncidentComment {
            audience: pb::CommentAudience::Internal.into(),
            body: "among us".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    agent
        .comments()
        .create_incident_comment(comment)
        .await
        .unwrap();
    let seen = async |caller: &Caller, types: &[&str], subjects: &[&str]| {
        let owned = |list: &[&str]| list.iter().map(|one| (*one).to_owned()).collect();
        let request = ev::ListEventsRequest {
            start: snapshot(),
            filter: Some(ev::EventFilter {
                types: owned(types),
                subjects: owned(subjects),
            }),
            ..Default::default()
        };
        let page = EventServiceClient::new(caller.clone())
            .list_events(request)
            .await;
        page.unwrap().into_inner().events.len()
    };
    assert_eq!(seen(&agent, &[], &[]).await, 2);
    assert_eq!(seen(&bench.viewer(), &[], &[]).await, 1);
    assert_eq!(seen(&bench.stranger(), &[], &[]).await, 0);
    assert_eq!(
        seen(&agent, &["mainstay.incident.v1.IncidentLinked"], &[]).await,
        2
    );
    assert_eq!(seen(&agent, &["mainstay.problem.v1.*"], &[]).await, 0);
    assert_eq!(seen(&agent, &[], &[&incident.name]).await, 1);
    bench.close().await;
}
