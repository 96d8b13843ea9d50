//! Orders, places in them, and what comes after a place.
//!
//! What follows a place is one range of an index as long as all keys run in
//! the same direction: `(create_us, id) < (?, ?)`. Where directions differ it
//! is one range per run of keys, nearest first: `priority = ? and (create_us,
//! id) < (?, ?)`, then `priority > ?`. An OR over them would make SQLite walk
//! through all ties before it comes to the place. A run that is an enum alone
//! is taken value by value, so that an index needs no mixed directions either.

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

/// What a column's values are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Number,
    Small,
    Text,
    Id,
}

fn sort<R: Record>(key: &Key<Column<R>>) -> Sort {
    let value = <R as ModelTrait>::get_value_type(key.column);
    if value == ArrayType::Uuid {
        Sort::Id
    } else if value == ArrayType::String {
        Sort::Text
    } else if value == ArrayType::Int {
        Sort::Small
    } else {
        Sort::Number
    }
}

/// Whether a place is one of an order.
pub(crate) fn fits<R: Record>(order: &Order<Column<R>>, place: &Place) -> bool {
    let keys = keys::<R>(order);
    let typed = |(key, value): (&Key<Column<R>>, &Sorted)| match sort::<R>(key) {
        Sort::Id => matches!(value, Sorted::Id(_)),
        Sort::Text => matches!(value, Sorted::Text(_)),
        Sort::Number | Sort::Small => matches!(value, Sorted::Number(_)),
    };
    keys.len() == place.0.len() && keys.iter().zip(&place.0).all(typed)
}

/// A place in an order, for tests of its plans.
#[cfg(any(test, feature = "conformance"))]
pub(crate) fn example<R: Record>(order: &Order<Column<R>>) -> Place {
    let keys = keys::<R>(order);
    let values = keys.iter().map(|key| match sort::<R>(key) {
        Sort::Id => Sorted::Id(Uuid::nil()),
        Sort::Text => Sorted::Text("a".to_owned()),
        Sort::Number | Sort::Small => Sorted::Number(1),
    });
    Place(values.collect())
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
    let values = values.iter().cloned().map(Value::from);
    let pairs: Vec<(Key<C>, Value)> = keys.iter().copied().zip(values).collect();
    let mut ranges = Vec::new();
    let mut end = pairs.len();
    while let Some(last) = end.checked_sub(1).and_then(|last| pairs.get(last)) {
        let down = last.0.descending;
        let run = pairs.iter().take(end).rev();
        let run = run.take_while(|(key, _)| key.descending == down).count();
        let (same, run) = pairs.split_at(end).0.split_at(end - run);
        let same = same.iter().fold(Condition::all(), |all, (key, value)| {
            all.add(col(key.column).eq(value.clone()))
        });
        ranges.push(same.add(beyond(run, down)));
        end -= run.len();
    }
    ranges
}

/// The same, where the first key is an enum with these values and the others
/// run against it.
pub(crate) fn after_by_value<C: ColumnTrait>(
    keys: &[Key<C>],
    words: &[&str],
    place: Option<&Place>,
) -> Vec<Condition> {
    let Some((first, others)) = keys.split_first() else {
        return Vec::new();
    };
    let mut words: Vec<Sorted> = words
        .iter()
        .map(|word| Sorted::Text((*word).to_owned()))
        .collect();
    words.sort();
    if first.descending {
        words.reverse();
    }
    let start = place.and_then(|place| place.0.split_first());
    let at = start.map_or(0, |(value, _)| {
        words
            .iter()
            .position(|word| word == value)
            .unwrap_or(words.len())
    });
    let mut ranges = Vec::new();
    for (step, word) in words.into_iter().skip(at).enumerate() {
        let rest = start
            .filter(|_| step == 0)
            .map(|(_, rest)| Place(rest.to_vec()));
        let equal = Condition::all().add(col(first.column).eq(Value::from(word)));
        let rest = after(others, rest.as_ref()).into_iter();
        ranges.extend(rest.map(|rest| equal.clone().add(rest)));
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
        Ok(match sort::<R>(key) {
            Sort::Id => Sorted::Id(row.try_get_by_index(at)?),
            Sort::Text => Sorted::Text(row.try_get_by_index(at)?),
            Sort::Small => Sorted::Number(i64::from(row.try_get_by_index::<i32>(at)?)),
            Sort::Number => Sorted::Number(row.try_get_by_index(at)?),
        })
    });
    values.collect::<Result<_, _>>().map(Place)
}
