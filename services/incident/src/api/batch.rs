//! Raising or changing several incidents together: all, or none.

use std::collections::BTreeSet;

use mainstay_chassis::Refusal;
use mainstay_practice::{
    Call, Decision, Moment, Record, Scope, Seen, Step, Targets, Written, name,
};
use mainstay_proto::mainstay::incident::v1 as pb;
use sea_orm::prelude::Uuid;
use tonic::{Request, Response};

use super::IncidentApi;
use super::create::Raising;
use crate::incident::{Change, Event, Incident, Terms};
use crate::wire;

/// The changes of one incident of a batch.
struct Updating {
    id: Uuid,
    etag: String,
    changes: Vec<Change>,
}

impl IncidentApi {
    /// Raises several incidents.
    pub(super) async fn batch_create(
        &self,
        request: Request<pb::BatchCreateIncidentsRequest>,
    ) -> Result<Response<pb::BatchCreateIncidentsResponse>, Refusal> {
        let said = request.get_ref();
        let call = Call::of(&request, "", &said.request_id)?;
        let scope = self.store.scope(&call.permit);
        name::parent(&said.parent, scope.organization())?;
        let mut all = Vec::with_capacity(said.incidents.len());
        for (index, incident) in said.incidents.iter().enumerate() {
            let raising = async {
                let raised = wire::raised(Some(incident.clone()), scope.organization())?;
                Raising::look(&scope, raised, self.policies.clone()).await
            };
            let named = |refusal: Refusal| refusal.renamed(|field| of_incidents(index, field));
            all.push(raising.await.map_err(named)?);
        }
        let parents: BTreeSet<Uuid> = all.iter().filter_map(Raising::parent).collect();
        let (targets, made) = (Targets::of(parents).making(all.len()), all.len());
        let build = move |seen: &Seen<'_, Incident>, at: &Moment| built(&all, seen, at);
        let written = self.store.act_all(call.clone(), targets, build).await?;
        let made = written.split_at(written.len().saturating_sub(made)).1;
        let (incidents, cursor, replayed) = self.told(&call, made);
        let message = pb::BatchCreateIncidentsResponse { incidents, cursor };
        Ok(wire::answer(message, replayed))
    }

    /// Changes fields of several incidents.
    pub(super) async fn batch_update(
        &self,
        request: Request<pb::BatchUpdateIncidentsRequest>,
    ) -> Result<Response<pb::BatchUpdateIncidentsResponse>, Refusal> {
        let said = request.get_ref();
        let call = Call::of(&request, "", &said.request_id)?;
        let scope = self.store.scope(&call.permit);
        name::parent(&said.parent, scope.organization())?;
        let mut all: Vec<Updating> = Vec::with_capacity(said.requests.len());
        for (index, one) in said.requests.iter().enumerate() {
            let named =
                |refusal: Refusal| refusal.renamed(|field| format!("requests[{index}].{field}"));
            let updating = Updating::look(&scope, one).await.map_err(named)?;
            if all.iter().any(|other| other.id == updating.id) {
                let remedy = "names an incident twice: put its changes into one request";
                return Err(named(Refusal::invalid("incident.name", remedy)));
            }
            all.push(updating);
        }
        let targets = Targets::of(all.iter().map(|one| one.id));
        let policies = self.policies.clone();
        let decide = move |seen: &Seen<'_, Incident>, at: &Moment| {
            let mut steps = Vec::new();
            for one in &all {
                let policies = policies.at(call_organization(seen, one.id)?, at.now_us);
                steps.extend(one.steps(seen, &mut Terms::new(&policies, at))?);
            }
            Ok(steps)
        };
        let written = self.store.act_all(call.clone(), targets, decide).await?;
        let (incidents, cursor, replayed) = self.told(&call, &written);
        let message = pb::BatchUpdateIncidentsResponse { incidents, cursor };
        Ok(wire::answer(message, replayed))
    }

    /// The incidents of a batch as the caller sees them, the log's cursor, and
    /// whether this was a repeat.
    fn told(
        &self,
        call: &Call,
        written: &[Written<Incident>],
    ) -> (Vec<pb::Incident>, String, bool) {
        let viewer = self.viewer(&call.permit);
        let tell = |one: &Written<Incident>| wire::incident(&one.record, &viewer, wire::View::Full);
        let cursor = written.last().map(|one| one.cursor.clone());
        (
            written.iter().map(tell).collect(),
            cursor.unwrap_or_default(),
            written.iter().any(|one| one.replayed),
        )
    }
}

/// A field of one of the incidents of a request.
fn of_incidents(index: usize, field: &str) -> String {
    match field.strip_prefix("incident.") {
        Some(field) => format!("incidents[{index}].{field}"),
        None => format!("incidents[{index}]"),
    }
}

/// The steps in which all are raised.
fn built(
    all: &[Raising],
    seen: &Seen<'_, Incident>,
    at: &Moment,
) -> Result<Vec<Step<Event, Incident>>, Refusal> {
    let mut steps = Vec::with_capacity(all.len());
    for (index, raising) in all.iter().enumerate() {
        let at = Moment {
            id: Uuid::now_v7(),
            ..at.clone()
        };
        let raised = raising.build(seen, &at);
        steps
            .extend(raised.map_err(|refusal| refusal.renamed(|field| of_incidents(index, field)))?);
    }
    Ok(steps)
}

impl Updating {
    async fn look(scope: &Scope, said: &pb::UpdateIncidentRequest) -> Result<Self, Refusal> {
        if !said.request_id.is_empty() {
            let remedy = "must be empty: give one for the whole batch";
            return Err(Refusal::invalid("request_id", remedy));
        }
        let incident = said
            .incident
            .as_ref()
            .ok_or_else(|| Refusal::invalid("incident", "is required"))?;
        let mask = said.update_mask.as_ref();
        let changes = wire::changes(incident, mask, scope.organization())?;
        let id = scope.id_of::<Incident>("incident.name", &incident.name);
        Ok(Self {
            id: id.await?,
            etag: incident.etag.clone(),
            changes,
        })
    }

    fn steps(
        &self,
        seen: &Seen<'_, Incident>,
        by: &mut Terms<'_>,
    ) -> Result<Vec<Step<Event, Incident>>, Refusal> {
        let mut incident = target(seen, self.id)?.clone();
        if !self.etag.is_empty() && self.etag != incident.etag() {
            return Err(Refusal::stale(incident.name(), incident.etag()));
        }
        let decision = incident.update(self.changes.clone(), by)?;
        Ok(match incident.with_proposal(decision, by) {
            Decision::Changed(event) => vec![Step {
                after: incident,
                event,
                occur_us: by.at().now_us,
            }],
            Decision::History(steps) => steps,
            Decision::Unchanged => Vec::new(),
        })
    }
}

fn target<'a>(seen: &'a Seen<'_, Incident>, id: Uuid) -> Result<&'a Incident, Refusal> {
    seen.get(id)
        .ok_or_else(|| Refusal::internal("a target was not loaded"))
}

fn call_organization<'a>(seen: &'a Seen<'_, Incident>, id: Uuid) -> Result<&'a str, Refusal> {
    target(seen, id).map(Incident::organization)
}
