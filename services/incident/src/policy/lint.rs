//! What only the whole policy can show: statuses that nothing leads to, verbs
//! without a path, guards that can never hold, and activities that nobody, or
//! only the requester, could do.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_chassis::role;
use mainstay_practice::condition::{Condition, Models, Value};
use mainstay_practice::{Finding, Word};

use super::{Policy, Statuses, VerbRule};
use crate::incident::{LIFECYCLE, State, Verb};

/// Everything that is wrong with the whole.
pub(super) fn findings(policy: &Policy) -> Vec<Finding> {
    let mut findings = statuses(&policy.statuses);
    for rule in &policy.rules {
        findings.extend(roles(policy, rule));
        findings.extend(guard(policy, rule));
    }
    for rule in &policy.major {
        let models = rule.condition.models().with("incident.state", open_words());
        if models.any(|_| true) == Some(false) {
            let field = format!("major_incident_rules[{}].condition", rule.place);
            findings.push(Finding::at(
                field,
                "can never be true: correct or remove it",
            ));
        }
    }
    findings
}

fn open_words() -> Vec<Value> {
    let open = State::ALL.iter().filter(|state| state.is_open());
    open.map(|state| Value::from(state.word())).collect()
}

/// The permission that a rule's verb asks for.
fn permission(rule: &VerbRule) -> &'static str {
    match verb(rule) {
        Some(verb) => verb.permission(),
        None => "incident.create",
    }
}

fn verb(rule: &VerbRule) -> Option<Verb> {
    Verb::ALL
        .iter()
        .copied()
        .find(|verb| verb.word() == rule.verb)
}

/// The roles that hold the verb's permission and that all rules of the verb,
/// up to this one, admit.
fn able(policy: &Policy, rule: &VerbRule) -> Vec<&'static str> {
    let holding = role::ROLES
        .into_iter()
        .filter(|role| role::holds(role, permission(rule)));
    let admitted = |role: &&'static str| {
        let mut rules = policy
            .rules(rule.verb)
            .filter(|other| other.place <= rule.place);
        rules.all(|other| other.admits(&[(*role).to_owned()]))
    };
    holding.filter(admitted).collect()
}

/// A verb that no role could take.
fn roles(policy: &Policy, rule: &VerbRule) -> Option<Finding> {
    if rule.roles.is_empty() || !able(policy, rule).is_empty() {
        return None;
    }
    let holding = role::ROLES
        .into_iter()
        .filter(|role| role::holds(role, permission(rule)));
    let holding = holding.collect::<Vec<_>>().join(", ");
    let remedy = format!("let nobody {}: name one of {holding}", rule.verb);
    Some(Finding::at(format!("verbs[{}].roles", rule.place), remedy))
}

/// A guard that can never hold, or only for nobody, or only for the requester.
fn guard(policy: &Policy, rule: &VerbRule) -> Option<Finding> {
    let guard = rule.guard.as_ref()?;
    let finding =
        |remedy: String| Some(Finding::at(format!("verbs[{}].guard", rule.place), remedy));
    let models = || cases(guard, rule);
    if models().any(may_be) == Some(false) {
        return finding(format!(
            "can never be true, so that nobody could {}",
            rule.verb
        ));
    }
    let able = able(policy, rule);
    let one = |role: &&str| Value::Texts(vec![(*role).to_owned()]);
    let by_role = models().with("actor.roles", able.iter().map(one));
    if !able.is_empty() && by_role.any(may_be) == Some(false) {
        let remedy = format!(
            "is true for no role that could {}: {}",
            rule.verb,
            able.join(", ")
        );
        return finding(remedy);
    }
    match models().any(|case| may_be(case) && !is_requester(case)) == Some(false) {
        true => finding(format!(
            "lets only the requester {}: let a role do it too",
            rule.verb
        )),
        false => None,
    }
}

/// The cases of a verb's guard: before it the states from which the verb is
/// open, after it the state to which it leads.
fn cases<'a>(guard: &'a Condition, rule: &VerbRule) -> Models<'a> {
    let words = |states: &[State]| -> Vec<Value> {
        states
            .iter()
            .map(|state| Value::from(state.word()))
            .collect()
    };
    let models = guard.models().with("verb", [Value::from(rule.verb)]);
    match verb(rule).and_then(|verb| LIFECYCLE.0.iter().find(|rule| rule.verb == verb)) {
        Some(row) => {
            let after = row.to.map_or_else(|| words(row.from), |to| words(&[to]));
            let models = models.with("previous.state", words(row.from));
            models.with("incident.state", after)
        }
        None => models
            .with("previous.state", [Value::from("")])
            .with("incident.state", words(&[State::New])),
    }
}

/// Whether the facts go together: a hold has a reason, and nothing else has one.
fn may_be(case: &BTreeMap<&'static str, Value>) -> bool {
    let held = |state: &str, reason: &str| match (case.get(state), case.get(reason)) {
        (Some(state), Some(reason)) => (*state == Value::from("ON_HOLD")) != reason.is_empty(),
        (Some(_), None) | (None, Some(_)) | (None, None) => true,
    };
    held("incident.state", "incident.hold.reason") && held("previous.state", "previous.hold.reason")
}

fn is_requester(case: &BTreeMap<&'static str, Value>) -> bool {
    let actor = case.get("actor.slug");
    let requesters = [
        "incident.requester",
        "previous.requester",
        "incident.creator",
    ];
    actor.is_some() && requesters.iter().any(|path| case.get(path) == actor)
}

/// What is wrong with the statuses and the steps between them.
fn statuses(statuses: &Statuses) -> Vec<Finding> {
    let mut findings = Vec::new();
    for state in State::ALL {
        if !statuses
            .all()
            .iter()
            .any(|standing| standing.state == *state)
        {
            let remedy = format!("have none for the state {}: add one", state.word());
            findings.push(Finding::at("statuses", remedy));
        }
    }
    if !findings.is_empty() {
        return findings;
    }
    let reached = reached(statuses);
    for (index, standing) in statuses.all().iter().enumerate() {
        if !reached.contains(standing.id.as_str()) {
            let remedy = format!(
                "cannot reach {}: let an earlier status name it in next",
                standing.id
            );
            findings.push(Finding::at(format!("statuses[{index}]"), remedy));
        }
    }
    for row in LIFECYCLE.0 {
        let Some(to) = row.to else {
            continue;
        };
        let from = statuses.all().iter().filter(|standing| {
            row.from.contains(&standing.state) && reached.contains(standing.id.as_str())
        });
        let mut ways =
            from.filter(|standing| statuses.following(&standing.id, to).next().is_some());
        if ways.next().is_none() {
            let remedy = format!(
                "leave {} no path: let a status before it be followed by one of {}",
                row.verb.word(),
                to.word()
            );
            findings.push(Finding::at("statuses", remedy));
        }
    }
    findings
}

/// The statuses that an incident can come to: it begins in any of NEW.
fn reached(statuses: &Statuses) -> BTreeSet<&str> {
    let new = statuses
        .all()
        .iter()
        .filter(|standing| standing.state == State::New);
    let mut reached: BTreeSet<&str> = new.map(|standing| standing.id.as_str()).collect();
    let mut open: Vec<&str> = reached.iter().copied().collect();
    while let Some(from) = open.pop() {
        let Some((_, standing)) = statuses.get(from) else {
            continue;
        };
        for state in targets(standing.state) {
            for (_, next) in statuses.following(from, state) {
                if reached.insert(&next.id) {
                    open.push(&next.id);
                }
            }
        }
    }
    reached
}

/// The states to which a verb leads from one, and that state itself as long as
/// it can be updated.
fn targets(state: State) -> Vec<State> {
    let rows = LIFECYCLE.0.iter().filter(|row| row.from.contains(&state));
    let own = LIFECYCLE.next(state, Verb::Update).is_ok().then_some(state);
    rows.filter_map(|row| row.to).chain(own).collect()
}
