//! What the first request of a call asks the service to do.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use mainstay_gateway::door::Trailers;
use prost::Message;
use prost_reflect::DynamicMessage;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::messages::{any_of, bytes, headers, list, number, part, value};
use crate::reference::Sent;

/// What the first request asks for.
pub(crate) struct Plan {
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
    pub(crate) data: Vec<Bytes>,
    pub(crate) error: Option<DynamicMessage>,
    pub(crate) delay: Duration,
}

impl Plan {
    pub(crate) fn of(request: &DynamicMessage) -> Self {
        let Some(definition) = part(request, "response_definition") else {
            return Self {
                headers: HeaderMap::new(),
                trailers: HeaderMap::new(),
                data: Vec::new(),
                error: None,
                delay: Duration::ZERO,
            };
        };
        let data = value(&definition, "response_data");
        let several = data.as_list().map(|all| all.iter().map(bytes).collect());
        let data = several.unwrap_or_else(|| vec![bytes(&data)]);
        Self {
            headers: headers(&definition, "response_headers"),
            trailers: headers(&definition, "response_trailers"),
            data,
            error: part(&definition, "error"),
            delay: Duration::from_millis(number(&definition, "response_delay_ms").into()),
        }
    }

    /// The head of the response, and where its messages go.
    pub(crate) fn reply(&self) -> (mpsc::Sender<Result<Bytes, Status>>, tonic::Response<Sent>) {
        let (send, receive) = mpsc::channel(1);
        let messages: Sent = Box::pin(ReceiverStream::new(receive));
        let mut reply = tonic::Response::new(messages);
        *reply.metadata_mut() = MetadataMap::from_headers(self.headers.clone());
        reply
            .extensions_mut()
            .insert(Trailers(self.trailers.clone()));
        (send, reply)
    }

    /// The end: the error asked for, or OK, with the trailers.
    pub(crate) fn end(&self, info: Option<prost_types::Any>) -> Status {
        let trailers = MetadataMap::from_headers(self.trailers.clone());
        let Some(error) = &self.error else {
            return Status::with_metadata(Code::Ok, "", trailers);
        };
        let code = value(error, "code").as_enum_number().unwrap_or_default();
        let message = value(error, "message")
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let details = list(error, "details")
            .iter()
            .map(any_of)
            .chain(info)
            .collect();
        let told = tonic_types::pb::Status {
            code,
            message: message.clone(),
            details,
        };
        Status::with_details_and_metadata(
            Code::from_i32(code),
            message,
            told.encode_to_vec().into(),
            trailers,
        )
    }
}
