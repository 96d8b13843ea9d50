//! The README says what the code does.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use mainstay_incident::incident::{Impact, LIFECYCLE, Priority, Urgency};
use mainstay_incident::policy::{AUTO_CLOSE_US, REOPEN_WINDOW_US};
use mainstay_practice::PracticeApi;
use mainstay_proto::mainstay::practice::v1 as pb;
use pb::practice_service_server::PracticeService;
use sea_orm::ActiveEnum;

async fn practice() -> pb::Practice {
    let api = PracticeApi::new(mainstay_incident::portrait());
    let request = tonic::Request::new(pb::GetPracticeRequest {
        name: "incident".to_owned(),
    });
    api.get_practice(request)
        .await
        .unwrap()
        .into_inner()
        .practice
        .unwrap()
}

fn says(expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    assert!(
        readme.contains(expected),
        "services/incident/README.md does not say:\n{expected}"
    );
}

#[tokio::test]
async fn the_readme_tells_the_objectives() {
    let objectives = practice().await.objectives;
    let lines: Vec<_> = objectives
        .iter()
        .map(|objective| format!("* {objective}\n"))
        .collect();
    says(&lines.concat());
}

#[test]
fn the_readme_draws_the_lifecycle() {
    says(&format!("```mermaid\n{}```\n", LIFECYCLE.diagram()));
}

#[tokio::test]
async fn the_readme_lists_the_calls() {
    let row = |rpc: &pb::PracticeRpc| {
        let method = rpc.method.rsplit('/').next().unwrap_or_default();
        format!("| `{method}` | `{}` | {} |\n", rpc.permission, rpc.summary)
    };
    let rows: Vec<_> = practice().await.rpcs.iter().map(row).collect();
    says(&format!(
        "| RPC | permission | what it does |\n|---|---|---|\n{}",
        rows.concat()
    ));
}

#[tokio::test]
async fn the_readme_lists_the_events() {
    let row = |event: &pb::EmittedEvent| {
        let name = event.r#type.rsplit('.').next().unwrap_or_default();
        format!("| `{name}` | {} |\n", event.summary)
    };
    let rows: Vec<_> = practice().await.emitted_events.iter().map(row).collect();
    says(&format!(
        "| event | what it says |\n|---|---|\n{}",
        rows.concat()
    ));
}

#[tokio::test]
async fn the_readme_lists_the_timers() {
    let row = |timer: &pb::PracticeTimer| {
        format!(
            "| `{}` | `{}` | {} |\n",
            timer.record, timer.timer, timer.effect
        )
    };
    let rows: Vec<_> = practice().await.timers.iter().map(row).collect();
    says(&format!(
        "| record | timer | what it does |\n|---|---|---|\n{}",
        rows.concat()
    ));
}

#[tokio::test]
async fn the_readme_lists_what_is_followed() {
    let row = |event: &pb::FollowedEvent| {
        format!(
            "| {} | `{}` | {} |\n",
            event.source, event.r#type, event.effect
        )
    };
    let rows: Vec<_> = practice().await.followed_events.iter().map(row).collect();
    says(&format!(
        "| service | event | what it does |\n|---|---|---|\n{}",
        rows.concat()
    ));
}

#[test]
fn the_readme_shows_the_matrix_and_the_window() {
    let row = |impact: Impact| {
        let urgencies = [Urgency::High, Urgency::Medium, Urgency::Low];
        let cells = urgencies.map(|urgency| Priority::of(impact, urgency).to_value());
        format!("| {} | {} |\n", impact.to_value(), cells.join(" | "))
    };
    let rows = [Impact::Critical, Impact::High, Impact::Medium, Impact::Low].map(row);
    says(&format!(
        "| impact \\ urgency | HIGH | MEDIUM | LOW |\n|---|---|---|---|\n{}",
        rows.concat()
    ));
    says(&format!(
        "reopening window: {} days",
        REOPEN_WINDOW_US / 86_400_000_000
    ));
    says(&format!(
        "closing by itself: {} days",
        AUTO_CLOSE_US / 86_400_000_000
    ));
}
