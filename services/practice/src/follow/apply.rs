//! The transaction of a follower: what events lead to, what is put aside, and
//! its place, if nobody has moved that meanwhile.

use std::sync::Arc;

use mainstay_chassis::Refusal;
use sea_orm::IntoActiveModel;
use tokio::sync::oneshot;

use super::Effects;
use crate::store::{Batch, Fault, Operation, Row, Shape, Shelves, model, row_of};
use crate::tables::{consumer_cursor, parked};

/// What came of a move.
#[derive(Debug)]
pub(super) enum Moved {
    /// It is done; the place is this.
    Done(consumer_cursor::Model),
    /// Somebody else has moved the place: nothing is done.
    Lost,
    /// Nothing is done, and this is why.
    Refused(Refusal),
}

/// A move of a follower's place, with all that belongs to it.
pub(super) struct Move {
    /// The place after it; its revision is one more than that of the place that
    /// must still be there.
    pub to: consumer_cursor::Model,
    /// What the events lead to.
    pub effects: Effects,
    /// What is put aside, or stays there with another error.
    pub parks: Vec<parked::Model>,
    /// What is put aside no longer.
    pub unparks: Vec<parked::Model>,
    /// Tables that are emptied.
    pub clears: Vec<Arc<Shape>>,
}

impl Move {
    /// A move to a place that does nothing yet.
    pub(super) fn to(to: consumer_cursor::Model) -> Self {
        Self {
            to,
            effects: Effects::default(),
            parks: Vec::new(),
            unparks: Vec::new(),
            clears: Vec::new(),
        }
    }

    /// The operation, and where its answer arrives.
    pub(super) fn operation(self) -> (Box<dyn Operation>, oneshot::Receiver<Moved>) {
        let (answer, moved) = oneshot::channel();
        let outcome = Moved::Refused(Refusal::unavailable());
        let wanted = self;
        let apply = Apply {
            wanted,
            outcome,
            answer,
        };
        (Box::new(apply), moved)
    }
}

/// A move that waits for the writer.
struct Apply {
    wanted: Move,
    outcome: Moved,
    answer: oneshot::Sender<Moved>,
}

impl Apply {
    /// Where the consumer stands, after what the batch has done so far.
    fn place(&self, batch: &Batch<'_>) -> Result<Option<consumer_cursor::Model>, Fault> {
        let consumer = &self.wanted.to.consumer;
        if let Some(moved) = batch.cursors.get(consumer) {
            return Ok(Some(moved.clone()));
        }
        let shape = Shape::of::<consumer_cursor::Entity>();
        let found = batch.shelves.row(&shape, 0, &consumer.as_str().into());
        let row = found.and_then(|rows| rows.first()).cloned();
        row.map(model::<consumer_cursor::ActiveModel, _>)
            .transpose()
            .map_err(|error| Fault::Away(error.to_string()))
    }

    /// Adds everything to the batch.
    fn write(&self, batch: &mut Batch<'_>, is_first: bool) -> Result<(), Refusal> {
        let wanted = &self.wanted;
        for write in wanted.effects.writes() {
            write.run(batch)?;
        }
        batch.plain.clears.extend(wanted.clears.iter().cloned());
        batch.plain.puts.extend(wanted.effects.puts().cloned());
        batch
            .plain
            .deletes
            .extend(wanted.effects.deletes().cloned());
        if !wanted.unparks.is_empty() {
            batch.plain.deletes.push(rows_of(&wanted.unparks));
        }
        if !wanted.parks.is_empty() {
            batch.plain.puts.push(rows_of(&wanted.parks));
        }
        match is_first {
            true => batch.plain.inserts.push(place_row(&wanted.to)),
            false => batch.plain.puts.push(place_row(&wanted.to)),
        }
        let consumer = wanted.to.consumer.clone();
        batch.cursors.insert(consumer, wanted.to.clone());
        Ok(())
    }
}

impl Operation for Apply {
    fn repeatable(&self) -> bool {
        true
    }

    fn durable(&self) -> bool {
        !self.wanted.effects.writes().is_empty()
    }

    fn numbers(&self, wanted: &mut Vec<(String, &'static str)>) {
        let writes = self.wanted.effects.writes().iter();
        writes.for_each(|write| write.numbers(wanted));
    }

    fn want(&self, shelves: &mut Shelves) {
        let shape = Arc::new(Shape::of::<consumer_cursor::Entity>());
        shelves.look(&shape, 0, self.wanted.to.consumer.as_str().into());
        let writes = self.wanted.effects.writes().iter();
        writes.for_each(|write| write.want(shelves));
    }

    fn decide(&mut self, batch: &mut Batch<'_>) -> Result<(), Fault> {
        let stored = self.place(batch)?;
        let revision = stored.as_ref().map_or(0, |row| row.revision);
        if revision + 1 != self.wanted.to.revision {
            self.outcome = Moved::Lost;
            return Ok(());
        }
        match self.write(batch, stored.is_none()) {
            Ok(()) => {
                self.outcome = Moved::Done(self.wanted.to.clone());
                Ok(())
            }
            Err(refusal) => {
                self.outcome = Moved::Refused(refusal);
                Err(Fault::Refused)
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.outcome = Moved::Refused(refusal);
    }

    fn fail(&mut self, fault: &Fault) {
        match fault {
            // The reason is noted already.
            Fault::Refused => {}
            Fault::Guard | Fault::Conflict => self.outcome = Moved::Lost,
            Fault::Taken if self.wanted.to.revision == 1 => self.outcome = Moved::Lost,
            Fault::Taken | Fault::Away(_) | Fault::Unknown(_) => {
                self.outcome = Moved::Refused(fault.refusal(&self.wanted.to.consumer));
            }
        }
    }

    fn answer(self: Box<Self>) {
        let _ = self.answer.send(self.outcome);
    }
}

fn place_row(place: &consumer_cursor::Model) -> (Arc<Shape>, Vec<Row>) {
    let row = IntoActiveModel::<consumer_cursor::ActiveModel>::into_active_model(place.clone());
    (
        Arc::new(Shape::of::<consumer_cursor::Entity>()),
        vec![row_of(row)],
    )
}

fn rows_of(parked: &[parked::Model]) -> (Arc<Shape>, Vec<Row>) {
    let row = |row: &parked::Model| {
        row_of(IntoActiveModel::<parked::ActiveModel>::into_active_model(
            row.clone(),
        ))
    };
    let shape = Shape::of::<parked::Entity>();
    (Arc::new(shape), parked.iter().map(row).collect())
}
