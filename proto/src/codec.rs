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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mainstay::incident::v1 as pb;

    #[test]
    fn a_broken_rule_is_told_as_an_invalid_argument_with_its_field() {
        let status = invalid(Violations::of(&pb::GetIncidentRequest::default()));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "name must not be empty");
        let details = status.get_error_details();
        let info = details.error_info().expect("an ErrorInfo");
        assert_eq!(
            (&info.reason[..], &info.domain[..]),
            ("VALIDATION_FAILED", "mainstay")
        );
        let request = details.bad_request().expect("a BadRequest");
        assert_eq!(request.field_violations[0].field, "name");
    }

    #[test]
    fn the_largest_complaint_fits_into_the_trailers_of_every_client() {
        let label = |number: usize| {
            (
                format!("{number:02}{}", "日".repeat(9_000)),
                "x".repeat(201),
            )
        };
        let incident = pb::Incident {
            labels: (0..60).map(label).collect(),
            ..Default::default()
        };
        let request = pb::CreateIncidentRequest {
            incident: Some(incident),
            ..Default::default()
        };
        let violations = Violations::of(&request);
        assert!(!violations.is_empty());
        let mut headers = tonic::codegen::http::HeaderMap::new();
        invalid(violations)
            .add_header(&mut headers)
            .expect("a status fits into headers");
        let size: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        assert!(size <= 4096, "{size} bytes");
    }
}
