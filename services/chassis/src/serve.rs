//! The accept loop: HTTP/1.1 and HTTP/2 without TLS on one port, with the
//! limits that a server in the open needs, and an end that is bounded.
//!
//! What is absent: a grace after the connection's age (it cuts without
//! GOAWAY), and any timer around a call (`peer` keeps deadlines).

use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tower::ServiceExt;

/// Where a call came from; rides in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote(pub SocketAddr);

/// What the loop allows.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// At most so many connections at once; one more is closed unheard.
    pub connections: usize,
    /// At most so many calls at once on one HTTP/2 connection.
    pub streams: u32,
    /// A connection that has made no call by then is closed.
    pub first_call: Duration,
    /// An HTTP/1.1 head must be complete, and the next call begun, within it.
    pub head: Duration,
    /// Each connection is asked to end at a random age in this range.
    pub age: Range<Duration>,
    /// A silent HTTP/2 connection is pinged so often.
    pub ping: Duration,
    /// And is closed when the answer takes longer.
    pub pong: Duration,
    /// After the stop, connections that do not end are cut so late.
    pub drain: Duration,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            connections: 4_096,
            streams: 200,
            first_call: Duration::from_secs(5),
            head: Duration::from_secs(5),
            age: Duration::from_secs(15 * 60)..Duration::from_secs(20 * 60),
            ping: Duration::from_secs(30),
            pong: Duration::from_secs(20),
            drain: Duration::from_secs(4),
        }
    }
}

/// What is served on each connection.
pub trait Served:
    tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
{
}

impl<S> Served for S where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Serves until `stop`, then says GOAWAY, lets open calls end, and returns:
/// after `settings.drain` at the latest, with whatever is left cut.
pub async fn serve<S: Served>(
    listener: TcpListener,
    service: S,
    settings: ServeSettings,
    stop: CancellationToken,
) {
    let http = builder(&settings);
    let seats = Arc::new(Semaphore::new(settings.connections));
    let tracker = TaskTracker::new();
    let cut = CancellationToken::new();
    let ages = Ages::new(settings.age.clone());
    while let Some((io, remote)) = accept(&listener, &stop).await {
        // Closing at once is cheaper than a queue nobody can see.
        let Ok(seat) = seats.clone().try_acquire_owned() else {
            tracing::warn!(%remote, "connection refused: too many are open");
            continue;
        };
        let connection = Connection {
            remote,
            first_call: settings.first_call,
            age: ages.draw(),
            stop: stop.clone(),
            seat,
        };
        let life = connection.live(http.clone(), io, service.clone());
        let cut = cut.clone();
        tracker.spawn(async move { cut.run_until_cancelled(life).await });
    }
    drop(listener);
    tracker.close();
    if timeout(settings.drain, tracker.wait()).await.is_err() {
        tracing::warn!(
            left = tracker.len(),
            "connections did not end in time and are cut"
        );
        cut.cancel();
        tracker.wait().await;
    }
}

/// The protocol settings.
fn builder(settings: &ServeSettings) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.streams)
        .max_local_error_reset_streams(Some(256))
        .max_pending_accept_reset_streams(Some(20))
        .max_header_list_size(16 << 10)
        .initial_stream_window_size(256 << 10)
        .initial_connection_window_size(4 << 20)
        .keep_alive_interval(Some(settings.ping))
        .keep_alive_timeout(settings.pong);
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.head)
        .max_buf_size(64 << 10);
    http
}

/// The next connection; none at the stop.
async fn accept(
    listener: &TcpListener,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = stop.run_until_cancelled(listener.accept()).await?;
        match accepted {
            Ok(connection) => return Some(connection),
            // Mostly: no file descriptor is free. One may be, soon.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                stop.run_until_cancelled(sleep(Duration::from_millis(20)))
                    .await?;
            }
        }
    }
}

/// Draws ages, so that connections made together do not end together.
struct Ages {
    range: Range<Duration>,
    random: std::hash::RandomState,
    drawn: std::sync::atomic::AtomicU64,
}

impl Ages {
    fn new(range: Range<Duration>) -> Self {
        Self {
            range,
            random: std::hash::RandomState::new(),
            drawn: std::sync::atomic::AtomicU64::new(0),
        }
    }

    fn draw(&self) -> Duration {
        let mut hasher = self.random.build_hasher();
        hasher.write_u64(self.drawn.fetch_add(1, Ordering::Relaxed));
        let share = u32::try_from(hasher.finish() % 1_000).unwrap_or_default();
        self.range.start + self.range.end.saturating_sub(self.range.start) * share / 1_000
    }
}

/// One connection.
struct Connection {
    remote: SocketAddr,
    first_call: Duration,
    age: Duration,
    stop: CancellationToken,
    seat: OwnedSemaphorePermit,
}

/// What a connection that was asked to end before its first call is given to
/// do so, so that a head that is on its way is still heard.
const LAST_WORD: Duration = Duration::from_secs(1);
/// The same at the stop, when the process waits for it.
const LAST_WORD_AT_STOP: Duration = Duration::from_millis(100);

impl Connection {
    /// Serves it to its end.
    async fn live<S: Served>(self, http: auto::Builder<TokioExecutor>, io: TcpStream, service: S) {
        if let Err(error) = io.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was not set");
        }
        let Self {
            remote,
            first_call,
            age,
            stop,
            seat,
        } = self;
        let called = Arc::new(AtomicBool::new(false));
        let seen = called.clone();
        let calls = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            seen.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(Remote(remote));
            service.clone().oneshot(request.map(Body::new))
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(io), calls));
        let (mut first, mut age, mut ending) = (
            pin!(sleep(first_call)),
            pin!(sleep(age)),
            pin!(stop.cancelled()),
        );
        let (mut asked, mut silent, mut young, mut open) = (false, true, true, true);
        loop {
            tokio::select! {
                ended = &mut connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%remote, %error, "connection ended");
                    }
                    break;
                }
                () = &mut first, if silent => {
                    if called.load(Ordering::Relaxed) {
                        silent = false;
                    } else if asked {
                        break;
                    } else {
                        asked = true;
                        connection.as_mut().graceful_shutdown();
                        first.as_mut().reset(tokio::time::Instant::now() + LAST_WORD);
                    }
                }
                () = &mut age, if young => {
                    young = false;
                    connection.as_mut().graceful_shutdown();
                }
                () = &mut ending, if open => {
                    open = false;
                    connection.as_mut().graceful_shutdown();
                    if !called.load(Ordering::Relaxed) {
                        asked = true;
                        first.as_mut().reset(tokio::time::Instant::now() + LAST_WORD_AT_STOP);
                    }
                }
            }
        }
        drop(seat);
    }
}
