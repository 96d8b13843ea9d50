//! What the operations of one transaction come to: events, numbers handed out,
//! keys and rows to write. Events get their places last, under the log's head.
//! Nothing of it counts before the commit.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use mainstay_chassis::Refusal;
use mainstay_chassis::clock::timestamp;
use mainstay_proto::mainstay::event::v1::Event;
use mainstay_proto::mainstay::record::v1::Actor;
use prost::Message;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::plain::Plain;
use super::shelf::Shelves;
use crate::log::Entry;
use crate::tables::{consumer_cursor, idempotency};
use crate::{Call, Due, Moment, Payload, Record};

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
    /// The numbers that may be handed out, by organization and kind.
    pub numbers: HashMap<(String, String), Numbers>,
}

/// Numbers that may be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// The newest that was.
    pub newest: i64,
    /// The last that may be.
    pub last: i64,
}

impl Numbers {
    /// All that follow on a number.
    pub(crate) fn after(newest: i64) -> Self {
        let last = i64::MAX;
        Self { newest, last }
    }
}

impl Heads {
    /// Moves to the ends of a committed batch.
    pub(crate) fn advance(&mut self, ends: Ends) {
        self.seq = ends.seq;
        self.recorded_us = ends.recorded_us;
        self.hash = ends.hash;
        self.organizations.extend(ends.organizations);
    }
}

/// Where log and parts end once a batch is committed; of the parts only those
/// that it moves.
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
}

/// What a batch came to, before its events have their places.
pub(crate) struct Made {
    /// The events it appends.
    pub events: Vec<Entry>,
    /// The request ids that it uses up.
    pub keys: Vec<idempotency::Model>,
    /// What it does to plain tables.
    pub plain: Plain,
    /// The organizations whose heads somebody asks for.
    pub organizations: BTreeSet<String>,
    /// The numbers left of those that it handed out.
    pub numbers: HashMap<(String, String), Numbers>,
    /// When it was decided.
    pub now_us: i64,
    /// When the first timer is due that it arms.
    pub nearest_us: Option<i64>,
}

/// The work of one transaction.
pub(crate) struct Batch<'a> {
    /// The records it touches, and the rows that it looks at.
    pub shelves: &'a mut Shelves,
    /// The request ids that it uses up.
    pub keys: Vec<idempotency::Model>,
    /// What it does to plain tables.
    pub plain: Plain,
    /// Where the batch has moved consumers to.
    pub cursors: HashMap<String, consumer_cursor::Model>,
    /// The service whose log it is.
    pub service: &'static str,
    heads: &'a Heads,
    events: Vec<Entry>,
    organizations: BTreeSet<String>,
    numbers: HashMap<(String, String), Numbers>,
    now_us: i64,
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
            keys: Vec::new(),
            plain: Plain::default(),
            cursors: HashMap::new(),
            service,
            heads,
            events: Vec::new(),
            organizations: BTreeSet::new(),
            numbers: HashMap::new(),
            now_us: now_us.max(heads.recorded_us),
        }
    }

    /// What it came to.
    pub(crate) fn finish(self) -> Made {
        Made {
            events: self.events,
            keys: self.keys,
            plain: self.plain,
            organizations: self.organizations,
            numbers: self.numbers,
            now_us: self.now_us,
            nearest_us: None,
        }
    }

    /// The time of its decisions.
    pub(crate) fn now_us(&self) -> i64 {
        self.now_us
    }

    /// The moment of a call's decision.
    pub(crate) fn moment(&self, call: &Call) -> Moment {
        Moment {
            now_us: self.now_us,
            actor: call.permit.principal().name().to_owned(),
            roles: call.permit.principal().roles().clone(),
            id: Uuid::now_v7(),
        }
    }

    /// The next number of a kind in an organization.
    pub(crate) fn number(
        &mut self,
        organization: &str,
        kind: &'static str,
    ) -> Result<i64, Refusal> {
        let key = (organization.to_owned(), kind.to_owned());
        let known = self
            .numbers
            .get(&key)
            .or_else(|| self.heads.numbers.get(&key));
        let mut numbers = known.copied().unwrap_or(Numbers::after(0));
        if numbers.newest >= numbers.last {
            return Err(Refusal::internal("more records were made than announced"));
        }
        numbers.newest += 1;
        self.numbers.insert(key, numbers);
        Ok(numbers.newest)
    }

    /// Says that somebody asks where an organization's part ends.
    pub(crate) fn touch(&mut self, organization: &str) {
        if !self.organizations.contains(organization) {
            self.organizations.insert(organization.to_owned());
        }
    }

    /// Appends the event of which this is the record after it; returns its
    /// place among the batch's.
    pub(crate) fn append<R: Record>(
        &mut self,
        call: &Call,
        record: &R,
        event: &R::Event,
        last_in_tx: bool,
    ) -> usize {
        let payload = record.publish(event);
        let id = Uuid::now_v7();
        let body = Bytes::from(self.encode(call, record, &payload, id).encode_to_vec());
        let digest: [u8; 32] = Sha256::digest(&body).into();
        self.touch(record.organization());
        self.events.push(Entry {
            seq: 0,
            last_in_tx,
            organization: record.organization().to_owned(),
            org_sequence: 0,
            event_id: id,
            event_type: payload.type_name.to_owned(),
            subject: record.name(),
            record_id: record.id(),
            revision: record.revision(),
            actor: call.permit.principal().name().to_owned(),
            needs: payload.needs.map(str::to_owned),
            imported: call.imported,
            occurred_us: record.occur_us(),
            recorded_us: 0,
            body,
            body_hash: digest,
            hash: [0; 32],
        });
        self.events.len() - 1
    }

    fn encode<R: Record>(&self, call: &Call, record: &R, payload: &Payload, id: Uuid) -> Event {
        let cause = call.cause.as_ref();
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
            cause: cause
                .map(|cause| cause.event_id.clone())
                .unwrap_or_default(),
            hops: cause.map_or(0, |cause| cause.hops.saturating_add(1)),
            redacted_revision: 0,
            rules: cause.map(|cause| cause.rules.clone()).unwrap_or_default(),
            firing: call.firing.as_ref().map(Due::told),
            data: Some(prost_types::Any {
                type_url: format!("type.googleapis.com/{}", payload.type_name),
                value: payload.bytes.clone(),
            }),
        }
    }
}

/// The events of a batch in their places, under the head's lock.
pub(crate) struct Sealed<'a> {
    /// The service whose log it is.
    pub service: &'static str,
    /// The events.
    pub events: &'a [Entry],
    /// Where everything ended before them.
    pub heads: &'a Heads,
    /// Where everything ends after them.
    pub ends: &'a Ends,
}

impl Sealed<'_> {
    /// The cursor right after one of the events, or, for a write that changed
    /// nothing, where the organization's part ends.
    pub(crate) fn cursor(&self, organization: &str, event: Option<usize>) -> String {
        let event = event.and_then(|place| self.events.get(place));
        let sequence = event.map(|event| event.org_sequence);
        let moved = || self.ends.organizations.get(organization).copied();
        let still = || self.heads.organizations.get(organization).copied();
        let sequence = sequence.or_else(moved).or_else(still).unwrap_or(0);
        crate::cursor::Cursor::single(organization, self.service, self.heads.epoch, sequence)
            .encode()
    }
}

/// Numbers and chains events behind the heads; returns where everything ends
/// after them.
pub(crate) fn seal(events: &mut [Entry], heads: &Heads, now_us: i64) -> Ends {
    let mut ends = Ends {
        seq: heads.seq,
        recorded_us: now_us.max(heads.recorded_us),
        hash: heads.hash,
        organizations: HashMap::new(),
    };
    for event in events {
        let newest = heads.organizations.get(&event.organization).copied();
        let sequence = ends.organizations.entry(event.organization.clone());
        let sequence = sequence.or_insert(newest.unwrap_or(0));
        *sequence += 1;
        ends.seq += 1;
        event.seq = ends.seq;
        event.org_sequence = *sequence;
        event.recorded_us = ends.recorded_us;
        event.hash = chained(
            &ends.hash,
            event.seq,
            event.org_sequence,
            event.recorded_us,
            &event.body_hash,
        );
        ends.hash = event.hash;
    }
    ends
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
