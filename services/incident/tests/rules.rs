//! The rules as pure functions: random lives of incidents against a model of
//! the lifecycle, and what must hold after every step.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use mainstay_chassis::Methods;
use mainstay_incident::incident::history::{Fact, History};
use mainstay_incident::incident::{
    Change, Draft, Event, HoldReason, Impact, Incident, LIFECYCLE, Link, Milestone, Origin,
    Priority, Resolution, ResolutionCode, State, Terms, Urgency, Verb,
};
use mainstay_incident::policy::InForce;
use mainstay_practice::{Decision, Moment, Record, Stamp, Word};
use proptest::prelude::*;
use uuid::Uuid;

const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

fn moment(now_us: i64) -> Moment {
    let actor = "organizations/default/users/ada".to_owned();
    Moment {
        now_us,
        actor,
        roles: std::sync::Arc::default(),
        id: Uuid::from_u128(7),
    }
}

/// The terms of the built-in policy.
fn by(at: &Moment) -> Terms<'_> {
    static BUILT_IN: LazyLock<InForce> = LazyLock::new(InForce::default);
    Terms::new(&BUILT_IN, at)
}

fn raised(at: &Moment) -> Incident {
    let draft = Draft {
        title: "x".to_owned(),
        ..Draft::default()
    };
    let (mut incident, event) = Incident::raise(draft, "default", &mut by(at)).unwrap();
    assert_eq!(event, Event::Created);
    incident.stamp(Stamp {
        revision: 1,
        update_us: at.now_us,
        occur_us: at.now_us,
    });
    incident
}

fn take(
    incident: &mut Incident,
    verb: Verb,
    at: &Moment,
) -> Result<Decision<Event, Incident>, mainstay_chassis::Refusal> {
    let resolution = Resolution {
        code: ResolutionCode::Fixed,
        summary: "Done.".to_owned(),
        cause_code: None,
    };
    let by = &mut by(at);
    match verb {
        Verb::Start => incident.start(by),
        Verb::Hold => incident.put_on_hold(HoldReason::Vendor, String::new(), None, by),
        Verb::Resume => incident.resume(by),
        Verb::Mitigate => incident.mitigate(None, String::new(), by),
        Verb::Resolve => incident.resolve(resolution, by),
        Verb::Reopen => incident.reopen("Again.".to_owned(), by),
        Verb::Close => incident.close(by),
        Verb::Cancel => incident.cancel("None.".to_owned(), by),
        Verb::Acknowledge => incident.acknowledge(by),
        Verb::Assign => incident.assign(Some("net".to_owned()), Some("ada".to_owned()), by),
        Verb::Unassign => incident.unassign(by),
        Verb::SetParent => incident.set_parent(None, false, by),
        Verb::Update => incident.update(vec![Change::Impact(Impact::High)], by),
        Verb::UpdateMilestones => {
            incident.correct_milestones(&[(Milestone::Detect, Some(at.now_us))], by)
        }
        Verb::Link => incident.link(
            Link {
                uri: "https://a".to_owned(),
                title: String::new(),
            },
            by,
        ),
        Verb::Unlink => incident.unlink("https://a".to_owned(), by),
    }
}

/// The lifecycle once more, as the contract's table has it: written down
/// apart from the code that is tested.
fn model(state: State, verb: Verb) -> Option<State> {
    use State::{Cancelled, Closed, InProgress, Mitigated, New, OnHold, Resolved};
    let open = matches!(state, New | InProgress | OnHold | Mitigated);
    match (verb, state) {
        (Verb::Start, New) | (Verb::Resume, OnHold) | (Verb::Reopen, Resolved | Closed) => {
            Some(InProgress)
        }
        (Verb::Hold, _) if open => Some(OnHold),
        (Verb::Mitigate, New | InProgress | OnHold) => Some(Mitigated),
        (Verb::Resolve, _) if open => Some(Resolved),
        (Verb::Close, Resolved) => Some(Closed),
        (Verb::Cancel, New | InProgress | OnHold) => Some(Cancelled),
        (Verb::Acknowledge | Verb::Assign | Verb::Unassign | Verb::SetParent | Verb::Update, _) => {
            open.then_some(state)
        }
        (Verb::UpdateMilestones | Verb::Link | Verb::Unlink, _) => Some(state),
        (
            Verb::Start
            | Verb::Resume
            | Verb::Reopen
            | Verb::Hold
            | Verb::Mitigate
            | Verb::Resolve
            | Verb::Close
            | Verb::Cancel,
            _,
        ) => None,
    }
}

/// What holds for every incident.
fn assert_invariants(incident: &Incident) {
    let state = incident.state();
    assert_eq!(incident.hold().is_some(), state == State::OnHold);
    assert_eq!(incident.resolution().is_some(), state.is_resolved());
    assert_eq!(
        incident.milestones().resolve_us.is_some(),
        state.is_resolved()
    );
    assert_eq!(
        incident.milestones().close_us.is_some(),
        state == State::Closed
    );
    assert_eq!(
        incident.priority(),
        Priority::of(incident.impact(), incident.urgency())
    );
    assert!(incident.occur_us() >= incident.create_us());
}

#[test]
fn the_table_is_the_contracts() {
    for state in State::ALL {
        for verb in Verb::ALL {
            assert_eq!(
                LIFECYCLE.next(*state, *verb).ok(),
                model(*state, *verb),
                "{verb:?} from {state:?}"
            );
        }
    }
}

#[test]
fn a_verb_asks_for_the_permission_of_its_method() {
    let methods = Methods::of(mainstay_proto::descriptors());
    for verb in Verb::ALL {
        let words = match verb.word() {
            "set_parent" => "SetIncidentParent".to_owned(),
            "update_milestones" => "UpdateIncidentMilestones".to_owned(),
            word => format!("{}{}Incident", word[..1].to_uppercase(), &word[1..]),
        };
        let method = methods
            .get(&format!("/mainstay.incident.v1.IncidentService/{words}"))
            .unwrap();
        assert_eq!(method.permission, verb.permission());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_life_follows_the_model(
        steps in prop::collection::vec((prop::sample::select(Verb::ALL), 0..3 * DAY_US), 1..60),
    ) {
        let mut now = 1_000 * DAY_US;
        let mut incident = raised(&moment(now));
        let (mut state, mut reopened, mut resolved_us) = (State::New, 0, None::<i64>);
        for (verb, later) in steps {
            now += later;
            let at = moment(now);
            let mut draft = incident.clone();
            let expected = model(state, verb);
            let reopens = expected.is_some() && verb == Verb::Reopen;
            let passed = reopens && resolved_us.is_some_and(|us| now - us > 30 * DAY_US);
            prop_assert_eq!(incident.is_open_to(verb, &by(&moment(now))), expected.is_some() && !passed);
            match take(&mut draft, verb, &at) {
                Ok(decision) => {
                    prop_assert_eq!(Some(draft.state()), expected);
                    prop_assert!(!passed);
                    let same = incident == draft;
                    prop_assert_eq!(matches!(decision, Decision::Unchanged), same, "{:?}", verb);
                    if !same {
                        let stamp = Stamp { revision: incident.revision() + 1, update_us: now, occur_us: now };
                        draft.stamp(stamp);
                    }
                    state = draft.state();
                    reopened += i32::from(verb == Verb::Reopen);
                    if verb == Verb::Resolve {
                        resolved_us = Some(now);
                    }
                    incident = draft;
                }
                Err(refusal) => {
                    let reason = if passed { "REOPEN_WINDOW_PASSED" } else { "VERB_NOT_ALLOWED" };
                    prop_assert_eq!(refusal.reason_name(), reason);
                    prop_assert!(passed || expected.is_none());
                }
            }
            assert_invariants(&incident);
            prop_assert_eq!(incident.reopen_count(), reopened);
        }
    }
}

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
