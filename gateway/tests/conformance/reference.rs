//! The suite's service, answered by dynamic messages over tonic's own server
//! codec: what the suite finds is what the door and tonic do, not what this
//! service makes of it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use mainstay_chassis::Deadline;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::server::{Grpc, NamedService, ServerStreamingService, StreamingService};
use tonic::{Status, Streaming};
use tower::Service;

use crate::messages::{any, any_value, entries, new, value};
use crate::plan::Plan;
use crate::raw::Raw;

/// The query of a GET, in the extensions.
#[derive(Clone)]
pub(crate) struct Query(pub(crate) String);

/// The client's own deadline, without the ceiling of the peer.
#[derive(Clone)]
pub(crate) struct Asked(pub(crate) Deadline);

/// The suite's service.
#[derive(Clone)]
pub(crate) struct Reference {
    pub(crate) pool: DescriptorPool,
    pub(crate) largest: usize,
}

impl NamedService for Reference {
    const NAME: &'static str = "connectrpc.conformance.v1.ConformanceService";
}

impl Service<Request<Body>> for Reference {
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
        let grpc = Grpc::new(Raw).max_decoding_message_size(self.largest);
        let mut grpc = grpc
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        let handler = Handler {
            pool: self.pool.clone(),
            method,
        };
        Box::pin(async move {
            Ok(match handler.method.as_str() {
                "Unary" | "IdempotentUnary" | "ServerStream" => {
                    grpc.server_streaming(handler, request).await
                }
                "ClientStream" | "BidiStream" => grpc.streaming(handler, request).await,
                _ => Status::unimplemented("").into_http(),
            })
        })
    }
}

/// One call.
struct Handler {
    pool: DescriptorPool,
    method: String,
}

/// The messages of a response.
pub(crate) type Sent = Pin<Box<dyn tokio_stream::Stream<Item = Result<Bytes, Status>> + Send>>;
type Replied = BoxFuture<'static, Result<tonic::Response<Sent>, Status>>;

impl ServerStreamingService<Bytes> for Handler {
    type Response = Bytes;
    type ResponseStream = Sent;
    type Future = Replied;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Replied {
        let call = Call::new(self, &request);
        Box::pin(async move {
            let request = call.decode(request.into_inner())?;
            let plan = Plan::of(&request);
            let several = call.method == "ServerStream";
            let (send, reply) = plan.reply();
            tokio::spawn(async move {
                let requests = vec![any(&request)];
                let _ = if several {
                    call.stream(&plan, requests, &send).await
                } else {
                    call.single(&plan, requests, &send).await
                };
            });
            Ok(reply)
        })
    }
}

impl StreamingService<Bytes> for Handler {
    type Response = Bytes;
    type ResponseStream = Sent;
    type Future = Replied;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Replied {
        let call = Call::new(self, &request);
        Box::pin(async move {
            let mut messages = request.into_inner();
            let first = match messages.message().await? {
                Some(first) => call.decode(first)?,
                None => new(&call.pool, &format!("{}Request", call.method)),
            };
            let plan = Plan::of(&first);
            let duplex =
                call.method == "BidiStream" && value(&first, "full_duplex").as_bool() == Some(true);
            let (send, reply) = plan.reply();
            tokio::spawn(async move {
                let done = match duplex {
                    true => call.duplex(&plan, first, messages, &send).await,
                    false => call.half(&plan, first, messages, &send).await,
                };
                if let Err(Some(status)) = done {
                    let _ = send.send(Err(status)).await;
                }
            });
            Ok(reply)
        })
    }
}

/// What is known of a call.
struct Call {
    pool: DescriptorPool,
    method: String,
    headers: HeaderMap,
    timeout: Option<i64>,
    query: Option<Query>,
}

/// The client has gone, or the stream ends with a status.
type Broken = Option<Status>;

impl Call {
    fn new<T>(handler: &Handler, request: &tonic::Request<T>) -> Self {
        let left = |Asked(deadline): &Asked| {
            deadline
                .0
                .saturating_duration_since(tokio::time::Instant::now())
        };
        let timeout = request.extensions().get::<Asked>().map(left);
        Self {
            pool: handler.pool.clone(),
            method: handler.method.clone(),
            headers: request.metadata().clone().into_headers(),
            timeout: timeout.map(|left| i64::try_from(left.as_micros().div_ceil(1_000)).unwrap()),
            query: request.extensions().get().cloned(),
        }
    }

    fn decode(&self, message: Bytes) -> Result<DynamicMessage, Status> {
        let mut request = new(&self.pool, &format!("{}Request", self.method));
        request
            .merge(message)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        Ok(request)
    }

    /// What the suite wants to hear of the request.
    fn info(&self, requests: &[prost_types::Any]) -> DynamicMessage {
        let mut info = new(&self.pool, "ConformancePayload.RequestInfo");
        let values = |name: &http::HeaderName| {
            let all = self
                .headers
                .get_all(name)
                .iter()
                .filter_map(|value| value.to_str().ok());
            (name.to_string(), all.map(str::to_owned).collect())
        };
        info.set_field_by_name(
            "request_headers",
            entries(&self.pool, self.headers.keys().map(values)),
        );
        if let Some(timeout) = self.timeout {
            info.set_field_by_name("timeout_ms", Value::I64(timeout));
        }
        let requests = requests
            .iter()
            .map(|request| any_value(&self.pool, request))
            .collect();
        info.set_field_by_name("requests", Value::List(requests));
        if let Some(Query(query)) = &self.query {
            let mut get = new(&self.pool, "ConformancePayload.ConnectGetInfo");
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let pairs = pairs.map(|(name, value)| (name.to_owned(), vec![value.to_owned()]));
            get.set_field_by_name("query_params", entries(&self.pool, pairs));
            info.set_field_by_name("connect_get_info", Value::Message(get));
        }
        info
    }

    /// A response.
    fn response(&self, data: Bytes, info: Option<DynamicMessage>) -> Bytes {
        let mut payload = new(&self.pool, "ConformancePayload");
        payload.set_field_by_name("data", Value::Bytes(data));
        if let Some(info) = info {
            payload.set_field_by_name("request_info", Value::Message(info));
        }
        let mut response = new(&self.pool, &format!("{}Response", self.method));
        response.set_field_by_name("payload", Value::Message(payload));
        response.encode_to_vec().into()
    }

    /// One response, or the error.
    async fn single(
        &self,
        plan: &Plan,
        requests: Vec<prost_types::Any>,
        send: &mpsc::Sender<Result<Bytes, Status>>,
    ) -> Result<(), Broken> {
        tokio::time::sleep(plan.delay).await;
        let info = self.info(&requests);
        if plan.error.is_some() {
            return sent(send, Err(plan.end(Some(any(&info))))).await;
        }
        let data = plan.data.first().cloned().unwrap_or_default();
        sent(send, Ok(self.response(data, Some(info)))).await?;
        sent(send, Err(plan.end(None))).await
    }

    /// All responses, then the end.
    async fn stream(
        &self,
        plan: &Plan,
        requests: Vec<prost_types::Any>,
        send: &mpsc::Sender<Result<Bytes, Status>>,
    ) -> Result<(), Broken> {
        let mut info = Some(self.info(&requests));
        for data in &plan.data {
            tokio::time::sleep(plan.delay).await;
            sent(send, Ok(self.response(data.clone(), info.take()))).await?;
        }
        sent(send, Err(plan.end(info.as_ref().map(any)))).await
    }

    /// All requests, then the answer.
    async fn half(
        &self,
        plan: &Plan,
        first: DynamicMessage,
        mut messages: Streaming<Bytes>,
        send: &mpsc::Sender<Result<Bytes, Status>>,
    ) -> Result<(), Broken> {
        let mut requests = vec![any(&first)];
        while let Some(message) = messages.message().await.map_err(Some)? {
            requests.push(any(&self.decode(message).map_err(Some)?));
        }
        match self.method.as_str() {
            "ClientStream" => self.single(plan, requests, send).await,
            _ => self.stream(plan, requests, send).await,
        }
    }

    /// A response for each request.
    async fn duplex(
        &self,
        plan: &Plan,
        first: DynamicMessage,
        mut messages: Streaming<Bytes>,
        send: &mpsc::Sender<Result<Bytes, Status>>,
    ) -> Result<(), Broken> {
        let (mut next, mut data, mut none_sent) = (Some(first), plan.data.iter(), true);
        while let Some(request) = next {
            let requests = [any(&request)];
            let Some(data) = data.next() else {
                let info = none_sent.then(|| any(&self.info(&requests)));
                return sent(send, Err(plan.end(info))).await;
            };
            tokio::time::sleep(plan.delay).await;
            let mut info = self.info(&requests);
            if !none_sent {
                info.clear_field_by_name("request_headers");
                info.clear_field_by_name("timeout_ms");
            }
            none_sent = false;
            sent(send, Ok(self.response(data.clone(), Some(info)))).await?;
            next = messages
                .message()
                .await
                .map_err(Some)?
                .map(|message| self.decode(message))
                .transpose()
                .map_err(Some)?;
        }
        for data in data {
            tokio::time::sleep(plan.delay).await;
            sent(send, Ok(self.response(data.clone(), None))).await?;
        }
        sent(send, Err(plan.end(None))).await
    }
}

/// Sends, while somebody listens.
async fn sent(
    send: &mpsc::Sender<Result<Bytes, Status>>,
    message: Result<Bytes, Status>,
) -> Result<(), Broken> {
    send.send(message).await.map_err(|_| None)
}
