//! What one fact does to an incident.

use crate::incident::history::Fact;
use crate::incident::{Change, Event, Hold, Incident, Resolution, ResolutionCode, State};
use crate::policy::Policy;

impl Incident {
    /// Takes a fact over; the event, when it changes anything.
    pub(super) fn learn(&mut self, fact: &Fact, policy: &Policy) -> Option<Event> {
        let mut changed = self.learn_fields(fact, policy);
        let given = self.learn_assignment(fact);
        let previous = self.state;
        let previous_word = self.status.clone();
        let event = match (self.learn_state(fact, policy), given, changed.is_empty()) {
            (true, given, _) => {
                changed.extend(self.given(given.as_ref()));
                Event::StateChanged {
                    verb: None,
                    previous,
                    previous_word,
                    reason: String::new(),
                    changed,
                }
            }
            (false, Some(given), true) => given,
            (false, None, true) => return None,
            (false, given, false) => {
                changed.extend(self.given(given.as_ref()));
                Event::Updated { changed }
            }
        };
        self.occur_us = fact.time_us;
        Some(event)
    }

    fn learn_fields(&mut self, fact: &Fact, policy: &Policy) -> Vec<&'static str> {
        let changes = [
            fact.impact.map(Change::Impact),
            fact.urgency.map(Change::Urgency),
            fact.service
                .clone()
                .map(|service| Change::Service(Some(service))),
        ];
        let changes = changes.into_iter().flatten();
        let mut changed: Vec<_> = changes.filter_map(|change| self.put(change)).collect();
        changed.extend(self.prioritise(policy));
        changed
    }

    fn learn_assignment(&mut self, fact: &Fact) -> Option<Event> {
        let team = fact.team.clone().or_else(|| self.team.clone());
        let assignee = match fact.unassigned {
            true => None,
            false => fact.assignee.clone().or_else(|| self.assignee.clone()),
        };
        self.give(team, assignee)
    }

    /// The fields that an assignment has changed.
    fn given(&self, assignment: Option<&Event>) -> Vec<&'static str> {
        let Some(Event::Assigned {
            previous_team,
            previous_assignee,
        }) = assignment
        else {
            return Vec::new();
        };
        let team = (self.team != *previous_team).then_some("team");
        let assignee = (self.assignee != *previous_assignee).then_some("assignee");
        team.into_iter().chain(assignee).collect()
    }

    /// Takes the state over; tells whether it, or the reason to wait, changed.
    fn learn_state(&mut self, fact: &Fact, policy: &Policy) -> bool {
        let Some(state) = fact.state else {
            return false;
        };
        let previous = std::mem::replace(&mut self.state, state);
        let waited_for = self.hold.as_ref().map(|hold| hold.reason);
        let since_us = self
            .hold
            .as_ref()
            .map_or(fact.time_us, |hold| hold.since_us);
        let hold = |reason| Hold {
            reason,
            note: String::new(),
            since_us,
            resume_us: None,
        };
        self.hold = fact.hold_reason.map(hold);
        if previous != state {
            self.status = policy.statuses.first(state);
            self.auto_close_us = None;
            self.learn_milestones(previous, fact.time_us);
        }
        previous != state || waited_for != fact.hold_reason
    }

    /// What coming into another state says beside it.
    fn learn_milestones(&mut self, previous: State, time_us: i64) {
        if self.state.is_resolved() && !previous.is_resolved() {
            let source = self.origin_source.as_deref().unwrap_or_default();
            self.resolution = Some(Resolution {
                code: ResolutionCode::Imported,
                summary: format!("Resolved in {source}."),
                cause_code: None,
            });
            self.milestones.resolve_us = Some(time_us);
        }
        match self.state {
            State::Closed => self.milestones.close_us = Some(time_us),
            State::Resolved => self.milestones.close_us = None,
            State::Mitigated => self.milestones.mitigate_us = Some(time_us),
            State::New | State::InProgress | State::OnHold | State::Cancelled => {}
        }
        if previous.is_resolved() && !self.state.is_resolved() {
            self.take_resolution_back();
            let reopened = i32::from(self.state.is_open());
            self.reopen_count = self.reopen_count.saturating_add(reopened);
        }
    }
}
