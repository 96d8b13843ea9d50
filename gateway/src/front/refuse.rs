//! One refusal, three protocols.

use std::time::Duration;

use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use mainstay_chassis::{Refusal, peer};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use prost_reflect::DescriptorPool;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;

use crate::door::{self, error};

/// At most so much of a body is read before the answer.
const READ: usize = 64 << 10;
/// For at most so long.
const PATIENCE: Duration = Duration::from_secs(1);

/// The refusal in the protocol of the request. An HTTP/1.1 client that still
/// sends would see a broken connection instead of the answer, so a small body
/// is read first.
pub(super) async fn refused(
    pool: &DescriptorPool,
    request: Request<Body>,
    refusal: Refusal,
) -> Response<Body> {
    let (head, body) = request.into_parts();
    if head.version < Version::HTTP_2 {
        // A client that goes on sending has had its chance.
        let _ = timeout(PATIENCE, read(body)).await;
    }
    if door::is_grpc(&head) {
        return peer::refused(refusal);
    }
    let unknown = refusal.reason() == ErrorReason::MethodUnknown;
    let refused = error::connect(pool, &Status::from(refusal));
    let refused = if unknown {
        refused.with_http_status(StatusCode::NOT_FOUND)
    } else {
        refused
    };
    refused.into_http_response(&head.headers).map(door::body)
}

async fn read(mut body: Body) {
    let mut left = READ;
    while let Some(Ok(frame)) = body.frame().await {
        left = left.saturating_sub(frame.data_ref().map_or(0, bytes::Bytes::len));
        if left == 0 {
            return;
        }
    }
}
