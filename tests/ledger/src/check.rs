//! Joins what was acknowledged with what is kept. Pure: it reads evidence and
//! names every violation that it finds.

mod account;
mod log;
mod operations;
mod records;
mod subscribers;

use std::collections::HashMap;
use std::fmt;

pub use account::{Account, Verdict, accounts};
pub use log::chained;
pub use subscribers::matches;

use crate::evidence::{Evidence, LogRow};

/// What kind of promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Acknowledged, and not there.
    Lost,
    /// There more than once.
    Doubled,
    /// There, though nobody asked for it, or though it was refused.
    Phantom,
    /// A number is missing in what must be dense.
    Gap,
    /// Something comes before what it must follow.
    Order,
    /// The hash chain does not hold.
    Chain,
    /// Two accounts of the same thing differ.
    Differs,
    /// A subscriber was not served as promised.
    Subscriber,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub kind: Kind,
    /// What was found.
    pub text: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.text)
    }
}

/// Collects violations.
#[derive(Debug, Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, kind: Kind, text: impl Into<String>) {
        self.0.push(Violation {
            kind,
            text: text.into(),
        });
    }
}

/// Every violation in the evidence.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Findings::default();
    let accounts = accounts(&evidence.entries);
    let mut events: HashMap<&str, Vec<&LogRow>> = HashMap::new();
    for row in &evidence.log {
        events.entry(&row.correlation_id).or_default().push(row);
    }
    log::check(evidence, &mut found);
    account::check(&accounts, &mut found);
    operations::check(evidence, &accounts, &events, &mut found);
    operations::check_order(&accounts, &events, &mut found);
    records::check(evidence, &mut found);
    subscribers::check(evidence, &accounts, &mut found);
    found.0
}

#[cfg(test)]
#[path = "check/tests.rs"]
mod tests;
