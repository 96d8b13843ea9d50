//! P1, P2, P3, P5, P6, P12 and P13: the same calls on few incidents and on
//! many, in turn, beside the limits of the machine.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use crate::bench::{Bench, shared};
use crate::drive::{Sample, Work, closed};
use crate::echo;
use crate::incidents::{Create, Get, List, Resolve, shares, workers};
use crate::report::Goal::{AtLeast, AtMost};
use crate::report::{Goal, median};
use crate::rows::{Again, Rows};
use crate::seed::Snapshot;
use crate::target::Target;

/// Callers of a busy server.
const MANY: usize = 64;
/// How many of the newest incidents are worked on.
const NEWEST: usize = 5_000;
/// Writes in a transaction of the limit: half of the callers wait while the others commit.
const GROUP: usize = MANY / 2;
/// Before the memory of an idle server is read.
const IDLE: Duration = Duration::from_secs(2);

const CREATE: &str = "create, 64 clients";
const CREATE_P99: &str = "create, 64 clients, p99";
const CREATE_ALONE: &str = "create, one client, p50";
const RESOLVE: &str = "resolve and reopen in turn, newest 5,000, 64 clients";
const RESOLVE_ANY: &str = "resolve and reopen in turn, uniform, 64 clients";
const GET: &str = "get by name, 64 clients";
const GET_ALONE: &str = "get by name, one client, p50";
const LIST: &str = "list 50 by filter, 8 clients, p99";

/// Samples of what must not grow worse, by figure and size.
type Grown = BTreeMap<&'static str, Vec<Vec<f64>>>;

pub(super) async fn measure(bench: &mut Bench, snapshots: &[Snapshot]) -> Result<()> {
    let rows = Rows::read(&snapshots[0].folder)?;
    let mut grown = Grown::new();
    for repeat in 1..=bench.plan.repeats {
        (bench.say)(&format!("repeat {repeat}: limits"));
        limits(bench, &rows).await?;
        for (place, snapshot) in snapshots.iter().enumerate() {
            (bench.say)(&format!("repeat {repeat}: {} incidents", snapshot.size()));
            one(bench, snapshot, (place, snapshots.len()), &mut grown).await?;
        }
    }
    for (what, sizes) in grown {
        let (Some(few), Some(many)) = (
            sizes.first().and_then(|one| median(one)),
            sizes.last().and_then(|one| median(one)),
        ) else {
            continue;
        };
        let (first, last) = (&snapshots[0], &snapshots[snapshots.len() - 1]);
        let worse = if what == LIST { many / few } else { few / many };
        let text = format!(
            "{what}: {} against {} incidents, times worse",
            last.size(),
            first.size()
        );
        bench
            .samples
            .add("P13", &text, "×", Some(AtMost(1.15)), worse);
    }
    Ok(())
}

/// The limits of this repeat.
async fn limits(bench: &mut Bench, rows: &Rows) -> Result<()> {
    let scratch = bench.scratch().to_owned();
    let grouped = rows.again(Again::Create, GROUP, &scratch, bench.time())?;
    let samples = &mut bench.samples;
    samples.limit(
        "P1",
        CREATE,
        "the same rows written by SQLite, 32 a transaction",
        grouped.per_second,
    );
    let single = rows.again(Again::Create, 1, &scratch, bench.time())?;
    let samples = &mut bench.samples;
    let alone = crate::drive::milliseconds(single.latency.value_at_quantile(0.5));
    samples.limit(
        "P2",
        CREATE_ALONE,
        "the same rows written by SQLite, one a transaction",
        alone,
    );
    let grouped = rows.again(Again::Change, GROUP, &scratch, bench.time())?;
    let samples = &mut bench.samples;
    for what in [RESOLVE, RESOLVE_ANY] {
        samples.limit(
            "P3",
            what,
            "the same rows written by SQLite, 32 a transaction",
            grouped.per_second,
        );
    }
    let echo = bench.echo().await?;
    let many = workers(&echo, MANY, |line, _, _| echo::Caller::new(line.channel));
    let many = closed(bench.plan.span, many).await?;
    let one = workers(&echo, 1, |line, _, _| echo::Caller::new(line.channel));
    let one = closed(bench.plan.span, one).await?;
    echo.stop().await.ok();
    bench
        .samples
        .limit("P5", GET, "tonic echo, 64 clients", many.per_second);
    bench.samples.limit(
        "P5",
        GET_ALONE,
        "tonic echo, one client",
        one.quantile_ms(0.5),
    );
    Ok(())
}

/// All figures at one size: (its place, number of sizes).
async fn one(
    bench: &mut Bench,
    snapshot: &Snapshot,
    place: (usize, usize),
    grown: &mut Grown,
) -> Result<()> {
    let target = bench.product_on(snapshot).await?;
    let (first, last) = (place.0 == 0, place.0 + 1 == place.1);
    if last {
        let size = snapshot.size();
        bench.samples.add(
            "P12",
            &format!("start with {size} incidents"),
            "s",
            Some(AtMost(1.0)),
            target.started_in.as_secs_f64(),
        );
        tokio::time::sleep(IDLE).await;
        bench.samples.add(
            "P12",
            &format!("idle memory (PSS) with {size} incidents"),
            "MB",
            Some(AtMost(80.0)),
            target.memory_mb()?,
        );
    }
    let mut keep = |bench: &mut Bench,
                    only: bool,
                    id: &str,
                    what: &'static str,
                    unit,
                    goal: Goal,
                    value: f64| {
        if only {
            bench.samples.add(id, what, unit, Some(goal), value);
        }
        let sizes = grown
            .entry(what)
            .or_insert_with(|| vec![Vec::new(); place.1]);
        sizes[place.0].push(value);
    };
    let names = shared(snapshot.names());
    let get = |line, random, _| Get::new(line, random, std::sync::Arc::clone(&names));
    let sample = run(bench, &target, MANY, get).await?;
    keep(
        bench,
        first,
        "P5",
        GET,
        "/s",
        AtLeast(20_000.0),
        sample.per_second,
    );
    let sample = run(bench, &target, 8, |line, random, _| List::new(line, random)).await?;
    keep(
        bench,
        last,
        "P6",
        LIST,
        "ms",
        AtMost(8.0),
        sample.quantile_ms(0.99),
    );
    let share = shares(snapshot.newest(NEWEST), MANY);
    let sample = run(bench, &target, MANY, |line, random, client| {
        Resolve::new(line, random, share[client].clone())
    })
    .await?;
    keep(
        bench,
        first,
        "P3",
        RESOLVE,
        "/s",
        AtLeast(5_000.0),
        sample.per_second,
    );
    if first {
        let sample = run(bench, &target, 1, get).await?;
        bench.samples.add(
            "P5",
            GET_ALONE,
            "ms",
            Some(AtMost(0.25)),
            sample.quantile_ms(0.5),
        );
        let sample = run(bench, &target, 1, |line, random, _| {
            Create::new(line, random)
        })
        .await?;
        bench.samples.add(
            "P2",
            CREATE_ALONE,
            "ms",
            Some(AtMost(0.7)),
            sample.quantile_ms(0.5),
        );
    }
    let sample = run(bench, &target, MANY, |line, random, _| {
        Create::new(line, random)
    })
    .await?;
    keep(
        bench,
        first,
        "P1",
        CREATE,
        "/s",
        AtLeast(8_000.0),
        sample.per_second,
    );
    if first {
        bench.samples.add(
            "P1",
            CREATE_P99,
            "ms",
            Some(AtMost(25.0)),
            sample.quantile_ms(0.99),
        );
    }
    target.stop().await?;
    uniform(bench, snapshot, first, last).await
}

/// P3 over all incidents, on a fresh copy: the newest were turned over above.
async fn uniform(bench: &mut Bench, snapshot: &Snapshot, first: bool, last: bool) -> Result<()> {
    let target = bench.product_on(snapshot).await?;
    let share = shares(&snapshot.incidents, MANY);
    let sample = run(bench, &target, MANY, |line, random, client| {
        Resolve::new(line, random, share[client].clone())
    })
    .await?;
    if first {
        bench.samples.add(
            "P3",
            RESOLVE_ANY,
            "/s",
            Some(AtLeast(5_000.0)),
            sample.per_second,
        );
    }
    if last {
        let text = format!("{RESOLVE_ANY}, {} incidents", snapshot.size());
        bench
            .samples
            .add("P13", &text, "/s", None, sample.per_second);
    }
    target.stop().await
}

async fn run<W: Work>(
    bench: &Bench,
    target: &Target,
    clients: usize,
    make: impl Fn(crate::target::Line, fastrand::Rng, usize) -> W,
) -> Result<Sample> {
    closed(bench.plan.span, workers(target, clients, make)).await
}
