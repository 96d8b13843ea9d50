//! The definitions of the metrics, written down straight and slowly from the
//! whole log, for comparison with the engine.

use std::collections::{BTreeMap, BTreeSet};

use crate::metrics::definition::{Dimension, Variant};
use crate::metrics::facts::Fact;
use crate::metrics::figure::{Distribution, Ratio, Spread};
use crate::metrics::query::{Figure, Group, Interval, Measure};
use crate::metrics::timeline::State;

const THIRTY_DAYS: i64 = 2_592_000_000_000;

fn is_open(state: State) -> bool {
    [
        State::New,
        State::InProgress,
        State::OnHold,
        State::Mitigated,
    ]
    .contains(&state)
}

fn is_done(state: State) -> bool {
    [State::Resolved, State::Closed].contains(&state)
}

/// The facts that are resolutions, by their places.
fn resolved(history: &[Fact]) -> Vec<usize> {
    let step = |place: &usize| {
        let from_open = *place == 0 || is_open(history[place - 1].state);
        from_open && is_done(history[*place].state)
    };
    (0..history.len()).filter(step).collect()
}

/// The facts that are reopenings, by their places.
fn reopened(history: &[Fact]) -> Vec<usize> {
    let step = |place: &usize| is_done(history[place - 1].state) && is_open(history[*place].state);
    (1..history.len()).filter(step).collect()
}

/// Time spent on hold before an instant, by looking at each part of the time.
fn held(history: &[Fact], end: i64) -> i64 {
    let on_hold = |pair: &&[Fact]| pair[0].state == State::OnHold;
    let length = |pair: &[Fact]| pair[1].occur_us.min(end) - pair[0].occur_us.min(end);
    history.windows(2).filter(on_hold).map(length).sum()
}

fn keys(fact: &Fact, by: &[Dimension]) -> Vec<String> {
    let value = |dimension: &Dimension| match dimension {
        Dimension::Service => fact.service.clone(),
        Dimension::Team => fact.team.clone(),
        Dimension::Impact => fact.impact.clone(),
    };
    by.iter().map(value).collect()
}

/// The smallest value with at least that share of the values at or below it.
fn percentile(values: &[i64], percent: usize) -> i64 {
    let enough = |value: &&i64| {
        values.iter().filter(|other| other <= value).count() * 100 >= percent * values.len()
    };
    *values.iter().filter(enough).min().unwrap()
}

fn rounded(numerator: i128, denominator: i128) -> i64 {
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    let up = i128::from(2 * rest >= denominator);
    i64::try_from(whole + up).unwrap()
}

fn distribution(values: &[i64]) -> Figure {
    let n = i64::try_from(values.len()).unwrap();
    let ms = |percent| rounded(percentile(values, percent).into(), 1_000);
    let spread = (n > 0).then(|| Spread {
        mean_ms: rounded(
            values.iter().map(|value| i128::from(*value)).sum(),
            i128::from(n) * 1_000,
        ),
        p50_ms: ms(50),
        p75_ms: ms(75),
        p90_ms: ms(90),
        p95_ms: ms(95),
        max_ms: ms(100),
    });
    Figure::Distribution(Distribution {
        n,
        n_missing: 0,
        spread,
    })
}

fn value(history: &[Fact], variant: Variant, interval: Interval) -> Option<i64> {
    let created = history.first()?.occur_us;
    let resolved = resolved(history);
    let first = history[*resolved.first()?].occur_us;
    let last = history[*resolved.last()?].occur_us;
    let counts =
        is_done(history.last()?.state) && interval.start_us <= last && last < interval.end_us;
    counts.then(|| match variant {
        Variant::GrossLast => last - created,
        Variant::GrossFirst => first - created,
        Variant::NetOfHolds => last - created - held(history, last),
    })
}

fn one_ratio(history: &[Fact], interval: Interval) -> Option<Ratio> {
    let place = *resolved(history).first()?;
    let first = history[place].occur_us;
    let reopened: Vec<usize> = reopened(history)
        .into_iter()
        .filter(|later| *later > place)
        .collect();
    let numerator = i64::from(
        reopened
            .iter()
            .any(|later| history[*later].occur_us - first <= THIRTY_DAYS),
    );
    let waits = reopened.is_empty()
        && i128::from(interval.end_us) - i128::from(first) <= i128::from(THIRTY_DAYS);
    let counts = interval.start_us <= first && first < interval.end_us;
    counts.then_some(Ratio {
        numerator,
        denominator: 1,
        n_provisional: waits.into(),
    })
}

/// What an incident adds to the figure of its group.
fn figure_of(history: &[Fact], measure: Measure) -> Option<Either> {
    match measure {
        Measure::TimeToResolve(variant, interval) => {
            value(history, variant, interval).map(Either::Value)
        }
        Measure::BacklogAge(instant) => {
            let age = instant - history.first()?.occur_us;
            is_open(history.last()?.state).then_some(Either::Value(age))
        }
        Measure::ReopenRate(interval) => one_ratio(history, interval).map(Either::Ratio),
    }
}

enum Either {
    Value(i64),
    Ratio(Ratio),
}

/// Computes a measure from the whole log.
pub(crate) fn answer(log: &[Fact], measure: Measure, by: &[Dimension]) -> Vec<Group> {
    let incidents: BTreeSet<_> = log.iter().map(|fact| fact.incident).collect();
    let seen = |fact: &&Fact| match measure {
        Measure::TimeToResolve(_, interval) | Measure::ReopenRate(interval) => {
            fact.occur_us < interval.end_us
        }
        Measure::BacklogAge(instant) => fact.occur_us <= instant,
    };
    let mut groups: BTreeMap<Vec<String>, (Vec<i64>, Ratio)> = BTreeMap::new();
    by.is_empty().then(|| groups.entry(Vec::new()).or_default());
    for incident in incidents {
        let history: Vec<Fact> = log
            .iter()
            .filter(|fact| fact.incident == incident)
            .filter(seen)
            .cloned()
            .collect();
        let Some(found) = figure_of(&history, measure) else {
            continue;
        };
        let (values, sum) = groups.entry(keys(history.last().unwrap(), by)).or_default();
        match found {
            Either::Value(value) => values.push(value),
            Either::Ratio(one) => {
                sum.numerator += one.numerator;
                sum.denominator += one.denominator;
                sum.n_provisional += one.n_provisional;
            }
        }
    }
    let figure = |values: Vec<i64>, sum: Ratio| match measure {
        Measure::ReopenRate(_) => Figure::Ratio(sum),
        Measure::TimeToResolve(..) | Measure::BacklogAge(_) => distribution(&values),
    };
    groups
        .into_iter()
        .map(|(keys, (values, sum))| Group {
            keys,
            figure: figure(values, sum),
        })
        .collect()
}
