//! Updating: what a mask may name, and what follows.

use mainstay_proto::mainstay::incident::v1 as pb;
use prost_types::FieldMask;
use tonic::Code;

use crate::bench::{Bench, fields, metadata, reason, titled};

async fn update(
    bench: &Bench,
    incident: pb::Incident,
    paths: &[&str],
) -> Result<pb::Incident, tonic::Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let update_mask = Some(FieldMask { paths });
    let request = pb::UpdateIncidentRequest {
        incident: Some(incident),
        update_mask,
        ..Default::default()
    };
    let reply = bench.agent().incidents().update_incident(request).await?;
    Ok(reply.into_inner().incident.unwrap())
}

#[tokio::test]
async fn an_update_changes_what_the_mask_names_and_the_priority_follows() {
    let bench = Bench::new().await;
    let before = bench
        .agent()
        .raise(pb::Incident {
            description: "long".to_owned(),
            ..titled("x")
        })
        .await;
    let said = pb::Incident {
        name: "INC-1".to_owned(),
        title: "not to be taken".to_owned(),
        impact: pb::Impact::Critical.into(),
        category: "network".to_owned(),
        ..Default::default()
    };
    let after = update(&bench, said.clone(), &["impact", "category", "description"])
        .await
        .unwrap();
    assert_eq!(
        (after.title.as_str(), after.description.as_str()),
        ("x", "")
    );
    assert_eq!(
        (after.priority(), after.revision),
        (pb::Priority::P1, before.revision + 1)
    );
    let again = update(&bench, said, &["impact", "category"]).await.unwrap();
    assert_eq!(
        again.revision, after.revision,
        "what changes nothing is not written"
    );
    assert_eq!(
        bench.agent().event_types().await,
        ["IncidentCreated", "IncidentUpdated"]
    );
}

#[tokio::test]
async fn a_mask_that_names_what_no_update_changes_is_told_what_does() {
    let bench = Bench::new().await;
    bench.agent().raise(titled("x")).await;
    let said = pb::Incident {
        name: "INC-1".to_owned(),
        ..Default::default()
    };
    let cases = [
        ("*", "must name the fields to change, not *"),
        ("nonsense", "it is no field of Incident"),
        ("priority", "it is output only"),
        ("state", "it changes by verbs"),
        ("team", "AssignIncident"),
        ("parent", "SetIncidentParent"),
        ("links", "LinkIncident"),
        ("milestones", "UpdateIncidentMilestones"),
        ("origin", "immutable"),
        ("labels.env", "as a whole"),
    ];
    for (path, remedy) in cases {
        let status = update(&bench, said.clone(), &[path]).await.unwrap_err();
        assert_eq!(fields(&status), ["update_mask"], "{path}");
        assert!(
            status.message().contains(remedy),
            "{path}: {}",
            status.message()
        );
    }
    let status = update(&bench, said, &[]).await.unwrap_err();
    assert_eq!(fields(&status), ["update_mask"]);
}

#[tokio::test]
async fn the_contracts_rules_hold_for_the_fields_of_the_mask_only() {
    let bench = Bench::new().await;
    bench.agent().raise(titled("x")).await;
    let said = pb::Incident {
        name: "INC-1".to_owned(),
        title: String::new(),
        category: "Not A Slug".to_owned(),
        ..Default::default()
    };
    assert!(update(&bench, said.clone(), &["description"]).await.is_ok());
    let status = update(&bench, said.clone(), &["title"]).await.unwrap_err();
    assert_eq!(fields(&status), ["incident.title"]);
    let status = update(&bench, said, &["category"]).await.unwrap_err();
    assert_eq!(fields(&status), ["incident.category"]);
    let status = update(&bench, titled("nameless"), &["title"])
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["incident.name"]);
}

#[tokio::test]
async fn a_stale_etag_is_refused_with_the_current_one() {
    let bench = Bench::new().await;
    bench.agent().raise(titled("x")).await;
    let said = |etag: &str, title: &str| pb::Incident {
        name: "INC-1".to_owned(),
        etag: etag.to_owned(),
        ..titled(title)
    };
    update(&bench, said("\"1\"", "y"), &["title"])
        .await
        .unwrap();
    let status = update(&bench, said("\"1\"", "z"), &["title"])
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Aborted, "ETAG_MISMATCH")
    );
    assert_eq!(metadata(&status, "currentEtag"), "\"2\"");
}
