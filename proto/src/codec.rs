//! The codec of all generated servers and clients: a server refuses a request
//! that breaks the contract's rules before any handler sees it. Responses are
//! not checked.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic::{Code, Status};
use tonic_prost::{ProstDecoder, ProstEncoder};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::check::{Rules, Violations};

/// Prost, with the rules of the contract checked on what a server receives.
#[derive(Debug)]
pub struct CheckedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for CheckedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for CheckedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Rules + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = CheckedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(tonic::codec::BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        CheckedDecoder(ProstDecoder::new(tonic::codec::BufferSettings::default()))
    }
}

/// Decodes, then checks.
#[derive(Debug)]
pub struct CheckedDecoder<U>(ProstDecoder<U>);

impl<U: Message + Rules + Default> Decoder for CheckedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let Some(message) = self.0.decode(source)? else {
            return Ok(None);
        };
        if !U::REQUEST {
            return Ok(Some(message));
        }
        let violations = Violations::of(&message);
        match violations.is_empty() {
            true => Ok(Some(message)),
            false => Err(invalid(violations)),
        }
    }
}

/// The status that names the violations (field, remedy).
fn invalid(violations: Vec<(String, String)>) -> Status {
    let text = match violations.first() {
        Some((field, remedy)) => format!("{field} {remedy}"),
        None => String::new(),
    };
    let mut details = ErrorDetails::new();
    details.set_error_info(
        "VALIDATION_FAILED",
        "mainstay",
        std::collections::HashMap::new(),
    );
    details.set_bad_request(
        violations
            .into_iter()
            .map(|(field, remedy)| FieldViolation::new(field, remedy))
            .collect::<Vec<_>>(),
    );
    Status::with_error_details(Code::InvalidArgument, text, details)
}
