//! What several processes that write one log need: locks on request ids and
//! records, the log's head as the last lock, numbers in blocks, a doorbell.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use sea_orm::sea_query::Value;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, AssertSqlSafe, Row as _};
use tokio::time::timeout;
use uuid::Uuid;

use super::{PATIENCE, Postgres, bound, channel, gone, statements};
use crate::store::backend::{Fault, Row, Shape};
use crate::store::batch::{Heads, Numbers};

/// At least so many numbers are taken at once.
const BLOCK: i64 = 64;

impl Postgres {
    /// Locks request ids until the transaction ends; waits for a twin that
    /// another process is writing.
    pub(super) async fn take_keys(&mut self, keys: &[i64]) -> Result<(), Fault> {
        if keys.is_empty() {
            return Ok(());
        }
        let text = "select pg_advisory_xact_lock(k) from unnest($1::int8[]) k";
        self.found(text, arguments(keys.to_vec())?).await.map(drop)
    }

    /// Finds rows and locks them. A row that is not there cannot be locked: for
    /// one that is looked up by its key, the key is, so that of two processes
    /// that would make it the second one finds it.
    pub(super) async fn take_rows(
        &mut self,
        shape: &Shape,
        column: usize,
        values: &[Value],
    ) -> Result<Vec<Row>, Fault> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let bind = || bound([(shape.columns[column].holds, values.to_vec())]);
        let text = statements::lock(shape, column);
        let rows = self.rows(text.clone(), bind()?, shape).await?;
        if rows.len() >= values.len() || shape.key != [column] {
            return Ok(rows);
        }
        let known = |value: &&Value| rows.iter().any(|row| row[column] == **value);
        let absent = values.iter().filter(|value| !known(value));
        let mut keys: Vec<i64> = absent.map(|value| hash(&shape.table, value)).collect();
        keys.sort_unstable();
        self.take_keys(&keys).await?;
        self.rows(text, bind()?, shape).await
    }

    /// The time by the database's clock, which all processes share.
    pub(super) async fn told_us(&mut self) -> Result<i64, Fault> {
        let text = "select (extract(epoch from clock_timestamp()) * 1000000)::int8";
        let told = self.found(text, PgArguments::default()).await?;
        let told = told.first().ok_or_else(gone)?;
        Ok(told.try_get(0)?)
    }

    /// Locks the log's head, and reads it and the parts of these organizations.
    /// They are read after the lock: whoever had it before may have moved them.
    pub(super) async fn take_heads(
        &mut self,
        heads: &mut Heads,
        organizations: &BTreeSet<String>,
    ) -> Result<(), Fault> {
        let text =
            "select epoch, seq, recorded_us, floor, hash from log_head where id = 0 for update";
        let head = self.found(text, PgArguments::default()).await?;
        let head = head
            .first()
            .ok_or_else(|| Fault::Away("the log has no head".to_owned()))?;
        if head.try_get::<Uuid, _>(0)? != heads.epoch {
            let cause = "the log was replaced by another one: start the process again";
            return Err(Fault::Away(cause.to_owned()));
        }
        heads.seq = head.try_get(1)?;
        heads.recorded_us = head.try_get(2)?;
        heads.floor = head.try_get(3)?;
        heads.hash = head
            .try_get::<Vec<u8>, _>(4)?
            .try_into()
            .map_err(|_| Fault::Away("log_head.hash has not 32 bytes".to_owned()))?;
        let text = "select organization, org_sequence from organization_head \
                    where organization = any($1::text[])";
        let names: Vec<String> = organizations.iter().cloned().collect();
        for row in self.found(text, arguments(names)?).await? {
            heads.organizations.insert(row.try_get(0)?, row.try_get(1)?);
        }
        if self.stalls {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    /// Takes blocks of numbers, outside of any transaction: nobody waits for
    /// them. What is left of a block when the process is killed stays unused.
    pub(super) async fn take_numbers(
        &mut self,
        heads: &mut Heads,
        wanted: &BTreeMap<(String, &'static str), i64>,
    ) -> Result<(), Fault> {
        let (mut organizations, mut kinds, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for ((organization, kind), count) in wanted {
            let known = heads
                .numbers
                .get(&(organization.clone(), (*kind).to_owned()));
            if known.is_none_or(|numbers| numbers.last - numbers.newest < *count) {
                organizations.push(organization.clone());
                kinds.push((*kind).to_owned());
                counts.push(BLOCK.max(*count));
            }
        }
        if counts.is_empty() {
            return Ok(());
        }
        self.fresh().await?;
        let text = "insert into number_head as n (organization, kind, number) \
                    select * from unnest($1::text[], $2::text[], $3::int8[]) \
                    on conflict (organization, kind) do update set number = n.number + excluded.number \
                    returning organization, kind, number";
        let mut arguments = arguments(organizations)?;
        arguments.add(kinds).map_err(unsent)?;
        arguments.add(counts).map_err(unsent)?;
        for row in self.found(text, arguments).await? {
            let key: (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let last: i64 = row.try_get(2)?;
            let count = wanted
                .iter()
                .find(|((organization, kind), _)| (organization, *kind) == (&key.0, &key.1));
            let newest = last - BLOCK.max(count.map_or(0, |(_, count)| *count));
            let known = heads.numbers.get(&key).copied();
            // A block that follows on the one before makes it longer.
            let newest = known
                .filter(|numbers| numbers.last == newest)
                .map_or(newest, |numbers| numbers.newest);
            heads.numbers.insert(key, Numbers { newest, last });
        }
        Ok(())
    }

    /// Gives back what is left of the blocks, unless others were taken since.
    pub(super) async fn give_numbers_back(&mut self, heads: &Heads) -> Result<(), Fault> {
        let all = heads.numbers.iter();
        let (names, ends): (Vec<_>, Vec<_>) = all
            .filter(|(_, numbers)| numbers.newest < numbers.last)
            .map(|(key, numbers)| (key.clone(), (numbers.newest, numbers.last)))
            .unzip();
        let (organizations, kinds): (Vec<_>, Vec<_>) = names.into_iter().unzip();
        let (newest, last): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
        let text = "update number_head n set number = b.newest \
                    from unnest($1::text[], $2::text[], $3::int8[], $4::int8[]) \
                    b(organization, kind, newest, last) \
                    where n.organization = b.organization and n.kind = b.kind and n.number = b.last";
        let mut arguments = arguments(organizations)?;
        arguments.add(kinds).map_err(unsent)?;
        arguments.add(newest).map_err(unsent)?;
        arguments.add(last).map_err(unsent)?;
        self.found(text, arguments).await.map(drop)
    }

    /// Rings the doorbell of the other processes, once the transaction commits.
    pub(super) async fn tell(&mut self, seq: i64) -> Result<(), Fault> {
        let mut arguments = arguments(channel(&self.service))?;
        arguments.add(seq.to_string()).map_err(unsent)?;
        self.found("select pg_notify($1, $2)", arguments)
            .await
            .map(drop)
    }

    async fn found(
        &mut self,
        text: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<PgRow>, Fault> {
        let connection = self.connection.as_mut().ok_or_else(gone)?;
        let query = sqlx::query_with(AssertSqlSafe(text), arguments);
        let done = timeout(PATIENCE, query.fetch_all(connection)).await;
        self.settle(done)
    }
}

/// Whether this debug build is to stop for ever once it has the log's head of
/// this service: what a process that is stopped there does to the others can
/// then be tried. A release build has no such switch.
pub(super) fn stalls(service: &str) -> bool {
    cfg!(debug_assertions)
        && std::env::var("MAINSTAY_PLANT").is_ok_and(|bug| {
            bug.strip_prefix("stall_at_head:")
                .is_some_and(|stalled| stalled == service)
        })
}

/// A single argument.
fn arguments<T>(value: T) -> Result<PgArguments, Fault>
where
    T: for<'q> sqlx::Encode<'q, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let mut arguments = PgArguments::default();
    arguments.add(value).map_err(unsent)?;
    Ok(arguments)
}

fn unsent(error: impl std::fmt::Display) -> Fault {
    Fault::Away(format!("a value cannot be sent: {error}"))
}

/// What stands for a row that is not there yet.
fn hash(table: &str, value: &Value) -> i64 {
    let mut hash = DefaultHasher::new();
    (table, format!("{value:?}")).hash(&mut hash);
    i64::from_ne_bytes(hash.finish().to_ne_bytes())
}
