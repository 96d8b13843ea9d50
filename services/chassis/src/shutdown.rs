//! How a process ends: asked to by SIGTERM or Ctrl-C, in a fixed order, and
//! in bounded time whatever a client does.
//!
//! Acknowledged writes are durable before they are acknowledged, so an end
//! that is cut short loses nothing; the order exists so that clients learn of
//! it: health first, then the streams (with their cursor), then connections.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// From the signal to the end of the process, at most.
const WHOLE: Duration = Duration::from_millis(4_500);
/// For streams and calls under way to end.
const SERVING: Duration = Duration::from_millis(2_500);
/// For the stores to write what they hold and close.
const CLOSING: Duration = Duration::from_millis(1_500);

/// The tokens by which the parts of a process learn that it ends.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Cancelled first: health says so, streams tell their cursor and end,
    /// followers stop, long polls answer.
    pub drain: CancellationToken,
    /// Cancelled next: no new connection is taken and open ones are told to
    /// go away.
    pub stop: CancellationToken,
}

impl Shutdown {
    /// Serves until the process is asked to end, then drains: `serving` must
    /// end after `stop`; `close` closes the stores, in every case.
    pub async fn run(
        self,
        asked: impl Future<Output = ()> + Send,
        serving: impl Future<Output = ()> + Send,
        close: impl Future<Output = ()> + Send,
    ) {
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            () = &mut serving => {}
            () = asked => {
                tracing::info!("ending: telling clients, draining streams");
                self.drain.cancel();
                self.stop.cancel();
                if tokio::time::timeout(SERVING, serving).await.is_err() {
                    tracing::warn!("connections are still open: ending without them");
                }
            }
        }
        self.drain.cancel();
        self.stop.cancel();
        if tokio::time::timeout(CLOSING, close).await.is_err() {
            tracing::warn!("the stores did not close in time: what was acknowledged is durable");
        }
    }
}

/// Listens from now on, and returns when the process is asked to end. Then it
/// ends within a bounded time even if something blocks it, and at once when it
/// is asked a second time.
pub fn asked() -> impl Future<Output = ()> + Send {
    let first = signal();
    async {
        first.await;
        let watchdog = std::thread::Builder::new().name("watchdog".to_owned());
        let spawned = watchdog.spawn(|| {
            std::thread::sleep(WHOLE);
            std::process::exit(0)
        });
        if let Err(cause) = spawned {
            tracing::warn!(%cause, "no watchdog over the end of the process");
        }
        tokio::spawn(async {
            signal().await;
            std::process::exit(130)
        });
    }
}

/// Listens from now on, not from the first poll on, and returns at SIGTERM or
/// Ctrl-C.
#[cfg(unix)]
pub fn signal() -> impl Future<Output = ()> + Send {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = signal(SignalKind::terminate());
    let interrupt = signal(SignalKind::interrupt());
    async {
        match (terminate, interrupt) {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            }
            (Err(_), _) | (_, Err(_)) => {
                let _ = tokio::signal::ctrl_c().await;
            }
        }
    }
}

/// Returns at Ctrl-C.
#[cfg(not(unix))]
pub async fn signal() {
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn streams_end_before_connections_and_connections_before_stores() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |what: &'static str| order.lock().unwrap().push(what);
        let shutdown = Shutdown::default();
        let (drain, stop) = (shutdown.drain.clone(), shutdown.stop.clone());
        let serving = async {
            drain.cancelled().await;
            note("drained");
            stop.cancelled().await;
            note("stopped");
        };
        shutdown
            .run(async {}, serving, async { note("closed") })
            .await;
        assert_eq!(*order.lock().unwrap(), ["drained", "stopped", "closed"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_never_ends_does_not_keep_the_process() {
        let closed = Mutex::new(false);
        let close = async { *closed.lock().unwrap() = true };
        Shutdown::default()
            .run(async {}, std::future::pending(), close)
            .await;
        assert!(*closed.lock().unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_never_closes_does_not_keep_the_process() {
        Shutdown::default()
            .run(async {}, async {}, std::future::pending())
            .await;
    }

    #[tokio::test]
    async fn a_server_that_ends_by_itself_drains_and_closes_all_the_same() {
        let closed = Mutex::new(false);
        let shutdown = Shutdown::default();
        let (drain, close) = (shutdown.drain.clone(), async {
            *closed.lock().unwrap() = true
        });
        shutdown.run(std::future::pending(), async {}, close).await;
        assert!(*closed.lock().unwrap() && drain.is_cancelled());
    }
}
