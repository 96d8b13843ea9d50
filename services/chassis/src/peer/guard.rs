//! Ends a server stream at its deadline, or when its reader takes nothing.
//!
//! A timer inside the body would not fire for a stalled reader, since nobody
//! polls the body then. So a task beside it takes the inner body away; its
//! drop tells the service, and the next poll, if one comes, gets trailers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};
use tonic::Status;
use tonic::body::Body;

use super::mend::mended_trailers;
use super::said;
use crate::{Deadline, Refusal};

/// The body, guarded.
pub(super) fn guarded(
    body: Body,
    deadline: Option<Deadline>,
    stall: Duration,
    path: Arc<str>,
) -> Body {
    let held = Held {
        inner: Some(body),
        untaken: Some(Instant::now()),
        end: None,
        waker: None,
    };
    let shared = Arc::new(Shared {
        held: Mutex::new(held),
        deadline,
        stall,
        path,
    });
    let task = tokio::spawn(watched(shared.clone()));
    Body::new(Guarded { shared, task })
}

struct Shared {
    held: Mutex<Held>,
    deadline: Option<Deadline>,
    stall: Duration,
    path: Arc<str>,
}

struct Held {
    inner: Option<Body>,
    /// Since when a frame lies there that nobody asked to follow.
    untaken: Option<Instant>,
    end: Option<Refusal>,
    waker: Option<Waker>,
}

impl Held {
    /// Ends the stream; what is returned is to be dropped outside the lock.
    fn finish(&mut self, refusal: Refusal) -> Option<Body> {
        self.end = Some(refusal);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
        self.inner.take()
    }
}

impl Shared {
    /// A panic under the lock leaves nothing half-done.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the stream if it is time, or says when to look again.
    fn look(&self, now: Instant) -> Result<Instant, Option<Body>> {
        let mut held = self.lock();
        let stalls = held.untaken.unwrap_or(now) + self.stall;
        let due = self
            .deadline
            .map_or(stalls, |Deadline(until)| until.min(stalls));
        match () {
            () if now < due => Ok(due),
            () if stalls <= now => {
                tracing::info!(path = %self.path, "a stream ended: its reader took nothing");
                Err(held.finish(Refusal::unavailable()))
            }
            () => Err(held.finish(Refusal::deadline())),
        }
    }
}

/// Looks after the stream until it ends.
async fn watched(shared: Arc<Shared>) {
    loop {
        match shared.look(Instant::now()) {
            Ok(due) => sleep_until(due).await,
            Err(body) => return drop(body),
        }
    }
}

struct Guarded {
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.task.abort();
        let body = self.shared.lock().inner.take();
        drop(body);
    }
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let shared = &self.shared;
        let mut held = shared.lock();
        held.untaken = None;
        let Some(inner) = held.inner.as_mut() else {
            return Poll::Ready(held.end.take().map(trailers));
        };
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(inner).poll_frame(context)));
        match polled {
            Ok(Poll::Pending) => {
                held.waker = Some(context.waker().clone());
                Poll::Pending
            }
            Ok(Poll::Ready(frame)) => {
                held.untaken = Some(Instant::now());
                Poll::Ready(frame.map(|frame| frame.map(mended)))
            }
            Err(panic) => {
                let body = held.inner.take();
                drop(held);
                drop(body);
                let refusal = Refusal::internal(format!(
                    "panic in a stream of {}: {}",
                    shared.path,
                    said(&*panic)
                ));
                Poll::Ready(Some(trailers(refusal)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The frame, with what tonic says at the end in the catalogue's words.
fn mended(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(trailers) => Frame::trailers(mended_trailers(trailers)),
        Err(data) => data,
    }
}

/// The end of a stream that is refused.
fn trailers(refusal: Refusal) -> Result<Frame<Bytes>, Status> {
    let mut trailers = HeaderMap::new();
    Status::from(refusal).add_header(&mut trailers)?;
    Ok(Frame::trailers(trailers))
}
