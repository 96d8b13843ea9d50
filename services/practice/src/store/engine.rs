//! The writer: takes the operations that wait, decides them one after the
//! other in memory, and writes all of them in one transaction. While one batch
//! commits, the next collects itself. The only code that writes a database.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mainstay_chassis::Clock;
use sea_orm::IntoActiveModel;
use sea_orm::sea_query::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::backend::{Backend, Fault, Row, Shape, model, row_of};
use super::batch::{Batch, Ends, Heads};
use super::op::{Op, reused};
use super::shelf::{Shelves, label_shape};
use crate::log::{Entry, Log};
use crate::tables::{
    consumer_cursor, event_log, idempotency, log_head, number_head, organization_head,
};

/// At most so many operations in one transaction.
const MOST: usize = 256;
/// How long a request id is remembered.
const REMEMBERED_US: i64 = 72 * 3_600 * 1_000_000;
/// How often, and how many at a time, old request ids are forgotten.
const FORGET_EVERY_US: i64 = 60 * 1_000_000;
const FORGET_AT_ONCE: u64 = 1_000;

/// The shapes of the kernel's own tables.
struct Shapes {
    event: Shape,
    head: Shape,
    organization: Shape,
    number: Shape,
    key: Shape,
    consumer: Shape,
    label: Shape,
}

/// The writer of one service.
pub(crate) struct Engine<B> {
    backend: B,
    service: &'static str,
    clock: Clock,
    log: Log,
    heads: Heads,
    shelves: Shelves,
    shapes: Shapes,
    forgot_us: i64,
    planted: bool,
}

impl<B: Backend> Engine<B> {
    /// A writer on the heads that the database has.
    pub(crate) fn new(
        backend: B,
        service: &'static str,
        clock: Clock,
        log: Log,
        heads: Heads,
    ) -> Self {
        let shapes = Shapes {
            event: Shape::of::<event_log::Entity>(),
            head: Shape::of::<log_head::Entity>(),
            organization: Shape::of::<organization_head::Entity>(),
            number: Shape::of::<number_head::Entity>(),
            key: Shape::of::<idempotency::Entity>(),
            consumer: Shape::of::<consumer_cursor::Entity>(),
            label: label_shape(),
        };
        Self {
            backend,
            service,
            clock,
            log,
            heads,
            shelves: Shelves::default(),
            shapes,
            forgot_us: 0,
            planted: planted(),
        }
    }

    /// Writes what arrives until nobody can send any more.
    pub(crate) async fn run(mut self, mut operations: mpsc::Receiver<Box<dyn Op>>) {
        let mut taken = Vec::with_capacity(MOST);
        while operations.recv_many(&mut taken, MOST).await > 0 {
            let mut waiting = std::mem::take(&mut taken);
            while !waiting.is_empty() {
                let (first, twins) = without_twins(waiting);
                self.write(first).await;
                waiting = twins;
            }
            self.forget().await;
        }
        if let Err(fault) = self.backend.close().await {
            tracing::warn!(cause = %fault, "the database was not closed cleanly");
        }
    }

    /// Writes operations together; when one breaks a constraint, in halves, so
    /// that only it fails.
    async fn write(&mut self, operations: Operations) {
        let mut parts = vec![operations];
        while let Some(mut part) = parts.pop() {
            match self.commit(&mut part).await {
                Ok(()) => {
                    part.into_iter().for_each(|op| op.answer());
                    if self.planted
                        && let Err(fault) = self.backend.commit().await
                    {
                        tracing::error!(cause = %fault, "the planted bug has lost a batch");
                    }
                }
                Err(fault) if part.len() == 1 => part.into_iter().for_each(|mut op| {
                    op.fail(&fault);
                    op.answer();
                }),
                Err(_) => {
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
            }
        }
    }

    async fn commit(&mut self, part: &mut [Box<dyn Op>]) -> Result<(), Fault> {
        self.shelves.clear();
        let durable = part.iter().any(|op| op.durable());
        self.backend.begin(durable).await?;
        match self.fill(part).await {
            Ok(events) => {
                self.log.push(events);
                Ok(())
            }
            Err(fault) => {
                self.backend.rollback().await?;
                Err(fault)
            }
        }
    }

    /// Everything between BEGIN and COMMIT, and the heads after it.
    async fn fill(&mut self, part: &mut [Box<dyn Op>]) -> Result<Vec<Entry>, Fault> {
        let done = self.replay(part).await?;
        let mut cursors = HashMap::new();
        for (op, done) in part.iter().zip(&done) {
            if let (Some(consumer), false) = (op.consumer(), done) {
                let row = self
                    .backend
                    .find(&self.shapes.consumer, &[(0, Value::from(consumer))])
                    .await?;
                let found: Option<consumer_cursor::Model> = row
                    .map(read::<consumer_cursor::ActiveModel, _>)
                    .transpose()?;
                cursors.insert(
                    consumer.to_owned(),
                    found.map(|row| row.cursor).unwrap_or_default(),
                );
            }
            if !done {
                op.want(&mut self.shelves);
            }
        }
        self.load().await?;
        let mut batch = Batch::new(
            self.service,
            &self.heads,
            &mut self.shelves,
            self.clock.now_us(),
        );
        batch.cursors = cursors;
        for (op, _) in part.iter_mut().zip(done).filter(|(_, done)| !done) {
            op.decide(&mut batch);
        }
        let made = batch.finish();
        self.save(&made.keys, made.puts).await?;
        if !made.events.is_empty() {
            let rows = made
                .events
                .iter()
                .map(|event| row_of(event_log::Model::from(event).into_active_model()));
            self.backend
                .insert(&self.shapes.event, rows.collect())
                .await?;
            self.move_heads(&made.ends).await?;
        }
        if !self.planted {
            self.backend.commit().await?;
        }
        self.heads.advance(made.ends);
        Ok(made.events)
    }

    /// Answers the repeats from what the first call came to; says which were.
    async fn replay(&mut self, part: &mut [Box<dyn Op>]) -> Result<Vec<bool>, Fault> {
        let ids: Vec<Value> = part
            .iter()
            .filter_map(|op| op.key())
            .map(|(key, ..)| Value::Uuid(Some(key.id)))
            .collect();
        let mut known = HashMap::new();
        for row in self.backend.select(&self.shapes.key, 0, &ids).await? {
            let key: idempotency::Model = read::<idempotency::ActiveModel, _>(row)?;
            known.insert(
                (
                    key.request_id,
                    key.organization.clone(),
                    key.principal.clone(),
                ),
                key,
            );
        }
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
            let by = [
                (7, Value::Uuid(Some(found.record_id))),
                (8, Value::BigInt(Some(found.revision))),
            ];
            let row = self.backend.find(&self.shapes.event, &by).await?;
            let event = row
                .map(read::<event_log::ActiveModel, event_log::Model>)
                .transpose()?
                .map(Entry::from);
            match event {
                Some(event) => {
                    let at = crate::cursor::Cursor::single(
                        &event.organization,
                        self.service,
                        self.heads.epoch,
                        event.org_sequence,
                    );
                    op.replay(&event, at.encode());
                }
                None => {
                    return Err(Fault::Away(format!(
                        "no event for the request id {}",
                        key.id
                    )));
                }
            }
        }
        Ok(done)
    }

    async fn load(&mut self) -> Result<(), Fault> {
        for shelf in self.shelves.all() {
            let wanted = shelf.wanted();
            if !wanted.is_empty() {
                let shape = shelf.shape();
                let id = shape.place("id").unwrap_or_default();
                let rows = self.backend.select(&shape, id, &wanted).await?;
                shelf
                    .stock(rows)
                    .map_err(|error| Fault::Away(error.to_string()))?;
            }
        }
        Ok(())
    }

    async fn save(
        &mut self,
        keys: &[idempotency::Model],
        puts: Vec<(Arc<Shape>, Vec<Row>)>,
    ) -> Result<(), Fault> {
        for shelf in self.shelves.all() {
            let (shape, saves) = (shelf.shape(), shelf.saves());
            self.backend.insert(&shape, saves.inserts).await?;
            self.backend.update(&shape, saves.changes).await?;
            self.backend
                .delete(&self.shapes.label, saves.labels_delete)
                .await?;
            self.backend
                .put(&self.shapes.label, saves.labels_put)
                .await?;
        }
        let keys = keys
            .iter()
            .cloned()
            .map(|key| row_of(key.into_active_model()))
            .collect();
        self.backend.insert(&self.shapes.key, keys).await?;
        for (shape, rows) in puts {
            self.backend.put(&shape, rows).await?;
        }
        Ok(())
    }

    async fn move_heads(&mut self, ends: &Ends) -> Result<(), Fault> {
        let head = log_head::Model {
            id: 0,
            epoch: self.heads.epoch,
            seq: ends.seq,
            recorded_us: ends.recorded_us,
            floor: self.heads.floor,
            hash: ends.hash.to_vec(),
        };
        self.backend
            .put(&self.shapes.head, vec![row_of(head.into_active_model())])
            .await?;
        let heads = ends
            .organizations
            .iter()
            .map(|(organization, org_sequence)| {
                row_of(
                    organization_head::Model {
                        organization: organization.clone(),
                        org_sequence: *org_sequence,
                    }
                    .into_active_model(),
                )
            });
        self.backend
            .put(&self.shapes.organization, heads.collect())
            .await?;
        let numbers = ends.numbers.iter().map(|((organization, kind), number)| {
            let row = number_head::Model {
                organization: organization.clone(),
                kind: kind.clone(),
                number: *number,
            };
            row_of(row.into_active_model())
        });
        self.backend
            .put(&self.shapes.number, numbers.collect())
            .await
    }

    /// Forgets request ids older than 72 hours, a few at a time.
    async fn forget(&mut self) {
        let now = self.clock.now_us();
        if now - self.forgot_us < FORGET_EVERY_US {
            return;
        }
        let before = Value::BigInt(Some(now - REMEMBERED_US));
        match self
            .backend
            .purge(&self.shapes.key, "created_us", before, FORGET_AT_ONCE)
            .await
        {
            Ok(forgotten) if forgotten >= FORGET_AT_ONCE => {}
            Ok(_) => self.forgot_us = now,
            Err(fault) => tracing::warn!(cause = %fault, "old request ids were not forgotten"),
        }
    }
}

/// Whether this debug build is to acknowledge before it commits: a bug planted
/// so that the ledger harness can prove that it would find it. A release build
/// has no such switch.
fn planted() -> bool {
    cfg!(debug_assertions)
        && std::env::var_os("MAINSTAY_PLANT").is_some_and(|bug| bug == "ack_before_commit")
}

/// Operations that wait for the same batch.
type Operations = Vec<Box<dyn Op>>;

/// Operations with a request id that another one before them has wait for it.
fn without_twins(operations: Operations) -> (Operations, Operations) {
    let mut seen: HashSet<Uuid> = HashSet::new();
    operations
        .into_iter()
        .partition(|op| op.key().is_none_or(|(key, ..)| seen.insert(key.id)))
}

fn read<A, M>(row: Row) -> Result<M, Fault>
where
    A: sea_orm::ActiveModelTrait + sea_orm::TryIntoModel<M>,
    M: sea_orm::ModelTrait<Entity = A::Entity>,
{
    model::<A, M>(row).map_err(|error| Fault::Away(error.to_string()))
}
