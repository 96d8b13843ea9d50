//! What connectrpc itself answers before a service is asked, with a reason of
//! the catalogue: as `peer` does for gRPC.

use connectrpc::{ConnectError, ConnectRpcBody};
use futures::FutureExt;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use prost_reflect::DescriptorPool;
use tonic::Status;

use super::error;

/// The response; an error of a unary call without details gets them.
pub(super) fn mended(
    pool: &DescriptorPool,
    response: Response<ConnectRpcBody>,
) -> Response<ConnectRpcBody> {
    let found = if let ConnectRpcBody::Full(full) = response.body()
        && !response.status().is_success()
    {
        bare(full)
    } else {
        None
    };
    let Some(found) = found else { return response };
    let (mut head, _) = response.into_parts();
    let told = error::connect(pool, &Status::from(error::refusal(&found)));
    // A status that is not the code's own, such as 404 or 405, says more.
    let told = if head.status == found.code.http_status() {
        told
    } else {
        told.with_http_status(head.status)
    };
    let told = told.into_http_response(&HeaderMap::new());
    head.status = told.status();
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, told.into_body())
}

/// The error in a body, when it has no details.
fn bare(full: &http_body_util::Full<bytes::Bytes>) -> Option<ConnectError> {
    let bytes = full.clone().collect().now_or_never()?.ok()?.to_bytes();
    let found: ConnectError = serde_json::from_slice(&bytes).ok()?;
    found.details.is_empty().then_some(found)
}
