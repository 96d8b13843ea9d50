//! Proof of a log: walks it from its first event and recomputes what the
//! writer computed. Reads only; may run beside a server.

use std::collections::{BTreeMap, HashMap};

use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_proto::mainstay::event::v1::Event;
use prost::Message;
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use sha2::{Digest, Sha256};

use crate::cursor::Cursor;
use crate::store::{Database, REDACTED, chained, logs, open_reader};
use crate::tables::{consumer_cursor, event_log, log_head, organization_head};

/// So many events are read at a time.
const PAGE: u64 = 1_000;

/// What was found in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The service.
    pub service: String,
    /// Number of events that are as they should be.
    pub events: i64,
    /// Number of those out of which personal data were taken.
    pub redacted: i64,
    /// What is wrong with the first bad one, or with the end of the log.
    pub fault: Option<Flaw>,
}

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Position in the service's log.
    pub seq: i64,
    /// What is wrong.
    pub what: String,
}

/// Why a log could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("the log of {service} cannot be read: {source}")]
pub struct VerifyError {
    service: String,
    source: DbErr,
}

/// The services that have a log in a database.
pub async fn services(database: &Database) -> Result<Vec<String>, VerifyError> {
    logs(database).await.map_err(|source| VerifyError {
        service: "all services".to_owned(),
        source,
    })
}

/// Verifies the log of a service.
pub async fn verify(database: &Database, service: &str) -> Result<Report, VerifyError> {
    let walk = async {
        let reader = open_reader(database, service).await?;
        let report = walk(&reader, service.to_owned()).await?;
        reader.close().await?;
        Ok(report)
    };
    walk.await.map_err(|source| VerifyError {
        service: service.to_owned(),
        source,
    })
}

async fn walk(reader: &DatabaseConnection, service: String) -> Result<Report, DbErr> {
    // What followers have heard is read first, then the head: events committed
    // since then lie behind it.
    let consumers = consumer_cursor::Entity::find().all(reader).await?;
    let head = log_head::Entity::find_by_id(0).one(reader).await?;
    let heads = organization_head::Entity::find().all(reader).await?;
    let flawed = |events: i64, seq: i64, what: String| Report {
        service: service.clone(),
        events,
        redacted: 0,
        fault: Some(Flaw { seq, what }),
    };
    let Some(head) = head else {
        return Ok(flawed(0, 0, "the log has no head".to_owned()));
    };
    let mut walk = Walk::from(head.floor);
    while walk.seq < head.seq {
        let page = event_log::Entity::find()
            .filter(event_log::Column::Seq.gt(walk.seq))
            .filter(event_log::Column::Seq.lte(head.seq))
            .order_by_asc(event_log::Column::Seq)
            .limit(PAGE)
            .all(reader)
            .await?;
        let step = match page.is_empty() {
            true => Err(format!("is missing: the head of the log says {}", head.seq)),
            false => page.iter().try_for_each(|event| walk.step(event)),
        };
        if let Err(what) = step {
            return Ok(flawed(walk.seq, walk.seq + 1, what));
        }
    }
    let end = walk
        .end(&head, &heads)
        .and_then(|()| heard(&service, &head, &consumers));
    Ok(match end {
        Ok(()) => Report {
            service: service.clone(),
            events: walk.seq,
            redacted: walk.redacted,
            fault: None,
        },
        Err(what) => flawed(walk.seq, head.seq, what),
    })
}

/// Tests the head against what followers have heard of this log: one that was
/// cut with its head, or put in another's place, is not what they heard.
fn heard(
    service: &str,
    head: &log_head::Model,
    consumers: &[consumer_cursor::Model],
) -> Result<(), String> {
    for consumer in consumers {
        let cursor = Cursor::decode(&consumer.cursor, ALL_ORGANIZATIONS).ok();
        let Some(place) = cursor.as_ref().and_then(|cursor| cursor.place(service)) else {
            continue;
        };
        if place.epoch != head.epoch {
            let follower = &consumer.consumer;
            return Err(format!("{follower} has heard a log of another epoch"));
        }
        if place.sequence > head.seq {
            let (follower, heard) = (&consumer.consumer, place.sequence);
            return Err(format!("is cut: {follower} has heard event {heard}"));
        }
    }
    Ok(())
}

/// How far the walk has come.
struct Walk {
    seq: i64,
    hash: Vec<u8>,
    recorded_us: i64,
    organizations: HashMap<String, i64>,
    redacted: i64,
    /// The redactions that events point to and that were not met yet: subject
    /// and revision, and the first event that does.
    owed: BTreeMap<(String, i64), i64>,
}

impl Walk {
    /// A walk that begins right after a position.
    fn from(seq: i64) -> Self {
        Self {
            seq,
            hash: vec![0; 32],
            recorded_us: 0,
            organizations: HashMap::new(),
            redacted: 0,
            owed: BTreeMap::new(),
        }
    }

    /// Tests one event against the one before it.
    fn step(&mut self, event: &event_log::Model) -> Result<(), String> {
        let test = |right: bool, what: &str| if right { Ok(()) } else { Err(what.to_owned()) };
        if event.seq != self.seq + 1 {
            return Err(format!("is missing: {} follows {}", event.seq, self.seq));
        }
        let part = self
            .organizations
            .get(&event.organization)
            .copied()
            .unwrap_or(0);
        test(
            event.org_sequence == part + 1,
            "its sequence in the organization's part is out of order",
        )?;
        test(
            event.recorded_us >= self.recorded_us,
            "was recorded before the event that precedes it",
        )?;
        let body = Event::decode(event.body.as_slice())
            .map_err(|error| format!("its body cannot be read: {error}"))?;
        let redacted = body.redacted_revision > event.revision;
        test(
            redacted || Sha256::digest(&event.body).as_slice() == event.body_hash,
            "its body does not match its digest",
        )?;
        let hash = chained(
            &self.hash,
            event.seq,
            event.org_sequence,
            event.recorded_us,
            &event.body_hash,
        );
        test(
            hash.as_slice() == event.hash,
            "its hash does not continue the chain",
        )?;
        self.settle(event, redacted.then_some(body.redacted_revision));
        let envelope = body.id == event.event_id.to_string()
            && body.subject_revision == event.revision
            && body.organization == event.organization
            && body.r#type == event.event_type
            && body.subject == event.subject
            && body.actor.is_some_and(|actor| actor.name == event.actor);
        test(envelope, "its columns contradict its body")?;
        self.seq = event.seq;
        self.hash.clone_from(&event.hash);
        self.recorded_us = event.recorded_us;
        self.organizations
            .insert(event.organization.clone(), event.org_sequence);
        Ok(())
    }

    /// Notes which redaction an event points to, or that it is one.
    fn settle(&mut self, event: &event_log::Model, redaction: Option<i64>) {
        if event.event_type.ends_with(REDACTED) {
            self.owed.remove(&(event.subject.clone(), event.revision));
        }
        if let Some(revision) = redaction {
            self.redacted += 1;
            let owed = (event.subject.clone(), revision);
            self.owed.entry(owed).or_insert(event.seq);
        }
    }

    /// Tests the heads against the last events.
    fn end(
        &self,
        head: &log_head::Model,
        heads: &[organization_head::Model],
    ) -> Result<(), String> {
        if let Some(((subject, revision), seq)) = self.owed.first_key_value() {
            return Err(format!(
                "event {seq} says that it was redacted by revision {revision} of {subject}, which is no redaction"
            ));
        }
        if head.hash != self.hash && head.seq > 0 {
            return Err("the head's hash is not the last event's".to_owned());
        }
        let behind = heads.iter().find(|row| {
            self.organizations
                .get(&row.organization)
                .copied()
                .unwrap_or(0)
                > row.org_sequence
        });
        match behind {
            Some(row) => Err(format!(
                "the head of {} lies behind its events",
                row.organization
            )),
            None => Ok(()),
        }
    }
}
