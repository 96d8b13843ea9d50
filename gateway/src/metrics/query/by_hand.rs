//! Figures computed by hand.

use crate::metrics::definition::{Dimension, REOPEN_PERIOD_US, Variant};
use crate::metrics::facts::{Fact, Facts};
use crate::metrics::figure::{Distribution, Ratio, Spread};
use crate::metrics::query::{Figure, Group, Interval, MOST_GROUPS, Measure, TooManyGroups, answer};
use crate::metrics::timeline::State;
use uuid::Uuid;

const HOUR: i64 = 3_600_000_000;
const ALWAYS: Interval = Interval {
    start_us: i64::MIN,
    end_us: i64::MAX,
};

/// A log that reads as a table: (incident, hour, state, service, team, impact).
type Row = (u128, i64, State, &'static str, &'static str, &'static str);

fn log(rows: &[Row]) -> Vec<Fact> {
    let mut revisions = std::collections::HashMap::new();
    let fact = |&(incident, hour, state, service, team, impact): &Row| {
        let revision = revisions
            .entry(incident)
            .and_modify(|revision| *revision += 1)
            .or_insert(1);
        Fact {
            organization: "default".to_owned(),
            incident: Uuid::from_u128(incident),
            revision: *revision,
            occur_us: hour * HOUR,
            state,
            service: service.to_owned(),
            team: team.to_owned(),
            impact: impact.to_owned(),
        }
    };
    rows.iter().map(fact).collect()
}

fn memory(log: Vec<Fact>) -> Facts {
    let mut facts = Facts::default();
    facts.news(log).iter().for_each(|fact| facts.add(fact));
    facts
}

fn ask(rows: &[Row], measure: Measure, by: &[Dimension]) -> Vec<Group> {
    answer(memory(log(rows)).of("default"), measure, by).unwrap()
}

fn until(hour: i64) -> Interval {
    Interval {
        start_us: i64::MIN,
        end_us: hour * HOUR,
    }
}

/// Values in hours of the only group of `time_to_resolve`: n, p50, max.
fn hours(rows: &[Row], variant: Variant, interval: Interval) -> (i64, Option<i64>, Option<i64>) {
    let groups = ask(rows, Measure::TimeToResolve(variant, interval), &[]);
    let [
        Group {
            figure: Figure::Distribution(found),
            ..
        },
    ] = groups.as_slice()
    else {
        panic!("{groups:?}")
    };
    let in_hours = |ms: i64| ms * 1_000 / HOUR;
    (
        found.n,
        found.spread.map(|spread| in_hours(spread.p50_ms)),
        found.spread.map(|spread| in_hours(spread.max_ms)),
    )
}

fn ratio(rows: &[Row], interval: Interval) -> Ratio {
    let groups = ask(rows, Measure::ReopenRate(interval), &[]);
    let [
        Group {
            figure: Figure::Ratio(found),
            ..
        },
    ] = groups.as_slice()
    else {
        panic!("{groups:?}")
    };
    *found
}

const REOPENED: [Row; 6] = [
    (1, 0, State::New, "mail", "red", "LOW"),
    (1, 2, State::OnHold, "mail", "red", "LOW"),
    (1, 5, State::InProgress, "mail", "red", "LOW"),
    (1, 10, State::Resolved, "mail", "red", "LOW"),
    (1, 20, State::OnHold, "mail", "blue", "HIGH"),
    (1, 50, State::Closed, "mail", "blue", "HIGH"),
];

#[test]
fn a_reopened_incident_runs_on_to_its_last_resolution() {
    assert_eq!(
        hours(&REOPENED, Variant::GrossLast, ALWAYS),
        (1, Some(50), Some(50))
    );
    assert_eq!(
        hours(&REOPENED, Variant::GrossFirst, ALWAYS),
        (1, Some(10), Some(10))
    );
    assert_eq!(
        hours(&REOPENED, Variant::NetOfHolds, ALWAYS),
        (1, Some(17), Some(17))
    );
}

#[test]
fn an_interval_sees_nothing_after_its_end() {
    assert_eq!(
        hours(&REOPENED, Variant::GrossLast, until(15)),
        (1, Some(10), Some(10))
    );
    assert_eq!(
        hours(&REOPENED, Variant::NetOfHolds, until(15)),
        (1, Some(7), Some(7))
    );
    assert_eq!(
        hours(&REOPENED, Variant::GrossLast, until(30)),
        (0, None, None),
        "it is open then"
    );
    assert_eq!(
        hours(&REOPENED, Variant::GrossLast, until(10)),
        (0, None, None),
        "its end is outside"
    );
}

#[test]
fn only_the_last_resolution_decides_about_the_cohort() {
    let window = |start: i64, end: i64| Interval {
        start_us: start * HOUR,
        end_us: end * HOUR,
    };
    assert_eq!(hours(&REOPENED, Variant::GrossFirst, window(5, 60)).0, 1);
    assert_eq!(
        hours(&REOPENED, Variant::GrossFirst, window(50, 60)).0,
        1,
        "its start is inside"
    );
    assert_eq!(hours(&REOPENED, Variant::GrossFirst, window(51, 60)).0, 0);
    assert_eq!(hours(&REOPENED, Variant::GrossFirst, window(5, 15)).0, 1);
    assert_eq!(
        hours(&REOPENED, Variant::GrossFirst, window(15, 15)).0,
        0,
        "an empty interval has nothing"
    );
}

#[test]
fn an_incident_that_begins_completed_took_no_time() {
    let rows = [
        (1, 7, State::Resolved, "", "", ""),
        (1, 9, State::Closed, "", "", ""),
    ];
    assert_eq!(
        hours(&rows, Variant::GrossLast, ALWAYS),
        (1, Some(0), Some(0))
    );
    assert_eq!(
        hours(&rows, Variant::NetOfHolds, ALWAYS),
        (1, Some(0), Some(0))
    );
}

#[test]
fn overlapping_incidents_count_each_and_cancelled_ones_do_not() {
    let rows = [
        (1, 0, State::New, "mail", "", ""),
        (2, 0, State::New, "mail", "", ""),
        (3, 1, State::New, "mail", "", ""),
        (1, 4, State::Resolved, "mail", "", ""),
        (2, 8, State::Resolved, "mail", "", ""),
        (3, 9, State::Cancelled, "mail", "", ""),
    ];
    assert_eq!(
        hours(&rows, Variant::GrossLast, ALWAYS),
        (2, Some(4), Some(8))
    );
    assert_eq!(
        hours(&rows, Variant::GrossLast, until(6)),
        (1, Some(4), Some(4))
    );
}

#[test]
fn nothing_is_no_number() {
    let empty = Distribution {
        n: 0,
        n_missing: 0,
        spread: None,
    };
    let group = |figure| {
        vec![Group {
            keys: Vec::new(),
            figure,
        }]
    };
    let resolved = Measure::TimeToResolve(Variant::GrossLast, ALWAYS);
    assert_eq!(
        answer(None, resolved, &[]).unwrap(),
        group(Figure::Distribution(empty))
    );
    assert_eq!(
        answer(None, Measure::BacklogAge(0), &[]).unwrap(),
        group(Figure::Distribution(empty))
    );
    assert_eq!(
        answer(None, Measure::ReopenRate(ALWAYS), &[]).unwrap(),
        group(Figure::Ratio(Ratio::default()))
    );
    assert_eq!(
        answer(None, resolved, &[Dimension::Team]).unwrap(),
        Vec::new()
    );
}

#[test]
fn a_reopening_counts_up_to_thirty_days_inclusive_and_once() {
    let days = |days: i64| days * 24;
    let rows = |reopened: i64| {
        [
            (1, 0, State::New, "", "", ""),
            (1, 1, State::Resolved, "", "", ""),
            (1, 1 + reopened, State::InProgress, "", "", ""),
            (1, 2 + reopened, State::Closed, "", "", ""),
            (1, 3 + reopened, State::InProgress, "", "", ""),
        ]
    };
    let whole = |numerator| Ratio {
        numerator,
        denominator: 1,
        n_provisional: 0,
    };
    assert_eq!(ratio(&rows(days(30)), ALWAYS), whole(1));
    assert_eq!(ratio(&rows(days(30) + 1), ALWAYS), whole(0));
    assert_eq!(ratio(&rows(5), ALWAYS), whole(1));
}

#[test]
fn a_ratio_says_for_whom_the_time_has_not_run_out() {
    let rows = [
        (1, 0, State::Resolved, "", "", ""),
        (2, 48, State::Resolved, "", "", ""),
        (3, 48, State::Resolved, "", "", ""),
        (3, 60, State::New, "", "", ""),
        (4, 2_000, State::Resolved, "", "", ""),
    ];
    let month = REOPEN_PERIOD_US / HOUR;
    let found = |end| ratio(&rows, until(end));
    assert_eq!(
        found(50),
        Ratio {
            numerator: 0,
            denominator: 3,
            n_provisional: 3
        },
        "the reopening is not seen yet"
    );
    assert_eq!(
        found(61),
        Ratio {
            numerator: 1,
            denominator: 3,
            n_provisional: 2
        }
    );
    assert_eq!(
        found(month),
        Ratio {
            numerator: 1,
            denominator: 3,
            n_provisional: 2
        },
        "its last instant is still to come"
    );
    assert_eq!(
        found(month + 1),
        Ratio {
            numerator: 1,
            denominator: 3,
            n_provisional: 1
        }
    );
    assert_eq!(
        found(month + 49),
        Ratio {
            numerator: 1,
            denominator: 3,
            n_provisional: 0
        }
    );
}

#[test]
fn backlog_never_uses_the_current_state_for_a_past_instant() {
    let ages = |hour: i64| {
        ask(
            &REOPENED,
            Measure::BacklogAge(hour * HOUR),
            &[Dimension::Team],
        )
        .into_iter()
        .map(|group| match group.figure {
            Figure::Distribution(Distribution {
                n,
                spread: Some(Spread { max_ms, .. }),
                ..
            }) => (group.keys.join(","), n, max_ms * 1_000 / HOUR),
            Figure::Distribution(_) | Figure::Ratio(_) => panic!("a group without values"),
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(ages(-1), []);
    assert_eq!(ages(0), [("red".to_owned(), 1, 0)]);
    assert_eq!(ages(9), [("red".to_owned(), 1, 9)]);
    assert_eq!(
        ages(10),
        [],
        "at the instant of its resolution it is no longer open"
    );
    assert_eq!(ages(20), [("blue".to_owned(), 1, 20)]);
    assert_eq!(ages(50), []);
}

#[test]
fn groups_have_the_values_at_the_end_and_are_sorted() {
    let by = [Dimension::Impact, Dimension::Team];
    let keys = |interval| {
        let groups = ask(
            &REOPENED,
            Measure::TimeToResolve(Variant::GrossLast, interval),
            &by,
        );
        groups
            .into_iter()
            .map(|group| group.keys)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(until(15)), [["LOW", "red"]]);
    assert_eq!(keys(ALWAYS), [["HIGH", "blue"]]);
    let rows = [
        (1, 0, State::Resolved, "b", "", ""),
        (2, 0, State::Resolved, "", "", ""),
        (3, 0, State::Resolved, "a-1", "", ""),
        (4, 0, State::Resolved, "a", "", ""),
    ];
    let groups = ask(&rows, Measure::ReopenRate(ALWAYS), &[Dimension::Service]);
    assert_eq!(
        groups
            .into_iter()
            .flat_map(|group| group.keys)
            .collect::<Vec<_>>(),
        ["", "a", "a-1", "b"]
    );
}

#[test]
fn more_groups_than_a_response_holds_are_refused_with_their_number() {
    let one = |number: usize| Fact {
        incident: Uuid::from_u128(u128::try_from(number).unwrap()),
        team: number.to_string(),
        ..log(&REOPENED[..1]).remove(0)
    };
    let facts = memory((0..=MOST_GROUPS).map(one).collect());
    let measure = Measure::BacklogAge(0);
    let by_team = answer(facts.of("default"), measure, &[Dimension::Team]);
    assert_eq!(by_team, Err(TooManyGroups(MOST_GROUPS + 1)));
    assert_eq!(
        answer(facts.of("default"), measure, &[Dimension::Impact])
            .unwrap()
            .len(),
        1
    );
}
