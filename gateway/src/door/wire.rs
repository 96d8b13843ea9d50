//! gRPC's framing, to call a peer without a client's connection in between.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName};
use http_body_util::BodyExt;
use mainstay_chassis::Refusal;
use tonic::Status;
use tonic::body::Body;

use super::error;

/// A flag and a length of four bytes.
const HEAD: usize = 5;

/// A message in its frame.
pub(super) fn framed(message: &Bytes) -> Result<Bytes, Refusal> {
    let length = u32::try_from(message.len()).map_err(Refusal::internal)?;
    let mut frame = BytesMut::with_capacity(HEAD + message.len());
    frame.put_u8(0);
    frame.put_u32(length);
    frame.extend_from_slice(message);
    Ok(frame.freeze())
}

/// The messages of a response, one by one.
pub(super) struct Messages {
    body: Body,
    held: Bytes,
    trailers: HeaderMap,
}

impl Messages {
    /// Those of a body.
    pub(super) fn of(body: Body) -> Self {
        Self {
            body,
            held: Bytes::new(),
            trailers: HeaderMap::new(),
        }
    }

    /// The next message; none at an end that is OK, else its status.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(message) = self.split()? {
                return Ok(Some(message));
            }
            let Some(frame) = self.body.frame().await.transpose()? else {
                return self.end().map(|()| None);
            };
            match frame.into_data() {
                Ok(data) if self.held.is_empty() => self.held = data,
                Ok(data) => self.held = [&*self.held, &*data].concat().into(),
                Err(frame) => self.trailers = frame.into_trailers().unwrap_or_default(),
            }
        }
    }

    /// What came with the end.
    pub(super) fn trailers(self) -> HeaderMap {
        metadata(self.trailers)
    }

    /// Takes a whole message off what has come.
    fn split(&mut self) -> Result<Option<Bytes>, Refusal> {
        let Some((&[flag, a, b, c, d], rest)) = self.held.split_first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let length =
            usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(Refusal::internal)?;
        if flag != 0 {
            return Err(Refusal::internal("a peer compressed a message unasked"));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let mut message = self.held.split_to(HEAD + length);
        Ok(Some(message.split_off(HEAD)))
    }

    fn end(&self) -> Result<(), Status> {
        match Status::from_header_map(&self.trailers) {
            Some(status) if error::is_ok(&status) => Ok(()),
            Some(status) => Err(status),
            None => Err(Refusal::internal("a peer's response ended without a status").into()),
        }
    }
}

/// The headers that are no part of a protocol.
pub(super) fn metadata(headers: HeaderMap) -> HeaderMap {
    let mut metadata = HeaderMap::with_capacity(headers.len());
    let mut last = None;
    for (name, value) in headers {
        // A name that repeats comes once, with none after it.
        last = name.or(last);
        if let Some(name) = last.as_ref().filter(|name| !is_protocol(name)) {
            metadata.append(name, value);
        }
    }
    metadata
}

fn is_protocol(name: &HeaderName) -> bool {
    const NAMES: [&str; 10] = [
        "accept",
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "te",
        "transfer-encoding",
        "x-grpc-web",
    ];
    let name = name.as_str();
    NAMES.contains(&name) || name.starts_with("grpc-") || name.starts_with("connect-")
}
