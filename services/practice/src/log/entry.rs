//! An event in the log, as readers and the writer hold it.

use bytes::Bytes;
use mainstay_chassis::clock::timestamp;
use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_proto::LoggedEvent;
use uuid::Uuid;

use crate::tables::event_log;

/// An event in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Position in the service's log.
    pub seq: i64,
    /// Whether the next event belongs to another operation.
    pub last_in_tx: bool,
    /// Slug of the organization.
    pub organization: String,
    /// Position in the organization's part of the log.
    pub org_sequence: i64,
    /// UUIDv7 of the event.
    pub event_id: Uuid,
    /// Full name of the payload's message.
    pub event_type: String,
    /// Name of the record that changed.
    pub subject: String,
    /// Its id.
    pub record_id: Uuid,
    /// Its revision after the change.
    pub revision: i64,
    /// Full name of who did it.
    pub actor: String,
    /// The permission that a reader must hold beside `event.read`.
    pub needs: Option<String>,
    /// Whether it is imported history.
    pub imported: bool,
    /// When it occurred.
    pub occurred_us: i64,
    /// When it was recorded.
    pub recorded_us: i64,
    /// The encoded event.
    pub body: Bytes,
    /// SHA-256 of the body.
    pub body_hash: [u8; 32],
    /// Its hash in the chain.
    pub hash: [u8; 32],
}

impl Entry {
    /// The event as readers of an organization's part get it, or those of the whole log.
    pub fn logged(&self, organization: &str) -> LoggedEvent {
        LoggedEvent {
            sequence: if organization == ALL_ORGANIZATIONS {
                self.seq
            } else {
                self.org_sequence
            },
            record_time: Some(timestamp(self.recorded_us)),
            event: self.body.clone(),
        }
    }
}

impl From<event_log::Model> for Entry {
    fn from(row: event_log::Model) -> Self {
        Self {
            seq: row.seq,
            last_in_tx: row.last_in_tx,
            organization: row.organization,
            org_sequence: row.org_sequence,
            event_id: row.event_id,
            event_type: row.event_type,
            subject: row.subject,
            record_id: row.record_id,
            revision: row.revision,
            actor: row.actor,
            needs: row.needs,
            imported: row.imported,
            occurred_us: row.occurred_us,
            recorded_us: row.recorded_us,
            body: row.body.into(),
            body_hash: row.body_hash.try_into().unwrap_or_default(),
            hash: row.hash.try_into().unwrap_or_default(),
        }
    }
}

impl From<&Entry> for event_log::Model {
    fn from(entry: &Entry) -> Self {
        let entry = entry.clone();
        Self {
            seq: entry.seq,
            last_in_tx: entry.last_in_tx,
            organization: entry.organization,
            org_sequence: entry.org_sequence,
            event_id: entry.event_id,
            event_type: entry.event_type,
            subject: entry.subject,
            record_id: entry.record_id,
            revision: entry.revision,
            actor: entry.actor,
            needs: entry.needs,
            imported: entry.imported,
            occurred_us: entry.occurred_us,
            recorded_us: entry.recorded_us,
            body: entry.body.to_vec(),
            body_hash: entry.body_hash.to_vec(),
            hash: entry.hash.to_vec(),
        }
    }
}
