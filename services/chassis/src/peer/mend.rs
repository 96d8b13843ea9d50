//! What tonic itself answers before a handler is reached, in the words of the
//! catalogue. A status with details is a service's own, and is left alone.

use http::{HeaderMap, Response};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use tonic::body::Body;
use tonic::{Code, Status};

use super::refused;
use crate::{Kind, Refusal};

/// The response, with the code and reason that the contract promises.
pub(super) fn mended(response: Response<Body>, path: &str) -> Response<Body> {
    match bare(response.headers()).and_then(|status| refusal(&status, path)) {
        Some(refusal) => refused(refusal),
        None => response,
    }
}

/// The trailers of a stream, likewise. By then a handler has the call, so that
/// only the size of a message is tonic's to judge.
pub(super) fn mended_trailers(trailers: HeaderMap) -> HeaderMap {
    let refusal = bare(&trailers).and_then(|status| too_large(&status));
    let mut mended = HeaderMap::new();
    match refusal.map(|refusal| Status::from(refusal).add_header(&mut mended)) {
        Some(Ok(())) => mended,
        Some(Err(_)) | None => trailers,
    }
}

/// The refusal of a message that tonic found too large.
fn too_large(status: &Status) -> Option<Refusal> {
    let too_large =
        status.code() == Code::OutOfRange && status.message().contains("message length too large");
    too_large.then(message_too_large)
}

/// Refuses a message for its size.
pub(super) fn message_too_large() -> Refusal {
    let message = "the message is larger than the limit: send less at a time";
    Refusal::new(Kind::Exhausted, ErrorReason::MessageTooLarge, message)
}

/// The status in headers or trailers, when it has no details.
fn bare(headers: &HeaderMap) -> Option<Status> {
    let bare = headers.contains_key(Status::GRPC_STATUS)
        && !headers.contains_key("grpc-status-details-bin");
    bare.then(|| Status::from_header_map(headers)).flatten()
}

/// The refusal that a status of tonic's stands for.
fn refusal(status: &Status, path: &str) -> Option<Refusal> {
    match status.code() {
        Code::OutOfRange => too_large(status),
        Code::Internal => {
            tracing::debug!(
                path,
                message = status.message(),
                "a request could not be read"
            );
            Some(Refusal::invalid(
                "request",
                "is not one whole, valid protobuf message",
            ))
        }
        // Without a message the routes know no such path; with one, an
        // encoding is not known, and the header that lists those that are
        // must stay.
        Code::Unimplemented if status.message().is_empty() => Some(Refusal::unknown_method(path)),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => None,
    }
}
