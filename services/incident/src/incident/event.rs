//! What may happen to an incident, in the domain's words.

use sea_orm::prelude::Uuid;

use super::{Milestones, ResponseRole, State, Verb};

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
    /// A role in the response was given to another, or to nobody.
    RoleAssigned {
        /// The role.
        role: ResponseRole,
        /// Who had it before.
        previous_assignee: Option<String>,
    },
}
