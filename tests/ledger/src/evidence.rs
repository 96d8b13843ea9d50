//! All that is known after a run: what the clients wrote down, what the
//! server keeps, and what the subscribers saw.

use std::collections::BTreeMap;

use mainstay_proto::mainstay::event::v1::EventFilter;
use uuid::Uuid;

use crate::ledger::Entry;

/// What a run leaves behind.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The ledger, in the order of writing.
    pub entries: Vec<Entry>,
    /// The log of the incident service, in the order of its sequence.
    pub log: Vec<LogRow>,
    /// Where the log says that it ends.
    pub head: Head,
    /// The request ids that the server keeps.
    pub requests: Vec<RequestRow>,
    /// The records as the server answers them, by name.
    pub records: BTreeMap<String, Record>,
    /// What each subscriber saw.
    pub subscribers: Vec<Seen>,
}

/// An event as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Place in the service's log.
    pub seq: i64,
    /// Place in the organization's part of it.
    pub org_sequence: i64,
    /// Id of the event.
    pub event_id: Uuid,
    /// Full name of the payload's message.
    pub event_type: String,
    /// Name of the record.
    pub subject: String,
    /// Id of the record.
    pub record_id: Uuid,
    /// Its revision after the event.
    pub revision: i64,
    /// The permission that a reader needs beside the right to read events.
    pub needs: Option<String>,
    /// When it was recorded.
    pub recorded_us: i64,
    /// The digest kept beside the body.
    pub body_hash: Vec<u8>,
    /// The digest of the body as it is.
    pub body_digest: Vec<u8>,
    /// The chained hash.
    pub hash: Vec<u8>,
    /// The correlation id inside the body: the id of the operation.
    pub correlation_id: String,
    /// The record after the event, as the body holds it.
    pub snapshot: Vec<u8>,
}

/// Where the log ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Place of the newest event.
    pub seq: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

/// A request id that the server keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// The request id.
    pub id: Uuid,
    /// Digest of the request, in hexadecimal.
    pub digest: String,
    /// The record written.
    pub record_id: Uuid,
    /// Its revision then.
    pub revision: i64,
}

/// A record as the server answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its revision.
    pub revision: i64,
    /// It, encoded like [`LogRow::snapshot`].
    pub content: Vec<u8>,
}

/// What a subscriber saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// What it asked for.
    pub filter: EventFilter,
    /// Whether it may see what needs a permission of its own.
    pub sees_all: bool,
    /// When it began, in microseconds of the run, if not at the log's begin.
    pub from_us: Option<u64>,
    /// The events, in the order of their arrival.
    pub events: Vec<Sighting>,
    /// How often it connected.
    pub connections: u64,
    /// What went wrong beyond broken connections.
    pub troubles: Vec<String>,
}

/// An event that a subscriber saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The service whose log it is in.
    pub source: String,
    /// Place in the organization's part of that log.
    pub sequence: i64,
    /// Id of the event.
    pub event_id: Uuid,
    /// SHA-256 of its bytes.
    pub digest: Vec<u8>,
}
