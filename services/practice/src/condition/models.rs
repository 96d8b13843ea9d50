//! Whether a condition can be true at all: tried on so few values per fact
//! that nothing it could tell apart is left out. Where that cannot be said for
//! certain, the answer is that it is not known.

use std::collections::BTreeMap;

use super::{Condition, Fact, Kind, Node, Term, Value};

/// So many cases are tried at most.
const MOST: usize = 100_000;
/// So many constants of a list's members are told apart exactly.
const MEMBERS: usize = 4;
/// A text that no condition names.
const OTHER: &str = "\u{1}other";
/// And one that is not the same.
const ANOTHER: &str = "\u{1}another";

/// The cases in which a condition may be tried.
#[derive(Clone, Debug)]
pub struct Models<'a> {
    condition: &'a Condition,
    cases: BTreeMap<&'static str, Vec<Value>>,
    exact: bool,
}

impl Condition {
    /// The cases that the condition can tell apart.
    pub fn models(&self) -> Models<'_> {
        let mut seen = Seen::default();
        self.root.each(&mut |term| seen.take(term));
        let exact = seen.exact && exact(&self.root);
        let mut cases = BTreeMap::new();
        let mut all_exact = exact;
        for fact in &seen.facts {
            let (values, whole) = seen.values(fact);
            all_exact &= whole;
            cases.insert(fact.path, values);
        }
        Models {
            condition: self,
            cases,
            exact: all_exact,
        }
    }
}

impl Models<'_> {
    /// With only these values for a fact, if the condition speaks of it.
    #[must_use]
    pub fn with(mut self, path: &str, values: impl IntoIterator<Item = Value>) -> Self {
        if let Some(cases) = self.cases.get_mut(path) {
            *cases = values.into_iter().collect();
        }
        self
    }

    /// Whether the condition is true in some case that may be: none when that
    /// is not known. A case tells the facts that the condition speaks of.
    pub fn any(&self, may_be: impl Fn(&BTreeMap<&'static str, Value>) -> bool) -> Option<bool> {
        let count = self.cases.values().map(Vec::len);
        let count = count.fold(1_usize, usize::saturating_mul);
        let (paths, values): (Vec<&'static str>, Vec<&Vec<Value>>) = self
            .cases
            .iter()
            .map(|(path, values)| (*path, values))
            .unzip();
        for number in 0..count.min(MOST) {
            let mut rest = number;
            let mut case = BTreeMap::new();
            for (path, values) in paths.iter().zip(&values) {
                if let Some(value) = values.get(rest % values.len().max(1)) {
                    case.insert(*path, value.clone());
                }
                rest /= values.len().max(1);
            }
            let facts = |path: &str| case.get(path).cloned().unwrap_or(Value::Nothing);
            if may_be(&case) && self.condition.holds(&facts) {
                return Some(true);
            }
        }
        (self.exact && count <= MOST).then_some(false)
    }
}

/// What a condition names.
#[derive(Debug)]
struct Seen {
    facts: Vec<Fact>,
    keys: BTreeMap<&'static str, Vec<String>>,
    texts: Vec<String>,
    numbers: Vec<i64>,
    instants: Vec<i64>,
    exact: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            facts: Vec::new(),
            keys: BTreeMap::new(),
            texts: vec![String::new(), OTHER.to_owned(), ANOTHER.to_owned()],
            numbers: vec![0],
            instants: vec![1_000_000, 2_000_000],
            exact: true,
        }
    }
}

impl Seen {
    fn take(&mut self, term: &Term) {
        match term {
            Term::Fact(fact, key) => {
                if !self.facts.contains(fact) {
                    self.facts.push(*fact);
                }
                let keys = self.keys.entry(fact.path).or_default();
                keys.extend(key.clone().filter(|key| !keys.contains(key)));
            }
            Term::Value(Value::Text(text)) => {
                self.texts
                    .extend([text.clone(), format!("{text}\u{1}"), format!("\u{1}{text}")]);
            }
            Term::Value(Value::Number(number)) => {
                let near = [number.saturating_sub(1), *number, number.saturating_add(1)];
                self.numbers.extend(near);
            }
            Term::Value(Value::Instant(us)) => {
                self.instants
                    .extend([us.saturating_sub(1), *us, us.saturating_add(1)]);
            }
            Term::Value(
                Value::Flag(_)
                | Value::Span(_)
                | Value::Texts(_)
                | Value::Labels(_)
                | Value::Nothing,
            ) => {}
            Term::Plus(..) | Term::Minus(..) => self.exact = false,
            Term::Size(of) => {
                let list = |fact: &Fact| fact.kind == Kind::Texts;
                self.exact &= matches!(&**of, Term::Fact(fact, None) if list(fact));
            }
        }
    }

    /// The values of a fact that the condition can tell apart, and whether
    /// these are all.
    fn values(&self, fact: &Fact) -> (Vec<Value>, bool) {
        let texts = || self.texts.iter().cloned().map(Value::Text);
        match fact.kind {
            Kind::Text => (texts().collect(), true),
            Kind::Word(words) => {
                let words = words.iter().copied().chain([""]);
                (words.map(Value::from).collect(), true)
            }
            Kind::Number => (
                self.numbers.iter().copied().map(Value::Number).collect(),
                true,
            ),
            Kind::Flag => (vec![Value::Flag(false), Value::Flag(true)], true),
            Kind::Instant => {
                let instants = self.instants.iter().copied().map(Value::Instant);
                let absent = (fact.path != "now").then_some(Value::Nothing);
                (instants.chain(absent).collect(), true)
            }
            Kind::Texts => self.lists(),
            Kind::Labels => self.labels(fact),
        }
    }

    /// Every choice of the texts named, each with so many others that every
    /// size named is met.
    fn lists(&self) -> (Vec<Value>, bool) {
        let named = self
            .texts
            .iter()
            .filter(|text| !text.contains('\u{1}') && !text.is_empty());
        let mut named: Vec<&String> = named.collect();
        named.sort_unstable();
        named.dedup();
        let whole = named.len() <= MEMBERS;
        named.truncate(MEMBERS);
        let mut sizes: Vec<usize> = self
            .numbers
            .iter()
            .filter_map(|number| usize::try_from(*number).ok())
            .collect();
        sizes.retain(|size| *size <= 64);
        sizes.extend([0, 1]);
        let mut lists = Vec::new();
        for choice in 0..1_usize << named.len() {
            let chosen = named
                .iter()
                .enumerate()
                .filter(|(place, _)| choice >> place & 1 == 1);
            let chosen: Vec<String> = chosen.map(|(_, text)| (*text).clone()).collect();
            lists.push(Value::Texts(chosen.clone()));
            for size in sizes.iter().filter(|size| **size > chosen.len()) {
                let others = (chosen.len()..*size).map(|number| format!("{OTHER}{number}"));
                lists.push(Value::Texts(chosen.iter().cloned().chain(others).collect()));
            }
        }
        lists.dedup();
        (lists, whole)
    }

    /// Labels with each text under each key named, under one key at a time.
    fn labels(&self, fact: &Fact) -> (Vec<Value>, bool) {
        let keys = self.keys.get(fact.path).cloned().unwrap_or_default();
        let named = self
            .texts
            .iter()
            .filter(|text| !text.contains('\u{1}') && !text.is_empty());
        let all: Vec<String> = keys.iter().cloned().chain(named.cloned()).collect();
        let mut labels = vec![Value::Labels(BTreeMap::new())];
        for key in &all {
            let with = |text: &String| Value::Labels([(key.clone(), text.clone())].into());
            labels.extend(self.texts.iter().map(with));
        }
        (labels, false)
    }
}

/// Whether the condition only asks what few values can tell apart.
fn exact(node: &Node) -> bool {
    match node {
        Node::All(nodes) | Node::Any(nodes) => nodes.iter().all(exact),
        Node::Not(node) => exact(node),
        Node::Text(..) => false,
        Node::Compare(left, _, right) => {
            let text = |term: &Term| matches!(term, Term::Fact(fact, _) if fact.kind == Kind::Text);
            let ordered = !matches!(
                node,
                Node::Compare(_, super::Compare::Equal | super::Compare::Unequal, _)
            );
            !(ordered && (text(left) || text(right)))
        }
        Node::In(..) | Node::Has(_) | Node::Is(_) => true,
    }
}
