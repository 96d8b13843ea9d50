//! Merging two incidents about the same.

use mainstay_proto::mainstay::incident::v1 as pb;
use prost::Message;
use tonic::Status;

use crate::bench::{Bench, Caller, metadata, reason, titled};

async fn merge(
    caller: &Caller,
    name: &str,
    into: &str,
) -> Result<pb::MergeIncidentResponse, Status> {
    let request = pb::MergeIncidentRequest {
        name: name.to_owned(),
        into: into.to_owned(),
        ..Default::default()
    };
    let reply = caller.incidents().merge_incident(request).await?;
    Ok(reply.into_inner())
}

#[tokio::test]
async fn the_merged_one_is_closed_and_the_other_goes_on_and_both_tell() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    // Whichever id is smaller: records are locked in the order of their ids.
    for (name, into) in [("INC-1", "INC-2"), ("INC-4", "INC-3")] {
        agent.raise(titled("x")).await;
        agent.raise(titled("y")).await;
        let merged = merge(&agent, name, into).await.unwrap();
        let (gone, kept) = (merged.incident.unwrap(), merged.into.unwrap());
        assert_eq!((gone.number.as_str(), kept.number.as_str()), (name, into));
        assert_eq!(gone.state(), pb::IncidentState::Closed);
        assert_eq!(gone.merged_into, kept.name);
        let resolution = gone.resolution.clone().unwrap();
        assert_eq!(resolution.code(), pb::ResolutionCode::Duplicate);
        assert_eq!(resolution.summary, format!("Merged into {into}."));
        assert_eq!((kept.state(), kept.revision), (pb::IncidentState::New, 2));
        let events = agent.events().await;
        let told: Vec<_> = events[events.len() - 2..]
            .iter()
            .map(|event| {
                assert!(event.r#type.ends_with(".IncidentMerged"));
                let data = event.data.clone().unwrap_or_default();
                pb::IncidentMerged::decode(data.value.as_slice()).unwrap()
            })
            .collect();
        let of = |name: &str| {
            told.iter()
                .find(|one| one.incident.as_ref().is_some_and(|it| it.name == name))
                .unwrap()
        };
        assert_eq!(of(&gone.name).into, kept.name);
        assert_eq!(of(&gone.name).previous_state(), pb::IncidentState::New);
        assert_eq!(of(&kept.name).merged, gone.name);
        assert_eq!(agent.get(&gone.name).await.merged_into, kept.name);
    }
    bench.close().await;
}

#[tokio::test]
async fn reopening_a_merged_one_takes_the_merge_back() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("x")).await;
    agent.raise(titled("y")).await;
    merge(&agent, "INC-1", "INC-2").await.unwrap();
    let request = pb::ReopenIncidentRequest {
        name: "INC-1".to_owned(),
        reason: "It is another one after all.".to_owned(),
        ..Default::default()
    };
    let reply = agent.incidents().reopen_incident(request).await.unwrap();
    assert_eq!(reply.into_inner().incident.unwrap().merged_into, "");
    bench.close().await;
}

#[tokio::test]
async fn what_cannot_be_merged_is_refused_and_nothing_is_written() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let parent = agent.raise(titled("parent")).await;
    let child = pb::Incident {
        parent: parent.name.clone(),
        ..titled("child")
    };
    let child = agent.raise(child).await;
    let other = agent.raise(titled("other")).await;
    let before = agent.events().await.len();
    for (name, into, message) in [
        (
            &parent.name,
            &parent.name,
            "the incident cannot be merged into itself",
        ),
        (
            &parent.name,
            &other.name,
            "the incident has children: give them another parent first",
        ),
    ] {
        let refused = merge(&agent, name, into).await.unwrap_err();
        assert_eq!(reason(&refused), "MERGE_NOT_ALLOWED");
        assert_eq!(refused.message(), message);
        assert_eq!(&metadata(&refused, "into"), into);
    }
    assert_eq!(agent.events().await.len(), before);
    merge(&agent, &child.name, &other.name).await.unwrap();
    let refused = merge(&agent, &child.name, &other.name).await.unwrap_err();
    assert_eq!(reason(&refused), "VERB_NOT_ALLOWED");
    let refused = merge(&agent, &other.name, &child.name).await.unwrap_err();
    assert_eq!(reason(&refused), "MERGE_NOT_ALLOWED");
    bench.close().await;
}
