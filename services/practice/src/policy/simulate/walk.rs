//! The walk over an organization's events, record by record, by the index of
//! each record's history.

use mainstay_chassis::Refusal;
use sea_orm::sea_query::{BinOper, Expr, ExprTrait};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::log::Entry;
use crate::scope::away;
use crate::tables::event_log::{Column, Entity};

/// So many events are read at once.
const CHUNK: u64 = 512;

/// A walk up to a position of the log.
#[derive(Debug)]
pub(super) struct Walk {
    reader: DatabaseConnection,
    organization: String,
    head: i64,
    after: Option<(Uuid, i64)>,
}

impl Walk {
    /// A walk that begins after a revision of a record.
    pub(super) fn new(
        reader: DatabaseConnection,
        organization: &str,
        head: i64,
        after: Option<(Uuid, i64)>,
    ) -> Self {
        Self {
            reader,
            organization: organization.to_owned(),
            head,
            after,
        }
    }

    /// The event after which it begins.
    pub(super) async fn start(&self) -> Result<Option<Entry>, Refusal> {
        let Some((record, revision)) = self.after else {
            return Ok(None);
        };
        let found = Entity::find()
            .filter(Column::RecordId.eq(record))
            .filter(Column::Revision.eq(revision))
            .filter(Column::Organization.eq(self.organization.as_str()))
            .one(&self.reader)
            .await;
        Ok(found.map_err(away)?.map(Entry::from))
    }

    /// The events that follow; none at the end. The organization is tested in
    /// a way that no index answers, or all of its events would be sorted.
    pub(super) async fn chunk(&mut self) -> Result<Vec<Entry>, Refusal> {
        let theirs = Expr::col(Column::Organization)
            .binary(BinOper::Custom("||"), Expr::val(""))
            .eq(self.organization.as_str());
        let mut query = Entity::find()
            .filter(theirs)
            .filter(Column::Seq.lte(self.head))
            .order_by_asc(Column::RecordId)
            .order_by_asc(Column::Revision)
            .limit(CHUNK);
        if let Some((record, revision)) = self.after {
            let place = Expr::tuple([Expr::col(Column::RecordId), Expr::col(Column::Revision)]);
            let after = Expr::tuple([Expr::val(record), Expr::val(revision)]);
            query = query.filter(place.binary(BinOper::GreaterThan, after));
        }
        let rows = query.all(&self.reader).await.map_err(away)?;
        let entries: Vec<Entry> = rows.into_iter().map(Entry::from).collect();
        if let Some(last) = entries.last() {
            self.after = Some((last.record_id, last.revision));
        }
        Ok(entries)
    }
}
