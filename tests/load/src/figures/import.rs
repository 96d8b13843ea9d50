//! P11 and P10: a log of as many rows and incidents as the real one goes in
//! through the API, and metrics are asked of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::incident::v1::incident_service_client::IncidentServiceClient;
use mainstay_proto::mainstay::metrics::v1 as metrics;
use mainstay_proto::mainstay::metrics::v1::metric_service_client::MetricServiceClient;
use mainstay_proto::mainstay::record::v1::Origin;
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::drive::{Work, closed};
use crate::incidents::workers;
use crate::report::Goal::AtMost;
use crate::target::{Line, Target};

/// Histories in a call, and calls in flight.
const HISTORIES: usize = 100;
const IN_FLIGHT: usize = 6;
/// Seconds of a year.
const YEAR: i64 = 365 * 24 * 3600;
/// When the generated log begins: 2024-01-01.
const BEGIN: i64 = 1_704_067_200;

pub(super) async fn measure(bench: &mut Bench) -> Result<()> {
    let (rows, incidents) = bench.plan.import;
    let log = Arc::new(generate(rows, incidents)?);
    for _ in 0..bench.plan.repeats {
        (bench.say)("import");
        let data = bench.folder("import");
        let target = Target::product(&bench.plan.binary, &data).await?;
        let (took, cursor) = import(&target, &log).await?;
        let what = format!("import {rows} rows of {incidents} incidents through the API");
        bench
            .samples
            .add("P11", &what, "s", Some(AtMost(15.0)), took.as_secs_f64());
        let waits = Instant::now();
        query(&target.lines.line(0), metrics_of(&cursor)).await?;
        let what = "until the imported rows are counted in metrics, after the import";
        bench
            .samples
            .add("P11", what, "s", None, waits.elapsed().as_secs_f64());
        let sample = closed(
            bench.plan.span,
            workers(&target.lines, 1, |line, _, _| Query { line }),
        )
        .await?;
        let what = format!("time to resolve of a year by team, {rows} facts, p99");
        bench
            .samples
            .add("P10", &what, "ms", None, sample.quantile_ms(0.99));
        target.stop().await?;
        std::fs::remove_dir_all(&data)?;
        if bench.plan.log.is_some() {
            command(bench).await?;
        }
    }
    Ok(())
}

/// Histories with `rows` facts in all, spread over a year; one in eight
/// repeats what the fact before it said.
fn generate(rows: usize, incidents: usize) -> Result<Vec<pb::IncidentHistory>> {
    ensure!(
        incidents > 0 && rows >= incidents,
        "a log has at least one row of each incident"
    );
    let mut random = fastrand::Rng::with_seed(2013);
    (0..incidents)
        .map(|number| {
            let count = rows / incidents + usize::from(number < rows % incidents);
            let begin = BEGIN + random.i64(0..YEAR);
            let facts = facts(&mut random, begin, count.min(1_000));
            Ok(pb::IncidentHistory {
                origin: Some(Origin {
                    source: "bench".to_owned(),
                    key: format!("1-{number:09}"),
                    ..Default::default()
                }),
                title: format!("Generated incident {number}"),
                facts,
                ..Default::default()
            })
        })
        .collect()
}

fn facts(random: &mut fastrand::Rng, begin: i64, count: usize) -> Vec<pb::Fact> {
    let mut seconds = begin;
    let mut facts: Vec<pb::Fact> = Vec::with_capacity(count);
    for place in 0..count {
        let state = match place {
            0 => pb::IncidentState::New,
            _ if place + 1 == count => pb::IncidentState::Resolved,
            _ if random.u32(..4) == 0 => pb::IncidentState::OnHold,
            _ => pb::IncidentState::InProgress,
        };
        let hold = if state == pb::IncidentState::OnHold {
            random.i32(1..=6)
        } else {
            0
        };
        let fact = pb::Fact {
            state: state.into(),
            hold_reason: hold,
            impact: if place == 0 { random.i32(1..=4) } else { 0 },
            service: if place == 0 {
                format!("service-{}", random.u32(..300))
            } else {
                String::new()
            },
            team: format!("team-{}", random.u32(..60)),
            assignee: format!("user-{}", random.u32(..900)),
            ..Default::default()
        };
        let idle = place > 0 && place + 1 < count && random.u32(..8) == 0;
        let before = facts.last().filter(|_| idle).cloned();
        let time = Some(prost_types::Timestamp { seconds, nanos: 0 });
        facts.push(pb::Fact {
            time,
            ..before.unwrap_or(fact)
        });
        seconds += 1 + random.i64(0..24 * 3600);
    }
    facts
}

/// Sends the log; how long it took, and the newest cursor.
async fn import(
    target: &Target,
    log: &Arc<Vec<pb::IncidentHistory>>,
) -> Result<(Duration, String)> {
    let begin = Instant::now();
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for client in 0..IN_FLIGHT {
        let (log, next, line) = (
            Arc::clone(log),
            Arc::clone(&next),
            target.lines.line(client),
        );
        tasks.spawn(async move {
            let mut client = IncidentServiceClient::new(line.channel.clone());
            let mut cursor = String::new();
            loop {
                let from = next.fetch_add(HISTORIES, Ordering::Relaxed);
                let Some(histories) = log
                    .get(from..(from + HISTORIES).min(log.len()))
                    .filter(|some| !some.is_empty())
                else {
                    return anyhow::Ok((begin.elapsed(), cursor));
                };
                let request = pb::ImportIncidentsRequest {
                    histories: histories.to_vec(),
                    ..Default::default()
                };
                let response = client
                    .import_incidents(line.request(request))
                    .await?
                    .into_inner();
                let created = pb::ImportOutcome::Created;
                let refused = response
                    .results
                    .iter()
                    .find(|result| result.outcome() != created);
                ensure!(
                    refused.is_none(),
                    "a generated history was not created: {refused:?}"
                );
                cursor = response.cursor;
            }
        });
    }
    let mut last = (Duration::ZERO, String::new());
    while let Some(done) = tasks.join_next().await {
        let done = done??;
        if done.0 > last.0 {
            last = done;
        }
    }
    Ok(last)
}

fn metrics_of(min_cursor: &str) -> metrics::QueryMetricsRequest {
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let interval = metrics::Interval {
        start_time: time(BEGIN),
        end_time: time(BEGIN + YEAR),
    };
    metrics::QueryMetricsRequest {
        metric: "time_to_resolve".to_owned(),
        window: Some(metrics::query_metrics_request::Window::Interval(interval)),
        group_by: vec!["team".to_owned()],
        min_cursor: min_cursor.to_owned(),
        ..Default::default()
    }
}

async fn query(line: &Line, request: metrics::QueryMetricsRequest) -> Result<()> {
    let mut client = MetricServiceClient::new(line.channel.clone());
    let response = client
        .query_metrics(line.request(request))
        .await?
        .into_inner();
    ensure!(
        response.groups.len() > 1,
        "a generated year has several teams"
    );
    Ok(())
}

/// Asks for the metric.
struct Query {
    line: Line,
}

impl Work for Query {
    async fn call(&mut self) -> Result<()> {
        query(&self.line, metrics_of("")).await
    }
}

/// Imports a given file with the product's own command.
async fn command(bench: &mut Bench) -> Result<()> {
    let (file, mapping) = bench.plan.log.clone().context("a file is given")?;
    let data = bench.folder("command");
    let target = Target::product(&bench.plan.binary, &data).await?;
    let begin = Instant::now();
    let binary = bench.plan.binary.clone();
    let mut command = std::process::Command::new(binary);
    command
        .args([
            "import",
            "--json",
            "--server",
            &target.url(),
            "--token-file",
        ])
        .arg(data.join("admin.token"));
    command.arg("--mapping").arg(mapping).arg(file);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    ensure!(
        output.status.success(),
        "mainstay import: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let what = "import the given file by `mainstay import`";
    bench.samples.add(
        "P11",
        what,
        "s",
        Some(AtMost(15.0)),
        begin.elapsed().as_secs_f64(),
    );
    target.stop().await?;
    Ok(std::fs::remove_dir_all(&data)?)
}

#[cfg(test)]
mod tests {
    use super::generate;

    #[test]
    fn a_generated_log_has_the_rows_asked_for_in_the_order_of_time() {
        let log = generate(876, 100).unwrap();
        assert_eq!(
            log.iter().map(|history| history.facts.len()).sum::<usize>(),
            876
        );
        for history in &log {
            let times: Vec<i64> = history
                .facts
                .iter()
                .filter_map(|fact| fact.time)
                .map(|time| time.seconds)
                .collect();
            assert!(times.is_sorted_by(|one, next| one < next));
        }
    }
}
