//! Replaying what was decided under another policy: what it would refuse, and
//! what it would decide otherwise.
//!
//! Replaying a policy over what it decided itself differs nowhere.

use mainstay_practice::Word;
use mainstay_practice::policy::{Divergence, Replay, Taken, Verdict};
use sea_orm::ActiveEnum;

use super::{Asked, Case, Denial, Policy};
use crate::incident::{Incident, Verb};
use crate::wire::{Decided, decided};

impl Replay for Policy {
    type Record = Incident;

    fn replay(&self, taken: &Taken<'_, Incident>) -> Vec<Divergence> {
        let Some(decided) = decided(taken) else {
            return Vec::new();
        };
        let replayed = Replayed {
            before: taken.before,
            after: taken.after,
            decided: &decided,
        };
        replayed.under(self)
    }

    fn number(incident: &Incident) -> String {
        incident.number_text()
    }
}

/// A decision that was taken.
struct Replayed<'a> {
    before: Option<&'a Incident>,
    after: &'a Incident,
    decided: &'a Decided,
}

impl Replayed<'_> {
    /// What a policy makes of it.
    fn under(&self, policy: &Policy) -> Vec<Divergence> {
        if self.decided.imported {
            // Facts are not refused, but their priority is the matrix's.
            return self.priority(policy).into_iter().collect();
        }
        let rules = match self.decided.automatic {
            true => None,
            false => self.rules(policy),
        };
        let found = [
            rules,
            self.priority(policy),
            self.status(policy),
            self.hold(policy),
            self.windows(policy),
        ];
        found.into_iter().flatten().collect()
    }

    /// The verb's rules; a guard that looks at roles nobody knows is not asked.
    fn rules(&self, policy: &Policy) -> Option<Divergence> {
        let at = &self.decided.at;
        let verb = self.decided.verb;
        let case = Case {
            verb,
            previous: self.before,
            incident: self.after,
            reason: &self.decided.reason,
            at,
        };
        let mut asked: Vec<Asked> = Vec::new();
        let mut rules = policy.rules(verb);
        rules.find_map(|rule| {
            let of_roles = |path: &&str| *path == "actor.roles";
            let guard = rule.guard.as_ref();
            let by_roles = guard.is_some_and(|guard| guard.mentions().iter().any(of_roles));
            let roles = match self.decided.roles_known {
                true => rule.ask_roles(&at.roles, &mut asked),
                false => Ok(()),
            };
            let rest = match by_roles && !self.decided.roles_known {
                true => Ok(()),
                false => rule.ask(&case, &mut asked),
            };
            roles.and(rest).err().map(|denial| self.refused(denial))
        })
    }

    fn priority(&self, policy: &Policy) -> Option<Divergence> {
        let weighed = |incident: &Incident| (incident.impact(), incident.urgency());
        let weighs_anew = self.before.map(weighed) != Some(weighed(self.after));
        let (impact, urgency) = weighed(self.after);
        let priority = policy.matrix.priority(impact, urgency);
        (weighs_anew && priority != self.after.priority()).then(|| {
            let recorded = self.after.priority().to_value();
            self.otherwise("matrix", recorded, priority.to_value())
        })
    }

    fn status(&self, policy: &Policy) -> Option<Divergence> {
        let before = self.before.map_or("", Incident::status);
        let after = self.after;
        if before == after.status() {
            return None;
        }
        let statuses = &policy.statuses;
        let mut following = statuses.following(before, after.state());
        if following.any(|(_, standing)| standing.id == after.status()) {
            return None;
        }
        let recorded = after.status().to_owned();
        match statuses.following(before, after.state()).next() {
            Some((place, standing)) => {
                Some(self.otherwise(format!("statuses[{place}]"), recorded, standing.id.clone()))
            }
            None => {
                let place = statuses.get(before).map_or_else(
                    || "statuses".to_owned(),
                    |(place, _)| format!("statuses[{place}].next"),
                );
                let message = format!("{recorded} may not follow {before}");
                Some(self.refused(Denial { place, message }))
            }
        }
    }

    fn hold(&self, policy: &Policy) -> Option<Divergence> {
        let reason = self.after.hold()?.reason;
        let unchanged = self.before.and_then(Incident::hold).map(|hold| hold.reason);
        if unchanged == Some(reason) || policy.holds.iter().any(|(allowed, _)| *allowed == reason) {
            return None;
        }
        let message = format!("{} is no reason here", reason.word());
        let place = "hold_reasons".to_owned();
        Some(self.refused(Denial { place, message }))
    }

    fn windows(&self, policy: &Policy) -> Option<Divergence> {
        let verb = Verb::ALL
            .iter()
            .find(|verb| verb.word() == self.decided.verb);
        match verb {
            Some(Verb::Reopen) => {
                let end = self.before?.reopen_window_end(policy)?;
                let place = "reopen_window".to_owned();
                let message = "the window for reopening had passed".to_owned();
                (end < self.after.occur_us()).then(|| self.refused(Denial { place, message }))
            }
            Some(Verb::Resolve) => {
                let resolve_us = self.after.milestones().resolve_us?;
                let due = policy
                    .auto_close_us
                    .map(|window_us| resolve_us.saturating_add(window_us));
                let told = |due: Option<i64>| {
                    due.map(mainstay_chassis::clock::rfc3339)
                        .unwrap_or_default()
                };
                let recorded = self.after.auto_close_us();
                (due != recorded)
                    .then(|| self.otherwise("auto_close_window", told(recorded), told(due)))
            }
            Some(_) | None => None,
        }
    }

    fn refused(&self, denial: Denial) -> Divergence {
        Divergence {
            verb: self.decided.verb.to_owned(),
            field: denial.place,
            verdict: Verdict::Refused(denial.message),
        }
    }

    fn otherwise(
        &self,
        place: impl Into<String>,
        recorded: String,
        simulated: String,
    ) -> Divergence {
        let verdict = Verdict::Otherwise {
            recorded,
            simulated,
        };
        Divergence {
            verb: self.decided.verb.to_owned(),
            field: place.into(),
            verdict,
        }
    }
}
