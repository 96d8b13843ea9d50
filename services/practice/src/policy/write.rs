//! Writing versions and bringing them into force. Versions are numbered one
//! after the other: the number after the newest is taken, and a unique index
//! lets only one writer have it. Who loses it looks again, with the etag.

use mainstay_chassis::Refusal;
use mainstay_proto::mainstay::error::v1::ErrorReason;
use mainstay_proto::mainstay::policy::v1 as pb;
use prost_types::Any;
use sea_orm::prelude::Uuid;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};

use super::api::changed;
use super::version::{Column, Draft, Happened, Version};
use super::{PolicyApi, PolicyBook, PolicyDocument, diff, place::Place};
use crate::{Call, Decision, Moment, Record, Step, Written};

/// So often a number is looked for again.
const TRIES: usize = 8;

/// A version to be written.
#[derive(Clone, Debug)]
pub(super) struct Change {
    document: Any,
    note: String,
    /// The etag that the policy must still have; empty when it is all the same.
    etag: String,
    /// Whether it comes into force, and when, if not at once.
    active: Option<Option<i64>>,
}

type Told = (pb::PolicyVersion, String, bool);

impl Change {
    /// A document that is kept only.
    pub(super) fn new(document: Any, note: &str, etag: &str) -> Self {
        Self {
            document,
            note: note.to_owned(),
            etag: etag.to_owned(),
            active: None,
        }
    }

    /// A document that comes into force, at once or at an instant.
    pub(super) fn active(self, activate_us: Option<i64>) -> Self {
        Self {
            active: Some(activate_us),
            ..self
        }
    }
}

impl<P: PolicyDocument> PolicyApi<P> {
    /// Brings a document into force, unless it is in force at that instant.
    pub(super) async fn apply(
        &self,
        call: Call,
        change: Change,
    ) -> Result<(pb::ApplyPolicyResponse, bool), Refusal> {
        let organization = call.organization().to_owned();
        let now_us = self.store.clock().now_us();
        let standing = self
            .book
            .standing(&organization, change.active.flatten().unwrap_or(now_us));
        let changes: Vec<pb::PolicyChange> = diff::changes(&standing.document, &change.document)
            .into_iter()
            .map(changed)
            .collect();
        let same = standing.document == change.document;
        let (version, cursor, replayed) = match (same, standing.version) {
            (true, None) => {
                fresh(&self.book, &organization, &change.etag)?;
                return Ok((pb::ApplyPolicyResponse::default(), false));
            }
            (true, Some(version)) => self.keep(call, version.id(), change).await?,
            (false, _) => self.write(call, change).await?,
        };
        let reply = pb::ApplyPolicyResponse {
            policy_version: Some(version),
            changes,
            cursor,
        };
        Ok((reply, replayed))
    }

    /// Leaves everything as it is, as a write that may be repeated.
    async fn keep(&self, call: Call, id: Uuid, change: Change) -> Result<Told, Refusal> {
        let (book, organization) = (self.book.clone(), call.organization().to_owned());
        let decide = move |_: &mut Version, _: &Moment| {
            fresh(&book, &organization, &change.etag)?;
            Ok(Decision::Unchanged)
        };
        self.told(self.store.act::<Version>(call, id, decide).await?)
    }

    /// Writes a version under the next number.
    pub(super) async fn write(&self, call: Call, change: Change) -> Result<Told, Refusal> {
        let _alone = self.book.writing().await;
        for _ in 0..TRIES {
            let organization = call.organization().to_owned();
            let draft = Draft {
                number: self.book.newest(&organization) + 1,
                organization,
                practice: P::KIND,
                document: change.document.clone(),
                note: change.note.clone(),
            };
            let (book, etag, active) = (self.book.clone(), change.etag.clone(), change.active);
            let build = move |at: &Moment| {
                fresh(&book, &draft.organization, &etag)?;
                steps(&draft, active, at)
            };
            match self
                .store
                .create_history::<Version>(call.clone(), build)
                .await
            {
                Err(lost) if lost.reason() == ErrorReason::ResourceExists => {
                    self.refresh(&call).await?;
                }
                written => return self.told(written?),
            }
        }
        Err(Refusal::overloaded())
    }

    /// Brings a version into force, unless it is in force at that instant.
    pub(super) async fn activate(
        &self,
        call: Call,
        id: Uuid,
        activate_us: Option<i64>,
    ) -> Result<Told, Refusal> {
        let (book, organization) = (self.book.clone(), call.organization().to_owned());
        let decide = move |version: &mut Version, at: &Moment| {
            let now_us = activate_us.unwrap_or(at.now_us).max(at.now_us);
            match book.at(&organization, now_us).version == version.name() {
                true => Ok(Decision::Unchanged),
                false => version.activate(activate_us, at),
            }
        };
        self.told(self.store.act::<Version>(call, id, decide).await?)
    }

    /// Takes a version into the book before anybody is answered.
    fn told(&self, written: Written<Version>) -> Result<Told, Refusal> {
        let (version, cursor) = (written.record.snapshot(), written.cursor);
        self.book.take(written.record)?;
        Ok((version, cursor, written.replayed))
    }

    /// Takes in what other replicas have written.
    async fn refresh(&self, call: &Call) -> Result<(), Refusal> {
        let scope = self.store.scope(&call.permit);
        let newer = scope
            .find::<Version>()
            .filter(Column::Practice.eq(P::KIND))
            .filter(Column::Number.gt(self.book.newest(call.organization())))
            .order_by_asc(Column::Number);
        let newer = newer.all(scope.connection()).await;
        let newer = newer.map_err(crate::scope::away)?;
        newer
            .into_iter()
            .try_for_each(|version| self.book.take(version))
    }
}

/// A version that is written, and perhaps activated in the same breath.
fn steps(
    draft: &Draft,
    active: Option<Option<i64>>,
    at: &Moment,
) -> Result<Vec<Step<Happened, Version>>, Refusal> {
    let mut version = Version::write(draft, at);
    let step = |version: &Version, event| Step {
        after: version.clone(),
        event,
        occur_us: at.now_us,
    };
    let mut steps = vec![step(&version, Happened::Created)];
    if let Some(activate_us) = active
        && let Decision::Changed(event) = version.activate(activate_us, at)?
    {
        steps.push(step(&version, event));
    }
    Ok(steps)
}

/// Tests that the policy is still as the caller has read it.
fn fresh<P: PolicyDocument>(
    book: &PolicyBook<P>,
    organization: &str,
    etag: &str,
) -> Result<(), Refusal> {
    let current = book.etag(organization);
    match etag.is_empty() || etag == current {
        true => Ok(()),
        false => Err(Refusal::stale(Place::policy::<P>(organization), current)),
    }
}
