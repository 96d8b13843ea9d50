//! The rules that the contract uses, each a function that adds to the
//! violations found. `build/rules.rs` generates the calls.

use std::collections::HashSet;
use std::hash::Hash;

use regex::Regex;

/// At most so many violations are told,
const MOST: usize = 16;
/// of at most so many characters of the field's path each,
const LONGEST: usize = 70;
/// and so many bytes in all: encoded they must fit into the 4 KiB of trailers
/// that every client takes.
const LARGEST: usize = 2_500;

/// A message that knows the rules of its contract.
pub trait Rules {
    /// Whether it is what a server receives: only that is checked by the codec.
    const REQUEST: bool;
    /// Adds what breaks a rule.
    fn check(&self, found: &mut Violations);
}

/// What was found, field by field.
#[derive(Debug, Default)]
pub struct Violations {
    path: Vec<String>,
    found: Vec<(String, String)>,
}

impl Violations {
    /// The violations as pairs of field and remedy.
    pub fn of(message: &impl Rules) -> Vec<(String, String)> {
        let mut violations = Self::default();
        message.check(&mut violations);
        violations.found
    }

    /// Checks a message that is a field of another.
    pub fn inside(&mut self, field: &str, message: &impl Rules) {
        self.path.push(field.to_owned());
        message.check(self);
        self.path.pop();
    }

    fn add(&mut self, field: &str, remedy: String) {
        let mut path = self.path.join(".");
        if !path.is_empty() {
            path.push('.');
        }
        let path = shortened(path + field);
        let told: usize = self
            .found
            .iter()
            .map(|(path, remedy)| path.len() + remedy.len())
            .sum();
        if self.found.len() < MOST && told + path.len() + remedy.len() <= LARGEST {
            self.found.push((path, remedy));
        }
    }
}

/// A path may hold a key of a map, which may be of any length.
fn shortened(path: String) -> String {
    match path.char_indices().nth(LONGEST) {
        Some((end, _)) => path[..end].to_owned() + "…",
        None => path,
    }
}

pub(crate) fn is_set<T: Default + PartialEq>(value: &T) -> bool {
    *value != T::default()
}

pub(crate) fn present(found: &mut Violations, field: &str, there: bool) {
    if !there {
        found.add(field, "is required".to_owned());
    }
}

pub(crate) fn min_len(found: &mut Violations, field: &str, value: &str, limit: usize) {
    if value.chars().count() < limit {
        let remedy = match limit {
            1 => "must not be empty".to_owned(),
            _ => format!("must have at least {limit} characters"),
        };
        found.add(field, remedy);
    }
}

pub(crate) fn max_len(found: &mut Violations, field: &str, value: &str, limit: usize) {
    if value.len() > limit && value.chars().count() > limit {
        found.add(field, format!("must have at most {limit} characters"));
    }
}

pub(crate) fn max_bytes(found: &mut Violations, field: &str, value: &str, limit: usize) {
    if value.len() > limit {
        found.add(field, format!("must have at most {limit} bytes"));
    }
}

pub(crate) fn pattern(found: &mut Violations, field: &str, value: &str, regex: &Regex, text: &str) {
    if !regex.is_match(value) {
        found.add(field, format!("must match {text}"));
    }
}

pub(crate) fn uuid(found: &mut Violations, field: &str, value: &str) {
    let digits =
        |part: &str, count| part.len() == count && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = value.split('-').collect();
    let right = parts.len() == 5
        && parts
            .iter()
            .zip([8, 4, 4, 4, 12])
            .all(|(part, count)| digits(part, count));
    if !right {
        found.add(field, "must be a UUID".to_owned());
    }
}

pub(crate) fn uri(found: &mut Violations, field: &str, value: &str) {
    let right = value.split_once(':').is_some_and(|(scheme, rest)| {
        let mut letters = scheme.bytes();
        letters.next().is_some_and(|b| b.is_ascii_alphabetic())
            && letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
            && !rest.is_empty()
            && rest
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b))
    });
    if !right {
        found.add(
            field,
            "must be a URI with a scheme, such as https://…".to_owned(),
        );
    }
}

pub(crate) fn gte(found: &mut Violations, field: &str, value: i32, limit: i32) {
    if value < limit {
        found.add(field, format!("must be at least {limit}"));
    }
}

pub(crate) fn lte(found: &mut Violations, field: &str, value: i32, limit: i32) {
    if value > limit {
        found.add(field, format!("must be at most {limit}"));
    }
}

pub(crate) fn defined(found: &mut Violations, field: &str, known: bool) {
    if !known {
        found.add(field, "must be one of the defined values".to_owned());
    }
}

pub(crate) fn not_in(found: &mut Violations, field: &str, value: i32, banned: &[i32]) {
    if banned.contains(&value) {
        let remedy = match value {
            0 => "is required".to_owned(),
            _ => "must not have this value".to_owned(),
        };
        found.add(field, remedy);
    }
}

pub(crate) fn duration_gte(
    found: &mut Violations,
    field: &str,
    value: &prost_types::Duration,
    limit: i64,
) {
    if (value.seconds, value.nanos) < (limit, 0) {
        found.add(field, format!("must be at least {limit} s"));
    }
}

pub(crate) fn duration_lte(
    found: &mut Violations,
    field: &str,
    value: &prost_types::Duration,
    limit: i64,
) {
    if (value.seconds, value.nanos) > (limit, 0) {
        found.add(field, format!("must be at most {limit} s"));
    }
}

pub(crate) fn min_items(found: &mut Violations, field: &str, count: usize, limit: usize) {
    if count < limit {
        found.add(field, format!("must have at least {limit} entries"));
    }
}

pub(crate) fn max_items(found: &mut Violations, field: &str, count: usize, limit: usize) {
    if count > limit {
        found.add(field, format!("must have at most {limit} entries"));
    }
}

pub(crate) fn unique<T: Eq + Hash>(found: &mut Violations, field: &str, values: &[T]) {
    if values.iter().collect::<HashSet<_>>().len() < values.len() {
        found.add(field, "must not name anything twice".to_owned());
    }
}

/// A pattern of the contract, compiled on first use.
macro_rules! compiled {
    ($pattern:expr) => {
        std::sync::LazyLock::new(|| regex::Regex::new($pattern).expect("a valid pattern"))
    };
}
pub(crate) use compiled;
