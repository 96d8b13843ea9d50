//! P1, P2, P3, P5, P6, P12 and P13: the same calls on few incidents and on
//! many, in turn, beside the limits of the machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::bench::Bench;
use crate::drive::{Sample, Work, closed, milliseconds};
use crate::echo;
use crate::incidents::{Create, Get, List, Resolve, shares, workers};
use crate::report::Goal::{AtLeast, AtMost};
use crate::report::{Goal, median};
use crate::rows::{Again, Rows};
use crate::seed::Snapshot;
use crate::target::{Line, Target};

/// Callers of a busy server.
const MANY: usize = 64;
/// Callers of a quiet one.
const FEW: usize = 8;
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

/// Samples of what must not grow worse: by figure, then by size.
type Grown = BTreeMap<&'static str, Vec<Vec<f64>>>;

pub(super) async fn measure(bench: &mut Bench, snapshots: &[Snapshot]) -> Result<()> {
    let rows = Rows::read(&snapshots[0].folder)?;
    let mut grown = Grown::new();
    for repeat in 1..=bench.plan.repeats {
        (bench.say)(&format!("repeat {repeat}: limits"));
        sqlite(bench, &rows)?;
        transport(bench).await?;
        for (place, snapshot) in snapshots.iter().enumerate() {
            (bench.say)(&format!("repeat {repeat}: {} incidents", snapshot.size()));
            let mut size = Size {
                bench,
                snapshot,
                grown: &mut grown,
                place,
                sizes: snapshots.len(),
            };
            size.measure().await?;
        }
    }
    compare(bench, &grown, snapshots);
    Ok(())
}

/// What SQLite and the disk allow in this repeat.
fn sqlite(bench: &mut Bench, rows: &Rows) -> Result<()> {
    const GROUPED: &str = "the same rows written by SQLite, 32 a transaction";
    const SINGLE: &str = "the same rows written by SQLite, one a transaction";
    let (scratch, time) = (bench.scratch().to_owned(), bench.time());
    let grouped = rows.again(Again::Create, GROUP, &scratch, time)?;
    let single = rows.again(Again::Create, 1, &scratch, time)?;
    let changed = rows.again(Again::Change, GROUP, &scratch, time)?;
    let alone = milliseconds(single.latency.value_at_quantile(0.5));
    let samples = &mut bench.samples;
    samples.limit("P1", CREATE, GROUPED, grouped.per_second);
    samples.limit("P2", CREATE_ALONE, SINGLE, alone);
    for what in [RESOLVE, RESOLVE_ANY] {
        samples.limit("P3", what, GROUPED, changed.per_second);
    }
    Ok(())
}

/// What the transport allows in this repeat.
async fn transport(bench: &mut Bench) -> Result<()> {
    let echo = bench.echo().await?;
    let call = |line: Line, _, _| echo::Caller::new(line.channel);
    let many = closed(bench.plan.span, workers(&echo.lines, MANY, call)).await?;
    let one = closed(bench.plan.span, workers(&echo.lines, 1, call)).await?;
    echo.end().await;
    let samples = &mut bench.samples;
    samples.limit("P5", GET, "tonic echo, 64 clients", many.per_second);
    let alone = one.quantile_ms(0.5);
    samples.limit("P5", GET_ALONE, "tonic echo, one client", alone);
    Ok(())
}

/// How much worse the largest size is than the smallest.
fn compare(bench: &mut Bench, grown: &Grown, snapshots: &[Snapshot]) {
    let [few, .., many] = snapshots else { return };
    for (what, sizes) in grown {
        let [first, .., last] = sizes.as_slice() else {
            continue;
        };
        let (Some(first), Some(last)) = (median(first), median(last)) else {
            continue;
        };
        let worse = if *what == LIST {
            last / first
        } else {
            first / last
        };
        let text = format!(
            "{what}: times worse at {} than at {}",
            many.size(),
            few.size()
        );
        bench
            .samples
            .add("P13", &text, "×", Some(AtMost(1.15)), worse);
    }
}

/// The figures at one size.
struct Size<'a> {
    bench: &'a mut Bench,
    snapshot: &'a Snapshot,
    grown: &'a mut Grown,
    place: usize,
    sizes: usize,
}

impl Size<'_> {
    async fn measure(&mut self) -> Result<()> {
        let target = self.bench.product_on(self.snapshot).await?;
        if self.is_last() {
            self.idle(&target).await?;
        }
        self.reads(&target).await?;
        let newest = self.snapshot.newest(NEWEST);
        let rate = self.turn_over(&target, newest).await?;
        self.keep(
            self.is_first(),
            ("P3", RESOLVE, "/s", AtLeast(5_000.0)),
            rate,
        );
        if self.is_first() {
            self.alone(&target).await?;
        }
        let create = |line, random, _| Create::new(line, random);
        let sample = self.run(&target, MANY, create).await?;
        let goal = AtLeast(8_000.0);
        self.keep(
            self.is_first(),
            ("P1", CREATE, "/s", goal),
            sample.per_second,
        );
        if self.is_first() {
            let (goal, value) = (AtMost(25.0), sample.quantile_ms(0.99));
            let samples = &mut self.bench.samples;
            samples.add("P1", CREATE_P99, "ms", Some(goal), value);
        }
        target.stop().await?;
        self.uniform().await
    }

    /// Start and idle memory.
    async fn idle(&mut self, target: &Target) -> Result<()> {
        let size = self.snapshot.size();
        let started = target.started_in.as_secs_f64();
        let what = format!("start with {size} incidents");
        let samples = &mut self.bench.samples;
        samples.add("P12", &what, "s", Some(AtMost(1.0)), started);
        tokio::time::sleep(IDLE).await;
        let what = format!("idle memory (PSS) with {size} incidents");
        samples.add("P12", &what, "MB", Some(AtMost(80.0)), target.memory_mb()?);
        Ok(())
    }

    async fn reads(&mut self, target: &Target) -> Result<()> {
        let names = Arc::new(self.snapshot.names());
        let get = |line, random, _| Get::new(line, random, Arc::clone(&names));
        let sample = self.run(target, MANY, get).await?;
        let goal = AtLeast(20_000.0);
        self.keep(self.is_first(), ("P5", GET, "/s", goal), sample.per_second);
        if self.is_first() {
            let sample = self.run(target, 1, get).await?;
            let (goal, value) = (AtMost(0.25), sample.quantile_ms(0.5));
            self.bench
                .samples
                .add("P5", GET_ALONE, "ms", Some(goal), value);
        }
        let list = |line, random, _| List::new(line, random);
        let sample = self.run(target, FEW, list).await?;
        let figure = ("P6", LIST, "ms", AtMost(8.0));
        self.keep(self.is_last(), figure, sample.quantile_ms(0.99));
        Ok(())
    }

    /// One client that creates.
    async fn alone(&mut self, target: &Target) -> Result<()> {
        let create = |line, random, _| Create::new(line, random);
        let sample = self.run(target, 1, create).await?;
        let (goal, value) = (AtMost(0.7), sample.quantile_ms(0.5));
        self.bench
            .samples
            .add("P2", CREATE_ALONE, "ms", Some(goal), value);
        Ok(())
    }

    /// P3 over all incidents, on a fresh copy: the newest were turned over above.
    async fn uniform(&mut self) -> Result<()> {
        let target = self.bench.product_on(self.snapshot).await?;
        let rate = self.turn_over(&target, &self.snapshot.incidents).await?;
        target.stop().await?;
        let samples = &mut self.bench.samples;
        if self.place == 0 {
            samples.add("P3", RESOLVE_ANY, "/s", Some(AtLeast(5_000.0)), rate);
        }
        if self.place + 1 == self.sizes {
            let what = format!("{RESOLVE_ANY}, at {}", self.snapshot.size());
            samples.add("P13", &what, "/s", None, rate);
        }
        Ok(())
    }

    /// Resolves and reopens these incidents; calls a second.
    async fn turn_over(&self, target: &Target, incidents: &[(String, bool)]) -> Result<f64> {
        let share = shares(incidents, MANY);
        let work = |line, random, client: usize| Resolve::new(line, random, share[client].clone());
        Ok(self.run(target, MANY, work).await?.per_second)
    }

    async fn run<W: Work>(
        &self,
        target: &Target,
        clients: usize,
        make: impl Fn(Line, fastrand::Rng, usize) -> W,
    ) -> Result<Sample> {
        closed(self.bench.plan.span, workers(&target.lines, clients, make)).await
    }

    /// Keeps a value for the comparison of sizes, and as a figure where it is one.
    fn keep(&mut self, figure: bool, of: (&str, &'static str, &'static str, Goal), value: f64) {
        let (id, what, unit, goal) = of;
        if figure {
            self.bench.samples.add(id, what, unit, Some(goal), value);
        }
        let sizes = self.grown.entry(what);
        sizes.or_insert_with(|| vec![Vec::new(); self.sizes])[self.place].push(value);
    }

    fn is_first(&self) -> bool {
        self.place == 0
    }

    fn is_last(&self) -> bool {
        self.place + 1 == self.sizes
    }
}
