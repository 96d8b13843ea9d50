//! What a condition may speak of: an incident before and after a verb, who
//! takes it and when.

use mainstay_practice::condition::{Fact, Kind, Value};
use mainstay_practice::{Moment, Record, Word};
use sea_orm::ActiveEnum;

use crate::incident::{Incident, Resolution};

/// A verb that is about to be taken.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The verb, or `create`.
    pub verb: &'a str,
    /// The incident before it; none on creation.
    pub previous: Option<&'a Incident>,
    /// The incident as it would be after it.
    pub incident: &'a Incident,
    /// What the caller gave as reason or note.
    pub reason: &'a str,
    /// Who takes it, and when.
    pub at: &'a Moment,
}

const STATES: &[&str] = &[
    "NEW",
    "IN_PROGRESS",
    "ON_HOLD",
    "MITIGATED",
    "RESOLVED",
    "CLOSED",
    "CANCELLED",
];
const IMPACTS: &[&str] = &["LOW", "MEDIUM", "HIGH", "CRITICAL"];
const URGENCIES: &[&str] = &["LOW", "MEDIUM", "HIGH"];
const PRIORITIES: &[&str] = &["P1", "P2", "P3", "P4", "P5"];
const SEVERITIES: &[&str] = &["SEV1", "SEV2", "SEV3", "SEV4", "SEV5"];
const REASONS: &[&str] = &["REQUESTER", "VENDOR", "CHANGE", "PROBLEM", "PARTS", "OTHER"];
const CODES: &[&str] = &[
    "FIXED",
    "WORKAROUND",
    "SELF_RECOVERED",
    "NOT_REPRODUCIBLE",
    "FALSE_ALARM",
    "DUPLICATE",
    "IMPORTED",
];

/// A field per line: its name, what it is, and how it is told.
macro_rules! fields {
    ($($name:literal: $kind:expr, |$it:ident| $told:expr;)*) => {
        /// The fields of an incident that a policy may speak of.
        pub const FIELDS: &[&str] = &[$($name),*];

        /// What a condition may speak of.
        pub const FACTS: &[Fact] = &[
            $(
                Fact { path: concat!("incident.", $name), kind: $kind },
                Fact { path: concat!("previous.", $name), kind: $kind },
            )*
            Fact { path: "actor.name", kind: Kind::Text },
            Fact { path: "actor.slug", kind: Kind::Text },
            Fact { path: "actor.roles", kind: Kind::Texts },
            Fact { path: "verb", kind: Kind::Text },
            Fact { path: "reason", kind: Kind::Text },
            Fact { path: "now", kind: Kind::Instant },
        ];

        fn told(incident: &Incident, name: &str) -> Value {
            match name {
                $($name => { let $it = incident; $told })*
                _ => Value::Nothing,
            }
        }

        fn kind(name: &str) -> Kind {
            match name {
                $($name => $kind,)*
                _ => Kind::Text,
            }
        }
    };
}

fields! {
    "title": Kind::Text, |it| Value::from(it.title());
    "description": Kind::Text, |it| Value::from(it.description());
    "state": Kind::Word(STATES), |it| Value::from(it.state().word());
    "status": Kind::Text, |it| Value::from(it.status());
    "impact": Kind::Word(IMPACTS), |it| Value::Text(it.impact().to_value());
    "urgency": Kind::Word(URGENCIES), |it| Value::Text(it.urgency().to_value());
    "priority": Kind::Word(PRIORITIES), |it| Value::Text(it.priority().to_value());
    "severity": Kind::Word(SEVERITIES), |it| {
        Value::Text(it.severity().map(|severity| severity.to_value()).unwrap_or_default())
    };
    "category": Kind::Text, |it| text(it.category());
    "service": Kind::Text, |it| text(it.service());
    "affected_services": Kind::Texts, |it| Value::Texts(it.affected_services().to_vec());
    "team": Kind::Text, |it| text(it.team());
    "assignee": Kind::Text, |it| text(it.assignee());
    "creator": Kind::Text, |it| Value::from(slug(it.creator()));
    "requester": Kind::Text, |it| text(it.requester());
    "origin.source": Kind::Text, |it| {
        Value::Text(it.origin().map(|origin| origin.source).unwrap_or_default())
    };
    "hold.reason": Kind::Word(REASONS), |it| text(it.hold().map(|hold| hold.reason.word()));
    "hold.note": Kind::Text, |it| text(it.hold().map(|hold| hold.note.as_str()));
    "hold.since_time": Kind::Instant, |it| Value::instant(it.hold().map(|hold| hold.since_us));
    "hold.resume_time": Kind::Instant, |it| {
        Value::instant(it.hold().and_then(|hold| hold.resume_us))
    };
    "resolution.code": Kind::Word(CODES), |it| {
        text(it.resolution().map(|resolution| resolution.code.word()))
    };
    "resolution.summary": Kind::Text, |it| {
        text(it.resolution().map(|resolution| resolution.summary.as_str()))
    };
    "resolution.cause_code": Kind::Text, |it| text(it.resolution().and_then(cause));
    "parent": Kind::Text, |it| Value::Text(it.parent().map(|id| id.to_string()).unwrap_or_default());
    "recurrence_of": Kind::Text, |it| {
        Value::Text(it.recurrence_of().map(|id| id.to_string()).unwrap_or_default())
    };
    "labels": Kind::Labels, |it| Value::Labels(it.label_map().clone());
    "milestones.impact_start_time": Kind::Instant, |it| {
        Value::instant(it.milestones().impact_start_us)
    };
    "milestones.detect_time": Kind::Instant, |it| Value::instant(it.milestones().detect_us);
    "milestones.acknowledge_time": Kind::Instant, |it| {
        Value::instant(it.milestones().acknowledge_us)
    };
    "milestones.first_response_time": Kind::Instant, |it| {
        Value::instant(it.milestones().first_response_us)
    };
    "milestones.identify_time": Kind::Instant, |it| Value::instant(it.milestones().identify_us);
    "milestones.mitigate_time": Kind::Instant, |it| Value::instant(it.milestones().mitigate_us);
    "milestones.restore_time": Kind::Instant, |it| Value::instant(it.milestones().restore_us);
    "milestones.resolve_time": Kind::Instant, |it| Value::instant(it.milestones().resolve_us);
    "milestones.close_time": Kind::Instant, |it| Value::instant(it.milestones().close_us);
    "reopen_count": Kind::Number, |it| Value::Number(it.reopen_count().into());
    "create_time": Kind::Instant, |it| Value::Instant(it.create_us());
}

impl Case<'_> {
    /// A fact.
    pub fn value(&self, path: &str) -> Value {
        if let Some(name) = path.strip_prefix("incident.") {
            return told(self.incident, name);
        }
        if let Some(name) = path.strip_prefix("previous.") {
            let absent = || nothing(kind(name));
            return self.previous.map_or_else(absent, |it| told(it, name));
        }
        match path {
            "actor.name" => Value::from(self.at.actor.as_str()),
            "actor.slug" => Value::from(slug(&self.at.actor)),
            "actor.roles" => Value::Texts(self.at.roles.to_vec()),
            "verb" => Value::from(self.verb),
            "reason" => Value::from(self.reason),
            "now" => Value::Instant(self.at.now_us),
            _ => Value::Nothing,
        }
    }

    /// A field of the incident as it would be after the verb.
    pub fn field(&self, name: &str) -> Value {
        told(self.incident, name)
    }

    /// The incident's name.
    pub fn resource(&self) -> String {
        self.incident.name()
    }
}

/// What a field is when there is no incident.
fn nothing(kind: Kind) -> Value {
    match kind {
        Kind::Text | Kind::Word(_) => Value::from(""),
        Kind::Number => Value::Number(0),
        Kind::Flag => Value::Flag(false),
        Kind::Instant => Value::Nothing,
        Kind::Texts => Value::Texts(Vec::new()),
        Kind::Labels => Value::Labels(std::collections::BTreeMap::new()),
    }
}

fn text(text: Option<&str>) -> Value {
    Value::from(text.unwrap_or_default())
}

fn cause(resolution: &Resolution) -> Option<&str> {
    resolution.cause_code.as_deref()
}

/// The last part of a name.
fn slug(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{HoldReason, Impact, Priority, ResolutionCode, Severity, State, Urgency};
    use sea_orm::Iterable;

    #[test]
    fn the_words_of_conditions_are_those_of_the_record() {
        fn values<T: Iterable + ActiveEnum<Value = String>>() -> Vec<String> {
            T::iter().map(|value| value.to_value()).collect()
        }
        assert_eq!(
            STATES,
            State::ALL
                .iter()
                .map(|state| state.word())
                .collect::<Vec<_>>()
        );
        assert_eq!(IMPACTS, values::<Impact>());
        assert_eq!(URGENCIES, values::<Urgency>());
        assert_eq!(PRIORITIES, values::<Priority>());
        assert_eq!(SEVERITIES, values::<Severity>());
        assert_eq!(REASONS, HoldReason::ALL.map(HoldReason::word));
        assert_eq!(CODES, ResolutionCode::ALL.map(ResolutionCode::word));
    }
}
