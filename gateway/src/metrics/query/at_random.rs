//! The engine against the naive recomputation, on random logs.

use proptest::prelude::*;
use uuid::Uuid;

use super::naive;
use crate::metrics::definition::{Dimension, REOPEN_PERIOD_US, Variant};
use crate::metrics::facts::{Fact, Facts};
use crate::metrics::query::{Interval, Measure, answer};
use crate::metrics::timeline::State;

const HOUR: i64 = 3_600_000_000;

fn memory(log: Vec<Fact>) -> Facts {
    let mut facts = Facts::default();
    facts.news(log).iter().for_each(|fact| facts.add(fact));
    facts
}

fn states() -> impl Strategy<Value = State> {
    prop::sample::select(vec![
        State::New,
        State::InProgress,
        State::OnHold,
        State::Mitigated,
        State::Resolved,
        State::Closed,
        State::Cancelled,
    ])
}

/// A step of a random log: incident, pause since the last step, and the rest.
type Step = (u128, i64, State, usize, usize, usize);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![Just(0), 1..5_000_i64, 1_000_000..HOUR, HOUR..40 * 24 * HOUR];
    prop::collection::vec(
        (
            0..6_u128,
            pause,
            states(),
            0..3_usize,
            0..3_usize,
            0..3_usize,
        ),
        0..60,
    )
}

/// Every incident has a clock of its own, so that the log is not ordered by
/// time across incidents, as after an import.
fn random_log(steps: &[Step]) -> Vec<Fact> {
    let mut clocks = [(0_i64, 0_i64); 6];
    let word =
        |words: [&str; 3], place: usize| words.get(place).copied().unwrap_or_default().to_owned();
    let fact = |&(incident, pause, state, service, team, impact): &Step| {
        let clock = clocks.get_mut(usize::try_from(incident).unwrap()).unwrap();
        *clock = (clock.0 + pause, clock.1 + 1);
        Fact {
            organization: "default".to_owned(),
            incident: Uuid::from_u128(incident),
            revision: clock.1,
            occur_us: clock.0,
            state,
            service: word(["", "mail", "web"], service),
            team: word(["", "red", "blue"], team),
            impact: word(["LOW", "HIGH", "CRITICAL"], impact),
        }
    };
    steps.iter().map(fact).collect()
}

/// Instants worth asking for: those of the log, beside them, and any.
fn instants(log: &[Fact], picks: &[(usize, i64)]) -> Vec<i64> {
    let at = |&(place, beside): &(usize, i64)| match log.get(place % log.len().max(1)) {
        Some(fact) => fact.occur_us + beside,
        None => beside,
    };
    picks.iter().map(at).collect()
}

fn dimensions() -> impl Strategy<Value = Vec<Dimension>> {
    (Just(Dimension::ALL.to_vec()).prop_shuffle(), 0..=3_usize).prop_map(|(mut all, kept)| {
        all.truncate(kept);
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_equals_the_naive_recomputation(
        steps in steps(),
        picks in prop::collection::vec((0..60_usize, -2..=2_i64), 6),
        by in dimensions(),
    ) {
        let log = random_log(&steps);
        let facts = memory(log.clone());
        let mut ends = instants(&log, &picks);
        ends.extend([i64::MAX, REOPEN_PERIOD_US]);
        for pair in ends.windows(2) {
            let [one, other] = pair else { continue };
            let interval = Interval { start_us: *one.min(other), end_us: *one.max(other) };
            let measures = [
                Measure::TimeToResolve(Variant::GrossLast, interval),
                Measure::TimeToResolve(Variant::GrossFirst, interval),
                Measure::TimeToResolve(Variant::NetOfHolds, Interval { start_us: i64::MIN, ..interval }),
                Measure::ReopenRate(interval),
                Measure::BacklogAge(interval.start_us),
            ];
            for measure in measures {
                let groups = answer(facts.of("default"), measure, &by).unwrap();
                prop_assert_eq!(groups, naive::answer(&log, measure, &by), "{:?} by {:?}", measure, by);
            }
        }
    }
}
