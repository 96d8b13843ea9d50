//! The document on the wire, and the policy that it says. Every section is
//! read for itself, and everything that is wrong is told at once; what only
//! the whole can show is told by `lint`.

use mainstay_chassis::role;
use mainstay_practice::condition::Condition;
use mainstay_practice::{Finding, PolicyDocument, Word};
use mainstay_proto::mainstay::incident::v1 as pb;
use prost_types::Duration;

use super::{
    AUTO_CLOSE_US, CREATE, FACTS, FIELDS, MajorRule, Matrix, Policy, Standing, Statuses, VerbRule,
    lint,
};
use crate::incident::{HoldReason, Impact, State, Urgency, Verb};
use crate::wire::OnWire;

/// The shortest window: a minute.
const SHORTEST_S: i64 = 60;
/// The longest window: ten years.
const LONGEST_S: i64 = 3_653 * 86_400;

impl PolicyDocument for Policy {
    type Wire = pb::IncidentPolicy;

    const KIND: &'static str = "incident";
    const TYPE: &'static str = "mainstay.incident.v1.IncidentPolicy";

    fn default_wire() -> Self::Wire {
        Self::default().told()
    }

    fn compile(wire: &Self::Wire) -> Result<Self, Vec<Finding>> {
        let mut reading = Reading::default();
        let policy = Self {
            matrix: reading.matrix(&wire.matrix),
            holds: reading.holds(&wire.hold_reasons),
            rules: reading.rules(&wire.verbs),
            statuses: reading.statuses(&wire.statuses),
            reopen_window_us: reading
                .window("reopen_window", wire.reopen_window.as_ref())
                .unwrap_or(super::REOPEN_WINDOW_US),
            auto_close_us: match wire.auto_close_window.as_ref() {
                None => Some(AUTO_CLOSE_US),
                Some(never) if *never == Duration::default() => None,
                window => reading.window("auto_close_window", window),
            },
            major: reading.major(&wire.major_incident_rules),
        };
        let mut findings = reading.0;
        findings.extend(lint::findings(&policy));
        match findings.is_empty() {
            true => Ok(policy),
            false => Err(findings),
        }
    }
}

/// What was found wrong so far.
#[derive(Default)]
struct Reading(Vec<Finding>);

impl Reading {
    fn wrong(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Finding::at(field, message));
    }

    fn matrix(&mut self, cells: &[pb::PriorityCell]) -> Matrix {
        if cells.is_empty() {
            return Matrix::default();
        }
        let pair =
            |cell: &pb::PriorityCell| Some((Impact::of(cell.impact)?, Urgency::of(cell.urgency)?));
        for (index, cell) in cells.iter().enumerate() {
            if cells[..index]
                .iter()
                .any(|earlier| pair(earlier) == pair(cell))
            {
                self.wrong(format!("matrix[{index}]"), "names its pair again: keep one");
            }
        }
        let tell = |impact, urgency| {
            let cell = cells
                .iter()
                .find(|cell| pair(cell) == Some((impact, urgency)))?;
            OnWire::of(cell.priority)
        };
        let holes = Matrix::holes(tell);
        if !holes.is_empty() {
            self.wrong("matrix", format!("has holes: add {}", holes.join(", ")));
        }
        Matrix::of(tell).unwrap_or_default()
    }

    fn holds(&mut self, rules: &[pb::HoldReasonRule]) -> Vec<(HoldReason, String)> {
        if rules.is_empty() {
            return Policy::default().holds;
        }
        let mut holds: Vec<(HoldReason, String)> = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let Some(reason) = HoldReason::of(rule.reason) else {
                continue;
            };
            if holds.iter().any(|(known, _)| *known == reason) {
                let field = format!("hold_reasons[{index}].reason");
                self.wrong(field, "stands there already: keep one");
            }
            holds.push((reason, rule.label.clone()));
        }
        holds
    }

    fn rules(&mut self, rules: &[pb::VerbRule]) -> Vec<VerbRule> {
        let rules = rules.iter().enumerate();
        rules
            .filter_map(|(place, rule)| self.rule(place, rule))
            .collect()
    }

    fn rule(&mut self, place: usize, said: &pb::VerbRule) -> Option<VerbRule> {
        let field = |name: &str| format!("verbs[{place}].{name}");
        // Personal data are taken out whatever a policy says.
        let verbs = Verb::ALL.iter().filter(|verb| **verb != Verb::Redact);
        let words = verbs.map(|verb| verb.word()).chain([CREATE]);
        let words: Vec<&'static str> = words.collect();
        let verb = words.iter().find(|word| **word == said.verb).copied();
        if verb.is_none() {
            let remedy = format!("is no verb: write one of {}", words.join(", "));
            self.wrong(field("verb"), remedy);
        }
        for (index, role) in said.roles.iter().enumerate() {
            if !role::ROLES.contains(&role.as_str()) {
                let remedy = format!("is no role: write one of {}", role::ROLES.join(", "));
                self.wrong(field(&format!("roles[{index}]")), remedy);
            }
        }
        let mut required = Vec::new();
        for (index, name) in said.required_fields.iter().enumerate() {
            match FIELDS.iter().find(|known| *known == name) {
                Some(known) => required.push(*known),
                None => {
                    let remedy = "is no field of Incident that a policy may ask for";
                    self.wrong(field(&format!("required_fields[{index}]")), remedy);
                }
            }
        }
        let guard = self.condition(field("guard"), &said.guard);
        match (said.guard.is_empty(), said.message.is_empty()) {
            (false, true) => self.wrong(field("message"), "is required with a guard"),
            (true, false) => self.wrong(field("message"), "goes with a guard only"),
            (true, true) | (false, false) => {}
        }
        Some(VerbRule {
            place,
            verb: verb?,
            roles: said.roles.clone(),
            required,
            guard,
            message: said.message.clone(),
        })
    }

    fn condition(&mut self, field: String, text: &str) -> Option<Condition> {
        if text.is_empty() {
            return None;
        }
        match Condition::read(text, FACTS) {
            Ok(condition) => Some(condition),
            Err(remedy) => {
                self.wrong(field, format!("cannot be used: {remedy}"));
                None
            }
        }
    }

    fn statuses(&mut self, rules: &[pb::StatusRule]) -> Statuses {
        if rules.is_empty() {
            return Statuses::default();
        }
        for (index, rule) in rules.iter().enumerate() {
            if rules[..index].iter().any(|earlier| earlier.id == rule.id) {
                let field = format!("statuses[{index}].id");
                self.wrong(field, format!("is {} again: name each once", rule.id));
            }
            for (place, next) in rule.next.iter().enumerate() {
                if !rules.iter().any(|rule| rule.id == *next) {
                    let field = format!("statuses[{index}].next[{place}]");
                    self.wrong(field, format!("names {next}, which is no status"));
                }
            }
        }
        let standing = |rule: &pb::StatusRule| {
            Some(Standing {
                id: rule.id.clone(),
                label: rule.label.clone(),
                state: State::of(rule.state)?,
                next: rule.next.clone(),
            })
        };
        Statuses::new(rules.iter().filter_map(standing).collect())
    }

    fn window(&mut self, field: &str, window: Option<&Duration>) -> Option<i64> {
        let window = window?;
        if !(SHORTEST_S..=LONGEST_S).contains(&window.seconds) {
            self.wrong(field, "must be a minute at least and ten years at most");
            return None;
        }
        let whole = window.seconds.saturating_mul(1_000_000);
        Some(whole.saturating_add(i64::from(window.nanos / 1_000)))
    }

    fn major(&mut self, rules: &[pb::MajorIncidentRule]) -> Vec<MajorRule> {
        let mut read = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            let field = |name: &str| format!("major_incident_rules[{place}].{name}");
            if rules[..place].iter().any(|earlier| earlier.id == rule.id) {
                self.wrong(field("id"), format!("is {} again: name each once", rule.id));
            }
            let Some(condition) = self.condition(field("condition"), &rule.condition) else {
                continue;
            };
            let mentions = condition.mentions();
            let beyond = mentions
                .iter()
                .find(|path| !path.starts_with("incident.") && **path != "now");
            if let Some(path) = beyond {
                let remedy = format!("speaks of {path}: only incident and now are known here");
                self.wrong(field("condition"), remedy);
            }
            read.push(MajorRule {
                place,
                id: rule.id.clone(),
                condition,
                reason: rule.reason.clone(),
            });
        }
        read
    }
}

impl Policy {
    /// The policy as a document, with every section.
    pub fn told(&self) -> pb::IncidentPolicy {
        let cell = |impact: Impact, urgency: Urgency| pb::PriorityCell {
            impact: impact.number(),
            urgency: urgency.number(),
            priority: self.matrix.priority(impact, urgency).number(),
        };
        let hold = |(reason, label): &(HoldReason, String)| pb::HoldReasonRule {
            reason: reason.number(),
            label: label.clone(),
        };
        let status = |standing: &Standing| pb::StatusRule {
            id: standing.id.clone(),
            label: standing.label.clone(),
            state: standing.state.number(),
            next: standing.next.clone(),
        };
        let rule = |rule: &VerbRule| pb::VerbRule {
            verb: rule.verb.to_owned(),
            roles: rule.roles.clone(),
            required_fields: rule.required.iter().map(|&name| name.to_owned()).collect(),
            guard: rule
                .guard
                .as_ref()
                .map(|guard| guard.text().to_owned())
                .unwrap_or_default(),
            message: rule.message.clone(),
        };
        let major = |rule: &MajorRule| pb::MajorIncidentRule {
            id: rule.id.clone(),
            condition: rule.condition.text().to_owned(),
            reason: rule.reason.clone(),
        };
        pb::IncidentPolicy {
            matrix: Matrix::PAIRS
                .map(|(impact, urgency)| cell(impact, urgency))
                .into(),
            hold_reasons: self.holds.iter().map(hold).collect(),
            verbs: self.rules.iter().map(rule).collect(),
            statuses: self.statuses.all().iter().map(status).collect(),
            reopen_window: Some(duration(self.reopen_window_us)),
            auto_close_window: Some(self.auto_close_us.map(duration).unwrap_or_default()),
            major_incident_rules: self.major.iter().map(major).collect(),
        }
    }
}

fn duration(us: i64) -> Duration {
    let nanos = i32::try_from(us % 1_000_000 * 1_000).unwrap_or_default();
    Duration {
        seconds: us / 1_000_000,
        nanos,
    }
}
