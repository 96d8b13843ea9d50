//! Histories of other systems, and what became of each.

use mainstay_chassis::{Kind, Refusal};
use mainstay_practice::{Record, name};
use mainstay_proto::mainstay::incident::v1 as pb;

use super::request::instant;
use super::values::origin_in;
use super::words::OnWire;
use crate::incident::Incident;
use crate::incident::history::{Fact, History, Telling};

/// A history as the request gave it: its key, and what it says or why it
/// cannot be read.
pub(crate) type Read = (String, Result<History, Refusal>);

/// The histories of a request.
pub(crate) fn histories(said: Vec<pb::IncidentHistory>, organization: &str) -> Vec<Read> {
    let read = |history: pb::IncidentHistory| {
        let key = history
            .origin
            .as_ref()
            .map(|origin| origin.key.clone())
            .unwrap_or_default();
        (key, history_in(history, organization))
    };
    said.into_iter().map(read).collect()
}

fn history_in(said: pb::IncidentHistory, organization: &str) -> Result<History, Refusal> {
    let origin = said.origin.map(origin_in).unwrap_or_default();
    if origin.imported {
        return Err(Refusal::invalid(
            "origin.imported",
            "is output only: leave it empty",
        ));
    }
    let facts = said
        .facts
        .iter()
        .enumerate()
        .map(|(index, fact)| fact_in(index, fact, organization));
    Ok(History {
        origin,
        title: said.title,
        description: said.description,
        labels: said.labels,
        facts: facts.collect::<Result<_, _>>()?,
    })
}

fn fact_in(index: usize, said: &pb::Fact, organization: &str) -> Result<Fact, Refusal> {
    let field = |name: &str| format!("facts[{index}].{name}");
    let slug = |name: &str, text: &str, collection| {
        name::slug(&field(name), text, organization, collection)
    };
    let time = instant(&field("time"), said.time.as_ref())?;
    Ok(Fact {
        time_us: time.ok_or_else(|| Refusal::invalid(field("time"), "is required"))?,
        state: OnWire::of(said.state),
        hold_reason: OnWire::of(said.hold_reason),
        impact: OnWire::of(said.impact),
        urgency: OnWire::of(said.urgency),
        service: slug("service", &said.service, "services")?,
        team: slug("team", &said.team, "teams")?,
        assignee: slug("assignee", &said.assignee, "users")?,
        unassigned: said.unassigned,
    })
}

/// What became of a history that was not refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Imported {
    /// Name of the incident that was made.
    made: String,
    /// How many facts were written.
    written: usize,
    /// How many facts change nothing.
    idle: usize,
}

impl Imported {
    /// What a history comes to.
    pub(crate) fn planned(telling: &Telling) -> Self {
        Self {
            made: String::new(),
            written: telling.steps.len(),
            idle: telling.idle,
        }
    }

    /// What came of a history out of which an incident was made.
    pub(crate) fn begun(incident: &Incident, facts: usize) -> Self {
        let written = usize::try_from(incident.revision()).unwrap_or_default();
        Self {
            made: incident.name(),
            written,
            idle: facts.saturating_sub(written),
        }
    }
}

/// The result of a history: what became of it, or why it was refused. A
/// refusal that is not about the history fails the whole call, which can be
/// repeated.
pub(crate) fn imported(
    key: String,
    stored: Option<&Incident>,
    came: Result<Imported, Refusal>,
) -> Result<pb::ImportResult, Refusal> {
    let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let incident = stored.map(Incident::name).unwrap_or_default();
    match came {
        Ok(Imported {
            made,
            written,
            idle,
        }) => {
            let (outcome, incident) = match (stored.is_some(), written) {
                (false, _) => (pb::ImportOutcome::Created, made),
                (true, 0) => (pb::ImportOutcome::Unchanged, incident),
                (true, _) => (pb::ImportOutcome::Extended, incident),
            };
            let (written_facts, idle_facts) = (count(written), count(idle));
            let outcome = outcome.into();
            Ok(pb::ImportResult {
                key,
                outcome,
                incident,
                written_facts,
                idle_facts,
                ..Default::default()
            })
        }
        Err(refusal) if is_about_the_history(refusal.kind()) => Ok(pb::ImportResult {
            key,
            outcome: pb::ImportOutcome::Refused.into(),
            incident,
            reason: refusal.reason_name().to_owned(),
            message: refusal.message().to_owned(),
            ..Default::default()
        }),
        Err(refusal) => Err(refusal),
    }
}

fn is_about_the_history(kind: Kind) -> bool {
    match kind {
        Kind::Invalid | Kind::Precondition | Kind::AlreadyExists | Kind::Forbidden => true,
        Kind::NotFound
        | Kind::Stale
        | Kind::Expired
        | Kind::Unauthenticated
        | Kind::Exhausted
        | Kind::Deadline
        | Kind::Unavailable
        | Kind::Unimplemented
        | Kind::Internal => false,
    }
}
