//! The states of an incident, its verbs, and the one table of what a verb
//! does from where. Acknowledging and assigning are facts beside the state.

use mainstay_practice::{Lifecycle, Rule, Word};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use State::{Cancelled, Closed, InProgress, Mitigated, New, OnHold, Resolved};

/// Where an incident stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum State {
    /// Raised, and nobody works on it yet.
    New,
    /// Being worked on.
    InProgress,
    /// Waiting for somebody or something.
    OnHold,
    /// Users are no longer hurt; the cause may remain.
    Mitigated,
    /// Service is restored.
    Resolved,
    /// Resolved and confirmed.
    Closed,
    /// It was none.
    Cancelled,
}

/// What can be done with an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Begins the work.
    Start,
    /// Puts the work on hold, or says another reason.
    Hold,
    /// Ends the hold.
    Resume,
    /// Says that users are no longer hurt.
    Mitigate,
    /// Says that service is restored.
    Resolve,
    /// Takes a resolution back.
    Reopen,
    /// Confirms a resolution.
    Close,
    /// Says that it was none.
    Cancel,
    /// Closes it, since another one is about the same.
    Merge,
    /// Says that somebody has taken notice.
    Acknowledge,
    /// Gives it to a team or a person.
    Assign,
    /// Takes it from a person.
    Unassign,
    /// Makes it a child of another.
    SetParent,
    /// Changes its fields.
    Update,
    /// Corrects when something happened.
    UpdateMilestones,
    /// Adds a link.
    Link,
    /// Removes a link.
    Unlink,
    /// Declares a major incident.
    DeclareMajor,
    /// Ends the response to a major incident.
    StandDown,
    /// Says that it is no major incident.
    DismissMajor,
    /// Gives a role in the response.
    AssignRole,
    /// Takes personal data out.
    Redact,
}

const OPEN: &[State] = &[New, InProgress, OnHold, Mitigated];

/// What each verb does, and from where.
pub const LIFECYCLE: Lifecycle<State, Verb> = Lifecycle(&[
    step(Verb::Start, &[New], InProgress),
    step(Verb::Hold, OPEN, OnHold),
    step(Verb::Resume, &[OnHold], InProgress),
    step(Verb::Mitigate, &[New, InProgress, OnHold], Mitigated),
    step(Verb::Resolve, OPEN, Resolved),
    step(Verb::Reopen, &[Resolved, Closed], InProgress),
    step(Verb::Close, &[Resolved], Closed),
    step(Verb::Cancel, &[New, InProgress, OnHold], Cancelled),
    step(Verb::Merge, OPEN, Closed),
    fact(Verb::Acknowledge, OPEN),
    fact(Verb::Assign, OPEN),
    fact(Verb::Unassign, OPEN),
    fact(Verb::SetParent, OPEN),
    fact(Verb::Update, OPEN),
    fact(Verb::UpdateMilestones, State::ALL),
    fact(Verb::Link, State::ALL),
    fact(Verb::Unlink, State::ALL),
    fact(Verb::DeclareMajor, OPEN),
    fact(Verb::StandDown, State::ALL),
    fact(Verb::DismissMajor, State::ALL),
    fact(Verb::AssignRole, OPEN),
    fact(Verb::Redact, State::ALL),
]);

const fn step(verb: Verb, from: &'static [State], to: State) -> Rule<State, Verb> {
    Rule {
        verb,
        from,
        to: Some(to),
    }
}

const fn fact(verb: Verb, from: &'static [State]) -> Rule<State, Verb> {
    Rule {
        verb,
        from,
        to: None,
    }
}

impl State {
    /// Whether the work is not done.
    pub fn is_open(self) -> bool {
        OPEN.contains(&self)
    }

    /// The word by which it is known where a team has none of its own.
    pub fn own_word(self) -> String {
        self.word().to_lowercase().replace('_', "-")
    }

    /// Whether service is restored.
    pub fn is_resolved(self) -> bool {
        matches!(self, Resolved | Closed)
    }
}

impl Word for State {
    const ALL: &'static [Self] = &[
        New, InProgress, OnHold, Mitigated, Resolved, Closed, Cancelled,
    ];

    fn word(self) -> &'static str {
        match self {
            New => "NEW",
            InProgress => "IN_PROGRESS",
            OnHold => "ON_HOLD",
            Mitigated => "MITIGATED",
            Resolved => "RESOLVED",
            Closed => "CLOSED",
            Cancelled => "CANCELLED",
        }
    }
}

impl Verb {
    /// The permission that the verb asks for; a test compares it with the contract.
    pub fn permission(self) -> &'static str {
        match self {
            Self::Start => "incident.start",
            Self::Hold => "incident.hold",
            Self::Resume => "incident.resume",
            Self::Mitigate => "incident.mitigate",
            Self::Resolve => "incident.resolve",
            Self::Reopen => "incident.reopen",
            Self::Close => "incident.close",
            Self::Cancel => "incident.cancel",
            Self::Merge => "incident.merge",
            Self::Acknowledge => "incident.acknowledge",
            Self::Assign | Self::Unassign => "incident.assign",
            Self::SetParent => "incident.set_parent",
            Self::Update => "incident.update",
            Self::UpdateMilestones => "incident.update_milestones",
            Self::Link | Self::Unlink => "incident.link",
            Self::DeclareMajor | Self::StandDown | Self::DismissMajor => "incident.declare_major",
            Self::AssignRole => "incident.assign_role",
            Self::Redact => "incident.redact",
        }
    }
}

impl Word for Verb {
    const ALL: &'static [Self] = &[
        Self::Start,
        Self::Hold,
        Self::Resume,
        Self::Mitigate,
        Self::Resolve,
        Self::Reopen,
        Self::Close,
        Self::Cancel,
        Self::Merge,
        Self::Acknowledge,
        Self::Assign,
        Self::Unassign,
        Self::SetParent,
        Self::Update,
        Self::UpdateMilestones,
        Self::Link,
        Self::Unlink,
        Self::DeclareMajor,
        Self::StandDown,
        Self::DismissMajor,
        Self::AssignRole,
        Self::Redact,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Hold => "hold",
            Self::Resume => "resume",
            Self::Mitigate => "mitigate",
            Self::Resolve => "resolve",
            Self::Reopen => "reopen",
            Self::Close => "close",
            Self::Cancel => "cancel",
            Self::Merge => "merge",
            Self::Acknowledge => "acknowledge",
            Self::Assign => "assign",
            Self::Unassign => "unassign",
            Self::SetParent => "set_parent",
            Self::Update => "update",
            Self::UpdateMilestones => "update_milestones",
            Self::Link => "link",
            Self::Unlink => "unlink",
            Self::DeclareMajor => "declare_major",
            Self::StandDown => "stand_down",
            Self::DismissMajor => "dismiss_major",
            Self::AssignRole => "assign_role",
            Self::Redact => "redact",
        }
    }
}
