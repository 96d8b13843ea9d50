//! Finds the places of a page, by index alone and in bounded work.
//!
//! One clause of the filter that names values of a column (`state in [NEW,
//! ON_HOLD]`) leads: each of its values is a *lane* that an index walks in
//! order, and the lanes are merged. What remains of the filter is tested along
//! the way, on at most [`EXAMINED`] rows: then the page ends short, with a
//! token that goes on from there.

use mainstay_chassis::Refusal;
use sea_orm::sea_query::{Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, EntityName, IdenStatic,
    QueryFilter, QueryTrait, Select,
};

use crate::Record;
use crate::filter::{Clause, Field, FieldKind, Filter, Leaf, col};

use super::Column;
use super::keyset::{Key, Order, Place, after, after_by_value, compare, keys, place};
use crate::scope::away;

/// Most rows that are examined for a page.
pub(crate) const EXAMINED: usize = 10_000;
/// Most lanes.
const LANES: usize = 8;

/// The places of a page.
pub(crate) struct Found {
    /// They.
    pub(crate) places: Vec<Place>,
    /// After which place the next page begins; none when this is the last.
    pub(crate) next: Option<Place>,
}

/// A walk through a list in an order.
pub(crate) struct Walk<R: Record> {
    select: Select<R::Table>,
    keys: Vec<Key<Column<R>>>,
    /// What an index finds: a condition per lane.
    lanes: Vec<Condition>,
    /// What is tested on each row.
    rest: Vec<Condition>,
    /// Most rows that are examined in a lane.
    window: usize,
    /// The values of the first key, when it is an enum and the other keys run
    /// against it.
    words: Option<Vec<&'static str>>,
}

impl<R: Record> Walk<R> {
    /// The walk for a filter and an order.
    pub(crate) fn new(
        fields: &[Field<Column<R>>],
        filter: Filter<Column<R>>,
        order: &Order<Column<R>>,
        select: Select<R::Table>,
    ) -> Self {
        let mut clauses = filter.into_clauses();
        let leads = (0..clauses.len()).filter_map(|at| Some((lead(fields, clauses.get(at)?)?, at)));
        let lanes = match leads.min_by_key(|(lead, _)| *lead).map(|(_, at)| at) {
            Some(at) => lanes(clauses.remove(at)),
            None => vec![Condition::all()],
        };
        let words = words(fields, order);
        let ranged = order.keys.get(usize::from(words.is_some()));
        let ranged = ranged.map(|key| key.column.as_str());
        let bounds = |clause: &Clause<Column<R>>| match clause {
            Clause::Leaf(Leaf::Order { column, .. }) => Some(column.as_str()) == ranged,
            Clause::Leaf(_) | Clause::All(_) | Clause::Any(_) => false,
        };
        let (bounds, rest): (Vec<_>, Vec<_>) = clauses.into_iter().partition(bounds);
        let bounds = bounds
            .iter()
            .fold(Condition::all(), |all, clause| all.add(clause.condition()));
        Self {
            select,
            keys: keys::<R>(order),
            window: EXAMINED / lanes.len().max(1),
            lanes: lanes
                .into_iter()
                .map(|lane| lane.add(bounds.clone()))
                .collect(),
            rest: rest.iter().map(Clause::condition).collect(),
            words,
        }
    }

    /// The ranges of a lane after a place, nearest first.
    fn ranges(&self, start: Option<&Place>) -> Vec<Condition> {
        match &self.words {
            Some(words) => after_by_value(&self.keys, words, start),
            None => after(&self.keys, start),
        }
    }

    /// The places of a page of a size after a place.
    pub(crate) async fn find(
        &self,
        connection: &DatabaseConnection,
        start: Option<&Place>,
        size: usize,
    ) -> Result<Found, Refusal> {
        let (mut places, mut reach) = (Vec::new(), None::<Place>);
        for lane in &self.lanes {
            let (found, end) = self.walk(connection, lane, start, size).await?;
            places.extend(found);
            reach = match (reach, end) {
                (Some(a), Some(b)) => {
                    Some(std::cmp::min_by(a, b, |a, b| compare(&self.keys, a, b)))
                }
                (a, b) => a.or(b),
            };
        }
        places.sort_by(|a, b| compare(&self.keys, a, b));
        if let Some(reach) = &reach {
            places.retain(|place| compare(&self.keys, place, reach).is_le());
        }
        let next = match places.len() > size {
            true => places.get(size.saturating_sub(1)).cloned(),
            false => reach,
        };
        places.truncate(size);
        Ok(Found { places, next })
    }

    /// The places in a lane, one more than the page holds; and how far the
    /// lane was examined, when not to its end.
    async fn walk(
        &self,
        connection: &DatabaseConnection,
        lane: &Condition,
        start: Option<&Place>,
        size: usize,
    ) -> Result<(Vec<Place>, Option<Place>), Refusal> {
        let mut places = Vec::new();
        let ranges = self.ranges(start);
        let window = self.window / ranges.len().max(1);
        for range in ranges {
            let reading = self.statement(
                lane,
                &range,
                window,
                (size + 1).saturating_sub(places.len()),
            );
            places.extend(self.read(connection, &reading).await?);
            if places.len() > size {
                break;
            }
            if !self.rest.is_empty() {
                let edge = self
                    .read(connection, &self.edge(lane, &range, window))
                    .await?
                    .pop();
                if edge.is_some() {
                    return Ok((places, edge));
                }
            }
        }
        Ok((places, None))
    }

    async fn read(
        &self,
        connection: &DatabaseConnection,
        statement: &SelectStatement,
    ) -> Result<Vec<Place>, Refusal> {
        let rows = connection.query_all(statement).await.map_err(away)?;
        rows.iter()
            .map(|row| place::<R>(&self.keys, row).map_err(away))
            .collect()
    }

    /// Finds the first places of a range of a lane that pass the filter.
    pub(crate) fn statement(
        &self,
        lane: &Condition,
        range: &Condition,
        window: usize,
        limit: usize,
    ) -> SelectStatement {
        if self.rest.is_empty() {
            let mut plain = self.in_order(self.columns(), lane, range);
            plain.limit(count(limit));
            return plain;
        }
        let mut inner = self.in_order(Columns::All, lane, range);
        inner.limit(count(window));
        // The window is read in its order and no further than needed. An ORDER
        // BY out here would make SQLite read it whole and sort it.
        let mut outer = Query::select();
        outer
            .exprs(self.expressions())
            .from_subquery(inner, R::Table::default().table_name());
        let all = self
            .rest
            .iter()
            .cloned()
            .fold(Condition::all(), Condition::add);
        outer.cond_where(all).limit(count(limit));
        outer
    }

    /// The last place that the window covers, when there is more.
    fn edge(&self, lane: &Condition, range: &Condition, window: usize) -> SelectStatement {
        let mut edge = self.in_order(self.columns(), lane, range);
        edge.limit(1).offset(count(window.saturating_sub(1)));
        edge
    }

    fn columns(&self) -> Columns {
        Columns::Only(self.expressions())
    }

    fn expressions(&self) -> Vec<SimpleExpr> {
        self.keys.iter().map(|key| col(key.column)).collect()
    }

    fn in_order(&self, columns: Columns, lane: &Condition, range: &Condition) -> SelectStatement {
        let mut query = self
            .select
            .clone()
            .filter(lane.clone())
            .filter(range.clone())
            .into_query();
        if let Columns::Only(columns) = columns {
            query.clear_selects().exprs(columns);
        }
        for key in &self.keys {
            let direction = match key.descending {
                true => sea_orm::Order::Desc,
                false => sea_orm::Order::Asc,
            };
            query.order_by(key.column.as_column_ref(), direction);
        }
        query
    }

    /// The statements of the first page, for tests of their plans.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) fn statements(&self, start: Option<&Place>, size: usize) -> Vec<SelectStatement> {
        let ranges = self.ranges(start);
        let all = self
            .lanes
            .iter()
            .flat_map(|lane| ranges.iter().map(move |range| (lane, range)));
        all.map(|(lane, range)| self.statement(lane, range, self.window, size + 1))
            .collect()
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

/// What a statement selects.
enum Columns {
    /// The table's columns.
    All,
    /// These.
    Only(Vec<SimpleExpr>),
}

/// How well a clause leads, the least best; none when it cannot.
fn lead<C: ColumnTrait>(fields: &[Field<C>], clause: &Clause<C>) -> Option<(bool, usize)> {
    match clause {
        Clause::Leaf(Leaf::In {
            column,
            values,
            absent,
            negated: false,
        }) => {
            let lanes = values.len() + usize::from(*absent && column.def().is_null());
            let common = fields.iter().any(|field| {
                matches!(field.kind, FieldKind::Enum(_)) && field.column.as_str() == column.as_str()
            });
            (lanes <= LANES).then_some((common, lanes))
        }
        // Found by their own table and sorted: after all that has an order.
        Clause::Leaf(Leaf::Label { negated: false, .. }) => Some((true, LANES + 1)),
        Clause::Leaf(_) | Clause::All(_) | Clause::Any(_) => None,
    }
}

/// A condition for each value that the leading clause names.
fn lanes<C: ColumnTrait>(clause: Clause<C>) -> Vec<Condition> {
    let Clause::Leaf(Leaf::In {
        column,
        mut values,
        absent,
        negated: false,
    }) = clause
    else {
        return vec![clause.condition()];
    };
    let lane = |values, absent| {
        let leaf = Leaf::In {
            column,
            values,
            absent,
            negated: false,
        };
        leaf.condition()
    };
    // A value named twice would be walked twice.
    let mut once = Vec::new();
    values.retain(|value| {
        !once.contains(value) && {
            once.push(value.clone());
            true
        }
    });
    let mut lanes: Vec<Condition> = values
        .into_iter()
        .map(|value| lane(vec![value], false))
        .collect();
    if absent && column.def().is_null() {
        lanes.push(lane(Vec::new(), true));
    }
    lanes
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
