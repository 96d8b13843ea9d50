//! What a filter asks, in terms of columns, and the SQL for it.

use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement, SimpleExpr, Value};
use sea_orm::{ColumnTrait, Condition};

use super::shape::Compare;

/// Tests joined; negations stand in the leaves only.
#[derive(Clone, Debug)]
pub(crate) enum Clause<C> {
    /// Every one holds.
    All(Vec<Clause<C>>),
    /// At least one holds.
    Any(Vec<Clause<C>>),
    /// A single test.
    Leaf(Leaf<C>),
}

/// A test of a column.
#[derive(Clone, Debug)]
pub(crate) enum Leaf<C> {
    /// Holds always, or never.
    Fixed(bool),
    /// The column has one of the values, or none when `absent`.
    In {
        /// The column.
        column: C,
        /// The values.
        values: Vec<Value>,
        /// Whether it holds for an absent value.
        absent: bool,
        /// Whether the test is turned round.
        negated: bool,
    },
    /// The column compares so with the value.
    Order {
        /// The column.
        column: C,
        /// How.
        compare: Compare,
        /// The value.
        value: Value,
        /// Whether it holds for an absent value.
        absent: bool,
    },
    /// The column begins with a text.
    Prefix {
        /// The column.
        column: C,
        /// The text; not empty.
        prefix: String,
        /// Whether the test is turned round.
        negated: bool,
    },
    /// A label of the record.
    Label {
        /// The record's id.
        id: C,
        /// Whose label it is.
        organization: String,
        /// The kind of record.
        kind: &'static str,
        /// The label.
        key: String,
        /// What is asked of it.
        ask: LabelAsk,
        /// Whether the test is turned round.
        negated: bool,
    },
}

/// What is asked of a label.
#[derive(Clone, Debug)]
pub(crate) enum LabelAsk {
    /// Whether it is there.
    Present,
    /// Whether it has one of the values.
    In(Vec<String>),
    /// Whether it begins with a text.
    Prefix(String),
}

impl<C: ColumnTrait> Clause<C> {
    /// The SQL.
    pub(crate) fn condition(&self) -> Condition {
        let (start, clauses) = match self {
            Self::All(clauses) => (Condition::all(), clauses),
            Self::Any(clauses) => (Condition::any(), clauses),
            Self::Leaf(leaf) => return leaf.condition(),
        };
        clauses
            .iter()
            .fold(start, |all, clause| all.add(clause.condition()))
    }
}

impl<C: ColumnTrait> Leaf<C> {
    /// The SQL.
    pub(crate) fn condition(&self) -> Condition {
        match self {
            Self::Fixed(holds) => Condition::all().add(Expr::val(1).eq(i32::from(*holds))),
            Self::In {
                column,
                values,
                absent,
                negated,
            } => within(*column, values, *absent, *negated),
            Self::Order {
                column,
                compare,
                value,
                absent,
            } => {
                let test = order(*column, *compare, value.clone());
                or_absent(*column, test, *absent)
            }
            Self::Prefix {
                column,
                prefix,
                negated,
            } => {
                let test = begins(col(*column), prefix);
                match negated {
                    false => Condition::all().add(test),
                    true => or_absent(*column, test.not(), true),
                }
            }
            Self::Label {
                id, ask, negated, ..
            } => {
                let mut all = self.labelled().unwrap_or_default();
                let has = match ask {
                    // A row is looked up with all its key, one by one.
                    LabelAsk::In(_) => {
                        all.and_where(Expr::col("record_id").eq(col(*id)));
                        Expr::exists(all)
                    }
                    LabelAsk::Present | LabelAsk::Prefix(_) => col(*id).in_subquery(all),
                };
                Condition::all().add(if *negated { has.not() } else { has })
            }
        }
    }

    /// Finds the ids of the records with the label that is tested.
    pub(crate) fn labelled(&self) -> Option<SelectStatement> {
        let Self::Label {
            organization,
            kind,
            key,
            ask,
            ..
        } = self
        else {
            return None;
        };
        Some(labelled(organization, kind, key, ask))
    }
}

/// The column with its table's name.
pub(crate) fn col<C: ColumnTrait>(column: C) -> SimpleExpr {
    Expr::col(column.as_column_ref())
}

fn nullable<C: ColumnTrait>(column: C) -> bool {
    column.def().is_null()
}

/// The test, or no value at all.
fn or_absent<C: ColumnTrait>(column: C, test: SimpleExpr, absent: bool) -> Condition {
    match absent && nullable(column) {
        true => Condition::any().add(test).add(col(column).is_null()),
        false => Condition::all().add(test),
    }
}

fn within<C: ColumnTrait>(column: C, values: &[Value], absent: bool, negated: bool) -> Condition {
    let test = match values {
        [one] => col(column).eq(one.clone()),
        many => col(column).is_in(many.to_vec()),
    };
    match (negated, absent && nullable(column)) {
        (false, true) if values.is_empty() => Condition::all().add(col(column).is_null()),
        (true, true) if values.is_empty() => Condition::all().add(col(column).is_not_null()),
        (false, absent) => or_absent(column, test, absent),
        (true, true) => Condition::all()
            .add(test.not())
            .add(col(column).is_not_null()),
        (true, false) => or_absent(column, test.not(), true),
    }
}

fn order<C: ColumnTrait>(column: C, compare: Compare, value: Value) -> SimpleExpr {
    match compare {
        Compare::Equal => col(column).eq(value),
        Compare::Unequal => col(column).ne(value),
        Compare::Less => col(column).lt(value),
        Compare::AtMost => col(column).lte(value),
        Compare::Greater => col(column).gt(value),
        Compare::AtLeast => col(column).gte(value),
    }
}

/// A range, which an index serves; LIKE would not be, and ignores case.
fn begins(text: SimpleExpr, prefix: &str) -> SimpleExpr {
    let from = text.clone().gte(prefix);
    match successor(prefix) {
        Some(end) => from.and(text.lt(end)),
        None => from,
    }
}

/// The first text after all that begin with the prefix.
fn successor(prefix: &str) -> Option<String> {
    let mut characters: Vec<char> = prefix.chars().collect();
    while let Some(last) = characters.pop() {
        // Surrogates are no characters: the next one after them follows.
        let next = match last {
            '\u{D7FF}' => Some('\u{E000}'),
            last => u32::from(last).checked_add(1).and_then(char::from_u32),
        };
        if let Some(next) = next {
            characters.push(next);
            return Some(characters.into_iter().collect());
        }
    }
    None
}

/// Ids of the records with a label.
fn labelled(organization: &str, kind: &str, key: &str, ask: &LabelAsk) -> SelectStatement {
    let text = || Expr::col("value");
    let mut select = Query::select();
    select
        .column("record_id")
        .from("record_label")
        .and_where(Expr::col("organization").eq(organization))
        .and_where(Expr::col("kind").eq(kind))
        .and_where(Expr::col("key").eq(key));
    match ask {
        LabelAsk::Present => {}
        LabelAsk::In(values) => {
            select.and_where(text().is_in(values.clone()));
        }
        LabelAsk::Prefix(prefix) if prefix.is_empty() => {}
        LabelAsk::Prefix(prefix) => {
            select.and_where(begins(text(), prefix));
        }
    }
    select
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_successor_of_a_prefix_is_the_first_text_after_it() {
        assert_eq!(successor("ab").as_deref(), Some("ac"));
        assert_eq!(successor("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(successor("\u{10FFFF}"), None);
        assert_eq!(successor("\u{D7FF}").as_deref(), Some("\u{E000}"));
    }
}
