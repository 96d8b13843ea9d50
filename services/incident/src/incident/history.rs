//! Importing history: facts, not verbs. What another system knows of an
//! incident becomes steps of the record, one per fact that changes something.
//!
//! The lifecycle's table and the reopening window do not apply: history is
//! what it was. The invariants do: time goes forward, a hold has a reason and
//! nothing else has one. The record keeps a trail of the facts it was made
//! of: a digest per step, each over the one before, so that a history told
//! again either agrees with the trail, goes on from it, or contradicts it at
//! a known fact.

mod apply;
mod trail;

use std::collections::BTreeMap;

use mainstay_chassis::{Kind, Refusal};
use mainstay_practice::{Record, Step};
use mainstay_proto::mainstay::error::v1::ErrorReason;

use super::{Draft, Event, HoldReason, Impact, Incident, Origin, Standing, State, Terms, Urgency};

pub use trail::Trail;

/// What was true from an instant on. What is not given stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// From when on.
    pub time_us: i64,
    /// The state.
    pub state: Option<State>,
    /// What the work waits for.
    pub hold_reason: Option<HoldReason>,
    /// The impact.
    pub impact: Option<Impact>,
    /// The urgency.
    pub urgency: Option<Urgency>,
    /// The service.
    pub service: Option<String>,
    /// The team.
    pub team: Option<String>,
    /// The assignee.
    pub assignee: Option<String>,
    /// Whether the fact takes the assignee away.
    pub unassigned: bool,
}

/// What another system knows of one incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Its natural key.
    pub origin: Origin,
    /// The title.
    pub title: String,
    /// The description.
    pub description: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The facts, in the order of their time.
    pub facts: Vec<Fact>,
}

/// What a history comes to.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// What is to be written, in order.
    pub steps: Vec<Step<Event, Incident>>,
    /// How many of the history's facts change nothing.
    pub idle: usize,
}

/// A history told from its beginning: the steps, which fact made each, and
/// the trail that they leave.
struct Told {
    steps: Vec<(Event, Incident)>,
    facts: Vec<usize>,
    trail: Trail,
}

impl History {
    /// The whole history, as steps of an incident that does not exist yet.
    pub fn begin(&self, organization: &str, by: &Terms<'_>) -> Result<Telling, Refusal> {
        let told = self.tell(organization, by)?;
        let idle = self.facts.len() - told.facts.len();
        Ok(Telling {
            steps: mark(told.steps, &told.trail, 0),
            idle,
        })
    }

    /// What the history adds to an incident that was imported before. A
    /// history that ends earlier than what is known adds nothing.
    pub fn extend(&self, stored: &Incident, by: &Terms<'_>) -> Result<Telling, Refusal> {
        let Some(known) = &stored.trail else {
            return Err(Refusal::exists(stored.name()));
        };
        let told = self.tell(&stored.organization, by)?;
        let idle = self.facts.len() - told.facts.len();
        if let Some(step) = known.contradiction(&told.trail) {
            return Err(conflict(
                stored,
                told.facts.get(step).copied().unwrap_or_default(),
            ));
        }
        let Some(next) = told.facts.get(known.digests.len()) else {
            return Ok(Telling {
                steps: Vec::new(),
                idle,
            });
        };
        if stored.revision != known.revision {
            return Err(touched(stored));
        }
        let mut incident = stored.clone();
        let mut learn = |fact| Some((incident.learn(fact, by.policy())?, incident.clone()));
        let steps = self
            .facts
            .iter()
            .skip(*next)
            .filter_map(&mut learn)
            .collect();
        Ok(Telling {
            steps: mark(steps, &told.trail, stored.revision),
            idle,
        })
    }

    fn tell(&self, organization: &str, by: &Terms<'_>) -> Result<Told, Refusal> {
        self.check(by.at().now_us)?;
        let mut incident = self.first(organization, by);
        let mut told = Told {
            trail: Trail::begin(self, &incident),
            steps: vec![(Event::Created, incident.clone())],
            facts: vec![0],
        };
        for (index, fact) in self.facts.iter().enumerate().skip(1) {
            if let Some(event) = incident.learn(fact, by.policy()) {
                told.trail.add(&incident);
                told.steps.push((event, incident.clone()));
                told.facts.push(index);
            }
        }
        Ok(told)
    }

    /// The incident as its first fact says it was.
    fn first(&self, organization: &str, by: &Terms<'_>) -> Incident {
        let draft = Draft {
            title: self.title.clone(),
            description: self.description.clone(),
            labels: self.labels.clone(),
            origin: Some(Origin {
                imported: true,
                ..self.origin.clone()
            }),
            ..Draft::default()
        };
        let standing = Standing::new(&draft, organization, by);
        let mut incident = Incident::standing(draft, standing);
        if let Some(fact) = self.facts.first() {
            incident.create_us = fact.time_us;
            incident.occur_us = fact.time_us;
            incident.learn(fact, by.policy());
        }
        incident
    }

    fn check(&self, now_us: i64) -> Result<(), Refusal> {
        let refuse = |index: usize, field: &str, remedy: &str| {
            Err(Refusal::invalid(format!("facts[{index}].{field}"), remedy))
        };
        if self.facts.first().is_none_or(|fact| fact.state.is_none()) {
            return refuse(0, "state", "is required in the first fact");
        }
        let mut before = i64::MIN;
        for (index, fact) in self.facts.iter().enumerate() {
            if fact.time_us < before {
                return refuse(index, "time", "must not be earlier than the fact before it");
            }
            if fact.time_us > now_us {
                return refuse(index, "time", "must not be in the future");
            }
            match (
                fact.state == Some(State::OnHold),
                fact.hold_reason.is_some(),
            ) {
                (true, false) => return refuse(index, "hold_reason", "is required with ON_HOLD"),
                (false, true) => return refuse(index, "hold_reason", "goes with ON_HOLD only"),
                (true, true) | (false, false) => {}
            }
            if fact.unassigned && fact.assignee.is_some() {
                return refuse(index, "unassigned", "must not stand beside an assignee");
            }
            before = fact.time_us;
        }
        Ok(())
    }
}

/// The steps, each with the trail and with the revision that it will have.
fn mark(steps: Vec<(Event, Incident)>, trail: &Trail, before: i64) -> Vec<Step<Event, Incident>> {
    let revisions = (before + 1)..;
    let marked = steps
        .into_iter()
        .zip(revisions)
        .map(|((event, mut after), revision)| {
            after.trail = Some(Trail {
                revision,
                digests: trail.digests.clone(),
            });
            Step {
                occur_us: after.occur_us,
                after,
                event,
            }
        });
    marked.collect()
}

fn conflict(stored: &Incident, fact: usize) -> Refusal {
    Refusal::new(
        Kind::Precondition,
        ErrorReason::ImportConflict,
        format!("fact {fact} contradicts what was imported before: give the same history, or a longer one"),
    )
    .with("resource", stored.name())
    .with("fact", fact.to_string())
}

fn touched(stored: &Incident) -> Refusal {
    Refusal::new(
        Kind::Precondition,
        ErrorReason::ImportTouched,
        "the incident has been changed here since it was imported: go on with it here",
    )
    .with("resource", stored.name())
}
