//! The fields that a filter may name, and what a test of each becomes.

use sea_orm::ColumnTrait;
use sea_orm::sea_query::Value as Sql;

use super::Ground;
use super::clause::{Clause, LabelAsk, Leaf};
use super::fault::{Fault, Spot};
use super::shape::{Ask, Compare, Literal, Node, Path, Test};
use super::value::{self, Meant};

/// A field that filters may name.
#[derive(Clone, Copy, Debug)]
pub struct Field<C: 'static> {
    /// Its name on the wire, such as `origin.key`.
    pub name: &'static str,
    /// Its column; of `Labels` the record's id.
    pub column: C,
    /// How its values are written and kept.
    pub kind: FieldKind,
}

/// How the values of a field are written and kept.
#[derive(Clone, Copy, Debug)]
pub enum FieldKind {
    /// An enum, in the order of its numbers: names on the wire, with or
    /// without the enum's prefix, and the texts kept.
    Enum(&'static [(&'static str, &'static str)]),
    /// A slug out of a collection such as `teams`; also written as
    /// `teams/{slug}` or `organizations/{organization}/teams/{slug}`.
    Slug(&'static str),
    /// Any text.
    Text,
    /// The id of a record out of a collection such as `incidents`, written as
    /// its full name, `incidents/{id}` or the id alone.
    Name(&'static str),
    /// Microseconds since the epoch.
    Instant,
    /// The record's labels.
    Labels,
}

/// The clause that a node means; `negated` turns it round.
pub(crate) fn resolve<C: ColumnTrait>(
    node: &Node,
    fields: &[Field<C>],
    ground: Ground<'_>,
    negated: bool,
) -> Result<Clause<C>, Fault> {
    let each = |nodes: &[Node]| {
        let clauses = nodes
            .iter()
            .map(|node| resolve(node, fields, ground, negated));
        clauses.collect::<Result<Vec<_>, _>>()
    };
    Ok(match (node, negated) {
        (Node::Not(inner), _) => resolve(inner, fields, ground, !negated)?,
        (Node::All(nodes), false) | (Node::Any(nodes), true) => Clause::All(each(nodes)?),
        (Node::Any(nodes), false) | (Node::All(nodes), true) => Clause::Any(each(nodes)?),
        (Node::Test(test), _) => {
            let (field, label) = find(&test.path, fields)?;
            let asked = Asked {
                field,
                test,
                ground,
                negated,
            };
            Clause::Leaf(match label {
                Some(key) => asked.label(key)?,
                None => asked.leaf()?,
            })
        }
    })
}

/// The field that a path names, and which of its labels.
fn find<'a, C>(
    path: &'a Path,
    fields: &'a [Field<C>],
) -> Result<(&'a Field<C>, Option<&'a str>), Fault> {
    let name = path.parts.join(".");
    let labels = |field: &Field<C>| matches!(field.kind, FieldKind::Labels);
    if let Some(field) = fields
        .iter()
        .find(|field| field.name == name && !labels(field))
    {
        return Ok((field, None));
    }
    let [first, rest @ ..] = path.parts.as_slice() else {
        return Err(Fault::at(&path.at, "name a field"));
    };
    match (
        fields
            .iter()
            .find(|field| field.name == first && labels(field)),
        rest,
    ) {
        (Some(field), [key]) => Ok((field, Some(key))),
        (Some(_), _) => Err(Fault::at(
            &path.at,
            format!("name a label, such as {first}[\"env\"]"),
        )),
        (None, _) => {
            let known: Vec<&str> = fields.iter().map(|field| field.name).collect();
            let whole = Spot {
                token: name.clone(),
                ..path.at.clone()
            };
            Err(Fault::at(&whole, value::unknown("field", &name, &known)))
        }
    }
}

/// A test of a known field.
struct Asked<'a, C: 'static> {
    field: &'a Field<C>,
    test: &'a Test,
    ground: Ground<'a>,
    negated: bool,
}

impl<C: ColumnTrait> Asked<'_, C> {
    fn fault<T>(&self, remedy: &str) -> Result<T, Fault> {
        Err(Fault::at(
            &self.test.path.at,
            format!("{} {remedy}", self.field.name),
        ))
    }

    fn nullable(&self) -> bool {
        self.field.column.def().is_null()
    }

    fn leaf(&self) -> Result<Leaf<C>, Fault> {
        match &self.test.ask {
            Ask::Has => Ok(self.present()),
            Ask::Prefix(at, prefix) => self.prefix(at, prefix),
            Ask::In(literals) => self.within(literals, self.negated),
            Ask::Compare(Compare::Equal, literal) => {
                self.within(std::slice::from_ref(literal), self.negated)
            }
            Ask::Compare(Compare::Unequal, literal) => {
                self.within(std::slice::from_ref(literal), !self.negated)
            }
            Ask::Compare(compare, literal) => self.order(*compare, literal),
        }
    }

    /// Whether it has a value: it is not absent.
    fn present(&self) -> Leaf<C> {
        let column = self.field.column;
        let textual = matches!(self.field.kind, FieldKind::Slug(_) | FieldKind::Text);
        match (self.nullable(), textual) {
            (true, _) => self.one_of(Vec::new(), true, !self.negated),
            (false, true) => Leaf::In {
                column,
                values: vec![Sql::from("")],
                absent: false,
                negated: !self.negated,
            },
            (false, false) => Leaf::Fixed(!self.negated),
        }
    }

    fn one_of(&self, values: Vec<Sql>, absent: bool, negated: bool) -> Leaf<C> {
        match values.is_empty() && !(absent && self.nullable()) {
            true => Leaf::Fixed(negated),
            false => Leaf::In {
                column: self.field.column,
                values,
                absent,
                negated,
            },
        }
    }

    fn meant(&self, literal: &Literal) -> Result<Meant, Fault> {
        value::meant(self.field.name, self.field.kind, literal, self.ground)
    }

    fn within(&self, literals: &[Literal], negated: bool) -> Result<Leaf<C>, Fault> {
        let (mut values, mut absent) = (Vec::new(), false);
        for literal in literals {
            match (self.meant(literal)?, self.nullable()) {
                (Meant::Nothing, true) => absent = true,
                // An absent text that cannot be NULL is kept as the empty one.
                (Meant::Nothing, false) => values.extend(value::nothing(self.field.kind)),
                (Meant::Value(value), _) => values.push(value),
            }
        }
        let FieldKind::Enum(words) = self.field.kind else {
            return Ok(self.one_of(values, absent, negated));
        };
        // What an enum is not is one of the others: an index serves that.
        let (values, absent) = match negated {
            false => (values, absent),
            true => {
                let others = words.iter().map(|(_, kept)| Sql::from(*kept));
                (
                    others.filter(|kept| !values.contains(kept)).collect(),
                    !absent,
                )
            }
        };
        Ok(self.one_of(values, absent, false))
    }

    fn order(&self, compare: Compare, literal: &Literal) -> Result<Leaf<C>, Fault> {
        let meant = self.meant(literal)?;
        let compare = if self.negated {
            compare.negated()
        } else {
            compare
        };
        match (self.field.kind, meant) {
            (FieldKind::Enum(words), Meant::Value(value)) => {
                let place = words.iter().position(|(_, kept)| Sql::from(*kept) == value);
                let holds = |at: usize| place.is_some_and(|place| compare.holds(&at, &place));
                let values = words.iter().enumerate().filter(|(at, _)| holds(*at));
                let values = values.map(|(_, (_, kept))| Sql::from(*kept)).collect();
                Ok(self.one_of(values, self.negated, false))
            }
            (FieldKind::Slug(_) | FieldKind::Text, meant) => {
                let text = match meant {
                    Meant::Value(Sql::String(Some(text))) => text,
                    Meant::Value(_) | Meant::Nothing => String::new(),
                };
                Ok(Leaf::Order {
                    column: self.field.column,
                    absent: compare.holds("", text.as_str()),
                    compare,
                    value: Sql::from(text),
                })
            }
            (FieldKind::Instant, Meant::Value(value)) => Ok(Leaf::Order {
                column: self.field.column,
                compare,
                value,
                absent: self.negated,
            }),
            (
                FieldKind::Enum(_) | FieldKind::Instant | FieldKind::Name(_) | FieldKind::Labels,
                _,
            ) => self.fault("can be compared with == and != only"),
        }
    }

    fn prefix(&self, at: &Spot, prefix: &str) -> Result<Leaf<C>, Fault> {
        let prefix = match self.field.kind {
            FieldKind::Slug(collection) => value::slug_prefix(collection, at, prefix, self.ground)?,
            FieldKind::Text => prefix,
            FieldKind::Enum(_) | FieldKind::Name(_) | FieldKind::Instant | FieldKind::Labels => {
                return self.fault("is no text: use == or in");
            }
        };
        Ok(match prefix.is_empty() {
            true => Leaf::Fixed(!self.negated),
            false => Leaf::Prefix {
                column: self.field.column,
                prefix: prefix.to_owned(),
                negated: self.negated,
            },
        })
    }

    fn label(&self, key: &str) -> Result<Leaf<C>, Fault> {
        let text = |literal: &Literal| value::text(self.field.name, literal).map(str::to_owned);
        let (ask, turned) = match &self.test.ask {
            Ask::Has => (LabelAsk::Present, false),
            Ask::Prefix(_, prefix) => (LabelAsk::Prefix(prefix.clone()), false),
            Ask::In(literals) => {
                let values = literals.iter().map(text).collect::<Result<_, _>>()?;
                (LabelAsk::In(values), false)
            }
            Ask::Compare(Compare::Equal, literal) => (LabelAsk::In(vec![text(literal)?]), false),
            Ask::Compare(Compare::Unequal, literal) => (LabelAsk::In(vec![text(literal)?]), true),
            Ask::Compare(..) => return self.fault("can be compared with == and != only"),
        };
        Ok(Leaf::Label {
            id: self.field.column,
            organization: self.ground.organization.to_owned(),
            kind: self.ground.kind,
            key: key.to_owned(),
            ask,
            negated: self.negated != turned,
        })
    }
}
