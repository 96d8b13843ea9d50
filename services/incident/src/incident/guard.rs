//! Where a verb meets the policy: the lifecycle lets it pass, then a role,
//! then what it would lead to. The same is foretold for `available_verbs`, as
//! far as it can be known before.

use mainstay_practice::{Decision, Word};

use super::verbs::Verdict;
use super::{Incident, LIFECYCLE, State, Terms, Verb};
use crate::policy::{Case, VerbRule};

impl Incident {
    /// Takes a verb, when lifecycle and policy let it pass.
    pub(super) fn take(
        &mut self,
        verb: Verb,
        by: &mut Terms<'_>,
        change: impl FnOnce(&mut Self, &mut Terms<'_>) -> Verdict,
    ) -> Verdict {
        self.open_to(verb)?;
        by.admit(verb.word(), self)?;
        let before = by.asks(verb.word()).then(|| self.clone());
        match change(self, by)? {
            Decision::Changed(event) => {
                by.pass(verb.word(), before.as_ref(), self, event.reason())?;
                Ok(Decision::Changed(by.decided(event)))
            }
            decision @ (Decision::History(_) | Decision::Unchanged) => Ok(decision),
        }
    }

    /// Whether the verb is open on these terms, as far as that can be known
    /// before it is taken.
    pub fn is_open_to(&self, verb: Verb, by: &Terms<'_>) -> bool {
        let Ok(to) = LIFECYCLE.next(self.state, verb) else {
            return false;
        };
        let end = || self.reopen_window_end(by.policy());
        let passed = || end().is_some_and(|end| end < by.at().now_us);
        self.suits_major(verb)
            && !(verb == Verb::Reopen && passed())
            && self.has_word(to, by)
            && by
                .policy()
                .rules(verb.word())
                .all(|rule| self.may_pass(verb, rule, by))
    }

    /// Whether some status of the state may follow.
    fn has_word(&self, to: State, by: &Terms<'_>) -> bool {
        let statuses = &by.policy().statuses;
        to == self.state || statuses.following(&self.status, to).next().is_some()
    }

    /// Whether a rule will let the verb pass: what hangs on fields that the
    /// verb itself sets is only known when it is taken.
    fn may_pass(&self, verb: Verb, rule: &VerbRule, by: &Terms<'_>) -> bool {
        let case = Case {
            verb: verb.word(),
            previous: Some(self),
            incident: self,
            reason: "",
            at: by.at(),
        };
        let known = |field: &str| !sets(verb).iter().any(|set| field.starts_with(set));
        let mut required = rule.required.iter().filter(|field| known(field));
        let guard = rule.guard.as_ref().filter(|guard| {
            guard
                .mentions()
                .into_iter()
                .all(|path| path != "reason" && path.strip_prefix("incident.").is_none_or(known))
        });
        rule.admits(&by.at().roles)
            && required.all(|field| !case.field(field).is_empty())
            && guard.is_none_or(|guard| guard.holds(&|path| case.value(path)))
    }
}

/// What the names of the fields begin with that a verb may set.
fn sets(verb: Verb) -> &'static [&'static str] {
    match verb {
        Verb::Start | Verb::Resume | Verb::Cancel => &["stat", "hold"],
        Verb::Hold => &["stat", "hold"],
        Verb::Mitigate => &["stat", "hold", "milestones.mitigate"],
        Verb::Resolve => &["stat", "hold", "resolution", "milestones.resolve"],
        Verb::Reopen => &["stat", "resolution", "milestones", "reopen_count"],
        Verb::Close => &["stat", "milestones.close"],
        Verb::Merge => &["stat", "hold", "resolution", "milestones"],
        Verb::Acknowledge => &["milestones.acknowledge"],
        Verb::Assign | Verb::Unassign => &["team", "assignee"],
        Verb::SetParent => &["parent"],
        Verb::Update => &[
            "title",
            "description",
            "status",
            "impact",
            "urgency",
            "priority",
            "severity",
            "category",
            "service",
            "affected_services",
            "requester",
            "labels",
        ],
        Verb::UpdateMilestones => &["milestones"],
        Verb::Link
        | Verb::Unlink
        | Verb::DeclareMajor
        | Verb::StandDown
        | Verb::DismissMajor
        | Verb::AssignRole
        | Verb::Redact => &[],
    }
}
