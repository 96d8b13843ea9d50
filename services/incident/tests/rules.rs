//! The rules as pure functions: random lives of incidents against a model of
//! the lifecycle, and what must hold after every step.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "rules/history.rs"]
mod history;

use std::sync::LazyLock;

use mainstay_chassis::Methods;
use mainstay_incident::incident::{
    Change, Declaration, Draft, Event, HoldReason, Impact, Incident, LIFECYCLE, Link, MajorState,
    Milestone, Priority, Resolution, ResolutionCode, ResponseRole, State, Terms, Verb,
};
use mainstay_incident::policy::{InForce, built_in};
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
    static BUILT_IN: LazyLock<InForce> = LazyLock::new(built_in);
    Terms::new(&BUILT_IN, at)
}

fn raised(at: &Moment) -> Incident {
    let draft = Draft {
        title: "x".to_owned(),
        ..Draft::default()
    };
    let (mut incident, event) = Incident::raise(draft, "default", &mut by(at)).unwrap();
    assert_eq!(event.parts().0, &Event::Created);
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
        Verb::Redact => {
            let before = incident.clone();
            incident.redact();
            Ok(match *incident == before {
                true => Decision::Unchanged,
                false => Decision::Changed(Event::Redacted {
                    reason: "Asked for.".to_owned(),
                }),
            })
        }
        Verb::Merge => {
            let other = raised(&Moment {
                id: Uuid::from_u128(8),
                ..at.clone()
            });
            let steps = incident.clone().merge(&other, false, by)?;
            *incident = steps[0].after.clone();
            Ok(Decision::History(steps))
        }
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
        Verb::DeclareMajor => incident.declare_major(&declaration(), by),
        Verb::StandDown => incident.stand_down_major("Over.".to_owned(), by),
        Verb::DismissMajor => incident.dismiss_major("None.".to_owned(), by),
        Verb::AssignRole => incident.assign_role(ResponseRole::Scribe, Some("ada".to_owned()), by),
    }
}

fn declaration() -> Declaration {
    Declaration {
        reason: "Nobody can pay.".to_owned(),
        bridge_uri: None,
        commander: None,
    }
}

/// Whether the standing as a major incident lets a verb pass; in these lives
/// no rule proposes one.
fn suits(declared: bool, verb: Verb) -> bool {
    let needs_it = matches!(verb, Verb::StandDown | Verb::AssignRole);
    verb != Verb::DismissMajor && (declared || !needs_it)
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
        (Verb::Merge, _) if open => Some(Closed),
        (Verb::Close, Resolved) => Some(Closed),
        (Verb::Cancel, New | InProgress | OnHold) => Some(Cancelled),
        (
            Verb::Acknowledge
            | Verb::Assign
            | Verb::Unassign
            | Verb::SetParent
            | Verb::Update
            | Verb::DeclareMajor
            | Verb::AssignRole,
            _,
        ) => open.then_some(state),
        (
            Verb::UpdateMilestones
            | Verb::Link
            | Verb::Unlink
            | Verb::StandDown
            | Verb::DismissMajor
            | Verb::Redact,
            _,
        ) => Some(state),
        (
            Verb::Start
            | Verb::Resume
            | Verb::Reopen
            | Verb::Hold
            | Verb::Mitigate
            | Verb::Resolve
            | Verb::Close
            | Verb::Merge
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
            "declare_major" => "DeclareMajorIncident".to_owned(),
            "stand_down" => "StandDownMajorIncident".to_owned(),
            "dismiss_major" => "DismissMajorIncident".to_owned(),
            "assign_role" => "AssignIncidentRole".to_owned(),
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
            let declared = incident
                .major()
                .is_some_and(|major| major.state == MajorState::Declared);
            let merges_major = expected.is_some() && declared && verb == Verb::Merge;
            let unsuited = expected.is_some() && !suits(declared, verb);
            let passed = reopens && resolved_us.is_some_and(|us| now - us > 30 * DAY_US);
            prop_assert_eq!(incident.is_open_to(verb, &by(&moment(now))), expected.is_some() && !passed && !unsuited);
            match take(&mut draft, verb, &at) {
                Err(refusal) if merges_major => {
                    prop_assert_eq!(refusal.reason_name(), "MERGE_NOT_ALLOWED");
                }
                Ok(decision) => {
                    prop_assert_eq!(Some(draft.state()), expected);
                    prop_assert!(!passed && !unsuited && !merges_major);
                    let same = incident == draft;
                    prop_assert_eq!(matches!(decision, Decision::Unchanged), same, "{:?}", verb);
                    if !same {
                        let stamp = Stamp { revision: incident.revision() + 1, update_us: now, occur_us: now };
                        draft.stamp(stamp);
                    }
                    state = draft.state();
                    reopened += i32::from(verb == Verb::Reopen);
                    if verb == Verb::Resolve || verb == Verb::Merge {
                        resolved_us = Some(now);
                    }
                    incident = draft;
                }
                Err(refusal) => {
                    let reason = match (passed, unsuited) {
                        (true, _) => "REOPEN_WINDOW_PASSED",
                        (false, true) => "MAJOR_NOT_ALLOWED",
                        (false, false) => "VERB_NOT_ALLOWED",
                    };
                    prop_assert_eq!(refusal.reason_name(), reason);
                    prop_assert!(passed || unsuited || expected.is_none());
                }
            }
            assert_invariants(&incident);
            prop_assert_eq!(incident.reopen_count(), reopened);
        }
    }
}
