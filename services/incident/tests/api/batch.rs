//! Raising and changing several incidents: all, or none.

use mainstay_proto::mainstay::incident::v1 as pb;
use tonic::{Code, Status};

use crate::bench::{Bench, Caller, fields, reason, titled};

async fn create(
    caller: &Caller,
    incidents: Vec<pb::Incident>,
) -> Result<Vec<pb::Incident>, Status> {
    let request = pb::BatchCreateIncidentsRequest {
        incidents,
        ..Default::default()
    };
    let reply = caller.incidents().batch_create_incidents(request).await?;
    Ok(reply.into_inner().incidents)
}

async fn retitle(
    caller: &Caller,
    titles: &[(&str, &str, &str)],
) -> Result<Vec<pb::Incident>, Status> {
    let one = |(name, etag, title): &(&str, &str, &str)| pb::UpdateIncidentRequest {
        incident: Some(pb::Incident {
            name: (*name).to_owned(),
            etag: (*etag).to_owned(),
            ..titled(title)
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["title".to_owned()],
        }),
        ..Default::default()
    };
    let request = pb::BatchUpdateIncidentsRequest {
        requests: titles.iter().map(one).collect(),
        ..Default::default()
    };
    let reply = caller.incidents().batch_update_incidents(request).await?;
    Ok(reply.into_inner().incidents)
}

#[tokio::test]
async fn several_are_raised_in_the_order_given() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let parent = agent.raise(titled("parent")).await;
    let child = pb::Incident {
        parent: parent.name.clone(),
        ..titled("child")
    };
    let made = create(&agent, vec![titled("a"), child, titled("b")])
        .await
        .unwrap();
    let told: Vec<_> = made
        .iter()
        .map(|one| (one.number.as_str(), one.title.as_str(), one.revision))
        .collect();
    assert_eq!(
        told,
        [("INC-2", "a", 1), ("INC-3", "child", 1), ("INC-4", "b", 1)]
    );
    assert_eq!(made[1].parent, parent.name);
    assert_eq!(agent.event_types().await, ["IncidentCreated"; 4]);
    bench.close().await;
}

#[tokio::test]
async fn one_that_cannot_be_raised_leaves_none() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let refused = create(&agent, vec![titled("a"), titled("")])
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["incidents[1].title"]);
    let known = pb::Incident {
        state: pb::IncidentState::Closed.into(),
        ..titled("b")
    };
    let refused = create(&agent, vec![titled("a"), known]).await.unwrap_err();
    assert_eq!(fields(&refused), ["incidents[1].state"]);
    let lost = pb::Incident {
        parent: "INC-77".to_owned(),
        ..titled("b")
    };
    let refused = create(&agent, vec![titled("a"), lost]).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let many = (0..51).map(|_| titled("x")).collect();
    assert_eq!(
        fields(&create(&agent, many).await.unwrap_err()),
        ["incidents"]
    );
    assert!(agent.events().await.is_empty());
    bench.close().await;
}

#[tokio::test]
async fn several_are_changed_or_none() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let made = create(&agent, vec![titled("a"), titled("b")])
        .await
        .unwrap();
    let changed = retitle(&agent, &[("INC-2", "", "B"), ("INC-1", &made[0].etag, "A")]).await;
    let titles: Vec<_> = changed.unwrap().into_iter().map(|one| one.title).collect();
    assert_eq!(titles, ["B", "A"]);
    let stale = retitle(&agent, &[("INC-2", "", "x"), ("INC-1", &made[0].etag, "y")]).await;
    assert_eq!(reason(&stale.unwrap_err()), "ETAG_MISMATCH");
    assert_eq!(agent.get("INC-2").await.title, "B");
    let twice = retitle(&agent, &[("INC-2", "", "x"), ("INC-2", "", "y")]).await;
    assert_eq!(fields(&twice.unwrap_err()), ["requests[1].incident.name"]);
    let same = retitle(&agent, &[("INC-1", "", "A"), ("INC-2", "", "C")])
        .await
        .unwrap();
    assert_eq!((same[0].revision, same[1].revision), (2, 3));
    bench.close().await;
}
