//! Replaying what was decided under another policy: every decision in the log
//! is laid before it, with the record as it was before and after, and what it
//! would refuse or decide otherwise is told.
//!
//! The walk goes record by record, since a decision is judged beside the
//! record's state before it, and only one record is then held in memory. It is
//! a walk over what was recorded: nothing that would have followed from another
//! decision is guessed.

mod counts;
mod walk;

use mainstay_chassis::clock::timestamp;
use mainstay_chassis::{Permit, Refusal};
use mainstay_proto::mainstay::event::v1::Event;
use mainstay_proto::mainstay::policy::v1 as pb;
use prost::Message;
use uuid::Uuid;

use super::PolicyDocument;
use crate::log::Entry;
use crate::page::{Fingerprint, Place, Sorted, Token, size};
use crate::store::restored;
use crate::{Record, Store};
use counts::Counts;
use walk::Walk;

/// A policy that can be asked about decisions of the past.
pub trait Replay: PolicyDocument {
    /// What is decided on.
    type Record: Record;

    /// What this policy makes of a decision that was taken; nothing when it
    /// would decide the same. Asked about a decision of its own, it differs
    /// nowhere.
    fn replay(&self, taken: &Taken<'_, Self::Record>) -> Vec<Divergence>;

    /// The number that people know a record by; empty when it has none.
    fn number(_record: &Self::Record) -> String {
        String::new()
    }
}

/// A decision that was taken.
#[derive(Debug)]
pub struct Taken<'a, R> {
    /// The record before it; none when it was made by it.
    pub before: Option<&'a R>,
    /// The record after it.
    pub after: &'a R,
    /// What the log says of it.
    pub event: &'a Event,
    /// When it occurred.
    pub occur_us: i64,
    /// When it was recorded.
    pub record_us: i64,
}

/// What another policy makes of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The verb; empty when it was none.
    pub verb: String,
    /// Where the policy says so: the path of a field in its document.
    pub field: String,
    /// What it makes of the decision.
    pub verdict: Verdict,
}

/// How a policy differs from what was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It refuses, and tells the caller this.
    Refused(String),
    /// It decides otherwise.
    Otherwise {
        /// What was decided.
        recorded: String,
        /// What it would decide.
        simulated: String,
    },
}

/// What is asked of a simulation.
#[derive(Debug)]
pub(super) struct Question<'a, P> {
    /// The other policy.
    pub(super) policy: &'a P,
    /// What tells it from others.
    pub(super) fingerprint: String,
    /// Decisions from then on,
    pub(super) start_us: i64,
    /// and before then.
    pub(super) end_us: i64,
    /// About so many differences.
    pub(super) page_size: i32,
    /// Where to go on; empty at the first page.
    pub(super) page_token: &'a str,
}

/// Answers a page of differences; the first also with all of them counted.
pub(super) async fn simulate<P: Replay>(
    store: &Store,
    permit: &Permit,
    question: Question<'_, P>,
) -> Result<pb::SimulatePolicyResponse, Refusal> {
    let organization = permit.organization();
    let policy = super::place::Place::policy::<P>(organization);
    let method = "mainstay.policy.v1.PolicyService/SimulatePolicy";
    let fingerprint = Fingerprint::of([organization, method, &policy, &question.fingerprint, ""]);
    let now_us = store.clock().now_us();
    let token = match question.page_token {
        "" => Token::first(fingerprint, now_us),
        text => Token::read(text, &fingerprint, now_us)?,
    };
    let latest = store.log().latest(organization).await?;
    let after = token.after.as_ref().and_then(place);
    let mut walk = Walk::new(store.reader().clone(), organization, latest.seq, after);
    let mut page = Page::<P> {
        most: size(question.page_size)?,
        counting: after.is_none(),
        question,
        before: walk
            .start()
            .await?
            .as_ref()
            .map(of_record::<P>)
            .transpose()?
            .flatten(),
        differences: Vec::new(),
        full_at: None,
        counts: Counts::default(),
    };
    while page.goes_on() {
        let entries = walk.chunk().await?;
        if entries.is_empty() {
            break;
        }
        page.take(&entries)?;
    }
    let counted = page.counting.then(|| {
        let cursor = store.log().cursor(organization, latest.sequence);
        page.counts.told(cursor.encode())
    });
    Ok(pb::SimulatePolicyResponse {
        differences: page.differences,
        next_page_token: page
            .full_at
            .map(|(record, revision)| {
                let place = Place(vec![Sorted::Number(revision), Sorted::Id(record)]);
                token.next(place).write()
            })
            .unwrap_or_default(),
        simulation: counted,
    })
}

/// The record and the revision after which a page goes on.
fn place(place: &Place) -> Option<(Uuid, i64)> {
    match place.0.as_slice() {
        [Sorted::Number(revision), Sorted::Id(record)] => Some((*record, *revision)),
        _ => None,
    }
}

/// The record that an entry holds, when it is of the policy's kind.
fn of_record<P: Replay>(entry: &Entry) -> Result<Option<P::Record>, Refusal> {
    let collection = entry.subject.rsplit('/').nth(1).unwrap_or_default();
    match collection == <P::Record as Record>::COLLECTION {
        true => restored::<P::Record>(entry).map(Some),
        false => Ok(None),
    }
}

/// A page being filled.
struct Page<'a, P: Replay> {
    question: Question<'a, P>,
    most: usize,
    /// Whether all differences are counted, beyond those of the page.
    counting: bool,
    before: Option<P::Record>,
    differences: Vec<pb::PolicyDifference>,
    full_at: Option<(Uuid, i64)>,
    counts: Counts,
}

impl<P: Replay> Page<'_, P> {
    fn goes_on(&self) -> bool {
        self.counting || self.full_at.is_none()
    }

    fn take(&mut self, entries: &[Entry]) -> Result<(), Refusal> {
        for entry in entries {
            if !self.goes_on() {
                break;
            }
            if let Some(after) = of_record::<P>(entry)? {
                self.decision(entry, &after)?;
                self.before = Some(after);
            }
        }
        Ok(())
    }

    fn decision(&mut self, entry: &Entry, after: &P::Record) -> Result<(), Refusal> {
        if !(self.question.start_us..self.question.end_us).contains(&entry.occurred_us) {
            return Ok(());
        }
        let event = Event::decode(entry.body.clone())
            .map_err(|error| Refusal::internal(format!("event {}: {error}", entry.event_id)))?;
        let before = self
            .before
            .as_ref()
            .filter(|before| before.id() == after.id());
        let found = self.question.policy.replay(&Taken {
            before,
            after,
            event: &event,
            occur_us: entry.occurred_us,
            record_us: entry.recorded_us,
        });
        self.counts.take(&found);
        if self.full_at.is_some() {
            return Ok(());
        }
        let told = found.into_iter().map(|divergence| pb::PolicyDifference {
            record: event.subject.clone(),
            number: P::number(after),
            revision: entry.revision,
            r#type: event.r#type.clone(),
            occur_time: Some(timestamp(entry.occurred_us)),
            actor: event.actor.clone(),
            policy_version: event.policy_version.clone(),
            ..told(divergence)
        });
        self.differences.extend(told);
        if self.differences.len() >= self.most {
            self.full_at = Some((entry.record_id, entry.revision));
        }
        Ok(())
    }
}

fn told(divergence: Divergence) -> pb::PolicyDifference {
    let Divergence {
        verb,
        field,
        verdict,
    } = divergence;
    let difference = pb::PolicyDifference {
        verb,
        field,
        ..pb::PolicyDifference::default()
    };
    match verdict {
        Verdict::Refused(explanation) => pb::PolicyDifference {
            refused: true,
            explanation,
            ..difference
        },
        Verdict::Otherwise {
            recorded,
            simulated,
        } => pb::PolicyDifference {
            recorded,
            simulated,
            ..difference
        },
    }
}
