//! How an incident stands as a major one: proposed by a rule, declared by a
//! person, stood down when the response ends. What is part of another incident
//! is none: its parent is the one to be declared.

use mainstay_chassis::{Kind, Refusal};
use mainstay_practice::{Decision, Record, Word};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use super::verbs::Verdict;
use super::{Event, Incident, Terms, Verb};

/// How an incident stands as a major one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MajorState {
    /// A rule proposes to declare it.
    Proposed,
    /// Somebody decided that it is none.
    Dismissed,
    /// It is a major incident.
    Declared,
    /// It was one.
    StoodDown,
}

/// A role in the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResponseRole {
    /// Decides.
    Commander,
    /// Writes down what happens.
    Scribe,
    /// Speaks with other teams and vendors.
    Liaison,
    /// Speaks with users and the public.
    Communications,
}

/// Who has which role: slugs of users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponseRoles {
    /// Decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commander: Option<String>,
    /// Writes down what happens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scribe: Option<String>,
    /// Speaks with other teams and vendors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liaison: Option<String>,
    /// Speaks with users and the public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub communications: Option<String>,
}

/// An incident as a major one. Its state also stands in a column of its own,
/// for lists to find it by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Major {
    /// How it stands.
    pub state: MajorState,
    /// Why it stands so.
    pub reason: String,
    /// When a rule proposed it.
    pub propose_us: Option<i64>,
    /// When it was declared, last.
    pub declare_us: Option<i64>,
    /// When it was stood down.
    pub stand_down_us: Option<i64>,
    /// Where the responders meet.
    pub bridge_uri: Option<String>,
    /// Who has which role.
    #[serde(default)]
    pub roles: ResponseRoles,
}

/// What is said when a major incident is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Why.
    pub reason: String,
    /// Where the responders meet; none leaves it as it is.
    pub bridge_uri: Option<String>,
    /// Who commands; none leaves it as it is.
    pub commander: Option<String>,
}

impl MajorState {
    /// The word as lists find it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Proposed => "PROPOSED",
            Self::Dismissed => "DISMISSED",
            Self::Declared => "DECLARED",
            Self::StoodDown => "STOOD_DOWN",
        }
    }
}

impl ResponseRoles {
    fn place(&mut self, role: ResponseRole) -> &mut Option<String> {
        match role {
            ResponseRole::Commander => &mut self.commander,
            ResponseRole::Scribe => &mut self.scribe,
            ResponseRole::Liaison => &mut self.liaison,
            ResponseRole::Communications => &mut self.communications,
        }
    }
}

impl Major {
    /// One that nobody has spoken of yet.
    pub(super) fn standing(state: MajorState, reason: &str) -> Self {
        Self {
            state,
            reason: reason.to_owned(),
            propose_us: None,
            declare_us: None,
            stand_down_us: None,
            bridge_uri: None,
            roles: ResponseRoles::default(),
        }
    }
}

impl Incident {
    /// Declares a major incident; a repeat may name another bridge or commander.
    pub fn declare_major(&mut self, said: &Declaration, by: &mut Terms<'_>) -> Verdict {
        self.open_to(Verb::DeclareMajor)?;
        self.suits(Verb::DeclareMajor)?;
        self.take(Verb::DeclareMajor, by, |it, by| it.begin_major(said, by))
    }

    fn begin_major(&mut self, said: &Declaration, by: &Terms<'_>) -> Verdict {
        let now = self.now(by);
        let state = MajorState::Declared;
        let before = self.major.clone();
        let begins = self.major_state != Some(state);
        let mut major = before
            .clone()
            .unwrap_or_else(|| Major::standing(state, &said.reason));
        if begins {
            major.state = state;
            major.reason.clone_from(&said.reason);
            major.declare_us = Some(now);
            major.stand_down_us = None;
        }
        major.bridge_uri = said.bridge_uri.clone().or(major.bridge_uri);
        major.roles.commander = said.commander.clone().or(major.roles.commander);
        let changed = before.as_ref() != Some(&major);
        self.put_major(major);
        Ok(match (begins, changed) {
            (true, _) => Decision::Changed(Event::MajorDeclared),
            (false, true) => Decision::Changed(Event::Updated {
                changed: vec!["major"],
            }),
            (false, false) => Decision::Unchanged,
        })
    }

    /// Ends the response to a major incident.
    pub fn stand_down_major(&mut self, reason: String, by: &mut Terms<'_>) -> Verdict {
        let major = self.standing_for(Verb::StandDown)?;
        self.take(Verb::StandDown, by, |it, by| {
            it.put_major(Major {
                state: MajorState::StoodDown,
                reason,
                stand_down_us: Some(it.now(by)),
                ..major
            });
            Ok(Decision::Changed(Event::MajorStoodDown))
        })
    }

    /// Says that a proposed incident is no major one.
    pub fn dismiss_major(&mut self, reason: String, by: &mut Terms<'_>) -> Verdict {
        let major = self.standing_for(Verb::DismissMajor)?;
        self.take(Verb::DismissMajor, by, |it, _| {
            it.put_major(Major {
                state: MajorState::Dismissed,
                reason,
                ..major
            });
            Ok(Decision::Changed(Event::MajorDismissed))
        })
    }

    /// Gives a role in the response to somebody, or to nobody.
    pub fn assign_role(
        &mut self,
        role: ResponseRole,
        assignee: Option<String>,
        by: &mut Terms<'_>,
    ) -> Verdict {
        let mut major = self.standing_for(Verb::AssignRole)?;
        self.take(Verb::AssignRole, by, |it, _| {
            let previous_assignee = std::mem::replace(major.roles.place(role), assignee);
            if it.major.as_ref() == Some(&major) {
                return Ok(Decision::Unchanged);
            }
            it.put_major(major);
            Ok(Decision::Changed(Event::RoleAssigned {
                role,
                previous_assignee,
            }))
        })
    }

    /// Whether its standing as a major incident lets the verb pass.
    pub(super) fn suits_major(&self, verb: Verb) -> bool {
        match verb {
            Verb::DeclareMajor => self.parent.is_none(),
            Verb::StandDown | Verb::AssignRole => self.major_state == Some(MajorState::Declared),
            Verb::DismissMajor => self.major_state == Some(MajorState::Proposed),
            Verb::Start
            | Verb::Hold
            | Verb::Resume
            | Verb::Mitigate
            | Verb::Resolve
            | Verb::Reopen
            | Verb::Close
            | Verb::Cancel
            | Verb::Merge
            | Verb::Acknowledge
            | Verb::Assign
            | Verb::Unassign
            | Verb::SetParent
            | Verb::Update
            | Verb::UpdateMilestones
            | Verb::Link
            | Verb::Unlink
            | Verb::Redact => true,
        }
    }

    /// Takes how it stands as a major incident.
    pub(super) fn put_major(&mut self, major: Major) {
        self.major_state = Some(major.state);
        self.major = Some(major);
    }

    fn standing_for(&self, verb: Verb) -> Result<Major, Refusal> {
        self.open_to(verb)?;
        self.suits(verb)?;
        self.major.clone().ok_or_else(|| self.unsuited(verb))
    }

    fn suits(&self, verb: Verb) -> Result<(), Refusal> {
        match self.suits_major(verb) {
            true => Ok(()),
            false => Err(self.unsuited(verb)),
        }
    }

    fn unsuited(&self, verb: Verb) -> Refusal {
        let stands = self.major_state.map_or("NONE", MajorState::word);
        let message = match self.parent {
            Some(_) => "it is part of another incident: declare that one".to_owned(),
            None => format!(
                "{} is not open to an incident that stands as {stands} among the major ones",
                verb.word()
            ),
        };
        Refusal::new(Kind::Precondition, ErrorReason::MajorNotAllowed, message)
            .with("resource", self.name())
            .with("verb", verb.word())
            .with("major", stands)
    }
}
