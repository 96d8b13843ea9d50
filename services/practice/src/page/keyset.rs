//! Orders, places in them, and what comes after a place.
//!
//! What follows a place is one range of an index as long as all keys run in
//! the same direction: `(create_us, id) < (?, ?)`. Where directions differ it
//! is one range per run of keys, nearest first: `priority = ? and (create_us,
//! id) < (?, ?)`, then `priority > ?`. An OR over them would make SQLite walk
//! through all ties before it comes to the place.

use std::cmp::Ordering;

use sea_orm::sea_query::{ArrayType, Expr, ExprTrait, SimpleExpr, Value};
use sea_orm::{ColumnTrait, Condition, DbErr, ModelTrait, QueryResult};
use uuid::Uuid;

use crate::Record;
use crate::filter::col;

use super::Column;

/// An order that may be asked for.
#[derive(Clone, Copy, Debug)]
pub struct Order<C: 'static> {
    /// How it is asked for, such as `priority, create_time desc`.
    pub name: &'static str,
    /// Its keys, whose columns are never NULL; the id comes after them, in the
    /// direction of the last.
    pub keys: &'static [Key<C>],
}

/// A key of an order.
#[derive(Clone, Copy, Debug)]
pub struct Key<C> {
    /// The column.
    pub column: C,
    /// Whether the largest comes first.
    pub descending: bool,
}

/// A value that records are sorted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sorted {
    /// A number, or an instant.
    Number(i64),
    /// A text, by its bytes.
    Text(String),
    /// An id.
    Id(Uuid),
}

/// Where a record stands in an order: its sort values, then its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) Vec<Sorted>);

impl Place {
    /// The record's id.
    pub(crate) fn id(&self) -> Option<Uuid> {
        match self.0.last() {
            Some(Sorted::Id(id)) => Some(*id),
            Some(Sorted::Number(_) | Sorted::Text(_)) | None => None,
        }
    }
}

impl From<Sorted> for Value {
    fn from(sorted: Sorted) -> Self {
        match sorted {
            Sorted::Number(number) => Self::from(number),
            Sorted::Text(text) => Self::from(text),
            Sorted::Id(id) => Self::from(id),
        }
    }
}

/// The keys of an order with the id after them.
pub(crate) fn keys<R: Record>(order: &Order<Column<R>>) -> Vec<Key<Column<R>>> {
    let id = Key {
        column: R::fixed().id,
        descending: order.keys.last().is_some_and(|key| key.descending),
    };
    order.keys.iter().copied().chain([id]).collect()
}

/// Whether a place is one of an order.
pub(crate) fn fits<R: Record>(order: &Order<Column<R>>, place: &Place) -> bool {
    let keys = keys::<R>(order);
    let typed = |(key, value): (&Key<Column<R>>, &Sorted)| match <R as ModelTrait>::get_value_type(
        key.column,
    ) {
        ArrayType::Uuid => matches!(value, Sorted::Id(_)),
        ArrayType::String => matches!(value, Sorted::Text(_)),
        _ => matches!(value, Sorted::Number(_)),
    };
    keys.len() == place.0.len() && keys.iter().zip(&place.0).all(typed)
}

/// Which of two places comes first.
pub(crate) fn compare<C>(keys: &[Key<C>], left: &Place, right: &Place) -> Ordering {
    let values = left.0.iter().zip(&right.0);
    let each = keys
        .iter()
        .zip(values)
        .map(|(key, (left, right))| match key.descending {
            true => right.cmp(left),
            false => left.cmp(right),
        });
    each.fold(Ordering::Equal, Ordering::then)
}

/// The ranges that follow a place, nearest first; everything without one.
pub(crate) fn after<C: ColumnTrait>(keys: &[Key<C>], place: Option<&Place>) -> Vec<Condition> {
    let Some(Place(values)) = place else {
        return vec![Condition::all()];
    };
    let pairs: Vec<(Key<C>, Value)> = keys
        .iter()
        .copied()
        .zip(values.iter().cloned().map(Value::from))
        .collect();
    let mut ranges = Vec::new();
    let mut end = pairs.len();
    while let Some(last) = end.checked_sub(1).and_then(|last| pairs.get(last)) {
        let down = last.0.descending;
        let run = pairs
            .iter()
            .take(end)
            .rev()
            .take_while(|(key, _)| key.descending == down)
            .count();
        let (same, run) = pairs.split_at(end).0.split_at(end - run);
        let same = same.iter().fold(Condition::all(), |all, (key, value)| {
            all.add(col(key.column).eq(value.clone()))
        });
        ranges.push(same.add(beyond(run, down)));
        end -= run.len();
    }
    ranges
}

/// Past the values of a run of keys with one direction.
fn beyond<C: ColumnTrait>(run: &[(Key<C>, Value)], down: bool) -> SimpleExpr {
    let (left, right) = match run {
        [(key, value)] => (col(key.column), Expr::val(value.clone())),
        run => (
            Expr::tuple(run.iter().map(|(key, _)| col(key.column))),
            Expr::tuple(run.iter().map(|(_, value)| Expr::val(value.clone()))),
        ),
    };
    if down { left.lt(right) } else { left.gt(right) }
}

/// The place of a row whose columns are the keys'.
pub(crate) fn place<R: Record>(keys: &[Key<Column<R>>], row: &QueryResult) -> Result<Place, DbErr> {
    let values = keys.iter().enumerate().map(|(at, key)| {
        Ok(match <R as ModelTrait>::get_value_type(key.column) {
            ArrayType::Uuid => Sorted::Id(row.try_get_by_index(at)?),
            ArrayType::String => Sorted::Text(row.try_get_by_index(at)?),
            ArrayType::Int => Sorted::Number(i64::from(row.try_get_by_index::<i32>(at)?)),
            _ => Sorted::Number(row.try_get_by_index(at)?),
        })
    });
    values.collect::<Result<_, _>>().map(Place)
}
