//! What the operations of one transaction come to: events numbered and
//! chained, numbers handed out, keys and rows to write. Nothing of it counts
//! before the commit.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use mainstay_chassis::clock::timestamp;
use mainstay_proto::mainstay::event::v1::Event;
use mainstay_proto::mainstay::record::v1::Actor;
use prost::Message;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::backend::{Row, Shape};
use super::shelf::Shelves;
use crate::log::Entry;
use crate::tables::idempotency;
use crate::{Call, Moment, Payload, Record};

/// Where log, parts and numbers end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heads {
    /// The log's epoch.
    pub epoch: Uuid,
    /// Position of the newest event.
    pub seq: i64,
    /// When it was recorded.
    pub recorded_us: i64,
    /// Positions up to here are archived.
    pub floor: i64,
    /// Its hash.
    pub hash: [u8; 32],
    /// Position of each organization's newest event in its part.
    pub organizations: HashMap<String, i64>,
    /// The newest number of each organization and kind.
    pub numbers: HashMap<(String, String), i64>,
}

impl Heads {
    /// Moves to the ends of a committed batch.
    pub(crate) fn advance(&mut self, ends: Ends) {
        self.seq = ends.seq;
        self.recorded_us = ends.recorded_us;
        self.hash = ends.hash;
        self.organizations.extend(ends.organizations);
        self.numbers.extend(ends.numbers);
    }
}

/// Where log, parts and numbers end once a batch is committed; of the latter
/// only what the batch moves.
#[derive(Debug)]
pub(crate) struct Ends {
    /// Position of the newest event.
    pub seq: i64,
    /// When it was recorded.
    pub recorded_us: i64,
    /// Its hash.
    pub hash: [u8; 32],
    /// Positions of the newest events of organizations.
    pub organizations: HashMap<String, i64>,
    /// The newest numbers of organizations and kinds.
    pub numbers: HashMap<(String, String), i64>,
}

/// What a batch came to.
pub(crate) struct Made {
    /// The events it appends.
    pub events: Vec<Entry>,
    /// The request ids that it uses up.
    pub keys: Vec<idempotency::Model>,
    /// Rows of plain tables that it puts.
    pub puts: Vec<(Arc<Shape>, Vec<Row>)>,
    /// Where everything ends after it.
    pub ends: Ends,
}

/// The work of one transaction.
pub(crate) struct Batch<'a> {
    /// The records it touches.
    pub shelves: &'a mut Shelves,
    /// The events it appends.
    pub events: Vec<Entry>,
    /// The request ids that it uses up.
    pub keys: Vec<idempotency::Model>,
    /// Rows of plain tables that it puts.
    pub puts: Vec<(Arc<Shape>, Vec<Row>)>,
    /// Where the consumers stand of whom an operation speaks.
    pub cursors: HashMap<String, String>,
    /// The service whose log it is.
    pub service: &'static str,
    heads: &'a Heads,
    ends: Ends,
}

impl<'a> Batch<'a> {
    /// An empty batch on these heads.
    pub(crate) fn new(
        service: &'static str,
        heads: &'a Heads,
        shelves: &'a mut Shelves,
        now_us: i64,
    ) -> Self {
        Self {
            shelves,
            events: Vec::new(),
            keys: Vec::new(),
            puts: Vec::new(),
            cursors: HashMap::new(),
            service,
            ends: Ends {
                seq: heads.seq,
                recorded_us: now_us.max(heads.recorded_us),
                hash: heads.hash,
                organizations: HashMap::new(),
                numbers: HashMap::new(),
            },
            heads,
        }
    }

    /// What it came to.
    pub(crate) fn finish(self) -> Made {
        Made {
            events: self.events,
            keys: self.keys,
            puts: self.puts,
            ends: self.ends,
        }
    }

    /// The moment of a call's decision.
    pub(crate) fn moment(&self, call: &Call) -> Moment {
        Moment {
            now_us: self.ends.recorded_us,
            actor: call.permit.principal().name().to_owned(),
            roles: call.permit.principal().roles().clone(),
            id: Uuid::now_v7(),
        }
    }

    /// The next number of a kind in an organization.
    pub(crate) fn number(&mut self, organization: &str, kind: &'static str) -> i64 {
        let key = (organization.to_owned(), kind.to_owned());
        let newest = self
            .ends
            .numbers
            .get(&key)
            .or_else(|| self.heads.numbers.get(&key))
            .copied()
            .unwrap_or(0);
        self.ends.numbers.insert(key, newest + 1);
        newest + 1
    }

    /// Position of an organization's newest event.
    pub(crate) fn org_sequence(&self, organization: &str) -> i64 {
        let newest = self
            .ends
            .organizations
            .get(organization)
            .or_else(|| self.heads.organizations.get(organization));
        newest.copied().unwrap_or(0)
    }

    /// The cursor right after an organization's event.
    pub(crate) fn cursor(&self, organization: &str, sequence: i64) -> String {
        crate::cursor::Cursor::single(organization, self.service, self.heads.epoch, sequence)
            .encode()
    }

    /// Appends the event of which this is the record after it.
    pub(crate) fn append<R: Record>(
        &mut self,
        call: &Call,
        record: &R,
        event: &R::Event,
        last_in_tx: bool,
    ) -> i64 {
        let payload = record.publish(event);
        let id = Uuid::now_v7();
        let body = Bytes::from(self.encode(call, record, &payload, id).encode_to_vec());
        self.ends.seq += 1;
        let sequence = self.org_sequence(record.organization()) + 1;
        let digest: [u8; 32] = Sha256::digest(&body).into();
        self.ends.hash = chained(
            &self.ends.hash,
            self.ends.seq,
            sequence,
            self.ends.recorded_us,
            &digest,
        );
        self.ends
            .organizations
            .insert(record.organization().to_owned(), sequence);
        self.events.push(Entry {
            seq: self.ends.seq,
            last_in_tx,
            organization: record.organization().to_owned(),
            org_sequence: sequence,
            event_id: id,
            event_type: payload.type_name.to_owned(),
            subject: record.name(),
            record_id: record.id(),
            revision: record.revision(),
            actor: call.permit.principal().name().to_owned(),
            needs: payload.needs.map(str::to_owned),
            imported: call.imported,
            occurred_us: record.occur_us(),
            recorded_us: self.ends.recorded_us,
            body,
            body_hash: digest,
            hash: self.ends.hash,
        });
        sequence
    }

    fn encode<R: Record>(&self, call: &Call, record: &R, payload: &Payload, id: Uuid) -> Event {
        Event {
            id: id.to_string(),
            source: self.service.to_owned(),
            r#type: payload.type_name.to_owned(),
            subject: record.name(),
            subject_revision: record.revision(),
            occur_time: Some(timestamp(record.occur_us())),
            organization: record.organization().to_owned(),
            actor: Some(Actor {
                name: call.permit.principal().name().to_owned(),
            }),
            correlation_id: call.correlation_id.clone(),
            traceparent: call.traceparent.clone(),
            policy_version: payload.policy_version.clone(),
            imported: call.imported,
            data: Some(prost_types::Any {
                type_url: format!("type.googleapis.com/{}", payload.type_name),
                value: payload.bytes.clone(),
            }),
            ..Event::default()
        }
    }
}

/// The hash of an event: the chain runs over the body's digest, so that a body
/// can be redacted while chain and proof stay valid.
pub(crate) fn chained(
    previous: &[u8],
    seq: i64,
    org_sequence: i64,
    recorded_us: i64,
    digest: &[u8],
) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(seq.to_be_bytes());
    hash.update(org_sequence.to_be_bytes());
    hash.update(recorded_us.to_be_bytes());
    hash.update(digest);
    hash.finalize().into()
}
