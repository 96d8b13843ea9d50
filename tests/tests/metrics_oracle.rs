//! What the gateway says of a log equals what `tests/oracle.py` computes from
//! the exported events alone: at random instants, in random intervals, by
//! random dimensions, on an imported log with quirks and on logs made through
//! the API.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use mainstay_proto::mainstay::event::v1 as event;
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::metrics::v1 as pb;
use mainstay_proto::mainstay::metrics::v1::metric_service_client::MetricServiceClient;
use mainstay_tests::{Suite, repository};
use pb::query_metrics_request::Window;
use prost::Message;
use prost_reflect::DynamicMessage;
use prost_types::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

#[path = "metrics_oracle/dice.rs"]
mod dice;
#[path = "metrics_oracle/random_log.rs"]
mod random_log;

use dice::Dice;

/// So many questions are asked of each log.
const QUESTIONS: usize = 120;
const METRICS: [(&str, &[&str]); 3] = [
    (
        "time_to_resolve",
        &["", "gross_last", "gross_first", "net_of_holds"],
    ),
    ("reopen_rate", &[""]),
    ("backlog_age", &[""]),
];

#[tokio::test]
async fn an_imported_log_with_quirks_is_counted_as_the_oracle_counts_it() -> Result<()> {
    for seed in ["1", "2"] {
        let suite = Suite::start().await?;
        let log = suite.data().join(format!("quirky-{seed}.csv"));
        let script = repository().join("tests/quirky_log.py");
        let written = Command::new("python3")
            .arg(script)
            .args(["--rows", "200", "--seed", seed])
            .output()
            .await?;
        ensure!(
            written.status.success(),
            "{}",
            String::from_utf8_lossy(&written.stderr)
        );
        std::fs::write(&log, written.stdout)?;
        let mapping = repository().join("tests/quirky_log.yaml");
        let arguments = [
            "import".as_ref(),
            "--mapping".as_ref(),
            mapping.as_os_str(),
            log.as_os_str(),
        ];
        let imported = suite.command(arguments)?.output().await?;
        ensure!(imported.status.success(), "{imported:?}");
        compare(&suite, &mut Dice::new(seed.parse()?)).await?;
    }
    Ok(())
}

#[tokio::test]
async fn random_histories_are_counted_as_the_oracle_counts_them() -> Result<()> {
    let suite = Suite::start().await?;
    let mut dice = Dice::new(7);
    random_log::import(&suite.administrator()?, &mut dice).await?;
    compare(&suite, &mut dice).await
}

#[tokio::test]
async fn random_work_on_incidents_is_counted_as_the_oracle_counts_it() -> Result<()> {
    let suite = Suite::start().await?;
    let mut dice = Dice::new(11);
    random_log::work(&suite.administrator()?, &mut dice).await?;
    compare(&suite, &mut dice).await
}

/// Asks the gateway and the oracle the same questions.
async fn compare(suite: &Suite, dice: &mut Dice) -> Result<()> {
    let (events, cursor) = export(suite).await?;
    let mut client = MetricServiceClient::new(suite.administrator()?);
    let times = times(&events)?;
    let mut questions: Vec<_> = (0..QUESTIONS)
        .map(|_| question(dice, &times, &cursor))
        .collect();
    questions.extend(METRICS.map(|(metric, _)| pb::QueryMetricsRequest {
        window: None,
        ..asked(metric, &cursor)
    }));
    let mut answers = Vec::new();
    for question in &mut questions {
        let answer = client.query_metrics(question.clone()).await?.into_inner();
        // An oracle does not know what time it is, so it is told how the
        // gateway understood an open end.
        question.window = answer
            .as_of
            .map(Window::AsOf)
            .or(answer.interval.map(Window::Interval));
        answers.push(answer);
    }
    let expected = oracle(suite, &events, &questions).await?;
    ensure!(
        expected.len() == questions.len(),
        "the oracle answered {} questions",
        expected.len()
    );
    let mut figures = 0;
    for ((question, answer), expected) in questions.iter().zip(answers).zip(expected) {
        figures += answer.groups.len();
        let answer = json(
            "QueryMetricsResponse",
            &pb::QueryMetricsResponse {
                cursor: String::new(),
                ..answer
            },
        )?;
        assert_eq!(answer, expected, "{question:?}");
    }
    ensure!(
        figures > QUESTIONS,
        "too few figures to say anything: {figures}"
    );
    Ok(())
}

/// The events of incidents as `mainstay watch` prints them, and the cursor after them.
async fn export(suite: &Suite) -> Result<(Vec<String>, String)> {
    let log = EventServiceClient::new(suite.administrator()?)
        .get_event_log(event::GetEventLogRequest::default())
        .await?;
    let log = log.into_inner().log.context("a log")?;
    let incidents = log
        .services
        .iter()
        .find(|service| service.source == "incident")
        .context("the incident log")?;
    let arguments = [
        "watch",
        "--json",
        "--from",
        "earliest",
        "--type",
        "mainstay.incident.v1.*",
    ];
    let mut watch = suite.command(arguments)?.stdout(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(watch.stdout.take().context("a pipe")?).lines();
    let mut events = Vec::new();
    for _ in 0..incidents.latest_sequence {
        events.push(lines.next_line().await?.context("the export ended early")?);
    }
    watch.kill().await?;
    Ok((events, log.latest_cursor))
}

/// When events occurred, in microseconds since the epoch.
fn times(events: &[String]) -> Result<Vec<i64>> {
    let time = |line: &String| {
        let event: Value = serde_json::from_str(line)?;
        let text = event["event"]["occurTime"]
            .as_str()
            .context("a time")?
            .to_owned();
        let time: Timestamp = text.parse()?;
        Ok(time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000)
    };
    events.iter().map(time).collect()
}

fn asked(metric: &str, cursor: &str) -> pb::QueryMetricsRequest {
    pb::QueryMetricsRequest {
        metric: metric.to_owned(),
        min_cursor: cursor.to_owned(),
        ..pb::QueryMetricsRequest::default()
    }
}

/// A random question about times at which something happened, and beside them.
fn question(dice: &mut Dice, times: &[i64], cursor: &str) -> pb::QueryMetricsRequest {
    let (metric, variants) = dice.pick(&METRICS);
    let mut group_by: Vec<String> = ["service", "team", "impact"].map(str::to_owned).into();
    dice.shuffle(&mut group_by);
    group_by.truncate(dice.below(4));
    let mut instant = || {
        dice.pick(times)
            + dice.pick(&[
                0,
                0,
                1,
                -1,
                3_600_000_000,
                30 * 86_400_000_000,
                400 * 86_400_000_000,
            ])
    };
    let (one, other) = (instant(), instant());
    let window = match metric {
        "backlog_age" => Window::AsOf(timestamp(one)),
        _ => Window::Interval(pb::Interval {
            start_time: (dice.below(3) > 0).then(|| timestamp(one.min(other))),
            end_time: Some(timestamp(one.max(other))),
        }),
    };
    let variant = dice.pick(variants).to_owned();
    pb::QueryMetricsRequest {
        variant,
        group_by,
        window: Some(window),
        ..asked(metric, cursor)
    }
}

/// What the oracle answers.
async fn oracle(
    suite: &Suite,
    events: &[String],
    questions: &[pb::QueryMetricsRequest],
) -> Result<Vec<Value>> {
    let export = suite.data().join("events.jsonl");
    std::fs::write(&export, events.join("\n"))?;
    let mut oracle = Command::new("python3")
        .arg(repository().join("tests/oracle.py"))
        .arg(&export)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = oracle.stdin.take().context("a pipe")?;
    let questions = questions
        .iter()
        .map(|question| json("QueryMetricsRequest", question))
        .collect::<Result<Vec<_>>>()?;
    let asking = async move {
        for question in questions {
            input.write_all(format!("{question}\n").as_bytes()).await?;
        }
        anyhow::Ok(())
    };
    let (asked, answered) = tokio::join!(asking, oracle.wait_with_output());
    asked?;
    let answered = answered?;
    ensure!(answered.status.success(), "the oracle failed");
    let answers = String::from_utf8(answered.stdout)?;
    Ok(answers
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?)
}

/// A message as canonical JSON.
fn json<M: Message>(name: &str, message: &M) -> Result<Value> {
    let descriptor = mainstay_proto::descriptors()
        .get_message_by_name(&format!("mainstay.metrics.v1.{name}"))
        .context("a known message")?;
    Ok(serde_json::to_value(DynamicMessage::decode(
        descriptor,
        message.encode_to_vec().as_slice(),
    )?)?)
}

fn timestamp(us: i64) -> Timestamp {
    let nanos = us.rem_euclid(1_000_000) * 1_000;
    Timestamp {
        seconds: us.div_euclid(1_000_000),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}
