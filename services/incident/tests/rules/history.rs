//! Histories as pure functions: random facts against what is true after them.

use std::collections::BTreeMap;

use mainstay_incident::incident::history::{Fact, History};
use mainstay_incident::incident::{Event, HoldReason, Impact, Incident, Origin, State, Urgency};
use mainstay_practice::{Record, Stamp, Word};
use proptest::prelude::*;

use crate::{assert_invariants, by, moment};

fn facts() -> impl Strategy<Value = Vec<Fact>> {
    let slug = || {
        prop::option::weighted(
            0.3,
            prop::sample::select(&["a", "b"][..]).prop_map(str::to_owned),
        )
    };
    let fact = (
        0..3_i64,
        prop::option::weighted(0.7, prop::sample::select(State::ALL)),
        prop::sample::select(&[HoldReason::Vendor, HoldReason::Requester][..]),
        prop::option::weighted(0.1, prop::sample::select(&[Impact::Low, Impact::High][..])),
        prop::option::weighted(
            0.1,
            prop::sample::select(&[Urgency::Low, Urgency::High][..]),
        ),
        (slug(), slug(), slug(), any::<bool>()),
    );
    prop::collection::vec(fact, 1..25).prop_map(|facts| {
        let mut time_us = 0;
        let mut told = Vec::new();
        for (later, state, reason, impact, urgency, (service, team, assignee, unassigned)) in facts
        {
            time_us += later;
            let state = if told.is_empty() {
                state.or(Some(State::New))
            } else {
                state
            };
            let hold_reason = (state == Some(State::OnHold)).then_some(reason);
            let unassigned = unassigned && assignee.is_none();
            told.push(Fact {
                time_us,
                state,
                hold_reason,
                impact,
                urgency,
                service,
                team,
                assignee,
                unassigned,
            });
        }
        told
    })
}

fn history(facts: Vec<Fact>) -> History {
    let origin = Origin {
        source: "helpdesk".to_owned(),
        key: "1".to_owned(),
        ..Origin::default()
    };
    History {
        origin,
        title: "x".to_owned(),
        description: String::new(),
        labels: BTreeMap::new(),
        facts,
    }
}

/// The incident after steps, stamped as the kernel does.
fn written(
    stored: Option<Incident>,
    steps: Vec<mainstay_practice::Step<Event, Incident>>,
) -> Option<Incident> {
    let mut newest = stored;
    for mut step in steps {
        let revision = newest.as_ref().map_or(1, |before| before.revision() + 1);
        let before = newest.as_ref().map_or(i64::MIN, |before| before.occur_us());
        assert!(step.occur_us >= before, "time goes forward");
        step.after.stamp(Stamp {
            revision,
            update_us: 0,
            occur_us: step.occur_us,
        });
        assert_invariants(&step.after);
        newest = Some(step.after);
    }
    newest
}

/// What is true after facts, told without the code that is tested.
fn truth(
    facts: &[Fact],
) -> (
    State,
    Option<HoldReason>,
    Option<String>,
    Option<String>,
    i32,
) {
    let (mut state, mut reason, mut team, mut assignee, mut reopened) = (None, None, None, None, 0);
    for fact in facts {
        if let Some(next) = fact.state {
            let was_resolved = matches!(state, Some(State::Resolved | State::Closed));
            reopened += i32::from(was_resolved && next.is_open());
            state = Some(next);
            reason = fact.hold_reason;
        }
        team = fact.team.clone().or(team);
        assignee = if fact.unassigned {
            None
        } else {
            fact.assignee.clone().or(assignee)
        };
    }
    (state.unwrap(), reason, team, assignee, reopened)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_history_ends_where_its_facts_end(facts in facts()) {
        let at = moment(1_000);
        let telling = history(facts.clone()).begin("default", &by(&at)).unwrap();
        prop_assert_eq!(telling.steps.len() + telling.idle, facts.len());
        let incident = written(None, telling.steps).unwrap();
        let (state, reason, team, assignee, reopened) = truth(&facts);
        prop_assert_eq!(incident.state(), state);
        prop_assert_eq!(incident.hold().map(|hold| hold.reason), reason);
        prop_assert_eq!(incident.team().map(str::to_owned), team);
        prop_assert_eq!(incident.assignee().map(str::to_owned), assignee);
        prop_assert_eq!(incident.reopen_count(), reopened);
    }

    #[test]
    fn a_history_told_in_parts_is_the_history(facts in facts(), cuts in prop::collection::vec(1..25_usize, 0..5)) {
        let at = moment(1_000);
        let whole = written(None, history(facts.clone()).begin("default", &by(&at)).unwrap().steps);
        let first = cuts.first().copied().unwrap_or(1).min(facts.len());
        let mut stored = written(None, history(facts[..first].to_vec()).begin("default", &by(&at)).unwrap().steps);
        for cut in cuts.into_iter().chain([facts.len()]) {
            let known = stored.clone().unwrap();
            let telling = history(facts[..cut.min(facts.len())].to_vec()).extend(&known, &by(&at)).unwrap();
            stored = written(stored, telling.steps);
        }
        prop_assert_eq!(&stored, &whole);
        let again = history(facts).extend(&stored.unwrap(), &by(&at)).unwrap();
        prop_assert!(again.steps.is_empty());
    }

    #[test]
    fn another_truth_is_a_conflict_where_it_begins_or_goes_on_from_the_end(
        facts in facts(), index in any::<prop::sample::Index>(),
    ) {
        let at = moment(1_000);
        let telling = history(facts.clone()).begin("default", &by(&at)).unwrap();
        let place = index.index(facts.len());
        // A fact that changed nothing, after the last that did, was never kept.
        let told = history(facts[..place].to_vec());
        let kept = place == 0 || told.begin("default", &by(&at)).unwrap().steps.len() < telling.steps.len();
        let stored = written(None, telling.steps).unwrap();
        let mut other = facts.clone();
        other[place].team = Some("elsewhere".to_owned());
        let outcome = history(other).extend(&stored, &by(&at));
        if kept {
            let refusal = outcome.unwrap_err();
            prop_assert_eq!(refusal.reason_name(), "IMPORT_CONFLICT");
            let begins = format!("fact {place} contradicts");
            prop_assert!(refusal.message().starts_with(&begins), "{} is not {}", refusal.message(), begins);
        } else {
            prop_assert!(!outcome.unwrap().steps.is_empty());
        }
    }
}
