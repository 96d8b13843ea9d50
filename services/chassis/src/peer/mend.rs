//! What tonic itself answers before a handler is reached, in the words of the
//! catalogue. A status with details is a service's own, and is left alone.

use http::Response;
use mainstay_proto::mainstay::error::v1::ErrorReason;
use tonic::body::Body;
use tonic::{Code, Status};

use super::refused;
use crate::{Kind, Refusal};

/// The response, with the code and reason that the contract promises.
pub(super) fn mended(response: Response<Body>, path: &str) -> Response<Body> {
    let bare = response.headers().contains_key(Status::GRPC_STATUS)
        && !response.headers().contains_key("grpc-status-details-bin");
    let status = bare
        .then(|| Status::from_header_map(response.headers()))
        .flatten();
    match status.and_then(|status| refusal(&status, path)) {
        Some(refusal) => refused(refusal),
        None => response,
    }
}

/// The refusal that a status of tonic's stands for.
fn refusal(status: &Status, path: &str) -> Option<Refusal> {
    match status.code() {
        Code::OutOfRange => Some(Refusal::new(
            Kind::Exhausted,
            ErrorReason::MessageTooLarge,
            "the message is larger than the limit: send less at a time",
        )),
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
