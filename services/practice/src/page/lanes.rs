//! Which part of a filter an index follows, and which is tested along the way.

use sea_orm::{ColumnTrait, Condition};

use crate::filter::{Clause, Field, FieldKind, Leaf};

use super::keyset::Order;

/// Most lanes.
const LANES: usize = 8;

/// A filter, taken apart for an order.
#[derive(Debug)]
pub(crate) struct Parts<C> {
    /// What an index follows: a condition for each value that leads.
    pub(crate) lanes: Vec<Condition>,
    /// A label that may lead, if few records have it.
    pub(crate) label: Option<Leaf<C>>,
    /// What is tested on each row.
    pub(crate) rest: Vec<Condition>,
    /// The values of the first key, when it is an enum and the next key runs
    /// against it.
    pub(crate) words: Option<Vec<&'static str>>,
}

/// Takes a filter apart.
pub(crate) fn part<C: ColumnTrait>(
    fields: &[Field<C>],
    mut clauses: Vec<Clause<C>>,
    order: &Order<C>,
) -> Parts<C> {
    let leads = (0..clauses.len()).filter_map(|at| Some((lead(fields, clauses.get(at)?)?, at)));
    let first = leads.min_by_key(|(lead, _)| *lead).map(|(_, at)| at);
    let (lanes, label) = match first.map(|at| clauses.remove(at)) {
        Some(Clause::Leaf(label @ Leaf::Label { .. })) => (vec![Condition::all()], Some(label)),
        Some(clause) => (lanes(clause), None),
        None => (vec![Condition::all()], None),
    };
    let words = words(fields, order);
    let ranged = order.keys.get(usize::from(words.is_some()));
    let ranged = ranged.map(|key| key.column.as_str());
    let bounds = |clause: &Clause<C>| match clause {
        Clause::Leaf(Leaf::Order { column, .. }) => Some(column.as_str()) == ranged,
        Clause::Leaf(_) | Clause::All(_) | Clause::Any(_) => false,
    };
    let (bounds, rest): (Vec<_>, Vec<_>) = clauses.into_iter().partition(bounds);
    let bounds = bounds.iter().map(Clause::condition);
    let bounds = bounds.fold(Condition::all(), Condition::add);
    Parts {
        lanes: lanes
            .into_iter()
            .map(|lane| lane.add(bounds.clone()))
            .collect(),
        label,
        rest: rest.iter().map(Clause::condition).collect(),
        words,
    }
}

/// The values of an order's first key, when it is an enum and the next key runs
/// against it.
fn words<C: ColumnTrait>(fields: &[Field<C>], order: &Order<C>) -> Option<Vec<&'static str>> {
    let [first, second, ..] = order.keys else {
        return None;
    };
    if first.descending == second.descending {
        return None;
    }
    let first = fields
        .iter()
        .find(|field| field.column.as_str() == first.column.as_str());
    match first?.kind {
        FieldKind::Enum(words) => Some(words.iter().map(|(_, kept)| *kept).collect()),
        FieldKind::Slug(_)
        | FieldKind::Text
        | FieldKind::Name(_)
        | FieldKind::Instant
        | FieldKind::Labels => None,
    }
}

/// How well a clause leads, the least best; none when it cannot. What is absent
/// cannot: an index may hold only the rows that have a value.
fn lead<C: ColumnTrait>(fields: &[Field<C>], clause: &Clause<C>) -> Option<(bool, usize)> {
    match clause {
        Clause::Leaf(Leaf::In {
            column,
            values,
            absent,
            negated: false,
        }) => {
            let common = fields.iter().any(|field| {
                matches!(field.kind, FieldKind::Enum(_)) && field.column.as_str() == column.as_str()
            });
            let absent = *absent && column.def().is_null();
            (!absent && values.len() <= LANES).then_some((common, values.len()))
        }
        // Found by a table of their own and sorted: after all that has an order.
        Clause::Leaf(Leaf::Label { negated: false, .. }) => Some((true, LANES + 1)),
        Clause::Leaf(_) | Clause::All(_) | Clause::Any(_) => None,
    }
}

/// A condition for each value that the leading clause names.
fn lanes<C: ColumnTrait>(clause: Clause<C>) -> Vec<Condition> {
    let Clause::Leaf(Leaf::In { column, values, .. }) = clause else {
        return vec![clause.condition()];
    };
    // A value named twice would be walked twice.
    let mut once = Vec::new();
    for value in values {
        if !once.contains(&value) {
            once.push(value);
        }
    }
    let lane = |value| {
        let leaf = Leaf::In {
            column,
            values: vec![value],
            absent: false,
            negated: false,
        };
        leaf.condition()
    };
    once.into_iter().map(lane).collect()
}
