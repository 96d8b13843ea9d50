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
        let seen = |needs: &String| {
            self.principal.organization() == ALL_ORGANIZATIONS || self.principal.may(needs)
        };
        let wanted = |patterns: &[String], text: &str, wild: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, text, wild))
        };
        entry.needs.as_ref().is_none_or(seen)
            && wanted(&self.types, &entry.event_type, ".*")
            && wanted(&self.subjects, &entry.subject, "/*")
    }
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
