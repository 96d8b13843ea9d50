//! Calls a method that is known by its descriptor only.

use anyhow::{Result, ensure};
use bytes::{Buf, BufMut, Bytes};
use mainstay_tests::{Caller, Told, told};
use prost_reflect::MethodDescriptor;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

/// Sends the encoded request and waits for the first message of the answer;
/// tells the refusal, if it was one.
pub(crate) async fn call(
    caller: Caller,
    method: &MethodDescriptor,
    request: Bytes,
) -> Result<Option<Told>> {
    ensure!(
        !method.is_client_streaming(),
        "{} takes a stream",
        method.full_name()
    );
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let mut client = Grpc::new(caller);
    client.ready().await?;
    // One answer is read like a stream of answers.
    let answer = client
        .server_streaming(Request::new(request), path.parse()?, Raw)
        .await;
    let first = match answer {
        Ok(stream) => stream.into_inner().message().await,
        Err(status) => Err(status),
    };
    Ok(first.err().as_ref().map(told))
}

/// Messages as the bytes that they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(source.copy_to_bytes(source.remaining())))
    }
}
