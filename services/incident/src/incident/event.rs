//! What may happen to an incident, in the domain's words.

use sea_orm::prelude::Uuid;

use super::{Milestones, ResponseRole, State, Verb};
use crate::policy::Explanation;

/// What happened. The incident after it is told with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It was raised.
    Created,
    /// Fields were changed.
    Updated {
        /// Which.
        changed: Vec<&'static str>,
    },
    /// It came into another state, or on hold for another reason.
    StateChanged {
        /// By which verb; none when a fact of history says so.
        verb: Option<Verb>,
        /// The state before.
        previous: State,
        /// The status before.
        previous_word: String,
        /// What the caller gave as reason or note.
        reason: String,
        /// Fields that changed with it, by a fact of history.
        changed: Vec<&'static str>,
    },
    /// It was given to another team or person, or to nobody.
    Assigned {
        /// The team before.
        previous_team: Option<String>,
        /// The assignee before.
        previous_assignee: Option<String>,
    },
    /// Somebody has taken notice.
    Acknowledged,
    /// Milestones were corrected.
    MilestonesChanged {
        /// Which.
        changed: Vec<&'static str>,
        /// The milestones before.
        previous: Milestones,
    },
    /// A link was added, changed or removed.
    Linked {
        /// Its URI.
        uri: String,
        /// Whether it was removed.
        removed: bool,
    },
    /// It was closed, since another one is about the same.
    MergedInto {
        /// The other one.
        into: Uuid,
        /// The state before.
        previous: State,
    },
    /// Another one, which is about the same, was closed into it.
    Absorbed {
        /// The other one.
        merged: Uuid,
    },
    /// A rule proposes to declare it a major incident.
    MajorProposed {
        /// The rule's name.
        rule: String,
    },
    /// It is no major incident, though it was proposed.
    MajorDismissed,
    /// It was declared a major incident.
    MajorDeclared,
    /// The response to it has ended.
    MajorStoodDown,
    /// Personal data were taken out of it, and out of its history.
    Redacted {
        /// Why.
        reason: String,
    },
    /// A role in the response was given to another, or to nobody.
    RoleAssigned {
        /// The role.
        role: ResponseRole,
        /// Who had it before.
        previous_assignee: Option<String>,
    },
    /// One of the others, decided under a policy.
    Decided {
        /// What happened.
        event: Box<Self>,
        /// Why the policy let it.
        why: Explanation,
    },
}

impl Event {
    /// What happened, and why a policy let it.
    pub fn parts(&self) -> (&Self, Option<&Explanation>) {
        match self {
            Self::Decided { event, why } => (event, Some(why)),
            Self::Created
            | Self::Updated { .. }
            | Self::StateChanged { .. }
            | Self::Assigned { .. }
            | Self::Acknowledged
            | Self::MilestonesChanged { .. }
            | Self::Linked { .. }
            | Self::Redacted { .. }
            | Self::MajorProposed { .. }
            | Self::MajorDismissed
            | Self::MajorDeclared
            | Self::MajorStoodDown
            | Self::RoleAssigned { .. }
            | Self::MergedInto { .. }
            | Self::Absorbed { .. } => (self, None),
        }
    }

    /// What the caller gave as reason or note.
    pub fn reason(&self) -> &str {
        if let Self::StateChanged { reason, .. } = self.parts().0 {
            return reason;
        }
        ""
    }
}
