//! Which events of a log a reader gets: those that it may see and asks for.

use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_chassis::{Principal, Refusal};
use mainstay_proto::mainstay::event::v1 as pb;

use crate::log::Entry;
use crate::name;

/// Which events of a log a reader gets.
#[derive(Clone, Debug)]
pub struct Sieve {
    pub(super) principal: Principal,
    types: Vec<String>,
    subjects: Vec<String>,
}

impl Sieve {
    /// The events that a principal may see and asks for.
    pub fn new(principal: Principal, filter: Option<pb::EventFilter>) -> Result<Self, Refusal> {
        let pb::EventFilter { types, subjects } = filter.unwrap_or_default();
        let organization = principal.organization().to_owned();
        let full = |(place, subject): (usize, String)| match subject.starts_with("organizations/") {
            true if organization == ALL_ORGANIZATIONS => Ok(subject),
            true => name::local(&subject, &organization).map(|_| subject.clone()),
            false if subject.contains('/') => Ok(format!("organizations/{organization}/{subject}")),
            false => Err(Refusal::invalid(
                format!("filter.subjects[{place}]"),
                "must be a name such as incidents/{id}, or a prefix such as incidents/*",
            )),
        };
        let subjects = subjects
            .into_iter()
            .enumerate()
            .map(full)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            principal,
            types,
            subjects,
        })
    }

    pub(super) fn passes(&self, entry: &Entry) -> bool {
        self.sees(entry) && wanted(&self.types, &entry.event_type, ".*")
    }

    /// Whether the record of which this is the newest event is told: types pick
    /// records by their package, since a record is no event of any of them.
    pub(super) fn lets_in(&self, entry: &Entry) -> bool {
        let package = |name: &str| name.rsplit_once('.').map(|(package, _)| package.to_owned());
        let own = package(&entry.event_type);
        self.sees(entry)
            && (self.types.is_empty() || self.types.iter().any(|pattern| package(pattern) == own))
    }

    /// Whether the reader may see the event and asks for its subject.
    fn sees(&self, entry: &Entry) -> bool {
        let seen = |needs: &String| {
            self.principal.organization() == ALL_ORGANIZATIONS || self.principal.may(needs)
        };
        entry.needs.as_ref().is_none_or(seen) && wanted(&self.subjects, &entry.subject, "/*")
    }
}

/// Whether nothing is asked for, or one of the patterns is met.
fn wanted(patterns: &[String], text: &str, wild: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, text, wild))
}

/// Whether a text is the pattern, or begins with it when it ends in a wildcard.
fn matches(pattern: &str, text: &str, wild: &str) -> bool {
    match pattern.strip_suffix(wild) {
        Some(prefix) => text
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with(&wild[..1])),
        None => pattern == text,
    }
}
