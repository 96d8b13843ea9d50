//! Policies on the command line: exported, planned, applied, simulated.

use std::path::{Path, PathBuf};

use mainstay_proto::mainstay::incident::v1 as incident;
use tonic::Status;
use tonic_types::StatusExt as _;

use super::process::{Server, complaint};

/// A resolution asks for a category.
const STRICT: &str = "policy: incident
note: Every incident is sorted before it is done.
document:
  verbs:
  - verb: resolve
    required_fields: [category]
";

fn file(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("policy.yaml");
    std::fs::write(&path, text).unwrap();
    path
}

fn command(path: &Path, name: &str, more: &[&str]) -> Vec<String> {
    let path = path.display().to_string();
    let words = [name, "-f", path.as_str()];
    words
        .iter()
        .chain(more)
        .map(|word| (*word).to_owned())
        .collect()
}

async fn resolve(server: &Server, number: &str) -> Result<(), Status> {
    let request = incident::ResolveIncidentRequest {
        name: number.to_owned(),
        resolution: Some(incident::Resolution {
            code: incident::ResolutionCode::Fixed.into(),
            summary: "Restarted".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut incidents = server.incidents(&server.administrator());
    incidents.resolve_incident(request).await.map(|_| ())
}

#[test]
fn what_is_exported_is_applied_without_a_change() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let exported = server.says(["export"]);
    assert!(
        exported.contains("policy: incident") && exported.contains("matrix:"),
        "{exported}"
    );
    assert_eq!(server.says(["export", "incident"]), exported);
    let path = file(folder.path(), &exported);
    let told = server.says(command(&path, "apply", &[]));
    assert_eq!(
        told,
        "policy incident: no changes against default\n  nothing to apply\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_planned_simulated_applied_and_obeyed() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let path = file(folder.path(), STRICT);
    let first = server.open_incident("before").await;
    resolve(&server, &first).await.unwrap();

    let plan = server.says(command(&path, "apply", &["--dry-run"]));
    assert!(
        plan.starts_with("policy incident: changes against default\n"),
        "{plan}"
    );
    assert!(
        plan.contains("verbs") && !plan.contains("applied"),
        "{plan}"
    );
    let simulated = server.says(command(&path, "simulate", &[]));
    assert!(
        simulated.contains("1 would be refused and 0 decided otherwise"),
        "{simulated}"
    );
    assert!(
        simulated.contains("1 × resolve refused by verbs[0]"),
        "{simulated}"
    );
    assert!(simulated.contains("backlog_age n: 0 → 1"), "{simulated}");
    assert!(simulated.contains("INC-1 resolve at"), "{simulated}");

    let applied = server.says(command(&path, "apply", &[]));
    let version = "organizations/default/policies/incident/versions/1";
    assert!(
        applied.contains(&format!("  applied: {version} is in force now")),
        "{applied}"
    );
    let second = server.open_incident("after").await;
    let refusal = resolve(&server, &second).await.unwrap_err();
    assert!(
        refusal.get_error_details().error_info().is_some(),
        "{refusal:?}"
    );

    let exported = server.says(["export", "incident"]);
    assert!(
        exported.starts_with(&format!("# {version}\n")),
        "{exported}"
    );
    let again = file(folder.path(), &exported);
    let told = server.says(command(&again, "apply", &[]));
    assert!(
        told.contains("no changes against") && told.contains("nothing to apply"),
        "{told}"
    );
}

#[test]
fn a_policy_may_come_into_force_later() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let path = file(folder.path(), STRICT);
    let later = "2200-01-01T00:00:00Z";
    let applied = server.says(command(&path, "apply", &["--at", later]));
    assert!(
        applied.contains("is in force from 2200-01-01T00:00:00Z on"),
        "{applied}"
    );
    assert!(
        server
            .says(["export", "incident"])
            .starts_with("# default\n")
    );
    let then = server.says(["export", "incident", "--at", later]);
    assert!(then.contains("required_fields:"), "{then}");
}

#[test]
fn what_is_wrong_with_a_policy_is_told_with_its_place() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    for (text, code, place) in [
        (
            "policy: incident\ndocument: {verbs: [{verb: resolve, gard: x}]}",
            64,
            "document.verbs[0].gard",
        ),
        (
            "policy: incident\ndocument: {verbs: [{verb: resolve, guard: 'x ='}]}",
            1,
            "document.verbs[0].guard",
        ),
        ("policy: incident\ndocment: {}", 64, "docment"),
        ("policy: nowhere\ndocument: {}", 1, "RESOURCE_NOT_FOUND"),
    ] {
        let path = file(folder.path(), text);
        let output = server
            .command(command(&path, "apply", &[]))
            .output()
            .unwrap();
        let (found, told) = complaint(&output);
        assert_eq!(found, Some(code), "{told}");
        assert!(told.contains(place), "{told}");
    }
    assert!(server.says(["export"]).starts_with("# default\n"));
}
