//! The writer: takes the operations that wait, decides them one after the
//! other in memory, and writes all of them in one transaction. While one batch
//! commits, the next collects itself. The only code that writes a database.

use std::collections::{BTreeMap, HashSet};

use mainstay_chassis::Clock;
use sea_orm::IntoActiveModel;
use sea_orm::sea_query::Value;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::backend::{Backend, Fault, Row, Shape, model, row_of};
use super::batch::{Batch, Ends, Heads, Made, Sealed, seal};
use super::op::Op;
use super::shelf::{Shelves, label_shape};
use crate::log::{Entry, Log};
use crate::tables::{event_log, idempotency, log_head, number_head, organization_head, timer};
use crate::timer::Alarm;

/// At most so many operations in one transaction.
pub(crate) const MOST: usize = 256;
/// So often an operation is tried again that another process, or a lost
/// connection, was in the way of.
const TRIES: usize = 3;
/// How long a request id is remembered.
const REMEMBERED_US: i64 = 72 * 3_600 * 1_000_000;
/// How often, and how many at a time, old request ids are forgotten.
const FORGET_EVERY_US: i64 = 60 * 1_000_000;
const FORGET_AT_ONCE: u64 = 1_000;

/// The shapes of the kernel's own tables.
pub(super) struct Shapes {
    pub(super) event: Shape,
    head: Shape,
    organization: Shape,
    number: Shape,
    pub(super) key: Shape,
    label: Shape,
    timer: Shape,
    /// Places of two columns of the events.
    pub(super) record_id: usize,
    pub(super) revision: usize,
}

/// The writer of one service.
pub(crate) struct Engine<B> {
    pub(super) backend: B,
    pub(super) service: &'static str,
    clock: Clock,
    alarm: Alarm,
    log: Log,
    pub(super) heads: Heads,
    shelves: Shelves,
    pub(super) shapes: Shapes,
    forgot_us: i64,
    planted: bool,
}

impl<B: Backend> Engine<B> {
    /// A writer on the heads that the database has.
    pub(crate) fn new(
        backend: B,
        service: &'static str,
        clock: Clock,
        alarm: Alarm,
        log: Log,
        heads: Heads,
    ) -> Self {
        let event = Shape::of::<event_log::Entity>();
        let shapes = Shapes {
            record_id: event.place("record_id").unwrap_or_default(),
            revision: event.place("revision").unwrap_or_default(),
            event,
            head: Shape::of::<log_head::Entity>(),
            organization: Shape::of::<organization_head::Entity>(),
            number: Shape::of::<number_head::Entity>(),
            key: Shape::of::<idempotency::Entity>(),
            label: label_shape(),
            timer: Shape::of::<timer::Entity>(),
        };
        Self {
            backend,
            service,
            clock,
            alarm,
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
        if let Err(fault) = self.backend.close(&self.heads).await {
            tracing::warn!(cause = %fault, "the database was not closed cleanly");
        }
    }

    /// Writes operations together; when one breaks a constraint, in halves, so
    /// that only it fails. What may be tried again is, when another process was
    /// in the way or the database was away.
    async fn write(&mut self, operations: Operations) {
        let mut parts = vec![(operations, 0)];
        while let Some((mut part, tries)) = parts.pop() {
            let fault = match self.commit(&mut part).await {
                Ok(()) => {
                    self.answer(part).await;
                    continue;
                }
                Err(fault) => fault,
            };
            match fault {
                Fault::Unknown(_) => {
                    let (again, lost): (Operations, _) = part
                        .into_iter()
                        .partition(|op| op.repeatable() && tries < TRIES);
                    fail(lost, &fault);
                    parts.push((again, tries + 1));
                }
                Fault::Guard | Fault::Conflict | Fault::Away(_) if tries < TRIES => {
                    parts.push((part, tries + 1));
                }
                Fault::Away(_) => fail(part, &fault),
                Fault::Taken | Fault::Refused | Fault::Guard | Fault::Conflict => {
                    if part.len() == 1 {
                        fail(part, &fault);
                    } else {
                        let second = part.split_off(part.len() / 2);
                        parts.extend([(second, tries), (part, tries)]);
                    }
                }
            }
        }
    }

    async fn answer(&mut self, operations: Operations) {
        operations.into_iter().for_each(|op| op.answer());
        if self.planted
            && let Err(fault) = self.backend.commit().await
        {
            tracing::error!(cause = %fault, "the planted bug has lost a batch");
        }
    }

    async fn commit(&mut self, part: &mut [Box<dyn Op>]) -> Result<(), Fault> {
        if part.is_empty() {
            return Ok(());
        }
        self.shelves.clear();
        self.numbers(part).await?;
        let durable = part.iter().any(|op| op.durable());
        self.backend.begin(durable).await?;
        match self.fill(part).await {
            Ok(events) => {
                self.log.push(events);
                Ok(())
            }
            Err(fault) => {
                let undone = self.backend.rollback().await;
                if let (Err(second), false) = (undone, matches!(fault, Fault::Unknown(_))) {
                    tracing::warn!(cause = %second, "a rollback failed");
                }
                Err(fault)
            }
        }
    }

    /// Makes sure that there are numbers for what may be made.
    async fn numbers(&mut self, part: &[Box<dyn Op>]) -> Result<(), Fault> {
        if !B::BLOCKS {
            return Ok(());
        }
        let mut each = Vec::new();
        part.iter().for_each(|op| op.numbers(&mut each));
        let mut wanted = BTreeMap::new();
        for number in each {
            *wanted.entry(number).or_insert(0) += 1;
        }
        match wanted.is_empty() {
            true => Ok(()),
            false => self.backend.numbers(&mut self.heads, &wanted).await,
        }
    }

    /// Everything between BEGIN and COMMIT, and the heads after it.
    async fn fill(&mut self, part: &mut [Box<dyn Op>]) -> Result<Vec<Entry>, Fault> {
        let done = self.replay(part).await?;
        for (op, _) in part.iter().zip(&done).filter(|(_, done)| !**done) {
            op.want(&mut self.shelves);
        }
        self.load().await?;
        let now_us = self.backend.now_us(&self.clock).await?;
        let mut batch = Batch::new(self.service, &self.heads, &mut self.shelves, now_us);
        for (op, _) in part.iter_mut().zip(&done).filter(|(_, done)| !**done) {
            op.decide(&mut batch)?;
        }
        let mut made = batch.finish();
        if B::BLOCKS {
            self.heads.numbers.extend(std::mem::take(&mut made.numbers));
        }
        self.save(&mut made).await?;
        if !made.organizations.is_empty() {
            self.backend
                .heads(&mut self.heads, &made.organizations)
                .await?;
        }
        let ends = seal(&mut made.events, &self.heads, made.now_us);
        let sealed = Sealed {
            service: self.service,
            events: &made.events,
            heads: &self.heads,
            ends: &ends,
        };
        for (op, _) in part.iter_mut().zip(&done).filter(|(_, done)| !**done) {
            op.sealed(&sealed);
        }
        self.append(&made, &ends).await?;
        if !self.planted {
            self.backend.commit().await?;
        }
        self.heads.advance(ends);
        self.alarm.armed(made.nearest_us, made.now_us);
        self.heads.numbers.extend(made.numbers);
        Ok(made.events)
    }

    async fn load(&mut self) -> Result<(), Fault> {
        for shelf in self.shelves.all() {
            let (shape, wanted) = (shelf.shape(), shelf.wanted());
            let mut rows = Vec::new();
            if !wanted.is_empty() {
                let id = shape.place("id").unwrap_or_default();
                rows = self.backend.lock(&shape, id, &wanted).await?;
            }
            for (column, values) in shelf.looks() {
                rows.extend(self.backend.select(&shape, column, &values).await?);
            }
            shelf
                .stock(rows)
                .map_err(|error| Fault::Away(error.to_string()))?;
        }
        for looked in self.shelves.looked() {
            let value = std::slice::from_ref(&looked.value);
            looked.found = self
                .backend
                .lock(&looked.shape, looked.column, value)
                .await?;
        }
        Ok(())
    }

    async fn save(&mut self, made: &mut Made) -> Result<(), Fault> {
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
            made.nearest_us = made.nearest_us.into_iter().chain(saves.nearest_us).min();
            self.backend
                .delete(&self.shapes.timer, saves.timers_delete)
                .await?;
            self.backend
                .put(&self.shapes.timer, saves.timers_put)
                .await?;
        }
        let keys = std::mem::take(&mut made.keys).into_iter();
        let keys = keys.map(|key| row_of(key.into_active_model())).collect();
        self.backend.insert(&self.shapes.key, keys).await?;
        self.save_plain(std::mem::take(&mut made.plain)).await
    }

    /// Appends the events to the log, and moves its heads behind them.
    async fn append(&mut self, made: &Made, ends: &Ends) -> Result<(), Fault> {
        if made.events.is_empty() {
            return Ok(());
        }
        let rows = made
            .events
            .iter()
            .map(|event| row_of(event_log::Model::from(event).into_active_model()));
        self.backend
            .insert(&self.shapes.event, rows.collect())
            .await?;
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
        let parts = ends
            .organizations
            .iter()
            .map(|(organization, org_sequence)| organization_head::Model {
                organization: organization.clone(),
                org_sequence: *org_sequence,
            });
        let parts = parts.map(|part| row_of(part.into_active_model())).collect();
        self.backend.put(&self.shapes.organization, parts).await?;
        let numbers =
            made.numbers
                .iter()
                .map(|((organization, kind), numbers)| number_head::Model {
                    organization: organization.clone(),
                    kind: kind.clone(),
                    number: numbers.newest,
                });
        let numbers = numbers
            .map(|number| row_of(number.into_active_model()))
            .collect();
        self.backend.put(&self.shapes.number, numbers).await?;
        self.backend.ring(ends.seq).await
    }

    /// Forgets request ids older than 72 hours, a few at a time. A virtual clock
    /// says nothing of how long a caller may repeat himself.
    async fn forget(&mut self) {
        let now = self.clock.now_us();
        if now - self.forgot_us < FORGET_EVERY_US || self.clock.as_virtual().is_some() {
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

/// Tells operations that they could not be written.
fn fail(operations: Operations, fault: &Fault) {
    for mut op in operations {
        op.fail(fault);
        op.answer();
    }
}

/// Operations with a request id that another one before them has wait for it.
fn without_twins(operations: Operations) -> (Operations, Operations) {
    let mut seen: HashSet<Uuid> = HashSet::new();
    operations
        .into_iter()
        .partition(|op| op.key().is_none_or(|(key, ..)| seen.insert(key.id)))
}

pub(super) fn read<A, M>(row: Row) -> Result<M, Fault>
where
    A: sea_orm::ActiveModelTrait + sea_orm::TryIntoModel<M>,
    M: sea_orm::ModelTrait<Entity = A::Entity>,
{
    model::<A, M>(row).map_err(|error| Fault::Away(error.to_string()))
}
