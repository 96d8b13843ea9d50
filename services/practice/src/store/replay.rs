//! Repeats: a call with a request id that was used before is answered from the
//! events that the first call led to.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use sea_orm::sea_query::Value;
use uuid::Uuid;

use super::backend::{Backend, Fault};
use super::engine::{Engine, read};
use super::op::{Op, reused};
use crate::cursor::Cursor;
use crate::log::Entry;
use crate::tables::{event_log, idempotency};

/// Request ids used before, by id, organization and principal.
type Known = HashMap<(Uuid, String, String), idempotency::Model>;

impl<B: Backend> Engine<B> {
    /// Answers the repeats from what the first call came to; says which were.
    pub(super) async fn replay(&mut self, part: &mut [Box<dyn Op>]) -> Result<Vec<bool>, Fault> {
        let known = self.known(part).await?;
        let mut done = Vec::with_capacity(part.len());
        for op in part {
            let found = op.key().and_then(|(key, organization, principal)| {
                known
                    .get(&(key.id, organization.to_owned(), principal.to_owned()))
                    .map(|found| (key, found))
            });
            done.push(found.is_some());
            let Some((key, found)) = found else { continue };
            if key.digest.as_slice() != found.digest {
                op.refuse(reused(key.id));
                continue;
            }
            let events = self.events(found).await?;
            let newest = events.iter().map(|event| event.org_sequence).max();
            let cursor = Cursor::single(
                &found.organization,
                self.service,
                self.heads.epoch,
                newest.unwrap_or(0),
            );
            op.replay(&events, &cursor.encode());
        }
        Ok(done)
    }

    /// What is known of the request ids of these operations.
    async fn known(&mut self, part: &[Box<dyn Op>]) -> Result<Known, Fault> {
        let keys = part.iter().filter_map(|op| op.key());
        let keys: Vec<_> = keys
            .map(|(key, organization, principal)| {
                let mut hash = DefaultHasher::new();
                (key.id, organization, principal).hash(&mut hash);
                (i64::from_ne_bytes(hash.finish().to_ne_bytes()), key.id)
            })
            .collect();
        let mut hashes: Vec<i64> = keys.iter().map(|(hash, _)| *hash).collect();
        hashes.sort_unstable();
        self.backend.claim(&hashes).await?;
        let ids: Vec<Value> = keys.iter().map(|(_, id)| Value::Uuid(Some(*id))).collect();
        let mut known = HashMap::new();
        for row in self.backend.select(&self.shapes.key, 0, &ids).await? {
            let key: idempotency::Model = read::<idempotency::ActiveModel, _>(row)?;
            let place = (
                key.request_id,
                key.organization.clone(),
                key.principal.clone(),
            );
            known.insert(place, key);
        }
        Ok(known)
    }

    /// The newest event of each record that an earlier call wrote.
    async fn events(&mut self, key: &idempotency::Model) -> Result<Vec<Entry>, Fault> {
        let mut events = Vec::new();
        for (record_id, revision) in key.written() {
            let by = [
                (self.shapes.record_id, Value::Uuid(Some(record_id))),
                (self.shapes.revision, Value::BigInt(Some(revision))),
            ];
            let row = self.backend.find(&self.shapes.event, &by).await?;
            let row = row.ok_or_else(|| {
                Fault::Away(format!("no event for the request id {}", key.request_id))
            })?;
            let event = read::<event_log::ActiveModel, event_log::Model>(row)?;
            events.push(Entry::from(event));
        }
        Ok(events)
    }
}
