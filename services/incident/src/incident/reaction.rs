//! What an incident does on hearing of another record's event: of a comment on
//! it, or of the major incident that it is part of. What was done already is
//! `Unchanged`, so that the same event may come again.

use mainstay_practice::Decision;

use super::verbs::Verdict;
use super::{
    Event, HoldReason, Incident, Link, MajorState, Milestone, Milestones, Resolution, State, Terms,
};

/// What a major incident tells its children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tidings {
    /// It was declared: its responders meet there.
    Declared(Link),
    /// Its response has ended: nobody is there any more.
    StoodDown(String),
    /// It was resolved, and with it what is part of it.
    Resolved(Resolution),
}

impl Incident {
    /// Hears that somebody (a slug) said something in public. The requester's
    /// word ends the wait for it; the first one of somebody else is the first
    /// answer to the requester.
    pub fn hear(&mut self, author: &str, said_us: i64, by: &mut Terms<'_>) -> Verdict {
        let Some(requester) = self.requester.clone() else {
            return Ok(Decision::Unchanged);
        };
        match requester == author {
            true => self.hear_requester(said_us, by),
            false => Ok(self.hear_answer(said_us)),
        }
    }

    fn hear_requester(&mut self, said_us: i64, by: &mut Terms<'_>) -> Verdict {
        let waits = self
            .hold
            .as_ref()
            .is_some_and(|hold| hold.reason == HoldReason::Requester && hold.since_us <= said_us);
        match waits && self.state == State::OnHold {
            true => self.resume(by),
            false => Ok(Decision::Unchanged),
        }
    }

    fn hear_answer(&mut self, said_us: i64) -> Decision<Event, Self> {
        let previous = self.milestones.clone();
        let early = previous
            .impact_start_us
            .is_some_and(|start| start > said_us);
        if previous.first_response_us.is_some() || early {
            return Decision::Unchanged;
        }
        self.milestones.set(Milestone::FirstResponse, Some(said_us));
        Decision::Changed(Event::MilestonesChanged {
            changed: Milestones::changed(&previous, &self.milestones),
            previous,
        })
    }

    /// Hears of the major incident that it is part of.
    pub fn hear_of_parent(&mut self, tidings: &Tidings, by: &mut Terms<'_>) -> Verdict {
        if !self.state.is_open() {
            return Ok(Decision::Unchanged);
        }
        match tidings {
            Tidings::Declared(link) => self.link(link.clone(), by),
            Tidings::StoodDown(uri) => self.unlink(uri.clone(), by),
            Tidings::Resolved(resolution) => self.resolve(resolution.clone(), by),
        }
    }

    /// What it tells its children by resolving, if it was declared major.
    pub fn told_by_resolving(&self) -> Option<Tidings> {
        let major = self.major.as_ref()?;
        let resolution = self.resolution.as_ref()?;
        let was = matches!(major.state, MajorState::Declared | MajorState::StoodDown);
        let summary = format!(
            "Resolved with {}: {}",
            self.number_text(),
            resolution.summary
        );
        was.then(|| {
            Tidings::Resolved(Resolution {
                summary: summary.chars().take(2_000).collect(),
                ..resolution.clone()
            })
        })
    }

    /// What it tells its children by being declared, or by standing down.
    pub fn told_by_standing(&self) -> Option<Tidings> {
        let major = self.major.as_ref()?;
        let uri = major.bridge_uri.clone()?;
        let title = format!("Bridge of {}", self.number_text());
        match major.state {
            MajorState::Declared => Some(Tidings::Declared(Link { uri, title })),
            MajorState::StoodDown => Some(Tidings::StoodDown(uri)),
            MajorState::Proposed | MajorState::Dismissed => None,
        }
    }
}
