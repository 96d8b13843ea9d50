//! The limit of the transport: a tonic server that returns what it receives,
//! and the client that asks it. Nothing of the product is in the way.

use std::convert::Infallible;
use std::task::{Context, Poll};

use anyhow::Result;
use futures::future::BoxFuture;
use prost::Message;
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::drive::Work;

const PATH: &str = "/load.Echo/Echo";

/// A message about as long as an incident.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Parcel {
    /// What is carried.
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) body: prost::bytes::Bytes,
}

impl Parcel {
    /// A parcel of 300 bytes.
    pub(crate) fn usual() -> Self {
        Self {
            body: vec![b'x'; 300].into(),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Echo;

impl UnaryService<Parcel> for Echo {
    type Response = Parcel;
    type Future = BoxFuture<'static, Result<Response<Parcel>, Status>>;

    fn call(&mut self, request: Request<Parcel>) -> Self::Future {
        Box::pin(async move { Ok(Response::new(request.into_inner())) })
    }
}

impl tower::Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let codec = ProstCodec::<Parcel, Parcel>::default();
            Ok(tonic::server::Grpc::new(codec).unary(Self, request).await)
        })
    }
}

impl NamedService for Echo {
    const NAME: &'static str = "load.Echo";
}

/// Serves on a free port until the process ends, after `say` was told its address.
pub(crate) async fn serve(say: impl Fn(&str)) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&format!("echo on http://{}", listener.local_addr()?));
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(Server::builder()
        .add_service(Echo)
        .serve_with_incoming(incoming)
        .await?)
}

/// Asks for an echo.
#[derive(Debug)]
pub(crate) struct Caller {
    client: Grpc<Channel>,
    parcel: Parcel,
}

impl Caller {
    /// A caller on a connection.
    pub(crate) fn new(channel: Channel) -> Self {
        Self {
            client: Grpc::new(channel),
            parcel: Parcel::usual(),
        }
    }
}

impl Work for Caller {
    async fn call(&mut self) -> Result<()> {
        self.client.ready().await?;
        let path = PathAndQuery::from_static(PATH);
        let codec = ProstCodec::<Parcel, Parcel>::default();
        self.client
            .unary(Request::new(self.parcel.clone()), path, codec)
            .await?;
        Ok(())
    }
}
