//! The body of an answer from another process, passed on frame by frame. What
//! breaks on the way ends it with a status of ours, and so does the end of the
//! caller's rights: the token that opened a stream is long expired by then,
//! and only this side knows.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;
use tonic::body::Body;

use crate::Refusal;

/// The answer, passed on.
pub(super) fn passed(
    response: Response<Body>,
    service: &'static str,
    ended: Option<CancellationToken>,
) -> Response<Body> {
    if response.headers().contains_key(Status::GRPC_STATUS) {
        return response;
    }
    response.map(|inner| {
        Body::new(Passed {
            inner: Some(inner),
            service,
            ended: ended.map(|ended| Box::pin(ended.cancelled_owned())),
        })
    })
}

struct Passed {
    /// None once the end was passed on.
    inner: Option<Body>,
    service: &'static str,
    ended: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
}

impl Passed {
    /// Ends it with a refusal.
    fn refuse(&mut self, refusal: Refusal) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.inner = None;
        let mut trailers = HeaderMap::new();
        let added = Status::from(refusal).add_header(&mut trailers);
        Poll::Ready(Some(added.map(|()| Frame::trailers(trailers))))
    }
}

impl http_body::Body for Passed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = &mut *self;
        let Some(inner) = this.inner.as_mut() else {
            return Poll::Ready(None);
        };
        if let Some(ended) = this.ended.as_mut()
            && ended.as_mut().poll(context).is_ready()
        {
            return this.refuse(Refusal::unauthenticated());
        }
        match Pin::new(inner).poll_frame(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => {
                if frame.is_trailers() {
                    this.inner = None;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(cause))) => {
                tracing::debug!(service = this.service, %cause, "an answer broke off");
                this.refuse(Refusal::unavailable())
            }
            Poll::Ready(None) => {
                tracing::debug!(service = this.service, "an answer had no end");
                this.refuse(Refusal::unavailable())
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
