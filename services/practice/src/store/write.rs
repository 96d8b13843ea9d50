//! A write of records of one kind in one organization: what it is about, what
//! it decides, and what that comes to in a batch. A caller's call, a follower's
//! effect and a timer are all made of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mainstay_chassis::Refusal;
use sea_orm::EntityTrait;
use sea_orm::sea_query::Value;
use uuid::Uuid;

use super::batch::Batch;
use super::shelf::{KindShelf, Shelves};
use crate::tables::idempotency;
use crate::{Call, Decision, Moment, Record, Stamp, Step};

/// A column of a kind's table.
type Column<R> = <<R as Record>::Table as EntityTrait>::Column;

/// What a write decides: its steps; none when nothing changes.
pub(crate) type Decided<R> = Result<Vec<Step<<R as Record>::Event, R>>, Refusal>;

/// How a write decides.
type Decide<R> = Box<dyn Fn(&Seen<'_, R>, &Moment) -> Decided<R> + Send>;

/// So many records are changed by one operation at most.
pub const MOST_RECORDS: usize = 50;

/// The records that a write is about.
pub struct Targets<R: Record> {
    ids: Vec<Uuid>,
    looks: Vec<(Column<R>, Value)>,
    creates: usize,
}

impl<R: Record> Targets<R> {
    /// These records: all must be there, and the caller's organization's. They
    /// are locked until the write is done. The call's etag is the first one's.
    pub fn of(ids: impl IntoIterator<Item = Uuid>) -> Self {
        Self {
            ids: ids.into_iter().collect(),
            looks: Vec::new(),
            creates: 0,
        }
    }

    /// Looks also at the records with a value in a column. Those that are not
    /// among the targets may change under the writer's eyes unless whoever
    /// gives a record this value locks one of the targets, too.
    #[must_use]
    pub fn looking_at(mut self, column: Column<R>, value: impl Into<Value>) -> Self {
        self.looks.push((column, value.into()));
        self
    }

    /// Makes at most so many records.
    #[must_use]
    pub fn making(mut self, creates: usize) -> Self {
        self.creates = creates;
        self
    }
}

/// The records that a write may look at, as the batch has made them so far.
pub struct Seen<'a, R: Record> {
    shelf: &'a KindShelf<R>,
    organization: &'a str,
}

impl<R: Record> Seen<'_, R> {
    /// The record with an id, when it is a target or was looked at.
    pub fn get(&self, id: Uuid) -> Option<&R> {
        let record = self.shelf.get(id)?;
        (record.organization() == self.organization).then_some(record)
    }

    /// The records with a value in a column, of those that were looked at.
    pub fn with(&self, column: Column<R>, value: impl Into<Value>) -> impl Iterator<Item = &R> {
        let value = value.into();
        self.shelf.all().filter(move |record| {
            record.organization() == self.organization && record.get(column) == value
        })
    }
}

/// A record that a write made, changed or found as it should be.
pub(crate) struct Kept<R> {
    /// The record after it.
    pub record: R,
    /// Place of its newest event among the batch's; none when it did not change.
    pub event: Option<usize>,
    /// The number that it was given, when this write made it.
    number: Option<i64>,
}

/// A write of records of one kind.
pub(crate) struct Write<R: Record> {
    /// Who asks for it.
    pub call: Call,
    targets: Targets<R>,
    decide: Decide<R>,
}

impl<R: Record> Write<R> {
    /// The write of a call.
    pub(crate) fn new(
        call: Call,
        targets: Targets<R>,
        decide: impl Fn(&Seen<'_, R>, &Moment) -> Decided<R> + Send + 'static,
    ) -> Self {
        Self {
            call,
            targets,
            decide: Box::new(decide),
        }
    }

    /// Names the records to load.
    pub(crate) fn want(&self, shelves: &mut Shelves) {
        let shelf = shelves.of::<R>();
        for id in &self.targets.ids {
            shelf.want(*id);
        }
        for (column, value) in &self.targets.looks {
            shelf.look(*column, value.clone());
        }
    }

    /// Names the numbers that it may use up.
    pub(crate) fn numbers(&self, wanted: &mut Vec<(String, &'static str)>) {
        let numbered = !R::NUMBER_PREFIX.is_empty();
        let made = if numbered { self.targets.creates } else { 0 };
        wanted.extend((0..made).map(|_| (self.call.organization().to_owned(), R::KIND)));
    }

    /// Decides, and adds what comes of it to the batch: all or nothing. The
    /// targets come first in what is returned, then what was made, each once.
    pub(crate) fn run(&self, batch: &mut Batch<'_>) -> Result<Vec<Kept<R>>, Refusal> {
        let late = self.call.deadline.is_some_and(|deadline| deadline.passed());
        if late {
            return Err(Refusal::deadline());
        }
        let mut kept = self.targets(batch)?;
        let moment = batch.moment(&self.call);
        let steps = self.steps(batch, &moment)?;
        let count = steps.len();
        for (place, step) in steps.into_iter().enumerate() {
            self.take(batch, &mut kept, step, &moment, place + 1 == count)?;
        }
        self.remember(batch, &kept, &moment);
        Ok(kept)
    }

    /// The targets, when they are the caller's and as fresh as expected.
    fn targets(&self, batch: &mut Batch<'_>) -> Result<Vec<Kept<R>>, Refusal> {
        let organization = self.call.organization();
        let shelf = batch.shelves.of::<R>();
        let mut kept = Vec::with_capacity(self.targets.ids.len());
        for (place, id) in self.targets.ids.iter().enumerate() {
            let theirs = |record: &&R| record.organization() == organization;
            let record = shelf.get(*id).filter(theirs).ok_or_else(|| {
                Refusal::not_found(format!(
                    "organizations/{organization}/{}/{id}",
                    R::COLLECTION
                ))
            })?;
            if let (0, Some(etag)) = (place, &self.call.etag)
                && *etag != record.etag()
            {
                return Err(Refusal::stale(record.name(), record.etag()));
            }
            kept.push(Kept {
                record: record.clone(),
                event: None,
                number: None,
            });
        }
        Ok(kept)
    }

    /// A panic in a rule is the rule's defect, and refuses only its own call.
    fn steps(&self, batch: &mut Batch<'_>, moment: &Moment) -> Decided<R> {
        let seen = Seen {
            shelf: batch.shelves.of::<R>(),
            organization: self.call.organization(),
        };
        let steps = catch_unwind(AssertUnwindSafe(|| (self.decide)(&seen, moment)))
            .unwrap_or_else(|_| Err(Refusal::internal("a decision panicked")))?;
        let foreign =
            |step: &Step<R::Event, R>| step.after.organization() != self.call.organization();
        match steps.iter().any(foreign) {
            true => Err(Refusal::internal(
                "a write of another organization's record",
            )),
            false => Ok(steps),
        }
    }

    /// Stamps a step, appends its event, and shelves the record after it.
    fn take(
        &self,
        batch: &mut Batch<'_>,
        kept: &mut Vec<Kept<R>>,
        mut step: Step<R::Event, R>,
        moment: &Moment,
        last: bool,
    ) -> Result<(), Refusal> {
        let id = step.after.id();
        let before = batch.shelves.of::<R>().get(id);
        let (revision, occur_us) = before.map_or((0, i64::MIN), |record| {
            (record.revision(), record.occur_us())
        });
        let known = kept.iter().position(|kept| kept.record.id() == id);
        let mut number = known.and_then(|place| kept[place].number);
        if before.is_none() && !R::NUMBER_PREFIX.is_empty() {
            number = Some(batch.number(self.call.organization(), R::KIND)?);
        }
        if let Some(number) = number {
            step.after.set_number(number);
        }
        step.after.stamp(Stamp {
            revision: revision + 1,
            update_us: moment.now_us,
            occur_us: occur_us.max(step.occur_us),
        });
        let event = Some(batch.append(&self.call, &step.after, &step.event, last));
        batch.shelves.of::<R>().set(step.after.clone());
        let now = Kept {
            record: step.after,
            event,
            number,
        };
        match known {
            Some(place) => kept[place] = now,
            None => kept.push(now),
        }
        Ok(())
    }

    /// Notes the request id with the records and revisions that it came to.
    fn remember(&self, batch: &mut Batch<'_>, kept: &[Kept<R>], moment: &Moment) {
        if kept.iter().all(|kept| kept.event.is_none()) {
            batch.touch(self.call.organization());
        }
        let (Some(key), Some((first, others))) = (self.call.request, kept.split_first()) else {
            return;
        };
        let place = |kept: &Kept<R>| (kept.record.id(), kept.record.revision());
        let (record_id, revision) = place(first);
        batch.keys.push(idempotency::Model {
            request_id: key.id,
            organization: self.call.organization().to_owned(),
            principal: self.call.permit.principal().name().to_owned(),
            digest: key.digest.to_vec(),
            record_id,
            revision,
            created_us: moment.now_us,
            others: idempotency::others_of(others.iter().map(place)),
        });
    }
}

/// The decision about one record in sight of others.
pub(crate) fn on_one<R: Record>(
    id: Uuid,
    decide: impl Fn(&mut R, &Seen<'_, R>, &Moment) -> Result<Decision<R::Event, R>, Refusal>
    + Send
    + 'static,
) -> impl Fn(&Seen<'_, R>, &Moment) -> Decided<R> + Send + 'static {
    move |seen, moment| {
        let before = seen.get(id);
        let mut after = before
            .ok_or_else(|| Refusal::internal("a verb without a record"))?
            .clone();
        let decision = decide(&mut after, seen, moment)?;
        Ok(decision.steps(after, moment.now_us))
    }
}

/// A write as part of a larger operation, which fails as a whole with it.
pub(crate) trait Effect: Send {
    /// Names the records to load.
    fn want(&self, shelves: &mut Shelves);
    /// Names the numbers that it may use up.
    fn numbers(&self, wanted: &mut Vec<(String, &'static str)>);
    /// Decides, and adds what comes of it to the batch.
    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Refusal>;
}

impl<R: Record> Effect for Write<R> {
    fn want(&self, shelves: &mut Shelves) {
        Self::want(self, shelves);
    }

    fn numbers(&self, wanted: &mut Vec<(String, &'static str)>) {
        Self::numbers(self, wanted);
    }

    fn run(&self, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        Self::run(self, batch).map(drop)
    }
}
