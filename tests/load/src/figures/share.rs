//! P9: what the gateway takes of the throughput, against the same routes on
//! the same loop without it; both servers run, one is asked at a time.

use std::sync::Arc;

use anyhow::Result;

use crate::bench::Bench;
use crate::drive::closed;
use crate::incidents::{Create, Get, Resolve, shares, workers};
use crate::report::Goal::AtMost;
use crate::seed::Snapshot;

const CLIENTS: usize = 64;

pub(super) async fn measure(bench: &mut Bench, snapshot: &Snapshot) -> Result<()> {
    (bench.say)("the gateway's share");
    let span = bench.plan.span;
    let names = Arc::new(snapshot.names());
    for _ in 0..bench.plan.repeats {
        let door = bench.product_on(snapshot).await?;
        let direct = bench.direct_on(snapshot).await?;
        let share = shares(&snapshot.incidents, CLIENTS);
        let mut rates = Vec::new();
        for target in [&direct, &door] {
            let get = |line, random, _| Get::new(line, random, Arc::clone(&names));
            let one = closed(span, workers(&target.lines, 1, get)).await?;
            let get = closed(span, workers(&target.lines, CLIENTS, get)).await?;
            let resolve =
                |line, random, client: usize| Resolve::new(line, random, share[client].clone());
            let resolve = closed(span, workers(&target.lines, CLIENTS, resolve)).await?;
            let create = closed(
                span,
                workers(&target.lines, CLIENTS, |line, random, _| {
                    Create::new(line, random)
                }),
            )
            .await?;
            rates.push([
                get.per_second,
                resolve.per_second,
                create.per_second,
                one.quantile_ms(0.5),
            ]);
        }
        door.stop().await?;
        direct.end().await;
        for (place, call) in ["get", "resolve and reopen", "create"]
            .into_iter()
            .enumerate()
        {
            let (without, with) = (rates[0][place], rates[1][place]);
            let what = format!("gateway share of {call}, 64 clients");
            bench.samples.add(
                "P9",
                &what,
                "%",
                Some(AtMost(25.0)),
                100.0 * (1.0 - with / without),
            );
            let what = format!("{call} without the door, 64 clients");
            bench.samples.add("P9", &what, "/s", None, without);
        }
        let what = "get, one client, p50, the gateway adds";
        bench
            .samples
            .add("P9", what, "ms", None, rates[1][3] - rates[0][3]);
    }
    Ok(())
}
