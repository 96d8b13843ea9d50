//! Why a policy decided as it did.

use std::collections::BTreeMap;

/// At most so many characters of what a rule looked at are told.
const LONGEST: usize = 200;

/// A rule that was asked, and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where it stands in the document, such as `verbs[2].guard`.
    pub place: String,
    /// What it came to.
    pub result: String,
    /// What it looked at, by name.
    pub inputs: BTreeMap<String, String>,
}

/// Every rule that was asked, under which version, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// Name of the version.
    pub version: String,
    /// The roles of who acted.
    pub roles: Vec<String>,
    /// Whether the suite itself acted, of which no rule for verbs is asked.
    pub automatic: bool,
    /// The rules, in the order in which they were asked.
    pub asked: Vec<Asked>,
}

impl Asked {
    /// A rule came to something, having looked at nothing.
    pub fn new(place: impl Into<String>, result: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            result: result.into(),
            inputs: BTreeMap::new(),
        }
    }

    /// Having looked at something.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref().chars().take(LONGEST).collect();
        self.inputs.insert(name.to_owned(), value);
        self
    }
}
