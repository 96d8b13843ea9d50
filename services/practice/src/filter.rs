//! Filters of lists: the subset of CEL that becomes indexed SQL.
//!
//! A test is either true or false, never unknown: an absent text is the empty
//! text, as on the wire; an absent enum equals `UNSPECIFIED`; an absent instant
//! or enum is neither before nor after anything; a label that is not there
//! equals nothing. `!` is pushed down to the tests, so that SQL's NULL never
//! decides.

mod clause;
mod fault;
mod field;
mod parser;
mod shape;
#[cfg(test)]
mod tests;
mod time;
mod value;

use mainstay_chassis::Refusal;
use sea_orm::{ColumnTrait, Condition};

pub(crate) use clause::{Clause, Leaf, col};
pub(crate) use fault::Fault;
pub use field::{Field, FieldKind};
pub(crate) use parser::tree;
pub(crate) use time::{duration, timestamp};

/// What a filter is read against.
#[derive(Clone, Copy, Debug)]
pub struct Ground<'a> {
    /// Slug of the caller's organization.
    pub organization: &'a str,
    /// The kind of record, as its labels are kept under.
    pub kind: &'static str,
    /// What `now` means.
    pub now_us: i64,
}

/// A filter: all its clauses hold.
#[derive(Clone, Debug)]
pub struct Filter<C> {
    clauses: Vec<Clause<C>>,
}

impl<C: ColumnTrait> Filter<C> {
    /// The filter in a text that may name the fields given; an empty text lets
    /// everything through.
    pub async fn read(
        text: &str,
        fields: &[Field<C>],
        ground: Ground<'_>,
    ) -> Result<Self, Refusal> {
        if text.trim().is_empty() {
            return Ok(Self {
                clauses: Vec::new(),
            });
        }
        let node = parser::read(text).await?;
        let clause = field::resolve(&node, fields, ground, false)?;
        let clauses = match clause {
            Clause::All(clauses) => clauses,
            clause @ (Clause::Any(_) | Clause::Leaf(_)) => vec![clause],
        };
        Ok(Self { clauses })
    }

    /// The whole filter as a condition.
    pub fn condition(&self) -> Condition {
        let all = self.clauses.iter().map(Clause::condition);
        all.fold(Condition::all(), Condition::add)
    }

    /// What must hold, each on its own.
    pub(crate) fn into_clauses(self) -> Vec<Clause<C>> {
        self.clauses
    }
}
