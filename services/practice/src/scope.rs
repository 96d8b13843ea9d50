//! Reading: only what a permit covers. There is no unscoped query.

use std::sync::Arc;

use mainstay_chassis::Refusal;
use sea_orm::sea_query::{BinOper, Expr, ExprTrait, SimpleExpr, Value};
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};
use uuid::Uuid;

use crate::Record;
use crate::cursor::Cursor;
use crate::log::{Entry, Log};
use crate::name::{self, Short};
use crate::store::{Points, restored};
use crate::tables::event_log;

/// A point in the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// What was true at this instant.
    Time(i64),
    /// What was recorded at this place of the log.
    Cursor(String),
}

/// What one organization's readers may see.
#[derive(Clone, Debug)]
pub struct Scope {
    reader: DatabaseConnection,
    points: Arc<Points>,
    log: Log,
    organization: String,
}

/// What a failed read tells its caller; the cause goes to the log.
pub(crate) fn away(error: DbErr) -> Refusal {
    tracing::error!(cause = %error, "a read failed");
    Refusal::unavailable()
}

/// A query over those of an organization's records that have these ids. The
/// organization is tested in a way that no index answers, or SQLite would walk
/// through all of its records instead of looking up the ids.
pub(crate) fn these<R: Record>(
    organization: &str,
    ids: impl IntoIterator<Item = Uuid>,
) -> Select<R::Table> {
    R::Table::find()
        .filter(R::fixed().id.is_in(ids))
        .filter(theirs::<R>(organization))
}

/// Tests the organization in a way that no index answers.
fn theirs<R: Record>(organization: &str) -> SimpleExpr {
    Expr::col(R::fixed().organization.as_column_ref())
        .binary(BinOper::Custom("||"), Expr::val(""))
        .eq(organization)
}

impl Scope {
    pub(crate) fn new(
        reader: DatabaseConnection,
        points: Arc<Points>,
        log: Log,
        organization: &str,
    ) -> Self {
        Self {
            reader,
            points,
            log,
            organization: organization.to_owned(),
        }
    }

    /// Slug of the organization.
    pub fn organization(&self) -> &str {
        &self.organization
    }

    /// The connection to run what [`Scope::find`] began.
    pub fn connection(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// A query over the organization's records of a kind.
    pub fn find<R: Record>(&self) -> Select<R::Table> {
        R::Table::find().filter(R::fixed().organization.eq(self.organization.as_str()))
    }

    /// A query over those of the organization's records that have these ids.
    pub fn these<R: Record>(&self, ids: impl IntoIterator<Item = Uuid>) -> Select<R::Table> {
        these::<R>(&self.organization, ids)
    }

    /// A query over those of the organization's records that meet a condition
    /// which finds them itself, so that no other index is walked for them.
    pub fn these_where<R: Record>(&self, condition: impl Into<SimpleExpr>) -> Select<R::Table> {
        R::Table::find()
            .filter(condition.into())
            .filter(theirs::<R>(&self.organization))
    }

    /// The record with an id.
    pub async fn get<R: Record>(&self, id: Uuid) -> Result<R, Refusal> {
        self.by::<R>(R::fixed().id, id.into())
            .await?
            .ok_or_else(|| self.absent::<R>(&id.to_string()))
    }

    /// The organization's record with a value in a column of a unique key.
    async fn by<R: Record>(
        &self,
        column: <R::Table as EntityTrait>::Column,
        value: Value,
    ) -> Result<Option<R>, Refusal> {
        let organization = (
            R::fixed().organization,
            Value::from(self.organization.as_str()),
        );
        self.points.one::<R>([(column, value), organization]).await
    }

    /// The record that a request names: in full, short, or by number.
    pub async fn named<R: Record>(&self, field: &str, text: &str) -> Result<R, Refusal> {
        match name::parse(
            field,
            text,
            &self.organization,
            R::COLLECTION,
            R::NUMBER_PREFIX,
        )? {
            Short::Id(id) => self.get(id).await,
            Short::Number(number) => self.numbered(number).await,
        }
    }

    /// The id in a name that a request gave: in full, short, or a number.
    pub async fn id_of<R: Record>(&self, field: &str, text: &str) -> Result<Uuid, Refusal> {
        match name::parse(
            field,
            text,
            &self.organization,
            R::COLLECTION,
            R::NUMBER_PREFIX,
        )? {
            Short::Id(id) => Ok(id),
            Short::Number(number) => Ok(self.numbered::<R>(number).await?.id()),
        }
    }

    async fn numbered<R: Record>(&self, number: i64) -> Result<R, Refusal> {
        let absent = || self.absent::<R>(&format!("{}-{number}", R::NUMBER_PREFIX));
        let column = R::fixed().number.ok_or_else(absent)?;
        self.by::<R>(column, number.into())
            .await?
            .ok_or_else(absent)
    }

    /// The record as it was at a point in the past.
    pub async fn as_of<R: Record>(&self, id: Uuid, point: AsOf) -> Result<R, Refusal> {
        let history = event_log::Entity::find()
            .filter(event_log::Column::Organization.eq(self.organization.as_str()))
            .filter(event_log::Column::RecordId.eq(id))
            .order_by_desc(event_log::Column::Revision)
            .limit(1);
        let history = match point {
            AsOf::Time(time_us) => history.filter(event_log::Column::OccurredUs.lte(time_us)),
            AsOf::Cursor(text) => {
                let cursor = Cursor::decode(&text, &self.organization)?;
                let position = self.log.position(&self.organization, &cursor).await?;
                history.filter(event_log::Column::OrgSequence.lte(position.sequence))
            }
        };
        let event = history
            .one(&self.reader)
            .await
            .map_err(away)?
            .ok_or_else(|| self.absent::<R>(&id.to_string()))?;
        restored::<R>(&Entry::from(event))
    }

    fn absent<R: Record>(&self, last: &str) -> Refusal {
        Refusal::not_found(format!(
            "organizations/{}/{}/{last}",
            self.organization,
            R::COLLECTION
        ))
    }
}
