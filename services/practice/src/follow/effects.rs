//! What an event may lead to: rows of the follower's own plain tables, and
//! writes of its service's own records, in the name of the service and with the
//! permissions of the rule alone. All of it commits with the follower's place.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::Arc;

use mainstay_chassis::{Principal, Refusal};
use mainstay_proto::mainstay::event::v1 as pb;
use sea_orm::sea_query::Value;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel};
use uuid::Uuid;

use crate::call::Cause;
use crate::store::{Effect, Row, Seen, Shape, Targets, Write, on_one, row_of};
use crate::{Call, Decision, Moment, Record, Step};

/// A column of a kind's table.
type Column<R> = <<R as Record>::Table as EntityTrait>::Column;

/// The rule in whose name effects are made.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    /// Its id: service and follower.
    pub id: String,
    /// The service.
    pub service: &'static str,
    /// What it may do.
    pub permissions: &'static [&'static str],
}

/// Rows of some tables.
type Rows = HashMap<TypeId, (Arc<Shape>, Vec<Row>)>;

/// What events lead to.
#[derive(Default)]
pub struct Effects {
    rule: Rule,
    puts: Rows,
    deletes: Rows,
    writes: Vec<Box<dyn Effect>>,
}

impl Effects {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            ..Self::default()
        }
    }

    /// Inserts a row, or replaces the one with the same primary key.
    pub fn put<A: ActiveModelTrait + 'static>(&mut self, row: impl IntoActiveModel<A>) {
        change::<A>(&mut self.puts, &mut self.deletes, row);
    }

    /// Deletes the row with the primary key of this one.
    pub fn delete<A: ActiveModelTrait + 'static>(&mut self, row: impl IntoActiveModel<A>) {
        change::<A>(&mut self.deletes, &mut self.puts, row);
    }

    /// Effects of an event on records of its organization, made with a
    /// permission that the rule must hold.
    pub fn of(
        &mut self,
        event: &pb::Event,
        permission: &str,
    ) -> Result<RecordEffects<'_>, Refusal> {
        let held = self.rule.permissions.iter().copied();
        let principal = Principal::service(self.rule.service, &event.organization, held);
        let mut rules = event.rules.clone();
        rules.push(self.rule.id.clone());
        let call = Call {
            correlation_id: event.correlation_id.clone(),
            traceparent: event.traceparent.clone(),
            imported: event.imported,
            cause: Some(Cause {
                event_id: event.id.clone(),
                hops: event.hops,
                rules,
            }),
            ..Call::by(principal.permit(permission)?)
        };
        Ok(RecordEffects {
            call,
            writes: &mut self.writes,
        })
    }

    /// The rows to put.
    pub(super) fn puts(&self) -> impl Iterator<Item = &(Arc<Shape>, Vec<Row>)> {
        self.puts.values()
    }

    /// The rows to delete.
    pub(super) fn deletes(&self) -> impl Iterator<Item = &(Arc<Shape>, Vec<Row>)> {
        self.deletes.values()
    }

    /// The writes of records, in their order.
    pub(super) fn writes(&self) -> &[Box<dyn Effect>] {
        &self.writes
    }
}

/// Effects of one event on records.
pub struct RecordEffects<'a> {
    call: Call,
    writes: &'a mut Vec<Box<dyn Effect>>,
}

impl RecordEffects<'_> {
    /// Decides about a record. The event may come again, after a log was
    /// replaced: what is done already is `Unchanged`. A refusal means that the
    /// event cannot be applied.
    pub fn act<R: Record>(
        &mut self,
        id: Uuid,
        decide: impl Fn(&mut R, &Moment) -> Result<Decision<R::Event, R>, Refusal> + Send + 'static,
    ) {
        let decide = on_one(
            id,
            move |record: &mut R, _: &Seen<'_, R>, moment: &Moment| decide(record, moment),
        );
        self.write::<R>(Targets::of([id]), decide);
    }

    /// Makes a record, unless the organization has one with this natural key.
    pub fn create<R: Record>(
        &mut self,
        column: Column<R>,
        key: impl Into<Value>,
        build: impl Fn(&Moment) -> Result<(R, R::Event), Refusal> + Send + 'static,
    ) where
        Column<R>: Send,
    {
        let key = key.into();
        let targets = Targets::of([]).looking_at(column, key.clone()).making(1);
        self.write::<R>(targets, move |seen, moment| {
            if seen.with(column, key.clone()).next().is_some() {
                return Ok(Vec::new());
            }
            let (after, event) = build(moment)?;
            Ok(vec![Step {
                after,
                event,
                occur_us: moment.now_us,
            }])
        });
    }

    /// Decides about several records of a kind together.
    pub fn write<R: Record>(
        &mut self,
        targets: Targets<R>,
        decide: impl Fn(&Seen<'_, R>, &Moment) -> Result<Vec<Step<R::Event, R>>, Refusal>
        + Send
        + 'static,
    ) {
        let write = Write::new(self.call.clone(), targets, decide);
        self.writes.push(Box::new(write));
    }
}

/// Adds a row, and takes the one with the same primary key out of the others:
/// of what is done with a row the last counts.
fn change<A: ActiveModelTrait + 'static>(
    rows: &mut Rows,
    others: &mut Rows,
    row: impl IntoActiveModel<A>,
) {
    let row = row_of(row.into_active_model());
    let (shape, rows) = rows
        .entry(TypeId::of::<A>())
        .or_insert_with(|| (Arc::new(Shape::of::<A::Entity>()), Vec::new()));
    if let Some((_, others)) = others.get_mut(&TypeId::of::<A>()) {
        others.retain(|other| shape.key.iter().any(|place| other[*place] != row[*place]));
    }
    rows.push(row);
}
