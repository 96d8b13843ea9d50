//! A service of its own contract, answered by dynamic messages: what the door
//! does, it must do for any contract.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt};
use http::{Request, Response};
use mainstay_chassis::{Permit, Refusal};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tower::Service;

/// The contract.
pub(crate) const PROTO: &str = r#"
syntax = "proto3";
package mainstay.test.v1;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
service EchoService {
  rpc Echo(Note) returns (Note);
  rpc Read(Note) returns (Note) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Refuse(Note) returns (Note);
  rpc Panic(Note) returns (Note);
  rpc Wait(Note) returns (Note);
  rpc Hang(Note) returns (Note);
  rpc HangRead(Note) returns (Note) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Count(Note) returns (stream Note);
  rpc Flood(Note) returns (stream Note);
  rpc Follow(Note) returns (stream Note);
  rpc PanicLater(Note) returns (stream Note);
}
enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; }
message Note {
  string text = 1;
  int64 count = 2;
  map<string, string> labels = 3;
  map<int32, Note> notes = 4;
  repeated Note parts = 5;
  Note inner_note = 6;
  google.protobuf.Any any = 7;
  google.protobuf.Timestamp at = 8;
  google.protobuf.Duration wait = 9;
  google.protobuf.FieldMask update_mask = 10;
  google.protobuf.Struct free = 11;
  Colour colour = 12;
  oneof choice { string left = 13; int32 right = 14; }
  bytes raw = 15;
  double ratio = 16;
}
"#;

/// The path of a method.
pub(crate) fn path(method: &str) -> String {
    format!("/mainstay.test.v1.EchoService/{method}")
}

/// What the tests see of the service, and hold it by.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) pool: DescriptorPool,
    /// `Wait` answers for each permit.
    pub(crate) gate: Arc<Semaphore>,
    /// Calls that wait now, and the most that ever did.
    pub(crate) waiting: watch::Sender<(usize, usize)>,
    /// Streams that were dropped before their end.
    pub(crate) dropped: watch::Sender<usize>,
    /// Ends `Follow`.
    pub(crate) drain: CancellationToken,
}

impl Stage {
    pub(crate) fn new(pool: DescriptorPool) -> Self {
        Self {
            pool,
            gate: Arc::new(Semaphore::new(0)),
            waiting: watch::Sender::default(),
            dropped: watch::Sender::default(),
            drain: CancellationToken::new(),
        }
    }

    /// A note with a text.
    pub(crate) fn note(&self, text: &str) -> Bytes {
        let mut note = DynamicMessage::new(
            self.pool
                .get_message_by_name("mainstay.test.v1.Note")
                .unwrap(),
        );
        note.set_field_by_name("text", Value::String(text.to_owned()));
        note.encode_to_vec().into()
    }

    async fn unary(
        self,
        method: String,
        request: tonic::Request<Bytes>,
    ) -> Result<tonic::Response<Bytes>, Status> {
        assert!(
            request.extensions().get::<Permit>().is_some(),
            "a call without a permit reached the service"
        );
        match method.as_str() {
            "Refuse" => return Err(Refusal::not_found("notes/7").into()),
            "Panic" => panic!("as asked"),
            "Hang" | "HangRead" => std::future::pending().await,
            "Wait" => self.wait().await,
            _ => {}
        }
        let mut response = tonic::Response::new(request.get_ref().clone());
        for (name, value) in request.metadata().clone().into_headers() {
            response.metadata_mut().as_mut().insert(
                http::HeaderName::try_from(format!("seen-{}", name.unwrap())).unwrap(),
                value,
            );
        }
        Ok(response)
    }

    async fn wait(&self) {
        self.waiting
            .send_modify(|(now, most)| (*now, *most) = (*now + 1, (*most).max(*now + 1)));
        self.gate.acquire().await.unwrap().forget();
        self.waiting.send_modify(|(now, _)| *now -= 1);
    }

    fn stream(self, method: &str) -> Sent {
        let note = |number: i64| Ok(self.note(&number.to_string()));
        let large = Ok(self.note(&"x".repeat(16 << 10)));
        let stream: Sent = match method {
            "Count" => Box::pin(stream::iter([note(1), note(2), note(3)])),
            "Flood" => Box::pin(stream::repeat_with(move || large.clone())),
            "PanicLater" => Box::pin(stream::iter([note(1), note(2)]).map(
                |note: Result<Bytes, Status>| match note {
                    Ok(bytes) if bytes.ends_with(b"2") => panic!("in a stream"),
                    other => other,
                },
            )),
            _ => {
                let (first, last) = (note(1), Ok(self.note("drained")));
                let drained = self.drain.clone().cancelled_owned();
                Box::pin(stream::iter([first]).chain(stream::once(async move {
                    drained.await;
                    last
                })))
            }
        };
        Box::pin(Noticed {
            stream,
            dropped: self.dropped.clone(),
            ended: false,
        })
    }
}

/// A stream that tells when it is dropped before its end.
struct Noticed {
    stream: Sent,
    dropped: watch::Sender<usize>,
    ended: bool,
}

impl Stream for Noticed {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.stream.as_mut().poll_next(context);
        self.ended |= matches!(polled, Poll::Ready(None));
        polled
    }
}

impl Drop for Noticed {
    fn drop(&mut self) {
        if !self.ended {
            self.dropped.send_modify(|count| *count += 1);
        }
    }
}

type Sent = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

/// The service.
#[derive(Clone)]
pub(crate) struct Echo(pub(crate) Stage);

impl NamedService for Echo {
    const NAME: &'static str = "mainstay.test.v1.EchoService";
}

impl Service<Request<Body>> for Echo {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request
            .uri()
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let handler = Handler {
            stage: self.0.clone(),
            method,
        };
        let mut grpc = Grpc::new(Raw).max_decoding_message_size(1 << 20);
        Box::pin(async move {
            Ok(match handler.method.as_str() {
                "Count" | "Flood" | "Follow" | "PanicLater" => {
                    grpc.server_streaming(handler, request).await
                }
                _ => grpc.unary(handler, request).await,
            })
        })
    }
}

struct Handler {
    stage: Stage,
    method: String,
}

impl UnaryService<Bytes> for Handler {
    type Response = Bytes;
    type Future = BoxFuture<'static, Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        Box::pin(self.stage.clone().unary(self.method.clone(), request))
    }
}

impl ServerStreamingService<Bytes> for Handler {
    type Response = Bytes;
    type ResponseStream = Sent;
    type Future = BoxFuture<'static, Result<tonic::Response<Sent>, Status>>;

    fn call(&mut self, _: tonic::Request<Bytes>) -> Self::Future {
        let sent = self.stage.clone().stream(&self.method);
        Box::pin(async move { Ok(tonic::Response::new(sent)) })
    }
}

/// Messages as bytes; those that are no protobuf fail as in tonic's own codec.
#[derive(Clone, Copy)]
pub(crate) struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        match <()>::decode(bytes.clone()) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) => Err(Status::internal(error.to_string())),
        }
    }
}
