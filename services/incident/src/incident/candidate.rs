//! Which incidents are proposed to be declared major: rules, asked whenever
//! what they look at may have changed. Each incident is proposed at most once:
//! what somebody has dismissed or declared is decided.

use mainstay_practice::{Decision, Step};

use super::major::{Major, MajorState};
use super::{Event, Incident, Terms};
use crate::policy::Case;

impl Incident {
    /// Marks it as a candidate when a rule proposes it; tells what happened.
    pub fn propose(&mut self, by: &Terms<'_>) -> Option<Event> {
        let decided = self.major_state.is_some() || self.parent.is_some() || self.imported;
        if decided || !self.state.is_open() {
            return None;
        }
        let case = Case {
            verb: "",
            previous: None,
            incident: self,
            reason: "",
            at: by.at(),
        };
        let rule = by.policy().proposes(&case)?;
        let major = Major {
            propose_us: Some(self.now(by)),
            ..Major::standing(MajorState::Proposed, &rule.reason)
        };
        self.put_major(major);
        Some(Event::MajorProposed {
            rule: rule.id.clone(),
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
