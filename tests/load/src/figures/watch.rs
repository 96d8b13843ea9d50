//! P7: from the record time of an event to its arrival at a watcher, while
//! writers keep 1,000 writes a second. The record time is taken before the
//! commit, so the lag includes the disk.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use mainstay_proto::mainstay::event::v1 as pb;
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::event::v1::watch_events_response::Content;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::bench::Bench;
use crate::drive::{Work, histogram, milliseconds};
use crate::incidents::{Create, workers};
use crate::report::Goal::AtMost;
use crate::seed::Snapshot;
use crate::target::{Line, Target};

/// Writers, and how often each writes.
const WRITERS: usize = 20;
const EVERY: Duration = Duration::from_millis(20);
/// How long the watcher may take after the last write.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn measure(bench: &mut Bench, snapshot: &Snapshot) -> Result<()> {
    (bench.say)("watch lag");
    for _ in 0..bench.plan.repeats {
        let direct = bench.direct_on(snapshot).await?;
        let lag = under_load(&direct, bench.time()).await?;
        direct.end().await;
        let what = "commit to a watcher of the service itself, p99";
        bench.samples.add(
            "P7",
            what,
            "ms",
            Some(AtMost(20.0)),
            milliseconds(lag.value_at_quantile(0.99)),
        );
        let door = bench.product_on(snapshot).await?;
        let lag = under_load(&door, bench.time()).await?;
        door.stop().await?;
        let what = "commit to a watcher through the gateway, p99";
        bench.samples.add(
            "P7",
            what,
            "ms",
            Some(AtMost(30.0)),
            milliseconds(lag.value_at_quantile(0.99)),
        );
    }
    Ok(())
}

/// Watches while writers write at a fixed rate.
async fn under_load(target: &Target, time: Duration) -> Result<Histogram<u64>> {
    let rounds = u32::try_from(time.as_millis() / EVERY.as_millis())?.max(1);
    let writes = u64::from(rounds) * u64::try_from(WRITERS)?;
    let (ready, begun) = oneshot::channel();
    let watcher = tokio::spawn(watch(target.fresh_line().await?, ready, writes));
    begun.await.context("the watcher has ended")?;
    let start = Instant::now();
    let mut writers = JoinSet::new();
    let create = |line, random, _| Create::new(line, random);
    for (place, mut writer) in workers(&target.lines, WRITERS, create)
        .into_iter()
        .enumerate()
    {
        // Spread over the interval, so that the writes do not come in bursts.
        let first = start + EVERY * u32::try_from(place)? / u32::try_from(WRITERS)?;
        writers.spawn(async move {
            let mut tick = interval_at(first, EVERY);
            tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for _ in 0..rounds {
                tick.tick().await;
                writer.call().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = writers.join_next().await {
        ended??;
    }
    let lags = tokio::time::timeout(PATIENCE, watcher).await;
    lags.context("the watcher does not see all events")??
}

/// The lags of so many events.
async fn watch(line: Line, ready: oneshot::Sender<()>, writes: u64) -> Result<Histogram<u64>> {
    let mut client = EventServiceClient::new(line.channel.clone());
    let at = pb::start::At::Point(pb::StartPoint::Latest.into());
    let request = pb::WatchEventsRequest {
        start: Some(pb::Start { at: Some(at) }),
        ..Default::default()
    };
    let mut stream = client
        .watch_events(line.request(request))
        .await?
        .into_inner();
    let mut lags = histogram()?;
    // The first response says where the stream begins.
    stream.message().await?;
    let _ = ready.send(());
    while lags.len() < writes {
        let message = stream.message().await?.context("the stream has ended")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let Some(Content::Events(batch)) = message.content else {
            continue;
        };
        for event in batch.events {
            let at = event.record_time.context("an event has a record time")?;
            let recorded = Duration::new(u64::try_from(at.seconds)?, u32::try_from(at.nanos)?);
            let lag = u64::try_from(now.saturating_sub(recorded).as_micros())?;
            lags.saturating_record(lag.max(1));
        }
    }
    Ok(lags)
}
