//! Conditions: the subset of CEL in which policies say when something holds.
//!
//! A condition speaks of facts that are listed beforehand, each with its kind,
//! so that an unknown name, a word that does not exist and a comparison of
//! unlike things are found when it is read. Read, it cannot fail: what is
//! absent is the empty text, as on the wire; an absent instant equals nothing
//! and lies neither before nor after anything. There are no loops and no
//! patterns, so that its cost is its length.

mod models;
mod read;
mod value;

use std::collections::BTreeMap;

pub use models::Models;
pub use value::Value;
use value::{Compare, TextTest};

/// What a fact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// One of these words, or the empty text when it is absent.
    Word(&'static [&'static str]),
    /// A whole number.
    Number,
    /// True or false.
    Flag,
    /// An instant.
    Instant,
    /// A list of texts.
    Texts,
    /// Texts by key.
    Labels,
}

/// A fact that a condition may speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Its name, such as `incident.priority`.
    pub path: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// A condition, read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    text: String,
    root: Node,
}

/// A part of a condition that is true or false.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Compare(Term, Compare, Term),
    In(Term, Term),
    Text(TextTest, Term, Term),
    Has(Term),
    Is(Term),
}

/// A part of a condition that has a value.
#[derive(Clone, Debug, PartialEq)]
enum Term {
    Fact(Fact, Option<String>),
    Value(Value),
    Plus(Box<Term>, Box<Term>),
    Minus(Box<Term>, Box<Term>),
    Size(Box<Term>),
}

/// Tells facts by their names.
pub type Facts<'a> = &'a dyn Fn(&str) -> Value;

impl Condition {
    /// The condition in a text that speaks of these facts, or what is wrong
    /// with it, as a remedy.
    pub fn read(text: &str, facts: &'static [Fact]) -> Result<Self, String> {
        let root = read::read(text, facts)?;
        let text = text.to_owned();
        Ok(Self { text, root })
    }

    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it holds.
    pub fn holds(&self, facts: Facts<'_>) -> bool {
        self.root.holds(facts)
    }

    /// The names of the facts that it speaks of, sorted.
    pub fn mentions(&self) -> Vec<&'static str> {
        let mut paths = Vec::new();
        self.root.each(&mut |term| {
            if let Term::Fact(fact, _) = term {
                paths.push(fact.path);
            }
        });
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    /// The facts that it speaks of and what they are, for people and machines.
    pub fn inputs(&self, facts: Facts<'_>) -> BTreeMap<String, String> {
        let told = |path: &str| (path.to_owned(), facts(path).to_string());
        self.mentions().into_iter().map(told).collect()
    }
}

impl Node {
    fn holds(&self, facts: Facts<'_>) -> bool {
        match self {
            Self::All(all) => all.iter().all(|node| node.holds(facts)),
            Self::Any(any) => any.iter().any(|node| node.holds(facts)),
            Self::Not(node) => !node.holds(facts),
            Self::Compare(left, compare, right) => {
                compare.holds(&left.value(facts), &right.value(facts))
            }
            Self::In(one, among) => among.value(facts).holds(&one.value(facts)),
            Self::Text(test, text, part) => test.holds(&text.value(facts), &part.value(facts)),
            Self::Has(term) => !term.value(facts).is_empty(),
            Self::Is(term) => term.value(facts) == Value::Flag(true),
        }
    }

    /// Visits every term.
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a Term)) {
        match self {
            Self::All(nodes) | Self::Any(nodes) => nodes.iter().for_each(|node| node.each(visit)),
            Self::Not(node) => node.each(visit),
            Self::Compare(one, _, other) | Self::In(one, other) | Self::Text(_, one, other) => {
                one.each(visit);
                other.each(visit);
            }
            Self::Has(term) | Self::Is(term) => term.each(visit),
        }
    }
}

impl Term {
    fn value(&self, facts: Facts<'_>) -> Value {
        match self {
            Self::Fact(fact, None) => facts(fact.path),
            Self::Fact(fact, Some(key)) => facts(fact.path).at(key),
            Self::Value(value) => value.clone(),
            Self::Plus(one, other) => one.value(facts).plus(&other.value(facts), 1),
            Self::Minus(one, other) => one.value(facts).plus(&other.value(facts), -1),
            Self::Size(term) => term.value(facts).size(),
        }
    }

    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        match self {
            Self::Fact(..) | Self::Value(_) => {}
            Self::Plus(one, other) | Self::Minus(one, other) => {
                one.each(visit);
                other.each(visit);
            }
            Self::Size(term) => term.each(visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: &[Fact] = &[
        fact("ticket.state", Kind::Word(&["NEW", "DONE"])),
        fact("ticket.title", Kind::Text),
        fact("ticket.count", Kind::Number),
        fact("ticket.urgent", Kind::Flag),
        fact("ticket.create_time", Kind::Instant),
        fact("ticket.services", Kind::Texts),
        fact("ticket.labels", Kind::Labels),
        fact("now", Kind::Instant),
    ];

    const fn fact(path: &'static str, kind: Kind) -> Fact {
        Fact { path, kind }
    }

    fn facts(path: &str) -> Value {
        match path {
            "ticket.state" => Value::from("NEW"),
            "ticket.title" => Value::from("Mail is down"),
            "ticket.count" => Value::Number(3),
            "ticket.urgent" => Value::Flag(true),
            "ticket.create_time" => Value::Instant(1_000_000),
            "ticket.services" => Value::Texts(vec!["mail".to_owned(), "web".to_owned()]),
            "ticket.labels" => Value::Labels([("env".to_owned(), "prod".to_owned())].into()),
            "now" => Value::Instant(3_601_000_000),
            _ => Value::Nothing,
        }
    }

    fn holds(text: &str) -> bool {
        Condition::read(text, FACTS).unwrap().holds(&facts)
    }

    #[test]
    fn what_is_said_of_the_facts_is_true_or_false() {
        for text in [
            "ticket.state == NEW",
            "ticket.state in [NEW, \"DONE\"] && !(ticket.state == DONE)",
            "ticket.title.startsWith(\"Mail\") && ticket.title.endsWith(\"down\")",
            "ticket.title.contains(\"is\") || ticket.count > 5",
            "ticket.count >= 3 && ticket.count < 4 && 3 == ticket.count",
            "ticket.urgent && ticket.urgent == true",
            "now - ticket.create_time >= duration(\"1h\")",
            "ticket.create_time < timestamp(\"2026-01-01T00:00:00Z\")",
            "\"web\" in ticket.services && size(ticket.services) == 2",
            "ticket.labels.env == \"prod\" && ticket.labels[\"tier\"] == \"\"",
            "\"env\" in ticket.labels && has(ticket.labels.env) && !has(ticket.labels.tier)",
            "has(ticket.title) && size(ticket.title) > 3",
            "true && !false",
        ] {
            assert!(holds(text), "{text}");
            assert!(!holds(&format!("!({text})")), "not {text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_found_when_it_is_read() {
        for (text, remedy) in [
            ("ticket.colour == \"red\"", "ticket.colour is unknown"),
            ("ticket.state == \"DOING\"", "DOING is none of NEW, DONE"),
            ("ticket.state == DOING", "DOING is unknown"),
            ("ticket.count == \"3\"", "cannot be compared"),
            ("ticket.title", "is not true or false"),
            ("ticket.title.matches(\"a\")", "only"),
            ("ticket.services.all(s, s == \"a\")", "only"),
            ("ticket.count +", "position"),
            ("", "position"),
            ("1 + 1 == 2", "instants and durations"),
        ] {
            let told = Condition::read(text, FACTS).unwrap_err();
            assert!(told.contains(remedy), "{text}: {told}");
        }
    }

    #[test]
    fn it_tells_what_it_looked_at() {
        let condition = Condition::read("ticket.count > 2 && has(ticket.title)", FACTS).unwrap();
        assert_eq!(condition.mentions(), ["ticket.count", "ticket.title"]);
        let inputs = condition.inputs(&facts);
        assert_eq!(inputs["ticket.count"], "3");
        assert_eq!(inputs["ticket.title"], "Mail is down");
    }

    fn can(text: &str) -> Option<bool> {
        Condition::read(text, FACTS).unwrap().models().any(|_| true)
    }

    #[test]
    fn what_can_never_be_true_is_found() {
        for text in [
            "ticket.state == NEW && ticket.state == DONE",
            "ticket.count > 3 && ticket.count < 3",
            "ticket.urgent && !ticket.urgent",
            "ticket.title == \"a\" && ticket.title == \"b\"",
            "\"a\" in ticket.services && size(ticket.services) == 0",
            "ticket.create_time < ticket.create_time",
            "false",
        ] {
            assert_eq!(can(text), Some(false), "{text}");
        }
        for text in [
            "ticket.state != NEW && ticket.count > 3",
            "ticket.title != \"a\" && ticket.title != \"\"",
            "ticket.title.startsWith(\"a\") && ticket.title != \"a\"",
            "size(ticket.services) >= 3 && !(\"a\" in ticket.services)",
            "ticket.labels.env == \"prod\"",
            "has(ticket.create_time)",
        ] {
            assert_eq!(can(text), Some(true), "{text}");
        }
        assert_eq!(
            can("ticket.title.startsWith(\"a\") && ticket.title.startsWith(\"b\")"),
            None
        );
    }

    #[test]
    fn no_text_however_odd_takes_the_reader_down() {
        let deep = "(".repeat(5_000);
        let long = ["ticket.count == 1"; 200].join(" && ");
        for text in [deep.as_str(), &long, "\"", "\u{0}", "a[", "[1][0] == 1"] {
            assert!(Condition::read(text, FACTS).is_err());
        }
    }
}
