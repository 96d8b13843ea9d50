//! Lists in pages: keyset pagination over a collection, with a filter and an
//! order out of those that it declares.
//!
//! A page is made in two steps. The walk finds sort values and ids by index
//! alone (`page/walk.rs`); then the records are loaded until the page is full
//! or weighs too much. `now` in a filter means the moment of the first page on
//! all pages: it travels in the token.

mod keyset;
mod lanes;
#[cfg(any(test, feature = "conformance"))]
pub mod plans;
#[cfg(test)]
mod tests;
#[cfg(test)]
#[expect(unreachable_pub, reason = "sea-orm derives public items")]
pub(crate) mod ticket;
mod token;
mod walk;

use std::collections::HashMap;

use mainstay_chassis::{Kind, Refusal};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use sea_orm::{Condition, DatabaseConnection, EntityTrait, Select};
use uuid::Uuid;

use crate::Record;
use crate::filter::{Field, Filter, Ground};
use crate::scope::{away, these};
pub use keyset::{Key, Order};
pub(crate) use keyset::{Place, Sorted};
pub(crate) use token::{Fingerprint, Token, invalid};
use walk::Walk;

/// Records on a page when nothing is said.
const USUAL: usize = 50;
/// Most records on a page.
const MOST: usize = 500;
/// Most bytes of records on a page, as they are on the wire.
const HEAVIEST: usize = 2 << 20;
/// Records that are loaded at once.
const CHUNK: usize = 100;

/// A column of a record's table.
pub type Column<R> = <<R as Record>::Table as EntityTrait>::Column;

/// What a list method lists, and how it may be asked.
pub struct Collection<R: Record> {
    /// Full name of the method, which page tokens are bound to.
    pub method: &'static str,
    /// The fields that filters may name.
    pub fields: &'static [Field<Column<R>>],
    /// The orders that may be asked for; the first is the usual one.
    pub orders: &'static [Order<Column<R>>],
    /// Bytes of a record on the wire.
    pub weight: fn(&R) -> usize,
}

/// What a caller asks of a list.
#[derive(Clone, Debug, Default)]
pub struct PageRequest {
    /// At most so many records; 0 means 50.
    pub page_size: i32,
    /// The token of the page before; empty on the first.
    pub page_token: String,
    /// The filter; empty lets everything through.
    pub filter: String,
    /// The order; empty means the usual one.
    pub order_by: String,
    /// Full name of what the records belong to. Pass it resolved, not as the
    /// caller wrote it: the token is bound to it.
    pub parent: String,
}

/// For whom, from where and when a list is read.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    /// Slug of the caller's organization.
    pub organization: &'a str,
    /// Where to read.
    pub connection: &'a DatabaseConnection,
    /// The time.
    pub now_us: i64,
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page<R> {
    /// The records.
    pub records: Vec<R>,
    /// Token of the next page; empty on the last.
    pub next_page_token: String,
}

impl<R: Record> Collection<R> {
    /// A page of the records that `select` finds, which is bound to the
    /// reader's organization already.
    pub async fn page(
        &self,
        select: Select<R::Table>,
        reader: Reader<'_>,
        request: &PageRequest,
    ) -> Result<Page<R>, Refusal> {
        self.page_of(select, Vec::new(), reader, request).await
    }

    /// The same, of the records that meet at least one of the conditions; an
    /// index walks each of them in order. None of them is the same as one that
    /// is always met. What is asked for by them belongs into the request's
    /// `parent`, so that page tokens are bound to it.
    pub async fn page_of(
        &self,
        select: Select<R::Table>,
        any: Vec<Condition>,
        reader: Reader<'_>,
        request: &PageRequest,
    ) -> Result<Page<R>, Refusal> {
        let size = size(request.page_size)?;
        let order = self.order(&request.order_by)?;
        let fingerprint = Fingerprint::of([
            reader.organization,
            self.method,
            &request.parent,
            request.filter.trim(),
            order.name,
        ]);
        let token = match request.page_token.as_str() {
            "" => Token::first(fingerprint, reader.now_us),
            text => Token::read(text, &fingerprint, reader.now_us)?,
        };
        if token
            .after
            .as_ref()
            .is_some_and(|place| !keyset::fits::<R>(order, place))
        {
            return Err(token::invalid("is garbled"));
        }
        let ground = Ground {
            organization: reader.organization,
            kind: R::KIND,
            now_us: token.began_us,
        };
        let filter = Filter::read(&request.filter, self.fields, ground).await?;
        let mut walk = Walk::<R>::new(self.fields, filter, order, select);
        walk.split(&any);
        let found = walk
            .find(reader.connection, token.after.as_ref(), size)
            .await?;
        let (records, cut) = self.load(&reader, &found.places).await?;
        let next = match cut {
            true => found.places.get(records.len().saturating_sub(1)).cloned(),
            false => found.next,
        };
        Ok(Page {
            records,
            next_page_token: next
                .map(|place| token.next(place).write())
                .unwrap_or_default(),
        })
    }

    /// The order that is asked for.
    fn order(&self, asked: &str) -> Result<&Order<Column<R>>, Refusal> {
        let plain = |text: &str| {
            let keys = text.split(',').map(|key| {
                let words: Vec<&str> = key
                    .split_whitespace()
                    .filter(|word| *word != "asc")
                    .collect();
                words.join(" ")
            });
            keys.collect::<Vec<_>>().join(", ")
        };
        let asked = plain(asked);
        let known = self
            .orders
            .iter()
            .find(|order| asked.is_empty() || plain(order.name) == asked);
        known.ok_or_else(|| {
            let names: Vec<&str> = self.orders.iter().map(|order| order.name).collect();
            let remedy = format!("use one of: {}", names.join("; "));
            let token: String = asked.chars().take(40).collect();
            Refusal::new(
                Kind::Invalid,
                ErrorReason::OrderInvalid,
                format!("the order is unknown: {remedy}"),
            )
            .with("position", "0")
            .with("token", token)
            .because("order_by", remedy)
        })
    }

    /// Loads the records of the places, up to the weight of a page; and whether
    /// the weight has cut it.
    async fn load(&self, reader: &Reader<'_>, places: &[Place]) -> Result<(Vec<R>, bool), Refusal> {
        let (mut records, mut weight) = (Vec::with_capacity(places.len()), 0_usize);
        for chunk in places.chunks(CHUNK) {
            let ids: Vec<Uuid> = chunk.iter().filter_map(Place::id).collect();
            let found = these::<R>(reader.organization, ids.clone());
            let found = found.all(reader.connection).await.map_err(away)?;
            let mut found: HashMap<Uuid, R> = found
                .into_iter()
                .map(|record| (record.id(), record))
                .collect();
            for record in ids.iter().filter_map(|id| found.remove(id)) {
                weight = weight.saturating_add((self.weight)(&record));
                if weight > HEAVIEST && !records.is_empty() {
                    return Ok((records, true));
                }
                records.push(record);
            }
        }
        Ok((records, false))
    }
}

/// How many records a page has at most.
pub(crate) fn size(asked: i32) -> Result<usize, Refusal> {
    match usize::try_from(asked) {
        Ok(0) => Ok(USUAL),
        Ok(size) => Ok(size.min(MOST)),
        Err(_) => Err(Refusal::invalid("page_size", "must not be negative")),
    }
}
