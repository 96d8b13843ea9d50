//! A service as others call it, near or far: its routes, behind what gives
//! permissions, deadlines and failures their meaning.
//!
//! Deny by default: a call needs a method of the contract, a [`Principal`] in
//! its extensions and that method's permission. Only health and reflection pass
//! without.

mod again;
mod far;
mod guard;
mod mend;
mod passed;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use http::{Request, Response};
use tokio::time::timeout_at;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::{Service, ServiceExt};

pub use far::{Far, FarError};

use crate::{Deadline, Method, Methods, Principal, Refusal};

/// A message that nobody takes for so long ends its stream.
const STALL: Duration = Duration::from_secs(60);

/// A service, guarded: its routes in this process, or a way to another.
#[derive(Clone, Debug)]
pub struct Peer {
    way: Way,
    methods: Methods,
    stall: Duration,
}

/// How a service is reached.
#[derive(Clone, Debug)]
enum Way {
    Near(Routes),
    Far(Far),
}

impl Way {
    async fn answer(self, request: Request<Body>, admitted: Admitted) -> Response<Body> {
        match self {
            Self::Near(routes) => {
                let path: Arc<str> = request.uri().path().into();
                let answer = routes.oneshot(request).await;
                let response = answer.unwrap_or_else(|never| match never {});
                mend::mended(response, &path)
            }
            Self::Far(far) => far.answer(request, admitted).await,
        }
    }
}

/// A call under way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Peer {
    /// Guards routes by the methods of their contract.
    pub fn new(routes: Routes, methods: Methods) -> Self {
        Self {
            way: Way::Near(routes.prepare()),
            methods,
            stall: STALL,
        }
    }

    /// A service in another process, guarded in the same manner on this side.
    pub fn far(far: Far, methods: Methods) -> Self {
        Self {
            way: Way::Far(far),
            methods,
            stall: STALL,
        }
    }

    /// Whether it is in another process.
    pub fn is_far(&self) -> bool {
        matches!(self.way, Way::Far(_))
    }

    /// Ends a stream when a message was not taken for so long.
    #[must_use]
    pub fn with_stall(mut self, stall: Duration) -> Self {
        self.stall = stall;
        self
    }

    /// Checks a call and readies its extensions.
    fn admit(&self, request: &mut Request<Body>) -> Result<Admitted, Refusal> {
        let path = request.uri().path();
        if is_open(path) {
            return Ok(Admitted {
                deadline: None,
                stream: None,
                repeatable: false,
            });
        }
        let method = self
            .methods
            .get(path)
            .ok_or_else(|| Refusal::unknown_method(path))?
            .clone();
        let principal = request
            .extensions()
            .get::<Principal>()
            .ok_or_else(Refusal::unauthenticated)?;
        let permit = principal.permit(&method.permission)?;
        let deadline = deadline(request, &method)?;
        request.extensions_mut().insert(permit);
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        let kind = &method.descriptor;
        let stream =
            (kind.is_server_streaming() || kind.is_client_streaming()).then_some(self.stall);
        Ok(Admitted {
            deadline,
            stream,
            repeatable: method.no_side_effects && stream.is_none(),
        })
    }
}

/// What was found about a call that may be made.
#[derive(Clone, Copy)]
struct Admitted {
    deadline: Option<Deadline>,
    /// For a stream, how long a message may lie untaken.
    stream: Option<Duration>,
    /// Whether it may be sent again when it was not answered.
    repeatable: bool,
}

/// Whether a path is of health or reflection, which anybody may call.
pub fn is_open(path: &str) -> bool {
    path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.")
}

/// The earliest of what the front put down, what the client sent, and the
/// ceiling.
fn deadline(request: &Request<Body>, method: &Method) -> Result<Option<Deadline>, Refusal> {
    let known = request.extensions().get::<Deadline>().copied();
    let asked = match known {
        Some(known) => Some(known),
        None => Deadline::asked(request.headers())?,
    };
    Ok(asked
        .into_iter()
        .chain(ceiling(method).map(Deadline::after))
        .min())
}

/// How long a call may take at most; a stream may last.
fn ceiling(method: &Method) -> Option<Duration> {
    if method.descriptor.is_server_streaming() || method.descriptor.is_client_streaming() {
        return None;
    }
    let name = method.descriptor.name();
    Some(Duration::from_secs(match name {
        "ListEvents" => 35,
        "SimulatePolicy" => 30,
        _ if name.starts_with("Import") || name.starts_with("Batch") => 30,
        _ if method.no_side_effects => 5,
        _ => 10,
    }))
}

impl Service<Request<Body>> for Peer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        match self.admit(&mut request) {
            Ok(admitted) => Box::pin(answered(self.way.clone(), request, admitted).map(Ok)),
            Err(refusal) => Box::pin(std::future::ready(Ok(refused(refusal)))),
        }
    }
}

/// Makes the call; whatever happens, there is an answer in time.
async fn answered(way: Way, request: Request<Body>, admitted: Admitted) -> Response<Body> {
    let path: Arc<str> = request.uri().path().into();
    let call = AssertUnwindSafe(way.answer(request, admitted)).catch_unwind();
    let ended = match admitted.deadline {
        Some(Deadline(until)) => timeout_at(until, call).await,
        None => Ok(call.await),
    };
    let response = match ended {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            return refused(Refusal::internal(format!(
                "panic in {path}: {}",
                said(&*panic)
            )));
        }
        Err(_) => return refused(Refusal::deadline()),
    };
    match admitted.stream {
        Some(stall) if !response.headers().contains_key(Status::GRPC_STATUS) => {
            response.map(|body| guard::guarded(body, admitted.deadline, stall, path))
        }
        _ => response,
    }
}

/// What a panic says.
fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

/// The refusal as gRPC answers it: a head and no body.
pub fn refused(refusal: Refusal) -> Response<Body> {
    Status::from(refusal).into_http()
}
