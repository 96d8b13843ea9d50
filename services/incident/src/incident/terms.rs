//! The terms on which something is done: under which policy, by whom, when,
//! and with which status in mind. They keep what the policy was asked, so that
//! the event can tell it.

use mainstay_chassis::clock::rfc3339;
use mainstay_chassis::{Kind, Refusal};
use mainstay_practice::{Moment, Record};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use sea_orm::ActiveEnum;

use super::{Event, HoldReason, Impact, Incident, Priority, State, Urgency};
use crate::policy::{Asked, Case, Denial, Explanation, InForce, Policy};

/// On which terms something is done.
#[derive(Debug)]
pub struct Terms<'a> {
    in_force: &'a InForce,
    at: &'a Moment,
    wish: String,
    automatic: bool,
    asked: Vec<Asked>,
    verb: &'static str,
}

impl<'a> Terms<'a> {
    /// The terms of what is done at a moment under the policy in force then.
    pub fn new(in_force: &'a InForce, at: &'a Moment) -> Self {
        Self {
            in_force,
            at,
            wish: String::new(),
            automatic: false,
            asked: Vec::new(),
            verb: "",
        }
    }

    /// The same terms, with a status in mind; an empty one leaves the choice
    /// to the policy.
    #[must_use]
    pub fn wishing(mut self, status: &str) -> Self {
        status.clone_into(&mut self.wish);
        self
    }

    /// The same terms, for what the suite does by itself: it has no role, and
    /// nobody is there to fill in a field. Only statuses and windows count.
    #[must_use]
    pub fn automatic(mut self) -> Self {
        self.automatic = true;
        self
    }

    /// The policy.
    pub fn policy(&self) -> &'a Policy {
        &self.in_force.policy
    }

    /// The moment.
    pub fn at(&self) -> &'a Moment {
        self.at
    }

    /// Takes a status to mind.
    pub(super) fn wish(&mut self, status: Option<&str>) {
        status.unwrap_or_default().clone_into(&mut self.wish);
    }

    /// Whether nothing but this status is in mind.
    pub(super) fn leaves(&self, status: &str) -> bool {
        self.wish.is_empty() || self.wish == status
    }

    /// Whether somebody must be asked for a verb's rules.
    pub(super) fn asks(&self, verb: &str) -> bool {
        !self.automatic && self.policy().rules(verb).next().is_some()
    }

    /// Lets a role take a verb.
    pub(super) fn admit(&mut self, verb: &'static str, incident: &Incident) -> Result<(), Refusal> {
        self.verb = verb;
        if !self.asks(verb) {
            return Ok(());
        }
        for rule in self.policy().rules(verb) {
            let asked = rule.ask_roles(&self.at.roles, &mut self.asked);
            asked.map_err(|denial| self.refuse(incident, denial))?;
        }
        Ok(())
    }

    /// Lets a verb pass that would leave the incident so.
    pub(super) fn pass(
        &mut self,
        verb: &'static str,
        previous: Option<&Incident>,
        incident: &Incident,
        reason: &str,
    ) -> Result<(), Refusal> {
        if !self.asks(verb) {
            return Ok(());
        }
        let at = self.at;
        let case = Case {
            verb,
            previous,
            incident,
            reason,
            at,
        };
        for rule in self.policy().rules(verb) {
            let asked = rule.ask(&case, &mut self.asked);
            asked.map_err(|denial| self.refuse(incident, denial))?;
        }
        Ok(())
    }

    /// The status of an incident that comes from one state to another.
    pub(super) fn word(
        &mut self,
        word: &str,
        from: State,
        to: State,
        incident: &Incident,
    ) -> Result<String, Refusal> {
        let statuses = &self.policy().statuses;
        let given = !self.wish.is_empty();
        if !given && from == to && !word.is_empty() {
            return Ok(word.to_owned());
        }
        let suits = |id: &str| !given || id == self.wish;
        let mut following = statuses.following(word, to);
        match following.find(|(_, standing)| suits(&standing.id)) {
            Some((place, standing)) => {
                if given || !statuses.are_built_in() {
                    let asked = Asked::new(format!("statuses[{place}]"), standing.id.as_str());
                    let asked = asked.with("previous.status", word);
                    self.asked.push(asked.with("status", &self.wish));
                }
                Ok(standing.id.clone())
            }
            None => {
                let open = statuses.following(word, to);
                let open: Vec<&str> = open.map(|(_, standing)| standing.id.as_str()).collect();
                Err(self.no_word(word, &open, incident))
            }
        }
    }

    fn no_word(&self, word: &str, open: &[&str], incident: &Incident) -> Refusal {
        let place = match self.policy().statuses.get(word) {
            Some((place, _)) => format!("statuses[{place}].next"),
            None => "statuses".to_owned(),
        };
        let remedy = match open.is_empty() {
            true => format!("take it out of the status {word:?} first"),
            false => format!("choose one of {}", open.join(", ")),
        };
        let message = match self.wish.as_str() {
            "" => format!("no status may follow {word:?} here: {remedy}"),
            wish => format!("the status {wish:?} cannot follow here: {remedy}"),
        };
        self.refuse(incident, Denial { place, message })
    }

    /// What comes first.
    pub(super) fn priority(&mut self, impact: Impact, urgency: Urgency) -> Priority {
        let priority = self.policy().matrix.priority(impact, urgency);
        let asked = Asked::new("matrix", priority.to_value());
        let asked = asked.with("impact", impact.to_value());
        self.asked.push(asked.with("urgency", urgency.to_value()));
        priority
    }

    /// Lets a reason hold the work.
    pub(super) fn hold(&mut self, reason: HoldReason, incident: &Incident) -> Result<(), Refusal> {
        let holds = &self.policy().holds;
        if holds.iter().any(|(allowed, _)| *allowed == reason) {
            return Ok(());
        }
        let allowed: Vec<&str> = holds.iter().map(|(allowed, _)| allowed.word()).collect();
        let message = format!(
            "{} is no reason here: give one of {}",
            reason.word(),
            allowed.join(", ")
        );
        let place = "hold_reasons".to_owned();
        Err(self.refuse(incident, Denial { place, message }))
    }

    /// Keeps in mind that the window for reopening was still open.
    pub(super) fn note_window(&mut self, end_us: i64) {
        let asked = Asked::new("reopen_window", "true");
        self.asked.push(asked.with("window_end", rfc3339(end_us)));
    }

    /// When what is resolved now is closed by itself.
    pub(super) fn auto_close(&mut self, now_us: i64) -> Option<i64> {
        let due_us = now_us.saturating_add(self.policy().auto_close_us?);
        let asked = Asked::new("auto_close_window", rfc3339(due_us));
        self.asked.push(asked);
        Some(due_us)
    }

    /// What happened, with what the policy was asked for it.
    pub(super) fn decided(&mut self, event: Event) -> Event {
        let why = Explanation {
            version: self.in_force.version.clone(),
            roles: self.at.roles.to_vec(),
            automatic: self.automatic,
            asked: std::mem::take(&mut self.asked),
        };
        let event = Box::new(event);
        Event::Decided { event, why }
    }

    fn refuse(&self, incident: &Incident, denial: Denial) -> Refusal {
        Refusal::new(
            Kind::Precondition,
            ErrorReason::PolicyRefused,
            denial.message,
        )
        .with("resource", incident.name())
        .with("verb", self.verb)
        .with("rule", denial.place)
        .with("policyVersion", self.in_force.version.as_str())
    }
}
