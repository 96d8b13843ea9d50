//! `mainstay.event.v1.LoggedEvent`, with its event left encoded: what the log
//! keeps goes into every stream byte by byte.

use bytes::Bytes;
use prost::Message;

use crate::check::{Rules, Violations};
use crate::mainstay::event::v1::Event;

/// An event and its place in the log; on the wire the same as the contract's
/// `LoggedEvent`.
#[derive(Clone, PartialEq, Eq, Hash, Message)]
pub struct LoggedEvent {
    /// Position in the organization's part of the service's log.
    #[prost(int64, tag = "1")]
    pub sequence: i64,
    /// When it was recorded.
    #[prost(message, optional, tag = "2")]
    pub record_time: Option<prost_types::Timestamp>,
    /// The encoded [`Event`].
    #[prost(bytes = "bytes", tag = "3")]
    pub event: Bytes,
}

impl LoggedEvent {
    /// Decodes the event.
    pub fn decode(&self) -> Result<Event, prost::DecodeError> {
        Event::decode(self.event.clone())
    }
}

impl Rules for LoggedEvent {
    const REQUEST: bool = false;

    fn check(&self, _: &mut Violations) {}
}
