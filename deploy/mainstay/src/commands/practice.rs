//! `mainstay practice`: what a practice says of itself.

use std::fmt::Write as _;

use mainstay_proto::mainstay::practice::v1 as pb;
use mainstay_proto::mainstay::practice::v1::practice_service_client::PracticeServiceClient;

use crate::client::ServerArgs;
use crate::output;

/// What to show.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Show a practice: objectives, workflow, inputs, outputs, metrics, responsibilities.
    Show {
        /// Its name, such as `incident`.
        name: String,
        /// Print the reply as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Shows it.
pub(crate) async fn run(server: &ServerArgs, what: What) -> anyhow::Result<()> {
    let What::Show { name, json } = what;
    let mut client = PracticeServiceClient::new(server.connect()?);
    let reply = client.get_practice(pb::GetPracticeRequest { name }).await;
    let reply = reply
        .map_err(|status| server.explain(&status))?
        .into_inner();
    match json {
        true => output::say(output::json(
            "mainstay.practice.v1.GetPracticeResponse",
            &reply,
        )?)?,
        false => output::say(text(&reply.practice.unwrap_or_default()).trim_end())?,
    }
    Ok(())
}

/// A practice for people.
fn text(practice: &pb::Practice) -> String {
    let mut text = format!("{} ({})\n", practice.title, practice.name);
    section(
        &mut text,
        "Objectives",
        practice.objectives.iter().map(String::clone),
    );
    for workflow in &practice.workflows {
        let title = format!(
            "Workflow of {} ({})",
            workflow.record,
            workflow.states.join(", ")
        );
        section(
            &mut text,
            &title,
            workflow.transitions.iter().map(transition),
        );
    }
    let rpcs = practice
        .rpcs
        .iter()
        .map(|rpc| format!("{} [{}]: {}", rpc.method, rpc.permission, rpc.summary));
    section(&mut text, "Inputs: RPCs", rpcs);
    let followed = practice
        .followed_events
        .iter()
        .map(|event| format!("{} {}: {}", event.source, event.r#type, event.effect));
    section(&mut text, "Inputs: followed events", followed);
    let timers = practice
        .timers
        .iter()
        .map(|timer| format!("{} of {}: {}", timer.timer, timer.record, timer.effect));
    section(&mut text, "Timers", timers);
    let emitted = practice
        .emitted_events
        .iter()
        .map(|event| format!("{}: {}", event.r#type, event.summary));
    section(&mut text, "Outputs: events", emitted);
    section(&mut text, "Metrics", practice.metrics.iter().map(metric));
    let responsibilities = practice
        .responsibilities
        .iter()
        .map(|held| format!("{}: {}", held.role, held.permissions.join(", ")));
    section(&mut text, "Responsibilities", responsibilities);
    section(
        &mut text,
        "Stages of a service's life",
        practice.lifecycle_stages.iter().map(String::clone),
    );
    text
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "\n{title}");
    lines.for_each(|line| {
        let _ = writeln!(text, "  {line}");
    });
}

fn transition(transition: &pb::Transition) -> String {
    let from = transition.from.join(", ");
    let to = if transition.to.is_empty() {
        "the same"
    } else {
        transition.to.as_str()
    };
    format!(
        "{}: {from} → {to} [{}]",
        transition.verb, transition.permission
    )
}

fn metric(metric: &pb::PracticeMetric) -> String {
    match metric.variants.is_empty() {
        true => format!("{}: {}", metric.metric, metric.summary),
        false => format!(
            "{} ({}): {}",
            metric.metric,
            metric.variants.join(", "),
            metric.summary
        ),
    }
}
