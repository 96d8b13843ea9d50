//! P9: what the gateway takes of the throughput, against the same routes on
//! the same loop without it. Both servers run, one is asked at a time, each
//! kind of call of both right after the other, and in turn first.

use std::sync::Arc;

use anyhow::Result;

use crate::bench::Bench;
use crate::drive::{Sample, closed};
use crate::incidents::{Create, Get, Resolve, shares, workers};
use crate::report::Goal::AtMost;
use crate::seed::Snapshot;
use crate::target::Target;

const CLIENTS: usize = 64;

/// What is asked of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Get,
    GetAlone,
    Resolve,
    Create,
}

pub(super) async fn measure(bench: &mut Bench, snapshot: &Snapshot) -> Result<()> {
    (bench.say)("the gateway's share");
    let names = Arc::new(snapshot.names());
    for repeat in 0..bench.plan.repeats {
        let door = bench.product_on(snapshot).await?;
        let direct = bench.direct_on(snapshot).await?;
        let calls = [Call::Get, Call::GetAlone, Call::Resolve, Call::Create];
        for (place, call) in calls.into_iter().enumerate() {
            let (with, without);
            if (repeat + place) % 2 == 0 {
                with = ask(bench, &door, call, snapshot, &names).await?;
                without = ask(bench, &direct, call, snapshot, &names).await?;
            } else {
                without = ask(bench, &direct, call, snapshot, &names).await?;
                with = ask(bench, &door, call, snapshot, &names).await?;
            }
            tell(bench, call, &with, &without);
        }
        door.stop().await?;
        direct.end().await;
    }
    Ok(())
}

/// One loop of a call.
async fn ask(
    bench: &Bench,
    target: &Target,
    call: Call,
    snapshot: &Snapshot,
    names: &Arc<Vec<String>>,
) -> Result<Sample> {
    let (span, lines) = (bench.plan.span, &target.lines);
    let get = |line, random, _| Get::new(line, random, Arc::clone(names));
    match call {
        Call::Get => closed(span, workers(lines, CLIENTS, get)).await,
        Call::GetAlone => closed(span, workers(lines, 1, get)).await,
        Call::Resolve => {
            let share = shares(&snapshot.incidents, CLIENTS);
            let resolve =
                |line, random, client: usize| Resolve::new(line, random, share[client].clone());
            closed(span, workers(lines, CLIENTS, resolve)).await
        }
        Call::Create => {
            let create = |line, random, _| Create::new(line, random);
            closed(span, workers(lines, CLIENTS, create)).await
        }
    }
}

fn tell(bench: &mut Bench, call: Call, with: &Sample, without: &Sample) {
    let what = match call {
        Call::GetAlone => {
            let what = "the gateway adds to a get of one client, p50";
            let value = with.quantile_ms(0.5) - without.quantile_ms(0.5);
            bench.samples.add("P9", what, "ms", None, value);
            return;
        }
        Call::Get => "get",
        Call::Resolve => "resolve and reopen",
        Call::Create => "create",
    };
    let share = 100.0 * (1.0 - with.per_second / without.per_second);
    let text = format!("gateway share of {what}, 64 clients");
    let samples = &mut bench.samples;
    samples.add("P9", &text, "%", Some(AtMost(25.0)), share);
    let text = format!("{what} without the door, 64 clients");
    samples.add("P9", &text, "/s", None, without.per_second);
}
