//! The practice on a store of its own, and how it is called.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::{Buf, BufMut};
use futures::StreamExt;
use http::uri::PathAndQuery;
use mainstay_chassis::{Method, Methods, Peer, Principal};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tokio_util::sync::CancellationToken;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

use super::answers::{Failure, Reply, json};
use super::{Scratch, Specimen};
use crate::Service;

/// The organization that most is tried in.
pub(super) const HOME: &str = "default";
/// The other one.
pub(super) const AWAY: &str = "acme";

/// The practice, opened.
pub(super) struct Stage {
    pub(super) specimen: Specimen,
    pub(super) methods: Vec<Arc<Method>>,
    pub(super) home: Principal,
    pub(super) away: Principal,
    all: Methods,
    peer: Peer,
    service: Service,
    _scratch: Scratch,
}

impl Stage {
    /// Opens the practice.
    pub(super) async fn open(specimen: Specimen) -> Self {
        let scratch = Scratch::new().await;
        let service = (specimen.open)(scratch.settings())
            .await
            .expect("the practice opens");
        let all = Methods::of(mainstay_proto::descriptors());
        let own = |method: &&Arc<Method>| service.packages.contains(&method.package().as_str());
        let mut methods: Vec<Arc<Method>> = all.iter().filter(own).cloned().collect();
        methods.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(
            !methods.is_empty(),
            "the packages {:?} have methods",
            service.packages
        );
        Self {
            specimen,
            methods,
            home: principal(HOME, &all, None),
            away: principal(AWAY, &all, None),
            peer: Peer::new(service.routes.clone(), all.clone()),
            all,
            service,
            _scratch: scratch,
        }
    }

    /// Ends the practice in order.
    pub(super) async fn close(self) {
        self.service.store.close().await;
    }

    /// Somebody who may everything but this.
    pub(super) fn without(&self, permission: &str) -> Principal {
        principal(HOME, &self.all, Some(permission))
    }

    /// The methods of the log and of the self-description, too.
    pub(super) fn every_method(&self) -> Vec<Arc<Method>> {
        let shared = ["mainstay.event.v1", "mainstay.practice.v1"];
        let shared = self
            .all
            .iter()
            .filter(|method| shared.contains(&method.package().as_str()));
        self.methods.iter().chain(shared).cloned().collect()
    }

    /// The method with a name.
    pub(super) fn method(&self, name: &str) -> Arc<Method> {
        let mut all = self.every_method().into_iter();
        let found = all.find(|method| method.descriptor.name() == name);
        found.unwrap_or_else(|| panic!("there is no method {name}"))
    }

    /// Calls a method.
    pub(super) async fn call(
        &self,
        who: &Principal,
        method: &Method,
        message: &DynamicMessage,
    ) -> Result<Reply, Failure> {
        self.call_as(Some(who), method, message).await
    }

    /// Calls a method, as nobody if need be.
    pub(super) async fn call_as(
        &self,
        who: Option<&Principal>,
        method: &Method,
        message: &DynamicMessage,
    ) -> Result<Reply, Failure> {
        let request = request(who, message);
        let path = PathAndQuery::try_from(method.path.as_str()).expect("a path");
        let mut client = tonic::client::Grpc::new(self.peer.clone());
        client.ready().await.expect("a peer is always ready");
        let codec = Dynamic(method.descriptor.output());
        let response = client
            .unary(request, path, codec)
            .await
            .map_err(Failure::from)?;
        let replayed = response
            .metadata()
            .get("idempotent-replayed")
            .is_some_and(|value| value == "true");
        Ok(Reply {
            message: response.into_inner(),
            replayed,
        })
    }

    /// Calls a method that has to refuse.
    pub(super) async fn refusal(
        &self,
        who: &Principal,
        method: &Method,
        message: &DynamicMessage,
        why: &str,
    ) -> Failure {
        match self.call(who, method, message).await {
            Err(failure) => failure,
            Ok(_) => panic!("{} is to be refused: {why}: {}", method.path, json(message)),
        }
    }

    /// Calls a method that has to be done.
    pub(super) async fn done(
        &self,
        who: &Principal,
        method: &Method,
        message: &DynamicMessage,
    ) -> Reply {
        match self.call(who, method, message).await {
            Ok(reply) => reply,
            Err(failure) => panic!(
                "{} is to be done: {failure:?}: {}",
                method.path,
                json(message)
            ),
        }
    }

    /// Opens a stream and awaits its first message that passes.
    pub(super) async fn first(
        &self,
        method: &Method,
        message: &DynamicMessage,
        passes: impl Fn(&DynamicMessage) -> bool,
    ) -> DynamicMessage {
        let request = request(Some(&self.home), message);
        let path = PathAndQuery::try_from(method.path.as_str()).expect("a path");
        let mut client = tonic::client::Grpc::new(self.peer.clone());
        client.ready().await.expect("a peer is always ready");
        let codec = Dynamic(method.descriptor.output());
        let response = client.server_streaming(request, path, codec).await;
        let mut stream = response.expect("a stream").into_inner();
        while let Some(message) = stream.next().await {
            let message = message.expect("a message");
            if passes(&message) {
                return message;
            }
        }
        panic!("the stream ended");
    }
}

fn request(who: Option<&Principal>, message: &DynamicMessage) -> Request<DynamicMessage> {
    let mut request = Request::new(message.clone());
    if let Some(who) = who {
        request.extensions_mut().insert(who.clone());
    }
    request
}

fn principal(organization: &str, methods: &Methods, but: Option<&str>) -> Principal {
    let permissions = methods.iter().map(|method| method.permission.clone());
    let permissions: BTreeSet<String> = permissions
        .filter(|name| Some(name.as_str()) != but)
        .collect();
    let name = format!("organizations/{organization}/users/ada");
    Principal::new(
        name,
        organization,
        Arc::new(permissions),
        CancellationToken::new(),
    )
}

/// Writes and reads messages by their descriptors.
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Writer;
    type Decoder = Self;
    fn encoder(&mut self) -> Writer {
        Writer
    }
    fn decoder(&mut self) -> Self {
        Self(self.0.clone())
    }
}

/// Writes messages.
struct Writer;

impl Encoder for Writer {
    type Item = DynamicMessage;
    type Error = Status;
    fn encode(&mut self, item: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item.encode_to_vec());
        Ok(())
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        Ok(Some(
            DynamicMessage::decode(self.0.clone(), bytes).expect("the message of the contract"),
        ))
    }
}
