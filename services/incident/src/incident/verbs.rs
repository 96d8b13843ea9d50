//! The verbs. Each asks the lifecycle first, then decides, and tells what
//! happened; one that changes nothing says so.

use mainstay_chassis::clock::rfc3339;
use mainstay_chassis::{Kind, Refusal};
use mainstay_practice::{Decision, Record};
use mainstay_proto::mainstay::error::v1::ErrorReason;

use super::{
    Event, Hold, HoldReason, Incident, LIFECYCLE, Link, Milestone, Milestones, Resolution, State,
    Terms, Verb,
};
use crate::policy::Policy;

/// What came of a verb.
pub type Verdict = Result<Decision<Event, Incident>, Refusal>;

impl Incident {
    /// Begins the work.
    pub fn start(&mut self, by: &mut Terms<'_>) -> Verdict {
        self.take(Verb::Start, by, |it, by| {
            it.step(Verb::Start, String::new(), by)
        })
    }

    /// Puts the work on hold, or says another reason during the hold.
    pub fn put_on_hold(
        &mut self,
        reason: HoldReason,
        note: String,
        resume_us: Option<i64>,
        by: &mut Terms<'_>,
    ) -> Verdict {
        self.take(Verb::Hold, by, |it, by| {
            let now = it.now(by);
            if resume_us.is_some_and(|resume| resume <= now) {
                return Err(Refusal::invalid("resume_time", "must be in the future"));
            }
            let hold = Hold {
                reason,
                note: note.clone(),
                since_us: it.hold.as_ref().map_or(now, |hold| hold.since_us),
                resume_us,
            };
            if it.hold.as_ref() == Some(&hold) && by.leaves(&it.status) {
                return Ok(Decision::Unchanged);
            }
            by.hold(reason, it)?;
            let decision = it.step(Verb::Hold, note, by)?;
            it.hold = Some(hold);
            Ok(decision)
        })
    }

    /// Ends the hold.
    pub fn resume(&mut self, by: &mut Terms<'_>) -> Verdict {
        self.take(Verb::Resume, by, |it, by| {
            it.step(Verb::Resume, String::new(), by)
        })
    }

    /// Says that users are no longer hurt, since now or since an earlier time.
    pub fn mitigate(
        &mut self,
        mitigate_us: Option<i64>,
        note: String,
        by: &mut Terms<'_>,
    ) -> Verdict {
        self.take(Verb::Mitigate, by, |it, by| {
            let decision = it.step(Verb::Mitigate, note, by)?;
            let now = it.now(by);
            it.milestones.mitigate_us = Some(mitigate_us.unwrap_or(now));
            it.milestones.check(now, "")?;
            Ok(decision)
        })
    }

    /// Says that service is restored.
    pub fn resolve(&mut self, resolution: Resolution, by: &mut Terms<'_>) -> Verdict {
        self.take(Verb::Resolve, by, |it, by| {
            let decision = it.step(Verb::Resolve, String::new(), by)?;
            let now = it.now(by);
            it.resolution = Some(resolution);
            it.milestones.resolve_us = Some(now);
            it.auto_close_us = by.auto_close(now);
            Ok(decision)
        })
    }

    /// Takes the resolution back, within the window after it.
    pub fn reopen(&mut self, reason: String, by: &mut Terms<'_>) -> Verdict {
        self.take(Verb::Reopen, by, |it, by| {
            if let Some(end) = it.reopen_window_end(by.policy()) {
                if end < it.now(by) {
                    return Err(it.window_passed(end));
                }
                by.note_window(end);
            }
            let decision = it.step(Verb::Reopen, reason, by)?;
            it.take_resolution_back();
            it.reopen_count = it.reopen_count.saturating_add(1);
            Ok(decision)
        })
    }

    /// Confirms the resolution.
    pub fn close(&mut self, by: &mut Terms<'_>) -> Verdict {
        self.take(Verb::Close, by, |it, by| {
            let decision = it.step(Verb::Close, String::new(), by)?;
            it.milestones.close_us = Some(it.now(by));
            Ok(decision)
        })
    }

    /// Says that it was none.
    pub fn cancel(&mut self, reason: String, by: &mut Terms<'_>) -> Verdict {
        self.take(Verb::Cancel, by, |it, by| it.step(Verb::Cancel, reason, by))
    }

    /// Says that somebody has taken notice; the first time counts.
    pub fn acknowledge(&mut self, by: &mut Terms<'_>) -> Verdict {
        self.take(Verb::Acknowledge, by, |it, by| {
            if it.milestones.acknowledge_us.is_some() {
                return Ok(Decision::Unchanged);
            }
            it.milestones.acknowledge_us = Some(it.now(by));
            Ok(Decision::Changed(Event::Acknowledged))
        })
    }

    /// Gives it to a team, a person, or both; what is not given stays.
    pub fn assign(
        &mut self,
        team: Option<String>,
        assignee: Option<String>,
        by: &mut Terms<'_>,
    ) -> Verdict {
        self.take(Verb::Assign, by, |it, _| {
            let team = team.or_else(|| it.team.clone());
            let assignee = assignee.or_else(|| it.assignee.clone());
            Ok(it
                .give(team, assignee)
                .map_or(Decision::Unchanged, Decision::Changed))
        })
    }

    /// Takes it from the person who has it; the team stays.
    pub fn unassign(&mut self, by: &mut Terms<'_>) -> Verdict {
        self.take(Verb::Unassign, by, |it, _| {
            let team = it.team.clone();
            Ok(it
                .give(team, None)
                .map_or(Decision::Unchanged, Decision::Changed))
        })
    }

    /// Corrects milestones: each is set to its new time, or cleared.
    pub fn correct_milestones(
        &mut self,
        corrections: &[(Milestone, Option<i64>)],
        by: &mut Terms<'_>,
    ) -> Verdict {
        self.take(Verb::UpdateMilestones, by, |it, by| {
            let previous = it.milestones.clone();
            for (milestone, us) in corrections {
                it.milestones.set(*milestone, *us);
            }
            it.milestones.check(it.now(by), "milestones.")?;
            let changed = Milestones::changed(&previous, &it.milestones);
            if changed.is_empty() {
                return Ok(Decision::Unchanged);
            }
            Ok(Decision::Changed(Event::MilestonesChanged {
                changed,
                previous,
            }))
        })
    }

    /// Adds a link, or changes the title of the one with its URI.
    pub fn link(&mut self, link: Link, by: &mut Terms<'_>) -> Verdict {
        self.take(Verb::Link, by, |it, _| {
            let uri = link.uri.clone();
            match it.links.add(link)? {
                true => Ok(Decision::Changed(Event::Linked {
                    uri,
                    removed: false,
                })),
                false => Ok(Decision::Unchanged),
            }
        })
    }

    /// Removes the link with the URI.
    pub fn unlink(&mut self, uri: String, by: &mut Terms<'_>) -> Verdict {
        self.take(Verb::Unlink, by, |it, _| match it.links.remove(&uri) {
            true => Ok(Decision::Changed(Event::Linked { uri, removed: true })),
            false => Ok(Decision::Unchanged),
        })
    }

    /// Refuses the verb when the state does not allow it.
    pub(super) fn open_to(&self, verb: Verb) -> Result<State, Refusal> {
        let suits = |verb| self.suits_major(verb);
        let next = LIFECYCLE.next_of(self.state, verb, suits);
        next.map_err(|refusal| refusal.with("resource", self.name()))
    }

    /// Takes the step that the lifecycle says.
    pub(super) fn step(&mut self, verb: Verb, reason: String, by: &mut Terms<'_>) -> Verdict {
        let previous = self.state;
        let state = self.open_to(verb)?;
        let word = by.word(&self.status, previous, state, self)?;
        let previous_word = std::mem::replace(&mut self.status, word);
        self.state = state;
        self.auto_close_us = None;
        if self.state != State::OnHold {
            self.hold = None;
        }
        let changed = Vec::new();
        Ok(Decision::Changed(Event::StateChanged {
            verb: Some(verb),
            previous,
            previous_word,
            reason,
            changed,
        }))
    }

    /// Gives it to a team and a person; the event, when that changes anything.
    pub(super) fn give(&mut self, team: Option<String>, assignee: Option<String>) -> Option<Event> {
        if self.team == team && self.assignee == assignee {
            return None;
        }
        let previous_team = std::mem::replace(&mut self.team, team);
        let previous_assignee = std::mem::replace(&mut self.assignee, assignee);
        Some(Event::Assigned {
            previous_team,
            previous_assignee,
        })
    }

    /// What said that it was resolved says so no more.
    pub(super) fn take_resolution_back(&mut self) {
        self.resolution = None;
        self.merged_into = None;
        self.milestones.resolve_us = None;
        self.milestones.close_us = None;
    }

    /// The moment's time, never earlier than the newest change.
    pub(super) fn now(&self, by: &Terms<'_>) -> i64 {
        by.at().now_us.max(self.occur_us)
    }

    /// Until when it may be reopened under a policy.
    pub(crate) fn reopen_window_end(&self, policy: &Policy) -> Option<i64> {
        let window_us = policy.reopen_window_us;
        self.milestones
            .resolve_us
            .map(|resolve| resolve.saturating_add(window_us))
    }

    fn window_passed(&self, end: i64) -> Refusal {
        let end = rfc3339(end);
        Refusal::new(
            Kind::Precondition,
            ErrorReason::ReopenWindowPassed,
            format!("it could be reopened until {end}: create a new incident with recurrence_of"),
        )
        .with("resource", self.name())
        .with("windowEnd", end)
    }
}
