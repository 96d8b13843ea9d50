//! Finds the places of a page, by index alone and in bounded work.
//!
//! One clause of the filter that names values of a column (`state in [NEW,
//! ON_HOLD]`) leads: each of its values is a *lane* that an index walks in
//! order, and the lanes are merged (`page/lanes.rs`). What remains of the filter is tested along
//! the way, on at most [`EXAMINED`] rows: then the page ends short, with a
//! token that goes on from there.

use mainstay_chassis::Refusal;
use sea_orm::sea_query::{Query, SelectStatement, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseConnection, DbBackend, EntityName,
    QueryFilter, QueryTrait, Select,
};

use uuid::Uuid;

use crate::Record;
use crate::filter::{Field, Filter, col};

use super::Column;
use super::keyset::{Key, Order, Place, after, after_by_value, compare, keys, place};
use super::lanes::{Parts, part};
use crate::scope::away;

/// Most rows that are examined for a page.
pub(crate) const EXAMINED: usize = 10_000;
/// A label that at most so many records have leads.
const FEW: usize = 1_000;

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
    parts: Parts<Column<R>>,
}

impl<R: Record> Walk<R> {
    /// The walk for a filter and an order.
    pub(crate) fn new(
        fields: &[Field<Column<R>>],
        filter: Filter<Column<R>>,
        order: &Order<Column<R>>,
        select: Select<R::Table>,
    ) -> Self {
        Self {
            select,
            keys: keys::<R>(order),
            parts: part(fields, filter.into_clauses(), order),
        }
    }

    /// Lets the label lead, when few records have it; otherwise it is tested
    /// along the way.
    async fn settle(&mut self, connection: &DatabaseConnection) -> Result<(), Refusal> {
        let Some(label) = self.parts.label.take() else {
            return Ok(());
        };
        let mut some = label.labelled().unwrap_or_default();
        some.limit(count(FEW + 1));
        let found = connection.query_all(&some).await.map_err(away)?;
        let ids = found.iter().map(|row| row.try_get_by_index::<Uuid>(0));
        let ids: Vec<Uuid> = ids.collect::<Result<_, _>>().map_err(away)?;
        match ids.len() > FEW {
            true => self.parts.rest.push(label.condition()),
            false => self.lead_by(ids),
        }
        Ok(())
    }

    /// Lets the records that have the label lead.
    pub(crate) fn lead_by(&mut self, ids: Vec<Uuid>) {
        // Named one by one, or SQLite would rather walk through all records.
        let few = R::fixed().id.is_in(ids);
        for lane in &mut self.parts.lanes {
            *lane = lane.clone().add(few.clone());
        }
    }

    /// Walks each of these conditions on its own.
    pub(crate) fn split(&mut self, any: &[Condition]) {
        if any.is_empty() {
            return;
        }
        let lanes = std::mem::take(&mut self.parts.lanes);
        let split = |lane: Condition| any.iter().map(move |one| lane.clone().add(one.clone()));
        self.parts.lanes = lanes.into_iter().flat_map(split).collect();
    }

    /// The ranges of a lane after a place, nearest first.
    fn ranges(&self, start: Option<&Place>) -> Vec<Condition> {
        match &self.parts.words {
            Some(words) => after_by_value(&self.keys, words, start),
            None => after(&self.keys, start),
        }
    }

    /// The places of a page of a size after a place.
    pub(crate) async fn find(
        &mut self,
        connection: &DatabaseConnection,
        start: Option<&Place>,
        size: usize,
    ) -> Result<Found, Refusal> {
        self.settle(connection).await?;
        let (mut places, mut reach) = (Vec::new(), None::<Place>);
        for lane in &self.parts.lanes {
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
        // What two lanes have found is found once.
        places.dedup();
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
        let window = EXAMINED / self.parts.lanes.len().max(1) / ranges.len().max(1);
        for range in ranges {
            let limit = (size + 1).saturating_sub(places.len());
            let mut reading = self.statement(lane, &range, window, limit);
            if connection.get_database_backend() == DbBackend::Postgres {
                self.sort(&mut reading);
            }
            places.extend(self.read(connection, &reading).await?);
            if places.len() > size {
                break;
            }
            if !self.parts.rest.is_empty() {
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
        if self.parts.rest.is_empty() {
            let mut plain = self.in_order(self.columns(), lane, range);
            plain.limit(count(limit));
            return plain;
        }
        let mut inner = self.in_order(Columns::All, lane, range);
        inner.limit(count(window));
        // The window is read in its order and no further than needed. An ORDER
        // BY out here would make SQLite read it whole and sort it; PostgreSQL
        // gets one, which costs nothing where it keeps the window's order.
        let mut outer = Query::select();
        outer
            .exprs(self.expressions())
            .from_subquery(inner, R::Table::default().table_name());
        let all = self
            .parts
            .rest
            .iter()
            .cloned()
            .fold(Condition::all(), Condition::add);
        outer.cond_where(all).limit(count(limit));
        outer
    }

    /// Says the order of a statement's rows.
    fn sort(&self, statement: &mut SelectStatement) {
        if self.parts.rest.is_empty() {
            return;
        }
        for key in &self.keys {
            statement.order_by(key.column.as_column_ref(), direction(key.descending));
        }
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
            query.order_by(key.column.as_column_ref(), direction(key.descending));
        }
        query
    }

    /// The statements of the first page, for tests of their plans.
    #[cfg(any(test, feature = "conformance"))]
    pub(crate) fn statements(&self, start: Option<&Place>, size: usize) -> Vec<SelectStatement> {
        let ranges = self.ranges(start);
        let all = self
            .parts
            .lanes
            .iter()
            .flat_map(|lane| ranges.iter().map(move |range| (lane, range)));
        all.map(|(lane, range)| self.statement(lane, range, EXAMINED, size + 1))
            .collect()
    }
}

fn direction(descending: bool) -> sea_orm::Order {
    match descending {
        true => sea_orm::Order::Desc,
        false => sea_orm::Order::Asc,
    }
}

/// What a statement selects.
enum Columns {
    /// The table's columns.
    All,
    /// These.
    Only(Vec<SimpleExpr>),
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}
