//! A front with the test service behind it, and calls to it in every protocol.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use mainstay_chassis::{Health, Method, Methods, Peer, Principal};
use mainstay_gateway::door::Door;
use mainstay_gateway::front::{Authenticator, Front, Limits};
use prost::Message;
use prost_reflect::DescriptorPool;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;
use tonic_types::StatusExt;
use tower::ServiceExt;

use crate::behind::behind;
use crate::echo::{Echo, PROTO, Stage, path};

/// The token of one who may do everything.
pub(crate) const TOKEN: &str = "good";

/// All of it.
#[derive(Clone)]
pub(crate) struct House {
    pub(crate) front: Front,
    pub(crate) stage: Stage,
}

struct Source;

impl FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "echo.proto" => File::from_source(name, PROTO),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

fn pool() -> DescriptorPool {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Source);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler
        .include_imports(true)
        .open_file("echo.proto")
        .unwrap();
    let mut pool = DescriptorPool::new();
    for set in [
        compiler.encode_file_descriptor_set().as_slice(),
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ] {
        pool.decode_file_descriptor_set(set).unwrap();
    }
    pool
}

/// A house with the usual limits.
pub(crate) fn house() -> House {
    house_with(Limits::default())
}

pub(crate) fn house_with(limits: Limits) -> House {
    built(limits, behind)
}

/// A house whose service is never behind a socket: for a clock that is turned,
/// which does not wait for one, and for many runtimes, of which one would own it.
pub(crate) fn house_near() -> House {
    built(Limits::default(), |peer, _| peer)
}

fn built(limits: Limits, place: impl Fn(Peer, &Methods) -> Peer) -> House {
    let pool = pool();
    let service = pool
        .get_service_by_name("mainstay.test.v1.EchoService")
        .unwrap();
    let methods: Methods = service
        .methods()
        .map(|descriptor| Method {
            path: path(descriptor.name()),
            permission: "echo.use".to_owned(),
            cost: 1,
            no_side_effects: descriptor.name().contains("Read"),
            descriptor,
        })
        .collect();
    let stage = Stage::new(pool.clone());
    let peer = Peer::new(Routes::new(Echo(stage.clone())), methods.clone());
    let peer = place(peer, &methods);
    let health = Health::new(["mainstay.test.v1.EchoService"], stage.drain.clone());
    health.set_all(true);
    let open = Peer::new(
        mainstay_chassis::reflection::reflected(Routes::new(health.server())).unwrap(),
        methods.clone(),
    );
    let packages =
        ["grpc.health.v1", "grpc.reflection.v1"].map(|package| (package.to_owned(), open.clone()));
    let door = Door::new(
        pool,
        &methods,
        packages
            .into_iter()
            .chain([("mainstay.test.v1".to_owned(), peer)]),
    );
    House {
        front: Front::new(methods, Arc::new(Keys), limits, door),
        stage,
    }
}

struct Keys;

impl Authenticator for Keys {
    fn authenticate(&self, secret: &str) -> Option<Principal> {
        let permissions: BTreeSet<String> = match secret {
            TOKEN | "other" => ["echo.use".to_owned()].into(),
            "poor" => BTreeSet::new(),
            _ => return None,
        };
        Some(Principal::new(
            secret,
            "default",
            Arc::new(permissions),
            CancellationToken::new(),
        ))
    }
}

/// A way to call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    GrpcWeb,
    Json,
    Binary,
}

pub(crate) const ALL: [Protocol; 4] = [
    Protocol::Grpc,
    Protocol::GrpcWeb,
    Protocol::Json,
    Protocol::Binary,
];

impl Protocol {
    fn content_type(self, stream: bool) -> &'static str {
        match (self, stream) {
            (Self::Grpc, _) => "application/grpc",
            (Self::GrpcWeb, _) => "application/grpc-web+proto",
            (Self::Json, false) => "application/json",
            (Self::Json, true) => "application/connect+json",
            (Self::Binary, false) => "application/proto",
            (Self::Binary, true) => "application/connect+proto",
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

/// Whether a method answers with a stream.
fn streams(method: &str) -> bool {
    matches!(method, "Count" | "Flood" | "Follow" | "PanicLater")
}

/// A refusal, as a client of any protocol sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) details: usize,
}

/// The reason and the number of details; none of either is no secret.
pub(crate) fn refused(code: &str, reason: &str) -> (String, String) {
    (code.to_owned(), reason.to_owned())
}

impl Refused {
    pub(crate) fn told(&self) -> (String, String) {
        (self.code.clone(), self.reason.clone())
    }
}

/// A message in its frame.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat().into()
}

/// The frames in a body: flag and content.
pub(crate) fn frames(mut body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = body.split_first_chunk::<5>() {
        let length =
            usize::try_from(u32::from_be_bytes([head[1], head[2], head[3], head[4]])).unwrap();
        let (content, rest) = rest.split_at(length);
        frames.push((head[0], content.to_vec()));
        body = rest;
    }
    frames
}

impl House {
    /// A request, without its body.
    pub(crate) fn request(&self, protocol: Protocol, method: &str) -> http::request::Builder {
        let stream = streams(method);
        Request::post(path(method))
            .header("content-type", protocol.content_type(stream))
            .header("authorization", format!("Bearer {TOKEN}"))
    }

    /// The body of a note with a text.
    pub(crate) fn body(&self, protocol: Protocol, method: &str, text: &str) -> Bytes {
        let stream = streams(method);
        let json = serde_json::json!({ "text": text }).to_string();
        match (protocol, stream) {
            (Protocol::Json, false) => json.into(),
            (Protocol::Json, true) => framed(json.as_bytes()),
            (Protocol::Binary, false) => self.stage.note(text),
            (Protocol::Binary, true) | (Protocol::Grpc | Protocol::GrpcWeb, _) => {
                framed(&self.stage.note(text))
            }
        }
    }

    /// Opens a call.
    pub(crate) async fn open(&self, request: Request<Bytes>) -> Response<Body> {
        self.front
            .clone()
            .oneshot(request.map(|body| Body::new(Full::new(body))))
            .await
            .unwrap()
    }

    /// Makes a call to its end.
    pub(crate) async fn call(&self, request: Request<Bytes>) -> Answer {
        let (head, body) = self.open(request).await.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Answer {
            status: head.status,
            headers: head.headers,
            body: collected.to_bytes(),
            trailers,
        }
    }

    /// Makes a call with a text.
    pub(crate) async fn ask(&self, protocol: Protocol, method: &str, text: &str) -> Answer {
        let request = self
            .request(protocol, method)
            .body(self.body(protocol, method, text))
            .unwrap();
        self.call(request).await
    }

    /// Makes a JSON call with any body.
    pub(crate) async fn json(&self, body: impl Into<Bytes>) -> Answer {
        self.call(
            self.request(Protocol::Json, "Echo")
                .body(body.into())
                .unwrap(),
        )
        .await
    }
}

impl Answer {
    /// The status of a call in gRPC's terms, wherever it stands.
    fn status(&self, protocol: Protocol) -> Option<tonic::Status> {
        match protocol {
            Protocol::Grpc => tonic::Status::from_header_map(&self.headers)
                .or_else(|| tonic::Status::from_header_map(&self.trailers)),
            _ => {
                let (_, trailers) = frames(&self.body)
                    .into_iter()
                    .find(|(flag, _)| flag & 0x80 != 0)?;
                let mut headers = HeaderMap::new();
                for line in String::from_utf8(trailers).unwrap().lines() {
                    let (name, value) = line.split_once(':').unwrap();
                    headers.insert(
                        http::HeaderName::try_from(name).unwrap(),
                        value.trim().parse().unwrap(),
                    );
                }
                tonic::Status::from_header_map(&headers)
            }
        }
    }

    /// The refusal.
    pub(crate) fn refused(&self, protocol: Protocol, method: &str) -> Refused {
        if matches!(protocol, Protocol::Grpc | Protocol::GrpcWeb) {
            let status = self
                .status(protocol)
                .unwrap_or_else(|| panic!("a status in {self:?}"));
            let details = tonic_types::pb::Status::decode(status.details())
                .unwrap()
                .details
                .len();
            let reason = status
                .get_error_details()
                .error_info()
                .map(|info| info.reason.clone())
                .unwrap_or_default();
            let code = serde_json::to_value(connectrpc::ErrorCode::from_grpc_code(
                u32::try_from(i32::from(status.code())).unwrap(),
            ))
            .unwrap();
            return Refused {
                code: code.as_str().unwrap_or("ok").to_owned(),
                reason,
                message: status.message().to_owned(),
                details,
            };
        }
        let stream = streams(method);
        let error: serde_json::Value = match stream {
            true => {
                let last = frames(&self.body).pop().unwrap();
                assert_eq!(last.0, 2, "an end of the stream");
                serde_json::from_slice::<serde_json::Value>(&last.1).unwrap()["error"].clone()
            }
            false => serde_json::from_slice(&self.body)
                .unwrap_or_else(|_| panic!("an error in {self:?}")),
        };
        let details = error["details"].as_array().cloned().unwrap_or_default();
        let info = details
            .iter()
            .find(|detail| detail["type"] == "google.rpc.ErrorInfo")
            .cloned()
            .unwrap_or_default();
        let bytes = base64::engine::general_purpose::STANDARD_NO_PAD
            .decode(info["value"].as_str().unwrap_or_default())
            .unwrap();
        let decoded = tonic_types::pb::ErrorInfo::decode(bytes.as_slice()).unwrap();
        assert_eq!(
            info["debug"]["reason"], decoded.reason,
            "the detail for people is that for programs"
        );
        Refused {
            code: error["code"].as_str().unwrap().to_owned(),
            reason: decoded.reason,
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            details: details.len(),
        }
    }
}
