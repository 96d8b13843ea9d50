//! Correcting when something happened.

use mainstay_chassis::clock::timestamp;
use mainstay_proto::mainstay::incident::v1 as pb;
use prost_types::FieldMask;
use tonic::Status;

use crate::bench::{Bench, DAY_US, MINUTE_US, START_US, fields, titled};

async fn correct(
    bench: &Bench,
    milestones: pb::Milestones,
    paths: &[&str],
) -> Result<pb::Milestones, Status> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdateIncidentMilestonesRequest {
        name: "INC-1".to_owned(),
        milestones: Some(milestones),
        update_mask: Some(FieldMask { paths }),
        ..Default::default()
    };
    let reply = bench
        .agent()
        .incidents()
        .update_incident_milestones(request)
        .await?;
    Ok(reply.into_inner().incident.unwrap().milestones.unwrap())
}

/// An incident whose impact began a day before it was raised.
async fn hurting() -> Bench {
    let bench = Bench::new().await;
    bench.pass(DAY_US);
    bench.agent().raise(titled("x")).await;
    let start = pb::Milestones {
        impact_start_time: Some(timestamp(START_US)),
        ..Default::default()
    };
    correct(&bench, start, &["impact_start_time"])
        .await
        .unwrap();
    bench
}

#[tokio::test]
async fn milestones_are_set_and_cleared_with_audit() {
    let bench = hurting().await;
    let restored = Some(timestamp(START_US + MINUTE_US));
    let times = pb::Milestones {
        restore_time: restored,
        ..Default::default()
    };
    let told = correct(&bench, times, &["restore_time"]).await.unwrap();
    assert_eq!(
        (told.restore_time, told.impact_start_time),
        (restored, Some(timestamp(START_US)))
    );
    let told = correct(&bench, pb::Milestones::default(), &["restore_time"])
        .await
        .unwrap();
    assert_eq!(told.restore_time, None);
    let expected = ["IncidentMilestonesChanged"; 3];
    assert_eq!(bench.agent().event_types().await[1..], expected);
}

#[tokio::test]
async fn nothing_happens_before_users_are_hurt_or_in_the_future() {
    let bench = hurting().await;
    for odd in [START_US - 1, START_US + 2 * DAY_US] {
        let times = pb::Milestones {
            detect_time: Some(timestamp(odd)),
            ..Default::default()
        };
        let status = correct(&bench, times, &["detect_time"]).await.unwrap_err();
        assert_eq!(fields(&status), ["milestones.detect_time"]);
    }
}

#[tokio::test]
async fn what_only_verbs_set_is_not_corrected() {
    let bench = hurting().await;
    for path in ["resolve_time", "close_time"] {
        let status = correct(&bench, pb::Milestones::default(), &[path])
            .await
            .unwrap_err();
        assert!(
            status.message().contains("set by verbs only"),
            "{}",
            status.message()
        );
    }
    let status = correct(&bench, pb::Milestones::default(), &["nonsense"])
        .await
        .unwrap_err();
    assert_eq!(fields(&status), ["update_mask"]);
}
