//! From CEL's syntax tree to the tests that a filter may consist of; knows no
//! fields yet.

use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, Expr, LiteralValue, SourceInfo};
use cel::parser::Expression;

use super::fault::{Fault, Spot};
use super::parser::spot;
use super::time::{When, duration, timestamp};

/// Most tests in a filter.
const TESTS: usize = 20;
/// Most values in a list.
const VALUES: usize = 100;
/// Deepest nesting of `&&`, `||` and `!`.
const DEPTH: usize = 8;

/// A filter: tests, joined.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// Every one holds.
    All(Vec<Node>),
    /// At least one holds.
    Any(Vec<Node>),
    /// It does not hold.
    Not(Box<Node>),
    /// A single test.
    Test(Test),
}

/// A test of one field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Test {
    /// The field.
    pub(crate) path: Path,
    /// What is asked of it.
    pub(crate) ask: Ask,
}

/// What names a field: `team`, `origin.key`, `labels["env"]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    /// Where it stands.
    pub(crate) at: Spot,
    /// Its parts.
    pub(crate) parts: Vec<String>,
}

/// What a test asks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    /// How it compares with a value.
    Compare(Compare, Literal),
    /// Whether it is one of the values.
    In(Vec<Literal>),
    /// Whether it has a value.
    Has,
    /// Whether it begins with a text.
    Prefix(Spot, String),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

/// A value in a filter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Literal {
    /// Where it stands.
    pub(crate) at: Spot,
    /// What it is.
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A bare word, such as an enum's value.
    Word(String),
    /// A text in quotes.
    Text(String),
    /// An instant.
    Time(When),
}

/// The shape of a parsed filter.
pub(crate) fn shape(text: &str, source: &SourceInfo, root: &Expression) -> Result<Node, Fault> {
    let mut shaper = Shaper {
        text,
        source,
        tests: 0,
    };
    shaper.node(root, 1)
}

struct Shaper<'a> {
    text: &'a str,
    source: &'a SourceInfo,
    tests: usize,
}

impl Shaper<'_> {
    fn at(&self, expression: &Expression) -> Spot {
        let start = self
            .source
            .offset_for(expression.id)
            .map_or(0, |(start, _)| start);
        spot(self.text, usize::try_from(start).unwrap_or_default())
    }

    fn fault<T>(&self, expression: &Expression, remedy: &str) -> Result<T, Fault> {
        Err(Fault::at(&self.at(expression), remedy))
    }

    fn node(&mut self, expression: &Expression, depth: usize) -> Result<Node, Fault> {
        if depth > DEPTH {
            return self.fault(expression, "nest && and || at most 8 deep");
        }
        let Some(call) = call(expression) else {
            return self.fault(expression, "write a comparison, such as state == NEW");
        };
        match (call.func_name.as_str(), call.args.as_slice()) {
            (op::LOGICAL_AND, _) => Ok(Node::All(self.joined(
                expression,
                op::LOGICAL_AND,
                depth,
            )?)),
            (op::LOGICAL_OR, _) => Ok(Node::Any(self.joined(expression, op::LOGICAL_OR, depth)?)),
            (op::LOGICAL_NOT, [inner]) => Ok(Node::Not(Box::new(self.node(inner, depth + 1)?))),
            _ => self.test(expression, call).map(Node::Test),
        }
    }

    /// The terms of a chain of the same operator, left to right.
    fn joined(&mut self, root: &Expression, join: &str, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut terms = Vec::new();
        let mut open = vec![root];
        while let Some(next) = open.pop() {
            match call(next) {
                Some(call) if call.func_name == join => open.extend(call.args.iter().rev()),
                Some(_) | None => terms.push(self.node(next, depth + 1)?),
            }
        }
        Ok(terms)
    }

    fn test(&mut self, expression: &Expression, call: &CallExpr) -> Result<Test, Fault> {
        self.tests += 1;
        if self.tests > TESTS {
            return self.fault(expression, "write at most 20 comparisons");
        }
        match (
            call.func_name.as_str(),
            call.target.as_deref(),
            call.args.as_slice(),
        ) {
            (op::IN, None, [left, right]) => self.membership(left, right),
            (op::HAS, None, [field]) => Ok(Test {
                path: self.field(field)?,
                ask: Ask::Has,
            }),
            ("startsWith", Some(field), [prefix]) => {
                let path = self.field(field)?;
                let Some(text) = text(prefix) else {
                    return self.fault(prefix, "write a text in quotes");
                };
                let ask = Ask::Prefix(self.at(prefix), text.to_owned());
                Ok(Test { path, ask })
            }
            (name, None, [left, right]) => match Compare::of(name) {
                Some(compare) => self.comparison(compare, left, right),
                None => self.unsupported(expression),
            },
            _ => self.unsupported(expression),
        }
    }

    fn unsupported<T>(&self, expression: &Expression) -> Result<T, Fault> {
        self.fault(
            expression,
            "only == != < <= > >= in && || ! has() and startsWith() can be used",
        )
    }

    fn comparison(
        &self,
        compare: Compare,
        left: &Expression,
        right: &Expression,
    ) -> Result<Test, Fault> {
        let (compare, field, value) = match self.path(left) {
            Some(path) => (compare, path, right),
            None => match self.path(right) {
                Some(path) => (compare.flipped(), path, left),
                None => return self.fault(left, "compare a field with a value"),
            },
        };
        Ok(Test {
            path: field,
            ask: Ask::Compare(compare, self.literal(value)?),
        })
    }

    fn membership(&self, left: &Expression, right: &Expression) -> Result<Test, Fault> {
        if let Expr::List(list) = &right.expr {
            if list.elements.is_empty() || list.elements.len() > VALUES {
                return self.fault(right, "write 1 to 100 values in the list");
            }
            let values = list.elements.iter().map(|value| self.literal(value));
            return Ok(Test {
                path: self.field(left)?,
                ask: Ask::In(values.collect::<Result<_, _>>()?),
            });
        }
        match (text(left), self.path(right)) {
            (Some(key), Some(mut path)) => {
                path.parts.push(key.to_owned());
                Ok(Test {
                    path,
                    ask: Ask::Has,
                })
            }
            _ => self.fault(right, "write FIELD in [VALUE, …] or \"key\" in labels"),
        }
    }

    fn field(&self, expression: &Expression) -> Result<Path, Fault> {
        match self.path(expression) {
            Some(path) => Ok(path),
            None => self.fault(expression, "name a field"),
        }
    }

    /// The path that an expression spells.
    fn path(&self, expression: &Expression) -> Option<Path> {
        let mut parts = Vec::new();
        let mut next = expression;
        loop {
            if let Expr::Ident(name) = &next.expr {
                parts.push(name.clone());
                parts.reverse();
                let at = self.at(next);
                return Some(Path { at, parts });
            }
            if let Expr::Select(select) = &next.expr {
                parts.push(select.field.clone());
                next = &select.operand;
                continue;
            }
            let call = call(next).filter(|call| call.func_name == op::INDEX)?;
            let [target, key] = call.args.as_slice() else {
                return None;
            };
            parts.push(text(key)?.to_owned());
            next = target;
        }
    }

    fn literal(&self, expression: &Expression) -> Result<Literal, Fault> {
        let at = self.at(expression);
        if let Some(when) = self.time(expression)? {
            let value = Value::Time(when);
            return Ok(Literal { at, value });
        }
        let value = match (text(expression), self.path(expression)) {
            (Some(text), _) => Value::Text(text.to_owned()),
            (None, Some(path)) => Value::Word(path.parts.join(".")),
            (None, None) => {
                return self.fault(
                    expression,
                    "write a text in quotes, a value's name or a time",
                );
            }
        };
        Ok(Literal { at, value })
    }

    /// The instant that an expression means; none when it means something else.
    fn time(&self, expression: &Expression) -> Result<Option<When>, Fault> {
        if matches!(&expression.expr, Expr::Ident(name) if name == "now") {
            return Ok(Some(When::FromNow(0)));
        }
        let Some(call) = call(expression) else {
            return Ok(None);
        };
        match (
            call.func_name.as_str(),
            call.target.as_deref(),
            call.args.as_slice(),
        ) {
            ("timestamp", None, [argument]) => match text(argument).and_then(timestamp) {
                Some(us) => Ok(Some(When::At(us))),
                None => self.fault(
                    argument,
                    "write RFC 3339, such as timestamp(\"2026-01-31T08:00:00Z\")",
                ),
            },
            (sum @ (op::ADD | op::SUBSTRACT), None, [left, right]) => {
                let Some(when) = self.time(left)? else {
                    return self.fault(left, "write now - duration(\"24h\")");
                };
                let us = self.duration(right)?;
                let us = if sum == op::ADD {
                    Some(us)
                } else {
                    us.checked_neg()
                };
                match us.and_then(|us| when.plus(us)) {
                    Some(when) => Ok(Some(when)),
                    None => self.fault(right, "write a shorter duration"),
                }
            }
            ("duration", None, _) => self.fault(expression, "write now - duration(\"24h\")"),
            _ => Ok(None),
        }
    }

    fn duration(&self, expression: &Expression) -> Result<i64, Fault> {
        let call = call(expression);
        let call = call.filter(|call| call.func_name == "duration" && call.target.is_none());
        let argument = call.and_then(|call| call.args.first());
        match argument.and_then(text).and_then(duration) {
            Some(us) => Ok(us),
            None => self.fault(
                argument.unwrap_or(expression),
                "write hours, minutes or seconds, such as duration(\"1h30m\")",
            ),
        }
    }
}

/// The text that an expression quotes.
fn text(expression: &Expression) -> Option<&str> {
    if let Expr::Literal(LiteralValue::String(text)) = &expression.expr {
        return Some(text.inner());
    }
    None
}

/// The call that an expression is.
fn call(expression: &Expression) -> Option<&CallExpr> {
    if let Expr::Call(call) = &expression.expr {
        return Some(call);
    }
    None
}

impl Compare {
    fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            op::EQUALS => Self::Equal,
            op::NOT_EQUALS => Self::Unequal,
            op::LESS => Self::Less,
            op::LESS_EQUALS => Self::AtMost,
            op::GREATER => Self::Greater,
            op::GREATER_EQUALS => Self::AtLeast,
            _ => return None,
        })
    }

    /// The comparison with its sides exchanged.
    fn flipped(self) -> Self {
        match self {
            Self::Equal | Self::Unequal => self,
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
        }
    }

    /// The comparison that holds exactly when this one does not.
    pub(crate) fn negated(self) -> Self {
        match self {
            Self::Equal => Self::Unequal,
            Self::Unequal => Self::Equal,
            Self::Less => Self::AtLeast,
            Self::AtMost => Self::Greater,
            Self::Greater => Self::AtMost,
            Self::AtLeast => Self::Less,
        }
    }
}
