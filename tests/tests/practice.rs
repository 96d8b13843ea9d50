//! A practice describes itself: what the running suite says of a practice is
//! what the practice's README says, table by table.

use anyhow::{Context, Result, ensure};
use mainstay_proto::mainstay::practice::v1 as pb;
use mainstay_proto::mainstay::practice::v1::practice_service_client::PracticeServiceClient;
use mainstay_tests::{Suite, repository};

#[tokio::test]
async fn the_readme_of_every_practice_says_what_the_suite_says() -> Result<()> {
    let suite = Suite::start().await?;
    let practices = practices(&suite).await?;
    ensure!(!practices.is_empty(), "no practice describes itself");
    let mut missing = Vec::new();
    for practice in &practices {
        let name = practice.name.trim_start_matches("practices/");
        let path = repository().join("services").join(name).join("README.md");
        let readme = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let readme = narrow(&readme);
        for (section, block) in sections(practice) {
            if !readme.contains(&narrow(&block)) {
                missing.push(format!("{name}, {section}:\n{block}"));
            }
        }
    }
    ensure!(
        missing.is_empty(),
        "not in the README of\n{}",
        missing.join("\n")
    );
    Ok(())
}

#[tokio::test]
async fn the_command_line_says_what_the_suite_says() -> Result<()> {
    let suite = Suite::start().await?;
    for practice in practices(&suite).await? {
        let name = practice.name.trim_start_matches("practices/");
        let output = suite
            .command(["practice", "show", name, "--json"])?
            .output()
            .await?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let descriptor = mainstay_proto::descriptors()
            .get_message_by_name("mainstay.practice.v1.GetPracticeResponse")
            .context("it is in the image")?;
        let mut json = serde_json::Deserializer::from_slice(&output.stdout);
        let said = prost_reflect::DynamicMessage::deserialize(descriptor, &mut json)?;
        let said: pb::GetPracticeResponse = said.transcode_to()?;
        assert_eq!(said.practice, Some(practice));
    }
    Ok(())
}

async fn practices(suite: &Suite) -> Result<Vec<pb::Practice>> {
    let mut client = PracticeServiceClient::new(suite.administrator()?);
    let listed = client.list_practices(pb::ListPracticesRequest {}).await?;
    Ok(listed.into_inner().practices)
}

/// Each part of a practice as it stands in its README.
fn sections(practice: &pb::Practice) -> Vec<(&'static str, String)> {
    vec![
        ("objectives", objectives(practice)),
        ("workflow", picture(practice)),
        ("calls", calls(practice)),
        ("events followed", followed(practice)),
        ("timers", timers(practice)),
        ("events emitted", emitted(practice)),
        ("metrics", metrics(practice)),
        ("responsibilities", responsibilities(practice)),
    ]
}

fn objectives(practice: &pb::Practice) -> String {
    practice
        .objectives
        .iter()
        .map(|objective| format!("* {objective}\n"))
        .collect()
}

/// The picture that the transitions draw: every move, and beside each state the
/// verbs that leave it as it is.
fn picture(practice: &pb::Practice) -> String {
    practice.workflows.iter().map(picture_of).collect()
}

fn picture_of(workflow: &pb::Workflow) -> String {
    let (mut moves, mut notes) = (String::new(), String::new());
    for state in &workflow.states {
        let open: Vec<&pb::Transition> = workflow
            .transitions
            .iter()
            .filter(|verb| verb.from.contains(state))
            .collect();
        for verb in open.iter().filter(|verb| !verb.to.is_empty()) {
            moves += &format!("    {state} --> {}: {}\n", verb.to, verb.verb);
        }
        let stay: Vec<&str> = open
            .iter()
            .filter(|verb| verb.to.is_empty())
            .map(|verb| &*verb.verb)
            .collect();
        if !stay.is_empty() {
            notes += &format!("    note right of {state}: {}\n", stay.join(", "));
        }
    }
    format!("```mermaid\nstateDiagram-v2\n{moves}{notes}```\n")
}

fn calls(practice: &pb::Practice) -> String {
    let row = |rpc: &pb::PracticeRpc| {
        let method = rpc.method.rsplit('/').next().unwrap_or_default();
        vec![
            format!("`{method}`"),
            format!("`{}`", rpc.permission),
            rpc.summary.clone(),
        ]
    };
    table(
        &["RPC", "permission", "what it does"],
        practice.rpcs.iter().map(row),
    )
}

/// Nothing to say where no other practice is followed.
fn followed(practice: &pb::Practice) -> String {
    if practice.followed_events.is_empty() {
        return String::new();
    }
    let row = |event: &pb::FollowedEvent| {
        vec![
            event.source.clone(),
            format!("`{}`", event.r#type),
            event.effect.clone(),
        ]
    };
    table(
        &["service", "event", "what it does"],
        practice.followed_events.iter().map(row),
    )
}

/// Nothing to say where nothing happens by itself.
fn timers(practice: &pb::Practice) -> String {
    if practice.timers.is_empty() {
        return String::new();
    }
    let row = |timer: &pb::PracticeTimer| {
        vec![
            format!("`{}`", timer.record),
            format!("`{}`", timer.timer),
            timer.effect.clone(),
        ]
    };
    table(
        &["record", "timer", "what it does"],
        practice.timers.iter().map(row),
    )
}

fn emitted(practice: &pb::Practice) -> String {
    let row = |event: &pb::EmittedEvent| {
        let name = event.r#type.rsplit('.').next().unwrap_or_default();
        vec![format!("`{name}`"), event.summary.clone()]
    };
    table(
        &["event", "what it says"],
        practice.emitted_events.iter().map(row),
    )
}

fn metrics(practice: &pb::Practice) -> String {
    let row = |metric: &pb::PracticeMetric| {
        let variants: Vec<String> = metric
            .variants
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        vec![
            format!("`{}`", metric.metric),
            variants.join(", "),
            metric.summary.clone(),
        ]
    };
    table(
        &["metric", "variants", "what it says"],
        practice.metrics.iter().map(row),
    )
}

/// Verb by role: who holds which permission.
fn responsibilities(practice: &pb::Practice) -> String {
    let roles = &practice.responsibilities;
    let mut permissions: Vec<&String> = roles.iter().flat_map(|role| &role.permissions).collect();
    permissions.sort();
    permissions.dedup();
    let row = |permission: &String| {
        let mark = |role: &pb::Responsibility| {
            if role.permissions.contains(permission) {
                "x"
            } else {
                ""
            }
        };
        let mut cells = vec![format!("`{permission}`")];
        cells.extend(roles.iter().map(|role| mark(role).to_owned()));
        cells
    };
    let mut head = vec!["permission"];
    head.extend(roles.iter().map(|role| &*role.role));
    table(&head, permissions.into_iter().map(row))
}

fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let head_line = line(head.iter().map(|cell| (*cell).to_owned()).collect());
    let ruler = format!("|{}\n", "---|".repeat(head.len()));
    head_line + &ruler + &rows.map(line).collect::<String>()
}

/// How wide a table was drawn says nothing.
fn narrow(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}
