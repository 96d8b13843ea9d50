//! The client commands, against a running server.

use prost_reflect::DescriptorPool;
use serde_json::Value;

use super::process::{Running, Server, complaint, mainstay};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_goes_on_where_it_was_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start_on(&data, "127.0.0.1:0");
    let address = server.address.to_string();
    let arguments = [
        "watch",
        "--from",
        "earliest",
        "--json",
        "--type",
        "mainstay.incident.v1.*",
    ];
    let mut watch = Running::spawn(server.command(arguments));
    server.open_incident("before").await;
    let first = parsed(&watch.line());
    assert_eq!(first["event"]["data"]["incident"]["title"], "before");
    assert!(server.stop().0.success());
    let server = Server::start_on(&data, &address);
    server.open_incident("after").await;
    let second = parsed(&watch.line());
    assert_eq!(second["event"]["data"]["incident"]["title"], "after");
    assert_eq!(
        (first["sequence"].as_str(), second["sequence"].as_str()),
        (Some("1"), Some("2"))
    );
    assert!(watch.interrupt().success());
    let cursor = first["cursor"].as_str().unwrap();
    let mut rest = Running::spawn(server.command([
        "watch",
        "--from",
        cursor,
        "--type",
        "mainstay.incident.v1.*",
    ]));
    let line = rest.line();
    assert!(
        line.contains("IncidentCreated") && line.contains("INC-2 \"after\""),
        "{line}"
    );
}

#[test]
fn watch_says_at_once_what_waiting_cannot_mend() {
    let server = Server::start();
    let (code, told) = complaint(
        &server
            .command(["watch", "--from", "garbled"])
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(1));
    assert!(told.contains("EVENT_CURSOR_INVALID"), "{told}");
    let (code, told) = complaint(
        &server
            .command(["watch", "--from", "12:30"])
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(64));
    assert!(told.contains("--from 12:30"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_was_written_before() {
    let server = Server::start();
    for number in 1..=3 {
        server.open_incident(&format!("slow {number}")).await;
        let reply = parsed(&server.says(["metrics", "backlog_age", "--json"]));
        assert_eq!(reply["groups"][0]["distribution"]["n"], number.to_string());
    }
    assert!(
        server
            .says(["metrics", "backlog_age", "--group-by", "impact"])
            .contains("n 3")
    );
}

#[test]
fn metrics_refuse_what_they_do_not_know() {
    let server = Server::start();
    let (code, told) = complaint(
        &server
            .command(["metrics", "time_to_restore"])
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(1));
    assert!(
        told.contains("VALIDATION_FAILED") && told.contains("time_to_resolve"),
        "{told}"
    );
    let (code, told) = complaint(
        &server
            .command(["metrics", "backlog_age", "--at", "noon"])
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(64));
    assert!(told.contains("--at noon"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_finds_the_logs_whole_beside_a_running_server() {
    let server = Server::start();
    server.open_incident("slow").await;
    let data = server.data().to_str().unwrap();
    assert_eq!(
        server.says(["verify", "--data", data]),
        "gateway: 1 events, whole\nincident: 1 events, whole\n"
    );
    let empty = tempfile::tempdir().unwrap();
    let output = mainstay(["verify", "--data", empty.path().to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(complaint(&output).0, Some(64));
}

#[test]
fn a_practice_describes_itself_with_its_metrics_and_responsibilities() {
    let server = Server::start();
    let reply = parsed(&server.says(["practice", "show", "incident", "--json"]));
    let practice = &reply["practice"];
    let roles: Vec<_> = practice["responsibilities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|held| &held["role"])
        .collect();
    assert_eq!(roles, ["viewer", "agent", "importer", "administrator"]);
    let metrics: Vec<_> = practice["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| &metric["metric"])
        .collect();
    assert_eq!(metrics, ["time_to_resolve", "reopen_rate", "backlog_age"]);
    let text = server.says(["practice", "show", "incident"]);
    for part in [
        "Objectives",
        "Workflow of incident",
        "Inputs: RPCs",
        "Outputs: events",
        "Metrics",
        "Responsibilities",
    ] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    let (code, told) = complaint(
        &server
            .command(["practice", "show", "problem"])
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(1));
    assert!(told.contains("RESOURCE_NOT_FOUND"), "{told}");
}

#[test]
fn the_contract_is_an_image_that_describes_all_services() {
    let written = mainstay(["contract"]).output().unwrap();
    let pool = DescriptorPool::decode(written.stdout.as_slice()).unwrap();
    assert!(
        pool.get_service_by_name("mainstay.incident.v1.IncidentService")
            .is_some()
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contract.binpb");
    assert!(
        mainstay(["contract", "--out", file.to_str().unwrap()])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(std::fs::read(file).unwrap(), written.stdout);
}

#[test]
fn a_client_says_when_there_is_no_server_and_when_there_is_no_token() {
    let server = Server::start();
    let mut command = server.command(["token", "list"]);
    let (code, told) = complaint(
        &command
            .env("MAINSTAY_SERVER", "http://127.0.0.1:1")
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(1));
    assert!(told.contains("cannot reach http://127.0.0.1:1"), "{told}");
    let mut command = server.command(["token", "list", "--token-file", "/nowhere"]);
    let (code, told) = complaint(&command.output().unwrap());
    assert_eq!(code, Some(1));
    assert!(told.contains("no token in /nowhere"), "{told}");
    let mut command = server.command(["token", "list"]);
    let (code, told) = complaint(
        &command
            .env("MAINSTAY_TOKEN", "mst_garbage")
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(1));
    assert!(told.contains("CREDENTIALS_INVALID"), "{told}");
}
