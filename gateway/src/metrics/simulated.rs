//! What metrics would be under another policy: the facts told again without
//! the decisions that it would refuse. A fact that was refused changes nothing;
//! what changed in any other stays changed. Nothing that would have followed
//! from a refusal is guessed.

use std::collections::BTreeSet;

use mainstay_chassis::{Deadline, Refusal};
use mainstay_practice::cursor::Cursor;
use mainstay_proto::mainstay::policy::v1 as pb;
use uuid::Uuid;

use super::Metrics;
use super::definition::{DEFINITIONS, Definition, Metric, Variant};
use super::facts::{Fact, Facts};
use super::figure::Distribution;
use super::memory::SOURCE;
use super::query::{Figure, Interval, Measure, answer};
use super::tables::incident_fact;

/// The decisions that are left out: a record and its revision after each.
pub(crate) type Refused = BTreeSet<(Uuid, i64)>;

/// The facts as they are, and as they would be.
#[derive(Debug, Default)]
struct Both {
    recorded: Facts,
    simulated: Facts,
    /// The incident that is being told.
    last: Option<Told>,
}

/// An incident, as far as it is told.
#[derive(Debug)]
struct Told {
    recorded: Fact,
    /// None when it was never raised.
    simulated: Option<Fact>,
}

impl Metrics {
    /// The figures of an organization that would be others without some
    /// decisions, once its log is counted up to a cursor.
    pub(crate) async fn without(
        &self,
        organization: &str,
        refused: &Refused,
        (start_us, end_us): (Option<i64>, Option<i64>),
        cursor: &str,
        deadline: Deadline,
    ) -> Result<Vec<pb::PolicyMetricChange>, Refusal> {
        if refused.is_empty() {
            return Ok(Vec::new());
        }
        let cursor = Cursor::decode(cursor, organization)?;
        if let Some(place) = cursor.place(SOURCE) {
            tokio::select! {
                counted = self.memory.counted(organization, place) => counted?,
                () = tokio::time::sleep_until(deadline.0) => return Err(Refusal::deadline()),
            }
        }
        let mut both = Both::default();
        self.store
            .each::<incident_fact::Entity>(|row| {
                if row.organization == organization {
                    both.take(Fact::try_from(row)?, refused);
                }
                Ok(())
            })
            .await?;
        let now_us = self.store.clock().now_us().max(self.memory.read().live_us);
        let interval = Interval {
            start_us: start_us.unwrap_or(i64::MIN),
            end_us: end_us.unwrap_or_else(|| now_us.saturating_add(1)),
        };
        Ok(both.changes(organization, interval))
    }
}

impl Both {
    /// Takes the next fact, in the order of incident and revision.
    fn take(&mut self, fact: Fact, refused: &Refused) {
        let is_refused = refused.contains(&(fact.incident, fact.revision));
        let last = self
            .last
            .take()
            .filter(|last| last.recorded.incident == fact.incident);
        let simulated = match last {
            None => (!is_refused).then(|| fact.clone()),
            Some(last) => last.simulated.map(|before| match is_refused {
                true => before,
                false => changed(before, &last.recorded, &fact),
            }),
        };
        self.recorded.add(&fact);
        if let Some(simulated) = &simulated {
            self.simulated.add(simulated);
        }
        self.last = Some(Told {
            recorded: fact,
            simulated,
        });
    }

    fn changes(&self, organization: &str, interval: Interval) -> Vec<pb::PolicyMetricChange> {
        let mut changes = Vec::new();
        for definition in &DEFINITIONS {
            let variants = definition.variants.iter().copied().map(Some);
            let none = definition.variants.is_empty().then_some(None);
            for variant in variants.chain(none) {
                let measure = measure(definition, variant, interval);
                let of = |facts: &Facts| figures(facts, organization, measure);
                let pairs = of(&self.recorded).into_iter().zip(of(&self.simulated));
                let differ = pairs.filter(|((_, recorded), (_, simulated))| recorded != simulated);
                changes.extend(differ.map(|((figure, recorded), (_, simulated))| {
                    pb::PolicyMetricChange {
                        metric: definition.name.to_owned(),
                        variant: variant.map(Variant::name).unwrap_or_default().to_owned(),
                        figure: figure.to_owned(),
                        recorded,
                        simulated,
                    }
                }));
            }
        }
        changes
    }
}

/// The simulated fact before, with what has changed between two recorded ones.
fn changed(before: Fact, from: &Fact, to: &Fact) -> Fact {
    let pick = |before: String, from: &String, to: &String| match from == to {
        true => before,
        false => to.clone(),
    };
    Fact {
        organization: before.organization,
        incident: before.incident,
        revision: to.revision,
        occur_us: to.occur_us,
        state: if from.state == to.state {
            before.state
        } else {
            to.state
        },
        service: pick(before.service, &from.service, &to.service),
        team: pick(before.team, &from.team, &to.team),
        impact: pick(before.impact, &from.impact, &to.impact),
    }
}

fn measure(definition: &Definition, variant: Option<Variant>, interval: Interval) -> Measure {
    match definition.metric {
        Metric::TimeToResolve => {
            Measure::TimeToResolve(variant.unwrap_or(Variant::GrossLast), interval)
        }
        Metric::ReopenRate => Measure::ReopenRate(interval),
        // An interval is open at its end, an instant includes itself.
        Metric::BacklogAge => Measure::BacklogAge(interval.end_us.saturating_sub(1)),
    }
}

/// The figures of all incidents together, by their names on the wire.
fn figures(
    facts: &Facts,
    organization: &str,
    measure: Measure,
) -> Vec<(&'static str, Option<i64>)> {
    let groups = answer(facts.of(organization), measure, &[]).unwrap_or_default();
    let told = |group: &super::query::Group| match group.figure {
        Figure::Distribution(distribution) => spread(distribution),
        Figure::Ratio(ratio) => vec![
            ("numerator", Some(ratio.numerator)),
            ("denominator", Some(ratio.denominator)),
            ("n_provisional", Some(ratio.n_provisional)),
        ],
    };
    groups.iter().flat_map(told).collect()
}

fn spread(distribution: Distribution) -> Vec<(&'static str, Option<i64>)> {
    let spread = distribution.spread;
    vec![
        ("n", Some(distribution.n)),
        ("mean_ms", spread.map(|spread| spread.mean_ms)),
        ("p50_ms", spread.map(|spread| spread.p50_ms)),
        ("p75_ms", spread.map(|spread| spread.p75_ms)),
        ("p90_ms", spread.map(|spread| spread.p90_ms)),
        ("p95_ms", spread.map(|spread| spread.p95_ms)),
        ("max_ms", spread.map(|spread| spread.max_ms)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::timeline::State;
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    fn fact(incident: u128, revision: i64, hour: i64, state: State, team: &str) -> Fact {
        Fact {
            organization: "default".to_owned(),
            incident: Uuid::from_u128(incident),
            revision,
            occur_us: hour * HOUR_US,
            state,
            service: String::new(),
            team: team.to_owned(),
            impact: String::new(),
        }
    }

    /// Two incidents, resolved after one hour and after four; the first was
    /// reopened and resolved again.
    fn history() -> Vec<Fact> {
        vec![
            fact(1, 1, 0, State::New, "red"),
            fact(1, 2, 1, State::Resolved, "red"),
            fact(1, 3, 2, State::InProgress, "red"),
            fact(1, 4, 8, State::Resolved, "blue"),
            fact(2, 1, 0, State::New, "red"),
            fact(2, 2, 4, State::Resolved, "red"),
        ]
    }

    fn changes(refused: &[(u128, i64)]) -> Vec<(String, String, Option<i64>, Option<i64>)> {
        let refused = refused
            .iter()
            .map(|(id, revision)| (Uuid::from_u128(*id), *revision));
        let refused: Refused = refused.collect();
        let mut both = Both::default();
        history()
            .into_iter()
            .for_each(|fact| both.take(fact, &refused));
        let interval = Interval {
            start_us: 0,
            end_us: 10 * HOUR_US,
        };
        let flat = |change: pb::PolicyMetricChange| {
            let name = format!("{} {}", change.metric, change.variant);
            (
                name.trim_end().to_owned(),
                change.figure,
                change.recorded,
                change.simulated,
            )
        };
        both.changes("default", interval)
            .into_iter()
            .map(flat)
            .collect()
    }

    #[test]
    fn without_refusals_no_metric_changes() {
        assert_eq!(changes(&[]), []);
    }

    #[test]
    fn a_refused_reopening_leaves_the_incident_resolved_as_it_was() {
        let found = changes(&[(1, 3)]);
        let of = |metric: &str, figure: &str| {
            let mut found = found.iter();
            found
                .find(|(name, told, ..)| name == metric && told == figure)
                .map(|(.., recorded, simulated)| (*recorded, *simulated))
        };
        assert_eq!(of("reopen_rate", "numerator"), Some((Some(1), Some(0))));
        let hours = |hours: i64| Some(hours * 3_600_000);
        assert_eq!(
            of("time_to_resolve gross_last", "max_ms"),
            Some((hours(8), hours(4)))
        );
        assert_eq!(of("time_to_resolve gross_first", "max_ms"), None);
    }

    #[test]
    fn a_refused_resolution_keeps_the_incident_open_and_what_else_changes_changes() {
        let found = changes(&[(2, 2)]);
        let open = |(name, figure, ..): &&(String, String, Option<i64>, Option<i64>)| {
            name == "backlog_age" && figure == "n"
        };
        let backlog = found.iter().find(open).map(|(.., was, is)| (*was, *is));
        assert_eq!(backlog, Some((Some(0), Some(1))));
        let mut both = Both::default();
        let refused = Refused::from([(Uuid::from_u128(1), 4)]);
        history()
            .into_iter()
            .for_each(|fact| both.take(fact, &refused));
        let raised = Refused::from([(Uuid::from_u128(1), 1), (Uuid::from_u128(2), 1)]);
        let mut none = Both::default();
        history()
            .into_iter()
            .for_each(|fact| none.take(fact, &raised));
        assert!(none.simulated.is_empty() && !both.simulated.is_empty());
    }
}
