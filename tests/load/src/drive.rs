//! The closed loop: a fixed number of clients, each of which makes its next
//! call when the one before has come back. So the server is never asked for
//! more than it answers, and a slow answer slows the asking, as people and
//! pipelines do.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

/// What one client does over and over.
pub(crate) trait Work: Send + 'static {
    /// One call.
    fn call(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// How long a loop runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// Before anything is counted.
    pub(crate) warm_up: Duration,
    /// While calls are counted.
    pub(crate) measure: Duration,
}

/// What a loop came to.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Calls a second.
    pub(crate) per_second: f64,
    /// How long calls took, in microseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Sample {
    /// A quantile of the latency, in milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        milliseconds(self.latency.value_at_quantile(quantile))
    }
}

/// A histogram of microseconds, from 1 µs to 60 s with three digits.
pub(crate) fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000, 3)?)
}

/// Microseconds as milliseconds.
pub(crate) fn milliseconds(microseconds: u64) -> f64 {
    Duration::from_micros(microseconds).as_secs_f64() * 1_000.0
}

/// Runs every worker in a loop of its own. A call that fails ends the bench:
/// figures with failures in them mean nothing.
pub(crate) async fn closed<W: Work>(span: Span, workers: Vec<W>) -> Result<Sample> {
    ensure!(!workers.is_empty(), "a loop needs a worker");
    let begin = Instant::now() + span.warm_up;
    let end = begin + span.measure;
    let mut tasks = JoinSet::new();
    for worker in workers {
        tasks.spawn(turn(worker, begin, end));
    }
    let mut latency = histogram()?;
    while let Some(one) = tasks.join_next().await {
        latency.add(one??)?;
    }
    let calls = u32::try_from(latency.len())?;
    Ok(Sample {
        per_second: f64::from(calls) / span.measure.as_secs_f64(),
        latency,
    })
}

/// One worker's loop; only calls that end within the window are counted.
async fn turn<W: Work>(mut worker: W, begin: Instant, end: Instant) -> Result<Histogram<u64>> {
    let mut latency = histogram()?;
    loop {
        let sent = Instant::now();
        if sent >= end {
            return Ok(latency);
        }
        worker.call().await?;
        let told = Instant::now();
        if told >= begin && told < end {
            let took = u64::try_from(told.duration_since(sent).as_micros())?;
            latency.saturating_record(took.max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Yielding;

    impl Work for Yielding {
        async fn call(&mut self) -> Result<()> {
            tokio::task::yield_now().await;
            Ok(())
        }
    }

    struct Failing;

    impl Work for Failing {
        async fn call(&mut self) -> Result<()> {
            anyhow::bail!("refused")
        }
    }

    const SHORT: Span = Span {
        warm_up: Duration::from_millis(1),
        measure: Duration::from_millis(20),
    };

    #[tokio::test]
    async fn every_call_of_the_window_is_counted_once() {
        let sample = closed(SHORT, vec![Yielding, Yielding]).await.unwrap();
        let calls = f64::from(u32::try_from(sample.latency.len()).unwrap());
        assert!(calls > 0.0);
        assert!((sample.per_second * 0.02 - calls).abs() < 0.5);
    }

    #[tokio::test]
    async fn a_call_that_fails_ends_the_loop() {
        assert!(closed(SHORT, vec![Failing]).await.is_err());
    }
}
