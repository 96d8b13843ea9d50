//! The mapping: a YAML document that says which columns of a foreign log are
//! what, and what its words mean here. Errors name the place. Beside
//! `bundle.rs` it alone knows the YAML library.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mainstay_proto::mainstay::incident::v1 as pb;
use serde::Deserialize;

use super::slug;
use super::template::Template;

/// The version of the format that this program reads.
const VERSION: u32 = 1;

/// What stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    version: u32,
    /// What separates the cells of a row.
    #[serde(default = "comma")]
    pub(super) delimiter: char,
    pub(super) origin: Origin,
    pub(super) columns: Columns,
    pub(super) title: Template,
    pub(super) description: Option<Template>,
    pub(super) status: Statuses,
    pub(super) impact: Option<Scale<Impact>>,
    pub(super) urgency: Option<Scale<Urgency>>,
    pub(super) service: Option<Names>,
    pub(super) team: Option<Names>,
    pub(super) assignee: Option<Names>,
    /// Label to column, both of the incident's first row.
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}

/// Where the incidents come from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    pub(super) source: String,
    pub(super) uri: Option<Template>,
}

/// The columns that every log must have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Columns {
    pub(super) key: String,
    pub(super) time: String,
}

/// The columns that tell the status, and what each of its values means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Statuses {
    pub(super) columns: Vec<String>,
    pub(super) values: BTreeMap<String, Status>,
}

/// What a source status means.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Status {
    pub(super) state: State,
    pub(super) hold_reason: Option<HoldReason>,
    /// Whether it is NEW instead, as long as the incident has been nothing else.
    #[serde(default)]
    pub(super) new_at_first: bool,
    /// Whether nobody has the incident, whatever the assignee's column says.
    #[serde(default)]
    pub(super) unassigned: bool,
}

/// A constant, or a column with what its values mean.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scale<T> {
    pub(super) constant: Option<T>,
    pub(super) column: Option<String>,
    pub(super) values: Option<BTreeMap<String, T>>,
}

/// A column of names that become slugs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Names {
    pub(super) column: String,
    /// Values that stand for nothing, as an empty cell does.
    #[serde(default)]
    pub(super) absent: Vec<String>,
    /// Slugs for single values.
    #[serde(default)]
    pub(super) overrides: BTreeMap<String, String>,
}

/// `IncidentState`, as written in a mapping.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum State {
    New,
    InProgress,
    OnHold,
    Mitigated,
    Resolved,
    Closed,
    Cancelled,
}

/// `HoldReason`, as written in a mapping.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum HoldReason {
    Requester,
    Vendor,
    Change,
    Problem,
    Parts,
    Other,
}

/// `Impact`, as written in a mapping.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Impact {
    Low,
    Medium,
    High,
    Critical,
}

/// `Urgency`, as written in a mapping.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Urgency {
    Low,
    Medium,
    High,
}

fn comma() -> char {
    ','
}

impl Mapping {
    /// Reads a mapping and checks what its shape alone does not.
    ///
    /// # Errors
    /// What is wrong and where, as text for a person.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_nodes: 50_000, max_aliases: 0 } };
        let mapping: Self = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| error.to_string())?;
        let mut wrong = Wrong::default();
        mapping.check(&mut wrong);
        wrong.0.is_empty().then_some(mapping).ok_or(wrong.0)
    }

    fn check(&self, wrong: &mut Wrong) {
        if self.version != VERSION {
            wrong.at(
                "version",
                &format!(
                    "{} is not known; this program reads {VERSION}",
                    self.version
                ),
            );
        }
        if !self.delimiter.is_ascii() || matches!(self.delimiter, '"' | '\n' | '\r') {
            wrong.at(
                "delimiter",
                "must be one ASCII character, not a quote or line end",
            );
        }
        if !slug::is_slug(&self.origin.source) {
            wrong.at("origin.source", &slug::demand(&self.origin.source));
        }
        self.status.check(wrong);
        check_scale(self.impact.as_ref(), "impact", wrong);
        check_scale(self.urgency.as_ref(), "urgency", wrong);
        for (place, names) in self.names() {
            names.check(place, wrong);
        }
        if self.labels.len() > 64 {
            wrong.at("labels", "at most 64 are allowed");
        }
        for label in self.labels.keys() {
            if !(1..=63).contains(&label.chars().count()) {
                wrong.at(
                    &format!("labels.{label:?}"),
                    "a label has 1 to 63 characters",
                );
            }
        }
    }

    /// The columns of names that there are, with their place in the document.
    pub(super) fn names(&self) -> impl Iterator<Item = (&'static str, &Names)> {
        [
            ("service", self.service.as_ref()),
            ("team", self.team.as_ref()),
            ("assignee", self.assignee.as_ref()),
        ]
        .into_iter()
        .filter_map(|(place, names)| Some((place, names?)))
    }
}

impl Statuses {
    fn check(&self, wrong: &mut Wrong) {
        if !(1..=2).contains(&self.columns.len()) {
            wrong.at("status.columns", "must name one or two columns");
        }
        if self.values.is_empty() {
            wrong.at("status.values", "must say what at least one status means");
        }
        for (value, status) in &self.values {
            let place = format!("status.values.{value:?}");
            if self.columns.len() == 2 && !value.contains('/') {
                wrong.at(
                    &place,
                    "must be the values of the two columns, joined by `/`",
                );
            }
            let held = status.state == State::OnHold;
            match status.hold_reason {
                None if held => wrong.at(&place, "ON_HOLD needs a hold_reason"),
                Some(_) if !held => wrong.at(&place, "a hold_reason is for ON_HOLD only"),
                None | Some(_) => {}
            }
        }
    }
}

impl Names {
    fn check(&self, place: &str, wrong: &mut Wrong) {
        for (value, slug) in &self.overrides {
            if !slug::is_slug(slug) {
                wrong.at(&format!("{place}.overrides.{value:?}"), &slug::demand(slug));
            }
            if self.absent.contains(value) {
                wrong.at(
                    &format!("{place}.overrides.{value:?}"),
                    "stands under `absent` too",
                );
            }
        }
    }
}

fn check_scale<T>(scale: Option<&Scale<T>>, place: &str, wrong: &mut Wrong) {
    let Some(scale) = scale else { return };
    match (&scale.constant, &scale.column, &scale.values) {
        (Some(_), None, None) | (None, Some(_), Some(_)) => {}
        _ => wrong.at(place, "needs either `constant`, or `column` and `values`"),
    }
}

/// What is wrong with a mapping, a line each.
#[derive(Default)]
struct Wrong(String);

impl Wrong {
    fn at(&mut self, place: &str, what: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{gap}{place}: {what}");
    }
}

impl From<State> for pb::IncidentState {
    fn from(state: State) -> Self {
        match state {
            State::New => Self::New,
            State::InProgress => Self::InProgress,
            State::OnHold => Self::OnHold,
            State::Mitigated => Self::Mitigated,
            State::Resolved => Self::Resolved,
            State::Closed => Self::Closed,
            State::Cancelled => Self::Cancelled,
        }
    }
}

impl From<HoldReason> for pb::HoldReason {
    fn from(reason: HoldReason) -> Self {
        match reason {
            HoldReason::Requester => Self::Requester,
            HoldReason::Vendor => Self::Vendor,
            HoldReason::Change => Self::Change,
            HoldReason::Problem => Self::Problem,
            HoldReason::Parts => Self::Parts,
            HoldReason::Other => Self::Other,
        }
    }
}

impl From<Impact> for pb::Impact {
    fn from(impact: Impact) -> Self {
        match impact {
            Impact::Low => Self::Low,
            Impact::Medium => Self::Medium,
            Impact::High => Self::High,
            Impact::Critical => Self::Critical,
        }
    }
}

impl From<Urgency> for pb::Urgency {
    fn from(urgency: Urgency) -> Self {
        match urgency {
            Urgency::Low => Self::Low,
            Urgency::Medium => Self::Medium,
            Urgency::High => Self::High,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mapping;

    const GOOD: &str = "
version: 1
origin: { source: desk }
columns: { key: id, time: at }
title: '{id}'
status:
  columns: [status]
  values:
    open: { state: IN_PROGRESS }
";

    fn told(change: (&str, &str), expected: &str) {
        assert!(GOOD.contains(change.0), "{}", change.0);
        let error = Mapping::parse(&GOOD.replace(change.0, change.1)).unwrap_err();
        assert!(error.contains(expected), "{expected:?} in {error}");
    }

    #[test]
    fn the_least_mapping_is_enough() {
        let mapping = Mapping::parse(GOOD).unwrap();
        assert_eq!((mapping.delimiter, mapping.names().count()), (',', 0));
    }

    #[test]
    fn the_mapping_that_ships_is_right() {
        Mapping::parse(include_str!("../../../config/volvo-it-2013.yaml")).unwrap();
    }

    #[test]
    fn unknown_keys_and_words_are_told_with_their_line() {
        told(("title: '{id}'", "titel: '{id}'"), "titel");
        told(("title: '{id}'", "titel: '{id}'"), "line 5");
        told(("IN_PROGRESS", "DOING"), "DOING");
        told(("IN_PROGRESS", "DOING"), "IN_PROGRESS");
        told(("'{id}'", "'{id'"), "without its other half");
        told(
            ("columns: { key: id, time: at }", "columns: { key: id }"),
            "time",
        );
    }

    #[test]
    fn what_the_shape_allows_and_the_contract_does_not_is_told_with_its_place() {
        told(
            ("version: 1", "version: 2"),
            "version: 2 is not known; this program reads 1",
        );
        told(
            ("source: desk", "source: Desk"),
            "origin.source: \"Desk\" is not a slug",
        );
        told(
            ("state: IN_PROGRESS", "state: ON_HOLD"),
            "status.values.\"open\": ON_HOLD needs a hold_reason",
        );
        told(
            ("state: IN_PROGRESS", "state: NEW, hold_reason: OTHER"),
            "status.values.\"open\": a hold_reason is for ON_HOLD only",
        );
        told(
            ("[status]", "[]"),
            "status.columns: must name one or two columns",
        );
        told(
            ("[status]", "[status, sub]"),
            "status.values.\"open\": must be the values of the two columns",
        );
        told(
            ("title:", "impact: { constant: LOW, column: c }\ntitle:"),
            "impact: needs either `constant`",
        );
        told(
            ("title:", "impact: { column: c }\ntitle:"),
            "impact: needs either `constant`",
        );
        told(
            ("title:", "team: { column: c, overrides: { A: B } }\ntitle:"),
            "team.overrides.\"A\": \"B\" is not a slug",
        );
        told(
            (
                "title:",
                "team: { column: c, absent: [A], overrides: { A: b } }\ntitle:",
            ),
            "team.overrides.\"A\": stands under `absent` too",
        );
        told(
            ("title:", "labels: { '': c }\ntitle:"),
            "labels.\"\": a label has 1 to 63 characters",
        );
        told(
            ("title:", "delimiter: '\"'\ntitle:"),
            "delimiter: must be one ASCII character",
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let two = GOOD
            .replace("desk", "Desk")
            .replace("version: 1", "version: 9");
        assert_eq!(Mapping::parse(&two).unwrap_err().lines().count(), 2);
    }

    #[test]
    fn a_key_that_stands_twice_and_a_bomb_of_aliases_are_refused() {
        let twice = GOOD.replace("    open:", "    open: { state: NEW }\n    open:");
        assert!(Mapping::parse(&twice).is_err());
        let bomb = format!("{GOOD}labels: &a {{ column: c }}\nteam: *a\n");
        assert!(Mapping::parse(&bomb).is_err());
    }
}
