//! From the messages and metadata that connectrpc has unwrapped, whatever the
//! protocol, to a gRPC call of the peer, and back.

use std::sync::Arc;

use bytes::Bytes;
use connectrpc::dispatcher::{RequestStream, StreamingResult, UnaryResult};
use connectrpc::{
    CodecFormat, ConnectError, Dispatcher, EncodedBody, EncodedResponse, EncodedStream,
    MethodDescriptor, Payload, RequestContext,
};
use futures::{StreamExt, TryStreamExt, stream};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use mainstay_chassis::Refusal;
use prost_reflect::DynamicMessage;
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt;

use super::wire::{Messages, framed, metadata};
use super::{Route, Routes, error, json};

/// Translates.
#[derive(Clone)]
pub(super) struct Transcoder {
    routes: Arc<Routes>,
}

/// What a call is made of.
struct Call {
    routes: Arc<Routes>,
    path: String,
    context: RequestContext,
    format: CodecFormat,
}

/// The trailers of a stream that will end well, when they are known as it
/// begins; in the response's extensions. The protocols of browsers cannot send
/// what is known only at the end.
#[derive(Clone, Debug, Default)]
pub struct Trailers(pub HeaderMap);

/// A peer's response that is not an error.
struct Reply {
    headers: HeaderMap,
    trailers: Trailers,
    messages: Messages,
}

impl Transcoder {
    /// Translates for these routes.
    pub(super) fn new(routes: Arc<Routes>) -> Self {
        Self { routes }
    }

    fn call(&self, path: &str, context: RequestContext, format: CodecFormat) -> Call {
        Call {
            routes: self.routes.clone(),
            path: path.to_owned(),
            context,
            format,
        }
    }
}

impl Call {
    fn route(&self) -> Result<&Route, Refusal> {
        self.routes
            .methods
            .get(&self.path)
            .ok_or_else(|| Refusal::unknown_method(&self.path))
    }

    /// The request's body: one message, translated.
    fn single(&self, message: Bytes) -> Result<Body, Refusal> {
        let message = encoded(self.route()?, self.format, message)?;
        Ok(Body::new(Full::new(framed(&message)?)))
    }

    /// The request's body: a stream of messages. A message that cannot be
    /// translated breaks it off, so that no service takes a part for the whole.
    fn stream(&self, messages: RequestStream) -> Body {
        let (routes, path, format) = (self.routes.clone(), self.path.clone(), self.format);
        let frames = messages.map(move |message| {
            let message = message.map_err(|failed| error::refusal(&failed))?;
            let route = routes
                .methods
                .get(&path)
                .ok_or_else(|| Refusal::unknown_method(&path))?;
            Ok::<_, Refusal>(Frame::data(framed(&encoded(route, format, message)?)?))
        });
        Body::new(StreamBody::new(frames.map_err(Status::from)))
    }

    /// Calls the peer.
    async fn open(&mut self, body: Body) -> Result<Reply, ConnectError> {
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.version_mut() = http::Version::HTTP_2;
        *request.uri_mut() = format!("/{}", self.path)
            .parse()
            .map_err(|cause| self.failed(Refusal::internal(cause)))?;
        *request.headers_mut() = metadata(self.context.headers().clone());
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        request
            .headers_mut()
            .insert(TE, HeaderValue::from_static("trailers"));
        *request.extensions_mut() = std::mem::take(self.context.extensions_mut());
        let peer = self
            .route()
            .map_err(|refusal| self.failed(refusal))?
            .peer
            .clone();
        let response: Response<Body> = peer
            .oneshot(request)
            .await
            .unwrap_or_else(|never| match never {});
        let (head, body) = response.into_parts();
        match Status::from_header_map(&head.headers) {
            Some(status) if !error::is_ok(&status) => Err(self.refused(&status)),
            _ => Ok(Reply {
                trailers: head.extensions.get().cloned().unwrap_or_default(),
                headers: metadata(head.headers),
                messages: Messages::of(body),
            }),
        }
    }

    /// A call with one response.
    async fn one(mut self, body: Result<Body, Refusal>) -> Result<EncodedResponse, ConnectError> {
        let body = body.map_err(|refusal| self.failed(refusal))?;
        let Reply {
            headers,
            mut messages,
            ..
        } = self.open(body).await?;
        let missing = || Status::from(Refusal::internal("a peer answered without a message"));
        let read = async {
            Ok((
                messages.next().await?.ok_or_else(missing)?,
                messages.next().await?,
            ))
        };
        let (message, _) = read
            .await
            .map_err(|status| self.refused(&status).with_headers(headers.clone()))?;
        let mut response = connectrpc::Response::new(EncodedBody::from(self.decoded(message)?));
        response.headers = headers;
        response.trailers = messages.trailers();
        Ok(response)
    }

    /// A call with a stream of responses.
    async fn many(
        mut self,
        body: Result<Body, Refusal>,
    ) -> Result<connectrpc::Response<EncodedStream>, ConnectError> {
        let body = body.map_err(|refusal| self.failed(refusal))?;
        let Reply {
            headers,
            trailers: Trailers(trailers),
            messages,
        } = self.open(body).await?;
        let bodies = stream::try_unfold((self, messages), |(call, mut messages)| async move {
            let next = messages
                .next()
                .await
                .map_err(|status| call.refused(&status))?;
            let next = next.map(|message| call.decoded(message)).transpose()?;
            Ok(next.map(|message| (EncodedBody::from(message), (call, messages))))
        });
        let mut response = connectrpc::Response::<EncodedStream>::new(Box::pin(bodies));
        response.headers = headers;
        response.trailers = trailers;
        Ok(response)
    }

    /// A response's message in the client's format.
    fn decoded(&self, message: Bytes) -> Result<Bytes, ConnectError> {
        if self.format != CodecFormat::Json {
            return Ok(message);
        }
        let told = |route: &Route| -> Result<Vec<u8>, Refusal> {
            let kind = route.descriptor.output();
            let message = DynamicMessage::decode(kind, message).map_err(Refusal::internal)?;
            serde_json::to_vec(&message).map_err(Refusal::internal)
        };
        let told = self.route().and_then(told);
        told.map(Bytes::from)
            .map_err(|refusal| self.failed(refusal))
    }

    fn failed(&self, refusal: Refusal) -> ConnectError {
        self.refused(&Status::from(refusal))
    }

    fn refused(&self, status: &Status) -> ConnectError {
        error::connect(&self.routes.pool, status)
    }
}

/// A request's message as protobuf.
fn encoded(route: &Route, format: CodecFormat, message: Bytes) -> Result<Bytes, Refusal> {
    if format == CodecFormat::Json {
        json::decode(route.descriptor.input(), &message)
    } else {
        Ok(message)
    }
}

impl Dispatcher for Transcoder {
    fn lookup(&self, path: &str) -> Option<MethodDescriptor> {
        let route = self.routes.methods.get(path)?;
        let method = &route.descriptor;
        Some(
            match (method.is_client_streaming(), method.is_server_streaming()) {
                (false, false) => MethodDescriptor::unary(route.no_side_effects),
                (false, true) => MethodDescriptor::server_streaming(),
                (true, false) => MethodDescriptor::client_streaming(),
                (true, true) => MethodDescriptor::bidi_streaming(),
            },
        )
    }

    fn call_unary(
        &self,
        path: &str,
        context: RequestContext,
        request: Payload,
        format: CodecFormat,
    ) -> UnaryResult {
        let call = self.call(path, context, format);
        Box::pin(async move {
            let body = call.single(request.encoded()?);
            call.one(body).await
        })
    }

    fn call_server_streaming(
        &self,
        path: &str,
        context: RequestContext,
        request: Bytes,
        format: CodecFormat,
    ) -> StreamingResult {
        let call = self.call(path, context, format);
        let body = call.single(request);
        Box::pin(call.many(body))
    }

    fn call_client_streaming(
        &self,
        path: &str,
        context: RequestContext,
        requests: RequestStream,
        format: CodecFormat,
    ) -> UnaryResult {
        let call = self.call(path, context, format);
        let body = call.stream(requests);
        Box::pin(call.one(Ok(body)))
    }

    fn call_bidi_streaming(
        &self,
        path: &str,
        context: RequestContext,
        requests: RequestStream,
        format: CodecFormat,
    ) -> StreamingResult {
        let call = self.call(path, context, format);
        let body = call.stream(requests);
        Box::pin(call.many(Ok(body)))
    }
}
