//! The door: gRPC goes to its peer untouched; every other protocol (Connect
//! with JSON or binary messages, unary or streams, gRPC-Web, GET for what only
//! reads) is translated to gRPC and back.
//!
//! Routing is by descriptor: an RPC that a service adds needs no code here.

pub(crate) mod error;
mod json;
mod mend;
mod transcode;
mod wire;

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use connectrpc::{ConnectRpcBody, ConnectRpcService, DeadlinePolicy, Limits};
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, request};
use mainstay_chassis::{Methods, Peer};
use prost_reflect::{DescriptorPool, MethodDescriptor};
use tonic::body::Body;
use tower::{Service, ServiceExt};

pub use transcode::Trailers;
use transcode::Transcoder;

/// The largest message that is taken.
pub const LARGEST_REQUEST: usize = 1 << 20;
/// A call whose body has not come by then ends. Calls themselves end earlier,
/// at the deadline that their peer keeps.
const BACKSTOP: Duration = Duration::from_secs(45);
/// Beside the contract, what every process serves.
const OPEN: [&str; 1] = ["grpc.health.v1.Health"];

/// The door.
#[derive(Clone)]
pub struct Door {
    routes: Arc<Routes>,
    connect: ConnectRpcService<Transcoder>,
}

/// Who serves what, by paths without their leading slash.
struct Routes {
    pool: DescriptorPool,
    methods: HashMap<String, Route>,
    packages: HashMap<String, Peer>,
}

/// A method and who serves it.
struct Route {
    descriptor: MethodDescriptor,
    no_side_effects: bool,
    peer: Peer,
}

impl Door {
    /// A door to peers, each by the proto packages it serves. The pool holds
    /// whatever may stand in an `Any` or in an error's details.
    pub fn new(
        mut pool: DescriptorPool,
        methods: &Methods,
        peers: impl IntoIterator<Item = (String, Peer)>,
    ) -> Self {
        // The pool is a constant of the build, and so is whether it has these.
        if let Err(error) = pool.decode_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET) {
            tracing::warn!(%error, "health is served by gRPC only");
        }
        let packages: HashMap<String, Peer> = peers.into_iter().collect();
        let known = methods
            .iter()
            .map(|method| (method.descriptor.clone(), method.no_side_effects));
        let open = OPEN
            .iter()
            .filter_map(|name| pool.get_service_by_name(name));
        let open = open
            .flat_map(|service| service.methods().collect::<Vec<_>>())
            .map(|method| (method, false));
        let methods = known
            .chain(open)
            .filter_map(|(descriptor, no_side_effects)| {
                let peer = packages
                    .get(descriptor.parent_service().package_name())?
                    .clone();
                Some((
                    path(&descriptor),
                    Route {
                        descriptor,
                        no_side_effects,
                        peer,
                    },
                ))
            });
        let routes = Arc::new(Routes {
            methods: methods.collect(),
            pool,
            packages,
        });
        let connect = ConnectRpcService::new(Transcoder::new(routes.clone()))
            .with_limits(limits(LARGEST_REQUEST))
            .with_deadline_policy(DeadlinePolicy::new().with_default_timeout(BACKSTOP));
        Self { routes, connect }
    }

    /// Takes messages up to another size than [`LARGEST_REQUEST`]; what goes
    /// through as gRPC is the peer's to limit.
    #[must_use]
    pub fn with_largest_request(self, bytes: usize) -> Self {
        Self {
            connect: self.connect.with_limits(limits(bytes)),
            ..self
        }
    }

    /// The descriptors it translates by.
    pub fn pool(&self) -> &DescriptorPool {
        &self.routes.pool
    }
}

/// The limits of a translated message; on the wire it may be larger by what
/// frames it.
fn limits(message: usize) -> Limits {
    Limits::default()
        .with_max_message_size(message)
        .with_max_request_body_size(message.saturating_add(64 << 10))
}

impl Routes {
    /// The peer of a path: of its method, or else of its package, as for
    /// reflection.
    fn peer(&self, path: &str) -> Option<&Peer> {
        let path = path.strip_prefix('/')?;
        match self.methods.get(path) {
            Some(route) => Some(&route.peer),
            None => self.packages.get(package(path)?),
        }
    }
}

/// The path of a method, without its leading slash.
fn path(method: &MethodDescriptor) -> String {
    format!("{}/{}", method.parent_service().full_name(), method.name())
}

/// The proto package in a path.
fn package(path: &str) -> Option<&str> {
    let (service, _) = path.split_once('/')?;
    service.rsplit_once('.').map(|(package, _)| package)
}

/// Whether a request is gRPC with protobuf messages, which needs no
/// translation.
pub(crate) fn is_grpc(head: &request::Parts) -> bool {
    const GRPC: &str = "application/grpc";
    let kind = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let rest = kind.and_then(|kind| kind.strip_prefix(GRPC));
    head.method == Method::POST
        && rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with("+proto") || rest.starts_with(';')
        })
}

/// A translated body. A whole one stays whole, so that its length is told.
pub(crate) fn body(body: ConnectRpcBody) -> Body {
    if let ConnectRpcBody::Full(full) = body {
        Body::new(full)
    } else {
        Body::new(body)
    }
}

impl Service<Request<Body>> for Door {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        if is_grpc(&head)
            && let Some(peer) = self.routes.peer(head.uri.path())
        {
            return peer.clone().call(Request::from_parts(head, body));
        }
        // The deadline rides in the extensions, and the peer keeps it.
        head.headers.remove("connect-timeout-ms");
        head.headers.remove("grpc-timeout");
        let (connect, routes) = (self.connect.clone(), self.routes.clone());
        Box::pin(async move {
            let response = connect.oneshot(Request::from_parts(head, body)).await?;
            Ok(mend::mended(&routes.pool, response).map(self::body))
        })
    }
}
