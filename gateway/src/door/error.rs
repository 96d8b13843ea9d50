//! A gRPC status as a Connect error, with its details.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use connectrpc::{ConnectError, ErrorCode, ErrorDetail};
use http::HeaderMap;
use mainstay_chassis::{Kind, Refusal};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tonic::{Code, Status};

/// The status, with details that JSON clients can read too.
pub(crate) fn connect(pool: &DescriptorPool, status: &Status) -> ConnectError {
    let details = tonic_types::pb::Status::decode(status.details())
        .unwrap_or_default()
        .details;
    let code = ErrorCode::from_grpc_code(u32::try_from(i32::from(status.code())).unwrap_or(2));
    let error = ConnectError::new(code.unwrap_or(ErrorCode::Unknown), status.message());
    let error = details
        .into_iter()
        .fold(error, |error, any| error.with_detail(detail(pool, &any)));
    let mut metadata: HeaderMap = status.metadata().clone().into_headers();
    metadata.remove("grpc-status-details-bin");
    error.with_trailers(metadata)
}

/// A detail as its bytes and, for people, as JSON.
fn detail(pool: &DescriptorPool, any: &prost_types::Any) -> ErrorDetail {
    let name = any.type_url.rsplit('/').next().unwrap_or_default();
    let message = pool
        .get_message_by_name(name)
        .and_then(|kind| DynamicMessage::decode(kind, any.value.as_slice()).ok());
    ErrorDetail {
        type_url: name.to_owned(),
        value: Some(STANDARD_NO_PAD.encode(&any.value)),
        debug: message.and_then(|message| serde_json::to_value(message).ok()),
    }
}

/// The refusal that a failure of the translation itself stands for.
pub(super) fn refusal(error: &ConnectError) -> Refusal {
    let message = error.message.clone().unwrap_or_default();
    if error.code == ErrorCode::ResourceExhausted {
        let message = "the message is larger than the limit: send less at a time";
        return Refusal::new(Kind::Exhausted, ErrorReason::MessageTooLarge, message);
    }
    if error.code == ErrorCode::DeadlineExceeded {
        return Refusal::deadline();
    }
    if error.code == ErrorCode::Unimplemented {
        return Refusal::new(Kind::Unimplemented, ErrorReason::MethodUnknown, message);
    }
    Refusal::invalid("request", message)
}

/// Whether a status says that all went well.
pub(super) fn is_ok(status: &Status) -> bool {
    status.code() == Code::Ok
}
