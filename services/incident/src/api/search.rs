//! Finding incidents by the words of their titles and comments. What a search
//! looks through is bounded: the newest texts that match, and no more.

use mainstay_chassis::Permit;
use mainstay_practice::Scope;
use sea_orm::sea_query::Expr;
use sea_orm::{DbBackend, Select};

use crate::comment::READ_INTERNAL;
use crate::incident::{Entity, Incident};
use crate::wire::Search;

/// The incidents in whose title or comments the caller may read what is asked
/// for.
pub(super) fn found(scope: &Scope, permit: &Permit, search: &Search) -> Select<Entity> {
    let sqlite = scope.connection().get_database_backend() == DbBackend::Sqlite;
    let (text, query) = match sqlite {
        true => (SQLITE, search.fts5()),
        false => (POSTGRES, search.tsquery()),
    };
    let internal = i32::from(permit.principal().may(READ_INTERNAL));
    let values = [query.into(), scope.organization().into(), internal.into()];
    let matches = Expr::cust_with_values::<_, sea_orm::sea_query::Value, _>(text, values);
    scope.these_where::<Incident>(matches)
}

const SQLITE: &str = "\"incident\".\"id\" in (
    select t.incident from incident_words w join incident_text t on t.doc = w.rowid
    where w.words match ? and t.organization = ? and t.internal <= ?
    order by w.rowid desc limit 10000)";

const POSTGRES: &str = "\"incident\".\"id\" in (
    select t.incident from incident_text t
    where t.words @@ to_tsquery('simple', $1) and t.organization = $2 and t.internal <= $3
    order by t.doc desc limit 10000)";
