//! Importing histories: each is a transaction of its own, and all that are
//! in flight share the writer's batches.

use futures::StreamExt;
use mainstay_chassis::Refusal;
use mainstay_practice::{Call, Decision, Moment, Scope, name};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use mainstay_proto::mainstay::incident::v1 as pb;
use sea_orm::prelude::Uuid;
use tonic::Request;

use super::IncidentApi;
use super::create::of_origin;
use crate::incident::history::History;
use crate::incident::{Incident, Terms};
use crate::wire::{self, Imported};

/// So many histories of a call are in flight.
const IN_FLIGHT: usize = 32;

impl IncidentApi {
    /// Imports histories, or only says what would become of them.
    pub(super) async fn import(
        &self,
        request: Request<pb::ImportIncidentsRequest>,
    ) -> Result<pb::ImportIncidentsResponse, Refusal> {
        let call = Call {
            imported: true,
            ..Call::of(&request, "", "")?
        };
        let said = request.into_inner();
        let scope = self.store.scope(&call.permit);
        name::parent(&said.parent, scope.organization())?;
        let write = !said.validate_only;
        let each = wire::histories(said.histories, scope.organization())
            .into_iter()
            .map(|(key, history)| {
                let (call, scope) = (&call, &scope);
                async move {
                    match history {
                        Ok(history) => self.import_one(call, scope, key, history, write).await,
                        Err(refusal) => wire::imported(key, None, Err(refusal)),
                    }
                }
            });
        let results: Vec<_> = futures::stream::iter(each)
            .buffered(IN_FLIGHT)
            .collect()
            .await;
        let log = self.store.log();
        let latest = log.latest(scope.organization()).await?;
        Ok(pb::ImportIncidentsResponse {
            results: results.into_iter().collect::<Result<_, _>>()?,
            cursor: log.cursor(scope.organization(), latest.sequence).encode(),
        })
    }

    async fn import_one(
        &self,
        call: &Call,
        scope: &Scope,
        key: String,
        history: History,
        write: bool,
    ) -> Result<pb::ImportResult, Refusal> {
        let mut stored = of_origin(scope, &history.origin).await?;
        if !write {
            let at = self.store.moment(call);
            let in_force = self.policies.at(scope.organization(), at.now_us);
            let by = Terms::new(&in_force, &at);
            let telling = match &stored {
                Some(incident) => history.extend(incident, &by),
                None => history.begin(scope.organization(), &by),
            };
            let planned = telling.map(|telling| Imported::planned(&telling));
            return wire::imported(key, stored.as_ref(), planned);
        }
        if stored.is_none() {
            match self.begin(call, history.clone()).await {
                Err(refusal) if refusal.reason() == ErrorReason::ResourceExists => {
                    // Another call was faster: what is left is to go on from there.
                    stored = of_origin(scope, &history.origin).await?;
                }
                came => return wire::imported(key, None, came),
            }
        }
        let Some(stored) = stored else {
            return wire::imported(key, None, Err(Refusal::unavailable()));
        };
        let came = self.extend(call, stored.id(), history).await;
        wire::imported(key, Some(&stored), came)
    }

    /// Makes the incident of a history.
    async fn begin(&self, call: &Call, history: History) -> Result<Imported, Refusal> {
        let organization = call.organization().to_owned();
        let facts = history.facts.len();
        let policies = self.policies.clone();
        let build = move |at: &Moment| {
            let in_force = policies.at(&organization, at.now_us);
            let telling = history.begin(&organization, &Terms::new(&in_force, at));
            telling.map(|telling| telling.steps)
        };
        let written = self
            .store
            .create_history::<Incident>(call.clone(), build)
            .await?;
        Ok(Imported::begun(&written.record, facts))
    }

    /// Adds what is new of a history to its incident.
    async fn extend(&self, call: &Call, id: Uuid, history: History) -> Result<Imported, Refusal> {
        let (tell, came) = tokio::sync::watch::channel(Imported::default());
        let policies = self.policies.clone();
        let decide = move |incident: &mut Incident, at: &Moment| {
            let in_force = policies.at(incident.organization(), at.now_us);
            let telling = history.extend(incident, &Terms::new(&in_force, at))?;
            tell.send_replace(Imported::planned(&telling));
            Ok(match telling.steps.is_empty() {
                true => Decision::Unchanged,
                false => Decision::History(telling.steps),
            })
        };
        self.store.act::<Incident>(call.clone(), id, decide).await?;
        Ok(came.borrow().clone())
    }
}
