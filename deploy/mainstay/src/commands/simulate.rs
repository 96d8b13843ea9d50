//! `mainstay simulate`: what would have become of the decisions of the past
//! under the policies in a file.

use std::fmt::Write as _;
use std::path::PathBuf;

use mainstay_proto::mainstay::policy::v1 as pb;
use pb::policy_service_client::PolicyServiceClient;
use prost_types::Timestamp;

use super::policy::planned;
use crate::client::ServerArgs;
use crate::{output, time};

/// What to simulate.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// YAML or JSON file with policies, as `mainstay export` prints them; `-`
    /// reads standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Only decisions taken then or later.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Only decisions taken before.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Show at most about so many differences one by one.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=500))]
    limit: i32,
    /// Print one JSON object per policy.
    #[arg(long)]
    json: bool,
}

/// Simulates each policy of a file.
pub(crate) async fn run(server: &ServerArgs, args: Args) -> anyhow::Result<()> {
    let read = |option, text: &Option<String>| -> anyhow::Result<Option<Timestamp>> {
        text.as_deref()
            .map(|text| time::instant(option, text))
            .transpose()
    };
    let (start_time, end_time) = (read("--from", &args.from)?, read("--to", &args.to)?);
    let mut client = PolicyServiceClient::new(server.connect()?);
    for (name, document) in planned(server, &mut client, &args.file).await? {
        let request = pb::SimulatePolicyRequest {
            name: name.clone(),
            candidate: Some(pb::simulate_policy_request::Candidate::Document(document)),
            start_time,
            end_time,
            page_size: args.limit,
            page_token: String::new(),
        };
        let reply = client.simulate_policy(request).await;
        let reply = reply
            .map_err(|status| server.explain(&status))?
            .into_inner();
        match args.json {
            true => output::say(output::json(
                "mainstay.policy.v1.SimulatePolicyResponse",
                &reply,
            )?)?,
            false => output::say(text(&name, &reply).trim_end())?,
        }
    }
    Ok(())
}

/// A simulation for people.
fn text(name: &str, reply: &pb::SimulatePolicyResponse) -> String {
    let simulation = reply.simulation.clone().unwrap_or_default();
    let mut text = format!(
        "policy {name}: of {} decisions {} would be refused and {} decided otherwise\n",
        simulation.decision_count, simulation.refused_count, simulation.otherwise_count
    );
    let counts = simulation.counts.iter().map(|count| {
        let verdict = verdict(
            &count.field,
            count.refused,
            &count.recorded,
            &count.simulated,
        );
        format!("{} × {} {verdict}", count.count, verb(&count.verb))
    });
    section(&mut text, "By kind", counts);
    let metrics = simulation.metrics.iter().map(|change| {
        let figure =
            |figure: Option<i64>| figure.map_or("-".to_owned(), |figure| figure.to_string());
        let (was, is) = (figure(change.recorded), figure(change.simulated));
        let metric = format!("{} {}", change.metric, change.variant);
        format!("{} {}: {was} → {is}", metric.trim_end(), change.figure)
    });
    section(&mut text, "Metrics", metrics);
    let title = match reply.next_page_token.is_empty() {
        true => "Differences",
        false => "Differences, the first of them",
    };
    section(&mut text, title, reply.differences.iter().map(difference));
    text
}

fn difference(difference: &pb::PolicyDifference) -> String {
    let record = match difference.number.as_str() {
        "" => difference.record.as_str(),
        number => number,
    };
    let verdict = verdict(
        &difference.field,
        difference.refused,
        &difference.recorded,
        &difference.simulated,
    );
    let when = output::instant(difference.occur_time.as_ref());
    let why = match difference.explanation.as_str() {
        "" => String::new(),
        why => format!(": {why}"),
    };
    format!(
        "{record} {} at {when} {verdict}{why}",
        verb(&difference.verb)
    )
}

fn verb(verb: &str) -> &str {
    match verb {
        "" => "(no verb)",
        verb => verb,
    }
}

fn verdict(field: &str, refused: bool, recorded: &str, simulated: &str) -> String {
    let or_none = |value: &str| match value {
        "" => "none".to_owned(),
        value => value.to_owned(),
    };
    match refused {
        true => format!("refused by {field}"),
        false => format!("by {field}: {} → {}", or_none(recorded), or_none(simulated)),
    }
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_none() {
        return;
    }
    let _ = writeln!(text, "{title}");
    lines.for_each(|line| {
        let _ = writeln!(text, "  {line}");
    });
}
