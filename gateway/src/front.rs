//! The front: what stands before both branches of the door. It knows the
//! method, who calls, what that may cost, until when, and which headers go on.
//!
//! All of it is synchronous and on the head alone; a refused call never has
//! its body decoded. A refusal is the same in all three protocols.

mod metadata;
mod rates;
mod refuse;
mod seats;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::AUTHORIZATION;
use http::{Request, Response};
use mainstay_chassis::peer::is_open;
use mainstay_chassis::serve::Remote;
use mainstay_chassis::{Deadline, Methods, Principal, Refusal};
use prost_reflect::DescriptorPool;
use tonic::body::Body;
use tower::Service;

pub use metadata::Metadata;
use rates::Rates;
use seats::{Seat, Seats};

use crate::door::Door;

/// Says who a secret belongs to. Asked on every call, so it must not wait.
pub trait Authenticator: Send + Sync + 'static {
    /// The principal of a token that is valid now.
    fn authenticate(&self, secret: &str) -> Option<Principal>;
}

/// What the front allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Cost units a second, for each principal.
    pub units_per_second: u32,
    /// Calls a minute with a wrong token, for each address; a right token is
    /// heard all the same.
    pub failures_per_minute: u32,
    /// Streams at once, for each principal.
    pub streams_per_principal: usize,
    /// Streams at once, for each organization.
    pub streams_per_organization: usize,
    /// Streams at once, in the process.
    pub streams_per_process: usize,
    /// Which request headers reach a service.
    pub metadata: Metadata,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            units_per_second: 100_000,
            failures_per_minute: 20,
            streams_per_principal: 2_000,
            streams_per_organization: 5_000,
            streams_per_process: 12_000,
            metadata: Metadata::Listed,
        }
    }
}

/// The front; what `chassis::serve` serves.
#[derive(Clone)]
pub struct Front {
    rules: Arc<Rules>,
    door: Door,
}

struct Rules {
    methods: Methods,
    authenticator: Arc<dyn Authenticator>,
    pool: DescriptorPool,
    rates: Rates,
    seats: Arc<Seats>,
    metadata: Metadata,
}

impl Front {
    /// Stands before a door.
    pub fn new(
        methods: Methods,
        authenticator: Arc<dyn Authenticator>,
        limits: Limits,
        door: Door,
    ) -> Self {
        let rules = Rules {
            methods,
            authenticator,
            pool: door.pool().clone(),
            rates: Rates::new(&limits),
            seats: Arc::new(Seats::new(&limits)),
            metadata: limits.metadata,
        };
        Self {
            rules: Arc::new(rules),
            door,
        }
    }
}

impl Rules {
    /// Checks the head of a call and readies what rides with it; a stream gets
    /// a seat, to be kept until it ends.
    fn admit(&self, request: &mut Request<Body>) -> Result<Option<Seat>, Refusal> {
        let address = request
            .extensions()
            .get::<Remote>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |remote| remote.0.ip());
        let path = request.uri().path();
        let seat = if is_open(path) {
            self.rates.charge_address(address)?;
            Some(self.seats.take(&address.to_string(), "")?)
        } else {
            let method = self
                .methods
                .get(path)
                .ok_or_else(|| Refusal::unknown_method(path))?;
            let principal = self.authenticate(request, address)?;
            self.rates.charge(&principal, method.cost)?;
            principal.permit(&method.permission)?;
            let stream =
                method.descriptor.is_server_streaming() || method.descriptor.is_client_streaming();
            let seat = stream
                .then(|| self.seats.take(principal.name(), principal.organization()))
                .transpose()?;
            request.extensions_mut().insert(principal);
            seat
        };
        if let Some(deadline) = Deadline::asked(request.headers())? {
            request.extensions_mut().insert(deadline);
        }
        self.metadata.sift(request.headers_mut());
        Ok(seat)
    }

    /// Who calls.
    fn authenticate(&self, request: &Request<Body>, address: IpAddr) -> Result<Principal, Refusal> {
        let value = request
            .headers()
            .get(AUTHORIZATION)
            .ok_or_else(Refusal::unauthenticated)?;
        let found = value
            .to_str()
            .ok()
            .and_then(bearer)
            .and_then(|secret| self.authenticator.authenticate(secret));
        match found {
            Some(principal) => Ok(principal),
            None => Err(self.rates.fail(address)),
        }
    }
}

/// The secret of a bearer token.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, secret) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| secret.trim_start())
}

/// A call under way.
type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Service<Request<Body>> for Front {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        match self.rules.admit(&mut request) {
            Ok(None) => self.door.call(request),
            Ok(Some(seat)) => {
                let answer = self.door.call(request);
                Box::pin(async move { Ok(answer.await?.map(|body| seat.kept_by(body))) })
            }
            Err(refusal) => {
                let rules = self.rules.clone();
                Box::pin(async move { Ok(refuse::refused(&rules.pool, request, refusal).await) })
            }
        }
    }
}
