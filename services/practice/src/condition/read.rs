//! From text to condition: parsed by the parser of filters, under its guards,
//! then checked against the facts that may be spoken of.

use cel::common::ast::operators as op;
use cel::common::ast::{CallExpr, Expr, LiteralValue};
use cel::parser::Expression;

use super::value::{Compare, TextTest, Value};
use super::{Fact, Kind, Node, Term};
use crate::filter::{Fault, duration, timestamp, tree};

/// What can be used.
const USABLE: &str = "only == != < <= > >= + - in && || ! has() size() startsWith() endsWith() \
                      contains() timestamp() and duration() can be used";

/// The kinds of values that can be compared with one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Text,
    Number,
    Flag,
    Instant,
    Span,
    Texts,
    Labels,
}

/// The condition in a text.
pub(super) fn read(text: &str, facts: &'static [Fact]) -> Result<Node, String> {
    let parsed = tree(text).map_err(|fault| match fault {
        Fault::Wrong { at, remedy } => format!("at position {}: {remedy}", at.position),
        Fault::Foreign(_) | Fault::Away => "cannot be read now".to_owned(),
    })?;
    Reader { facts }.node(&parsed)
}

struct Reader {
    facts: &'static [Fact],
}

impl Reader {
    fn node(&self, expression: &Expression) -> Result<Node, String> {
        let Expr::Call(call) = &expression.expr else {
            return self.flag(expression);
        };
        match (
            call.func_name.as_str(),
            call.target.as_deref(),
            call.args.as_slice(),
        ) {
            (op::LOGICAL_AND, None, all) => self.nodes(all).map(Node::All),
            (op::LOGICAL_OR, None, any) => self.nodes(any).map(Node::Any),
            (op::LOGICAL_NOT, None, [inner]) => Ok(Node::Not(Box::new(self.node(inner)?))),
            (op::HAS, None, [field]) => Ok(Node::Has(self.term(field)?)),
            (op::IN, None, [one, among]) => self.membership(one, among),
            (name, Some(text), [part]) => match text_test(name) {
                Some(test) => self.text(test, text, part),
                None => Err(USABLE.to_owned()),
            },
            (name, None, [left, right]) => match compare(name) {
                Some(compare) => self.comparison(left, compare, right),
                None => self.flag(expression),
            },
            _ => Err(USABLE.to_owned()),
        }
    }

    fn nodes(&self, expressions: &[Expression]) -> Result<Vec<Node>, String> {
        expressions.iter().map(|one| self.node(one)).collect()
    }

    fn flag(&self, expression: &Expression) -> Result<Node, String> {
        let term = self.term(expression)?;
        match sort(&term) {
            Some(Sort::Flag) => Ok(Node::Is(term)),
            Some(_) | None => Err(format!("{} is not true or false", said(&term))),
        }
    }

    fn comparison(
        &self,
        left: &Expression,
        by: Compare,
        right: &Expression,
    ) -> Result<Node, String> {
        let (left, right) = (self.term(left)?, self.term(right)?);
        let comparable = match sort(&left) {
            Some(Sort::Texts | Sort::Labels) | None => false,
            sort_of_left => sort_of_left == sort(&right),
        };
        if !comparable {
            let (left, right) = (said(&left), said(&right));
            return Err(format!("{left} and {right} cannot be compared"));
        }
        word(&left, &right)?;
        word(&right, &left)?;
        Ok(Node::Compare(left, by, right))
    }

    fn membership(&self, one: &Expression, among: &Expression) -> Result<Node, String> {
        let one = self.term(one)?;
        if let Expr::List(list) = &among.expr {
            let equal = |value: &Expression| {
                let value = self.term(value)?;
                word(&one, &value)?;
                match sort(&one) == sort(&value) {
                    true => Ok(Node::Compare(one.clone(), Compare::Equal, value)),
                    false => Err(format!(
                        "{} and {} cannot be compared",
                        said(&one),
                        said(&value)
                    )),
                }
            };
            return list
                .elements
                .iter()
                .map(equal)
                .collect::<Result<_, _>>()
                .map(Node::Any);
        }
        let among = self.term(among)?;
        match (sort(&one), sort(&among)) {
            (Some(Sort::Text), Some(Sort::Texts | Sort::Labels)) => Ok(Node::In(one, among)),
            _ => Err(format!(
                "{} cannot be looked for in {}",
                said(&one),
                said(&among)
            )),
        }
    }

    fn text(&self, test: TextTest, text: &Expression, part: &Expression) -> Result<Node, String> {
        let (text, part) = (self.term(text)?, self.term(part)?);
        match (sort(&text), sort(&part)) {
            (Some(Sort::Text), Some(Sort::Text)) => Ok(Node::Text(test, text, part)),
            _ => Err(format!("{} and {} must be texts", said(&text), said(&part))),
        }
    }

    fn term(&self, expression: &Expression) -> Result<Term, String> {
        if let Expr::Literal(literal) = &expression.expr {
            return literal_value(literal).map(Term::Value);
        }
        if let Some(path) = path(expression) {
            return self.fact(&path);
        }
        let Expr::Call(call) = &expression.expr else {
            return Err(USABLE.to_owned());
        };
        match (
            call.func_name.as_str(),
            call.target.as_deref(),
            call.args.as_slice(),
        ) {
            ("size", None, [inner]) | ("size", Some(inner), []) => self.size(inner),
            ("timestamp", None, [inner]) => quoted(inner).and_then(timestamp).map_or_else(
                || Err("write RFC 3339, such as timestamp(\"2026-01-31T08:00:00Z\")".to_owned()),
                |us| Ok(Term::Value(Value::Instant(us))),
            ),
            ("duration", None, [inner]) => quoted(inner).and_then(duration).map_or_else(
                || Err("write hours, minutes or seconds, such as duration(\"1h30m\")".to_owned()),
                |us| Ok(Term::Value(Value::Span(us))),
            ),
            (op::ADD | op::SUBSTRACT, None, [left, right]) => self.sum(call, left, right),
            _ => Err(USABLE.to_owned()),
        }
    }

    fn size(&self, inner: &Expression) -> Result<Term, String> {
        let term = self.term(inner)?;
        match sort(&term) {
            Some(Sort::Text | Sort::Texts | Sort::Labels) => Ok(Term::Size(Box::new(term))),
            Some(Sort::Number | Sort::Flag | Sort::Instant | Sort::Span) | None => {
                Err(format!("{} has no size", said(&term)))
            }
        }
    }

    fn sum(&self, call: &CallExpr, left: &Expression, right: &Expression) -> Result<Term, String> {
        let (left, right) = (Box::new(self.term(left)?), Box::new(self.term(right)?));
        let term = match call.func_name == op::ADD {
            true => Term::Plus(left, right),
            false => Term::Minus(left, right),
        };
        match sort(&term) {
            Some(_) => Ok(term),
            None => Err("only instants and durations can be added and subtracted".to_owned()),
        }
    }

    fn fact(&self, path: &[String]) -> Result<Term, String> {
        let whole = path.join(".");
        if let Some(fact) = self.facts.iter().find(|fact| fact.path == whole) {
            return Ok(Term::Fact(*fact, None));
        }
        if let Some((key, rest)) = path.split_last() {
            let labels = rest.join(".");
            let of_labels = |fact: &&Fact| fact.path == labels && fact.kind == Kind::Labels;
            if let Some(fact) = self.facts.iter().find(of_labels) {
                return Ok(Term::Fact(*fact, Some(key.clone())));
            }
        }
        let known =
            |fact: &Fact| matches!(fact.kind, Kind::Word(words) if words.contains(&&*whole));
        match self.facts.iter().any(known) {
            true => Ok(Term::Value(Value::Text(whole))),
            false => Err(format!("{whole} is unknown")),
        }
    }
}

/// Refuses a word that is none of those which a fact may be.
fn word(fact: &Term, other: &Term) -> Result<(), String> {
    let (
        Term::Fact(
            Fact {
                path,
                kind: Kind::Word(words),
            },
            None,
        ),
        Term::Value(Value::Text(text)),
    ) = (fact, other)
    else {
        return Ok(());
    };
    match text.is_empty() || words.contains(&text.as_str()) {
        true => Ok(()),
        false => Err(format!(
            "{text} is none of {}, which {path} can be",
            words.join(", ")
        )),
    }
}

fn sort(term: &Term) -> Option<Sort> {
    match term {
        Term::Fact(_, Some(_)) => Some(Sort::Text),
        Term::Fact(fact, None) => Some(match fact.kind {
            Kind::Text | Kind::Word(_) => Sort::Text,
            Kind::Number => Sort::Number,
            Kind::Flag => Sort::Flag,
            Kind::Instant => Sort::Instant,
            Kind::Texts => Sort::Texts,
            Kind::Labels => Sort::Labels,
        }),
        Term::Value(value) => match value {
            Value::Text(_) => Some(Sort::Text),
            Value::Number(_) => Some(Sort::Number),
            Value::Flag(_) => Some(Sort::Flag),
            Value::Instant(_) => Some(Sort::Instant),
            Value::Span(_) => Some(Sort::Span),
            Value::Texts(_) => Some(Sort::Texts),
            Value::Labels(_) => Some(Sort::Labels),
            Value::Nothing => None,
        },
        Term::Size(_) => Some(Sort::Number),
        Term::Plus(one, other) => match (sort(one)?, sort(other)?) {
            (Sort::Instant, Sort::Span) => Some(Sort::Instant),
            (Sort::Span, Sort::Span) => Some(Sort::Span),
            _ => None,
        },
        Term::Minus(one, other) => match (sort(one)?, sort(other)?) {
            (Sort::Instant, Sort::Span) => Some(Sort::Instant),
            (Sort::Instant, Sort::Instant) | (Sort::Span, Sort::Span) => Some(Sort::Span),
            _ => None,
        },
    }
}

/// A term, for people.
fn said(term: &Term) -> String {
    match term {
        Term::Fact(fact, None) => fact.path.to_owned(),
        Term::Fact(fact, Some(key)) => format!("{}.{key}", fact.path),
        Term::Value(value) => format!("\"{value}\""),
        Term::Plus(one, other) => format!("{} + {}", said(one), said(other)),
        Term::Minus(one, other) => format!("{} - {}", said(one), said(other)),
        Term::Size(term) => format!("size({})", said(term)),
    }
}

fn literal_value(literal: &LiteralValue) -> Result<Value, String> {
    match literal {
        LiteralValue::String(text) => Ok(Value::from(text.inner())),
        LiteralValue::Int(number) => Ok(Value::Number(*number.inner())),
        LiteralValue::Boolean(flag) => Ok(Value::Flag(*flag.inner())),
        LiteralValue::Bytes(_)
        | LiteralValue::Double(_)
        | LiteralValue::Null
        | LiteralValue::UInt(_) => {
            Err("write texts in quotes, whole numbers, true or false".to_owned())
        }
    }
}

/// The name that an expression spells.
fn path(expression: &Expression) -> Option<Vec<String>> {
    match &expression.expr {
        Expr::Ident(name) => Some(vec![name.clone()]),
        Expr::Select(select) => {
            let mut parts = path(&select.operand)?;
            parts.push(select.field.clone());
            Some(parts)
        }
        Expr::Call(call) if call.func_name == op::INDEX => match call.args.as_slice() {
            [target, key] => {
                let mut parts = path(target)?;
                parts.push(quoted(key)?.to_owned());
                Some(parts)
            }
            _ => None,
        },
        Expr::Call(_)
        | Expr::Unspecified
        | Expr::Comprehension(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Struct(_) => None,
    }
}

fn quoted(expression: &Expression) -> Option<&str> {
    if let Expr::Literal(LiteralValue::String(text)) = &expression.expr {
        return Some(text.inner());
    }
    None
}

fn compare(operator: &str) -> Option<Compare> {
    Some(match operator {
        op::EQUALS => Compare::Equal,
        op::NOT_EQUALS => Compare::Unequal,
        op::LESS => Compare::Less,
        op::LESS_EQUALS => Compare::AtMost,
        op::GREATER => Compare::Greater,
        op::GREATER_EQUALS => Compare::AtLeast,
        _ => return None,
    })
}

fn text_test(name: &str) -> Option<TextTest> {
    Some(match name {
        "startsWith" => TextTest::Starts,
        "endsWith" => TextTest::Ends,
        "contains" => TextTest::Contains,
        _ => return None,
    })
}
