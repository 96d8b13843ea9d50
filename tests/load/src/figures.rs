//! The figures, each beside the limit that it is held to. Loops of a figure
//! and of its limit alternate, so that a slow hour slows both.

mod growth;
mod import;
mod share;
mod watch;

use anyhow::Result;

use crate::bench::Bench;
use crate::seed::snapshots;

/// Measures everything that the plan asks for.
pub(crate) async fn measure(bench: &mut Bench) -> Result<()> {
    if bench.wants(&["P1", "P2", "P3", "P5", "P6", "P7", "P9", "P12", "P13"]) {
        let sizes = bench.plan.sizes.clone();
        (bench.say)(&format!("filling folders with {sizes:?} incidents"));
        let made = snapshots(&bench.plan.binary, bench.scratch(), &sizes).await?;
        if bench.wants(&["P1", "P2", "P3", "P5", "P6", "P12", "P13"]) {
            growth::measure(bench, &made).await?;
        }
        if bench.wants(&["P9"]) {
            share::measure(bench, &made[0]).await?;
        }
        if bench.wants(&["P7"]) {
            watch::measure(bench, &made[0]).await?;
        }
    }
    if bench.wants(&["P10", "P11"]) {
        import::measure(bench).await?;
    }
    Ok(())
}
