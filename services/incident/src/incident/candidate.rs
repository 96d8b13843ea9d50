//! Which incidents are proposed to be declared major: rules, asked whenever
//! what they look at may have changed. Each incident is proposed at most once:
//! what somebody has dismissed or declared is decided.

use std::collections::BTreeSet;

use mainstay_practice::{Decision, Step};

use super::major::{Major, MajorState};
use super::{Event, Incident, Priority, Terms};

/// A rule by which incidents are proposed. All that it asks for must be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateRule {
    /// Its name.
    pub name: String,
    /// The least priority.
    pub priority: Priority,
    /// So many services are hurt at least.
    pub services: usize,
}

impl CandidateRule {
    /// The rules that are built in: what comes first and hurts widely.
    pub fn built_in() -> Vec<Self> {
        vec![Self {
            name: "wide".to_owned(),
            priority: Priority::P1,
            services: 3,
        }]
    }

    /// Why the rule proposes the incident, if it does.
    fn proposes(&self, incident: &Incident) -> Option<String> {
        let services: BTreeSet<&str> = incident
            .affected_services()
            .iter()
            .map(String::as_str)
            .chain(incident.service())
            .collect();
        let hit = incident.priority <= self.priority && services.len() >= self.services;
        hit.then(|| {
            let count = services.len();
            format!("{:?} with {count} services hurt", incident.priority)
        })
    }
}

impl Incident {
    /// Marks it as a candidate when a rule proposes it; tells what happened.
    pub fn propose(&mut self, by: &Terms<'_>) -> Option<Event> {
        let decided = self.major_state.is_some() || self.parent.is_some() || self.imported;
        if decided || !self.state.is_open() {
            return None;
        }
        let (rule, reason) = by
            .policy()
            .candidates
            .iter()
            .find_map(|rule| Some((rule, rule.proposes(self)?)))?;
        let major = Major {
            propose_us: Some(self.now(by)),
            ..Major::standing(MajorState::Proposed, &reason)
        };
        self.put_major(major);
        Some(Event::MajorProposed {
            rule: rule.name.clone(),
        })
    }

    /// Adds to what a verb has decided that a rule proposes the incident now.
    pub fn with_proposal(
        &mut self,
        decision: Decision<Event, Self>,
        by: &Terms<'_>,
    ) -> Decision<Event, Self> {
        match decision {
            Decision::Changed(event) => {
                let first = self.clone();
                match self.propose(by) {
                    Some(proposed) => Decision::History(vec![
                        step(first, event, by),
                        step(self.clone(), proposed, by),
                    ]),
                    None => Decision::Changed(event),
                }
            }
            Decision::History(_) | Decision::Unchanged => decision,
        }
    }

    /// The steps in which it is raised: a rule may propose it at once.
    pub fn begun(mut self, event: Event, by: &Terms<'_>) -> Vec<Step<Event, Self>> {
        let mut steps = vec![step(self.clone(), event, by)];
        if let Some(proposed) = self.propose(by) {
            steps.push(step(self, proposed, by));
        }
        steps
    }
}

fn step(after: Incident, event: Event, by: &Terms<'_>) -> Step<Event, Incident> {
    Step {
        after,
        event,
        occur_us: by.at().now_us,
    }
}
