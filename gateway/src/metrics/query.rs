//! Answers questions from the facts of an organization: walks every incident
//! once, puts its value to its group, and does the arithmetic. Pure.

use std::collections::HashMap;

use super::definition::{Dimension, REOPEN_PERIOD_US, Variant};
use super::facts::Organization;
use super::figure::{Distribution, Ratio};
use super::timeline::{Point, Resolutions, Timeline};

/// An interval, closed at its start and open at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Its start, in microseconds since the epoch.
    pub start_us: i64,
    /// Its end.
    pub end_us: i64,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// `time_to_resolve`.
    TimeToResolve(Variant, Interval),
    /// `reopen_rate`.
    ReopenRate(Interval),
    /// `backlog_age` at an instant, in microseconds since the epoch.
    BacklogAge(i64),
}

/// The figure of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// How values are spread.
    Distribution(Distribution),
    /// A part of a whole.
    Ratio(Ratio),
}

/// A group and its figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The values of the dimensions, in the order asked for.
    pub keys: Vec<String>,
    /// The figure.
    pub figure: Figure,
}

/// The numbers of the words that a group has in the dimensions asked for.
type Key = [u32; Dimension::ALL.len()];
type Groups<T> = HashMap<Key, T>;

/// At most so many groups are answered, so that a response fits its limit.
pub const MOST_GROUPS: usize = 10_000;

/// There are more groups than can be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyGroups(pub usize);

/// Computes a measure by dimensions; groups are sorted by their keys. Without
/// dimensions there is one group, without facts or not.
pub fn answer(
    facts: Option<&Organization>,
    measure: Measure,
    by: &[Dimension],
) -> Result<Vec<Group>, TooManyGroups> {
    match measure {
        Measure::TimeToResolve(variant, interval) => distributions(facts, by, |timeline| {
            time_to_resolve(timeline, variant, interval)
        }),
        Measure::BacklogAge(instant_us) => {
            distributions(facts, by, |timeline| backlog_age(timeline, instant_us))
        }
        Measure::ReopenRate(interval) => ratios(facts, by, |timeline| reopened(timeline, interval)),
    }
}

impl Interval {
    /// Whether the instant is in it.
    fn holds(self, instant_us: i64) -> bool {
        (self.start_us..self.end_us).contains(&instant_us)
    }
}

fn time_to_resolve(
    timeline: &Timeline,
    variant: Variant,
    interval: Interval,
) -> Option<(&Point, i64)> {
    let points = timeline.before(interval.end_us);
    let newest = points.last().filter(|newest| newest.state.is_resolved())?;
    let found = Resolutions::of(points).filter(|found| interval.holds(found.last_us))?;
    let created_us = timeline.created_us()?;
    let value_us = match variant {
        Variant::GrossLast => found.last_us - created_us,
        Variant::GrossFirst => found.first_us - created_us,
        Variant::NetOfHolds => found.last_us - created_us - found.held_us,
    };
    Some((newest, value_us))
}

fn backlog_age(timeline: &Timeline, instant_us: i64) -> Option<(&Point, i64)> {
    let newest = timeline
        .as_of(instant_us)
        .last()
        .filter(|newest| newest.state.is_open())?;
    Some((newest, instant_us - timeline.created_us()?))
}

fn reopened(timeline: &Timeline, interval: Interval) -> Option<(&Point, Ratio)> {
    let points = timeline.before(interval.end_us);
    let found = Resolutions::of(points).filter(|found| interval.holds(found.first_us))?;
    let limit_us = found.first_us.saturating_add(REOPEN_PERIOD_US);
    let counts = found
        .reopened_us
        .is_some_and(|reopened_us| reopened_us <= limit_us);
    let may_still = found.reopened_us.is_none() && interval.end_us <= limit_us;
    Some((
        points.last()?,
        Ratio {
            numerator: counts.into(),
            denominator: 1,
            n_provisional: may_still.into(),
        },
    ))
}

fn distributions<'a>(
    facts: Option<&'a Organization>,
    by: &[Dimension],
    value: impl Fn(&'a Timeline) -> Option<(&'a Point, i64)>,
) -> Result<Vec<Group>, TooManyGroups> {
    let groups = gather(facts, by, value, |values: &mut Vec<i64>, value_us| {
        values.push(value_us)
    });
    named(facts, by, groups, |mut values| {
        Figure::Distribution(Distribution::of(&mut values))
    })
}

fn ratios<'a>(
    facts: Option<&'a Organization>,
    by: &[Dimension],
    value: impl Fn(&'a Timeline) -> Option<(&'a Point, Ratio)>,
) -> Result<Vec<Group>, TooManyGroups> {
    let groups = gather(facts, by, value, |sum: &mut Ratio, one| {
        sum.numerator += one.numerator;
        sum.denominator += one.denominator;
        sum.n_provisional += one.n_provisional;
    });
    named(facts, by, groups, Figure::Ratio)
}

/// Puts the value of every member of the cohort to its group.
fn gather<'a, V, T: Default>(
    facts: Option<&'a Organization>,
    by: &[Dimension],
    value: impl Fn(&'a Timeline) -> Option<(&'a Point, V)>,
    put: impl Fn(&mut T, V),
) -> Groups<T> {
    let mut groups = Groups::default();
    if by.is_empty() {
        groups.insert(Key::default(), T::default());
    }
    for timeline in facts.into_iter().flat_map(Organization::timelines) {
        if let Some((point, value)) = value(timeline) {
            put(groups.entry(key(point, by)).or_default(), value);
        }
    }
    groups
}

fn key(point: &Point, by: &[Dimension]) -> Key {
    let mut key = Key::default();
    key.iter_mut()
        .zip(by)
        .for_each(|(number, dimension)| *number = dimension.of(point));
    key
}

/// Gives the groups their keys in words, and their order.
fn named<T>(
    facts: Option<&Organization>,
    by: &[Dimension],
    groups: Groups<T>,
    figure: impl Fn(T) -> Figure,
) -> Result<Vec<Group>, TooManyGroups> {
    if groups.len() > MOST_GROUPS {
        return Err(TooManyGroups(groups.len()));
    }
    let word = |number: &u32| facts.map_or("", |facts| facts.word(*number)).to_owned();
    let mut named: Vec<Group> = groups
        .into_iter()
        .map(|(key, gathered)| Group {
            keys: key.iter().take(by.len()).map(word).collect(),
            figure: figure(gathered),
        })
        .collect();
    named.sort_unstable_by(|one, other| one.keys.cmp(&other.keys));
    Ok(named)
}

#[cfg(test)]
mod at_random;
#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod naive;
