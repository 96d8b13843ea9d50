//! Reasons that come of what a caller does to incidents.

use anyhow::{Context, Result};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1::Origin;
use mainstay_tests::Told;
use prost_types::Timestamp;
use tonic::Code;

use super::{Met, World, raised, refused};

const A_UUID: &str = "0198c2d4-5e6f-7a8b-9c0d-1e2f3a4b5c6d";

pub(crate) async fn all(world: &World) -> Result<Vec<Met>> {
    Ok(vec![
        (rule_broken(world).await?, &[]),
        (request_id_reused(world).await?, &["requestId"]),
        (etag_stale(world).await?, &["resource", "currentEtag"]),
        (
            verb_closed(world).await?,
            &["resource", "state", "verb", "openVerbs"],
        ),
        (window_passed(world).await?, &["resource", "windowEnd"]),
        (its_own_parent(world).await?, &["resource", "parent"]),
        (none_declared(world).await?, &["resource", "verb", "major"]),
        (merged_into_itself(world).await?, &["resource", "into"]),
        (nowhere(world).await?, &["resource"]),
        (there_already(world).await?, &["resource"]),
        (policy_makes_no_sense(world).await?, &["resource"]),
        (
            policy_refuses(world).await?,
            &["resource", "verb", "rule", "policyVersion"],
        ),
        (import(world, "touched", touch).await?, &[]),
        (import(world, "conflict", leave).await?, &[]),
    ])
}

async fn rule_broken(world: &World) -> Result<Told> {
    let told = refused(world.incidents().create_incident(raised("")).await)?;
    assert_eq!(
        told.violations,
        [("incident.title".to_owned(), "must not be empty".to_owned())]
    );
    Ok(told)
}

async fn request_id_reused(world: &World) -> Result<Told> {
    let with_id = |title| pb::CreateIncidentRequest {
        request_id: A_UUID.to_owned(),
        ..raised(title)
    };
    world.incidents().create_incident(with_id("one")).await?;
    refused(world.incidents().create_incident(with_id("another")).await)
}

async fn etag_stale(world: &World) -> Result<Told> {
    let incident = world.incident().await?;
    let start = || pb::StartIncidentRequest {
        name: incident.name.clone(),
        etag: incident.etag.clone(),
        ..Default::default()
    };
    world.incidents().start_incident(start()).await?;
    refused(world.incidents().start_incident(start()).await)
}

async fn verb_closed(world: &World) -> Result<Told> {
    let name = world.incident().await?.name;
    let resume = pb::ResumeIncidentRequest {
        name,
        ..Default::default()
    };
    refused(world.incidents().resume_incident(resume).await)
}

async fn window_passed(world: &World) -> Result<Told> {
    let imported = world
        .incidents()
        .import_incidents(history("long ago", "x", 2))
        .await?;
    let name = imported.into_inner().results.remove(0).incident;
    let reopen = pb::ReopenIncidentRequest {
        name,
        reason: "again".to_owned(),
        ..Default::default()
    };
    refused(world.incidents().reopen_incident(reopen).await)
}

async fn its_own_parent(world: &World) -> Result<Told> {
    let name = world.incident().await?.name;
    let set = pb::SetIncidentParentRequest {
        parent: name.clone(),
        name,
        ..Default::default()
    };
    refused(world.incidents().set_incident_parent(set).await)
}

async fn none_declared(world: &World) -> Result<Told> {
    let name = world.incident().await?.name;
    let stand_down = pb::StandDownMajorIncidentRequest {
        name,
        reason: "It is over.".to_owned(),
        ..Default::default()
    };
    refused(
        world
            .incidents()
            .stand_down_major_incident(stand_down)
            .await,
    )
}

async fn merged_into_itself(world: &World) -> Result<Told> {
    let name = world.incident().await?.name;
    let merge = pb::MergeIncidentRequest {
        into: name.clone(),
        name,
        ..Default::default()
    };
    refused(world.incidents().merge_incident(merge).await)
}

async fn policy_makes_no_sense(world: &World) -> Result<Told> {
    let policy = pb::IncidentPolicy {
        verbs: vec![pb::VerbRule {
            verb: "dance".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    refused(world.apply(&policy).await)
}

/// Under a policy by which the work waits for nothing but vendors; afterwards
/// the built-in one is in force again.
async fn policy_refuses(world: &World) -> Result<Told> {
    let vendors = pb::HoldReasonRule {
        reason: pb::HoldReason::Vendor.into(),
        ..Default::default()
    };
    let policy = pb::IncidentPolicy {
        hold_reasons: vec![vendors],
        ..Default::default()
    };
    world.apply(&policy).await?;
    let hold = pb::HoldIncidentRequest {
        name: world.incident().await?.name,
        reason: pb::HoldReason::Parts.into(),
        ..Default::default()
    };
    let told = refused(world.incidents().hold_incident(hold).await)?;
    world.apply(&pb::IncidentPolicy::default()).await?;
    Ok(told)
}

async fn nowhere(world: &World) -> Result<Told> {
    let get = pb::GetIncidentRequest {
        name: format!("incidents/{A_UUID}"),
        ..Default::default()
    };
    refused(world.incidents().get_incident(get).await)
}

async fn there_already(world: &World) -> Result<Told> {
    let mut alarm = raised("Disk full");
    alarm.incident.get_or_insert_default().origin = Some(origin("alarm"));
    world.incidents().create_incident(alarm.clone()).await?;
    refused(world.incidents().create_incident(alarm).await)
}

fn origin(key: &str) -> Origin {
    Origin {
        source: "elsewhere".to_owned(),
        key: key.to_owned(),
        ..Default::default()
    }
}

/// An incident of 2013 with so many facts: raised for a service, then resolved.
fn history(key: &str, service: &str, facts: usize) -> pb::ImportIncidentsRequest {
    let fact = |seconds, state: pb::IncidentState| pb::Fact {
        time: Some(Timestamp { seconds, nanos: 0 }),
        state: state.into(),
        service: service.to_owned(),
        ..Default::default()
    };
    let all = [
        fact(1_360_000_000, pb::IncidentState::New),
        fact(1_360_100_000, pb::IncidentState::Resolved),
        fact(1_360_200_000, pb::IncidentState::Closed),
    ];
    let history = pb::IncidentHistory {
        origin: Some(origin(key)),
        title: "Long ago".to_owned(),
        facts: all.into_iter().take(facts).collect(),
        ..Default::default()
    };
    pb::ImportIncidentsRequest {
        histories: vec![history],
        ..Default::default()
    }
}

/// What is done to an imported incident before its history comes again.
type Between = fn(&str) -> Option<pb::LinkIncidentRequest>;

fn touch(name: &str) -> Option<pb::LinkIncidentRequest> {
    let uri = "https://example.org/".to_owned();
    let link = mainstay_proto::mainstay::record::v1::Link {
        uri,
        ..Default::default()
    };
    Some(pb::LinkIncidentRequest {
        name: name.to_owned(),
        link: Some(link),
        ..Default::default()
    })
}

fn leave(_: &str) -> Option<pb::LinkIncidentRequest> {
    None
}

/// The result of a history that cannot be taken: it tells its reason in the
/// answer, since the other histories of the call were taken.
async fn import(world: &World, key: &str, between: Between) -> Result<Told> {
    let mut client = world.incidents();
    let first = client
        .import_incidents(history(key, "x", 2))
        .await?
        .into_inner();
    let name = &first.results.first().context("a result")?.incident;
    let service = match between(name) {
        Some(link) => {
            client.link_incident(link).await?;
            "x"
        }
        None => "y",
    };
    let again = client
        .import_incidents(history(key, service, 3))
        .await?
        .into_inner();
    let result = again.results.into_iter().next().context("a result")?;
    assert_eq!(result.outcome, i32::from(pb::ImportOutcome::Refused));
    Ok(Told {
        code: Code::FailedPrecondition,
        reason: result.reason,
        metadata: Default::default(),
        violations: Vec::new(),
        message: result.message,
    })
}
