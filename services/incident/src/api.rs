//! `IncidentService`: parse, act, reply.

mod batch;
pub(crate) mod comment;
mod create;
mod import;
mod major;
mod merge;
mod parent;
mod read;
mod redact;
mod search;
mod work;

use mainstay_chassis::{Permit, Refusal};
use mainstay_practice::{Call, Moment, Store, Written};
use mainstay_proto::mainstay::incident::v1 as pb;
use pb::incident_service_server::IncidentService;
use sea_orm::prelude::Uuid;
use tonic::{Request, Response, Status};

use crate::incident::verbs::Verdict;
use crate::incident::{Incident, Terms};
use crate::policy::Policies;
use crate::wire::{self, Addressed, Viewer};

/// The answer of a handler.
type Answer<T> = Result<Response<T>, Status>;

/// Serves incidents out of a store.
#[derive(Clone, Debug)]
pub(crate) struct IncidentApi {
    store: Store,
    policies: Policies,
}

impl IncidentApi {
    /// Serves the incidents of this store under these policies.
    pub(crate) fn new(store: Store, policies: Policies) -> Self {
        Self { store, policies }
    }

    /// Does something with the incident that a request names.
    async fn act<M: Addressed>(
        &self,
        request: &Request<M>,
        decide: impl Fn(&mut Incident, &mut Terms<'_>) -> Verdict + Send + 'static,
    ) -> Answer<M::Reply> {
        let said = request.get_ref();
        let call = Call::of(request, said.etag(), said.request_id())?;
        let scope = self.store.scope(&call.permit);
        let id = scope.id_of::<Incident>(M::FIELD, said.name()).await?;
        let (policies, status) = (self.policies.clone(), said.status().to_owned());
        let decide = move |incident: &mut Incident, at: &Moment| {
            let in_force = policies.at(incident.organization(), at.now_us);
            decide(incident, &mut Terms::new(&in_force, at).wishing(&status))
        };
        let written = self.store.act(call.clone(), id, decide).await?;
        Ok(self.reply(&call, &written, M::reply))
    }

    fn reply<T>(
        &self,
        call: &Call,
        written: &Written<Incident>,
        build: impl FnOnce(pb::Incident, String) -> T,
    ) -> Response<T> {
        wire::reply(written, &self.viewer(&call.permit), build)
    }

    /// Whoever holds the permit, now.
    fn viewer(&self, permit: &Permit) -> Viewer {
        let now_us = self.store.clock().now_us();
        let in_force = self.policies.at(permit.organization(), now_us);
        Viewer::new(permit, now_us, in_force)
    }
}

/// These ids, each once.
fn once(ids: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
    let mut once = Vec::new();
    for id in ids {
        if !once.contains(&id) {
            once.push(id);
        }
    }
    once
}

#[tonic::async_trait]
impl IncidentService for IncidentApi {
    async fn get_incident(
        &self,
        request: Request<pb::GetIncidentRequest>,
    ) -> Answer<pb::GetIncidentResponse> {
        Ok(Response::new(self.get(request).await?))
    }

    async fn list_incidents(
        &self,
        request: Request<pb::ListIncidentsRequest>,
    ) -> Answer<pb::ListIncidentsResponse> {
        Ok(Response::new(self.list(request).await?))
    }

    async fn batch_get_incidents(
        &self,
        request: Request<pb::BatchGetIncidentsRequest>,
    ) -> Answer<pb::BatchGetIncidentsResponse> {
        Ok(Response::new(self.batch_get(request).await?))
    }

    async fn list_work(
        &self,
        request: Request<pb::ListWorkRequest>,
    ) -> Answer<pb::ListWorkResponse> {
        Ok(Response::new(self.work(request).await?))
    }

    async fn batch_create_incidents(
        &self,
        request: Request<pb::BatchCreateIncidentsRequest>,
    ) -> Answer<pb::BatchCreateIncidentsResponse> {
        Ok(self.batch_create(request).await?)
    }

    async fn batch_update_incidents(
        &self,
        request: Request<pb::BatchUpdateIncidentsRequest>,
    ) -> Answer<pb::BatchUpdateIncidentsResponse> {
        Ok(self.batch_update(request).await?)
    }

    async fn redact_incident(
        &self,
        request: Request<pb::RedactIncidentRequest>,
    ) -> Answer<pb::RedactIncidentResponse> {
        Ok(self.redact(request).await?)
    }

    async fn merge_incident(
        &self,
        request: Request<pb::MergeIncidentRequest>,
    ) -> Answer<pb::MergeIncidentResponse> {
        Ok(self.merge(request).await?)
    }

    async fn create_incident(
        &self,
        request: Request<pb::CreateIncidentRequest>,
    ) -> Answer<pb::CreateIncidentResponse> {
        Ok(self.create(request).await?)
    }

    async fn update_incident(
        &self,
        request: Request<pb::UpdateIncidentRequest>,
    ) -> Answer<pb::UpdateIncidentResponse> {
        let organization = mainstay_practice::call::permit(&request)?
            .organization()
            .to_owned();
        let said = request.get_ref();
        let incident = said
            .incident
            .as_ref()
            .ok_or_else(|| Refusal::invalid("incident", "is required"))?;
        let changes = wire::changes(incident, said.update_mask.as_ref(), &organization)?;
        self.act(&request, move |incident, by| {
            let decision = incident.update(changes.clone(), by)?;
            Ok(incident.with_proposal(decision, by))
        })
        .await
    }

    async fn start_incident(
        &self,
        request: Request<pb::StartIncidentRequest>,
    ) -> Answer<pb::StartIncidentResponse> {
        self.act(&request, |incident, by| incident.start(by)).await
    }

    async fn hold_incident(
        &self,
        request: Request<pb::HoldIncidentRequest>,
    ) -> Answer<pb::HoldIncidentResponse> {
        let said = request.get_ref();
        let reason = wire::hold(said.reason)?;
        let resume = wire::instant("resume_time", said.resume_time.as_ref())?;
        let note = said.note.clone();
        self.act(&request, move |incident, by| {
            incident.put_on_hold(reason, note.clone(), resume, by)
        })
        .await
    }

    async fn resume_incident(
        &self,
        request: Request<pb::ResumeIncidentRequest>,
    ) -> Answer<pb::ResumeIncidentResponse> {
        self.act(&request, |incident, by| incident.resume(by)).await
    }

    async fn mitigate_incident(
        &self,
        request: Request<pb::MitigateIncidentRequest>,
    ) -> Answer<pb::MitigateIncidentResponse> {
        let said = request.get_ref();
        let time = wire::instant("mitigate_time", said.mitigate_time.as_ref())?;
        let note = said.note.clone();
        self.act(&request, move |incident, by| {
            incident.mitigate(time, note.clone(), by)
        })
        .await
    }

    async fn resolve_incident(
        &self,
        request: Request<pb::ResolveIncidentRequest>,
    ) -> Answer<pb::ResolveIncidentResponse> {
        let resolution = wire::resolution(request.get_ref().resolution.clone())?;
        self.act(&request, move |incident, by| {
            incident.resolve(resolution.clone(), by)
        })
        .await
    }

    async fn reopen_incident(
        &self,
        request: Request<pb::ReopenIncidentRequest>,
    ) -> Answer<pb::ReopenIncidentResponse> {
        let reason = request.get_ref().reason.clone();
        self.act(&request, move |incident, by| {
            incident.reopen(reason.clone(), by)
        })
        .await
    }

    async fn close_incident(
        &self,
        request: Request<pb::CloseIncidentRequest>,
    ) -> Answer<pb::CloseIncidentResponse> {
        self.act(&request, |incident, by| incident.close(by)).await
    }

    async fn cancel_incident(
        &self,
        request: Request<pb::CancelIncidentRequest>,
    ) -> Answer<pb::CancelIncidentResponse> {
        let reason = request.get_ref().reason.clone();
        self.act(&request, move |incident, by| {
            incident.cancel(reason.clone(), by)
        })
        .await
    }

    async fn acknowledge_incident(
        &self,
        request: Request<pb::AcknowledgeIncidentRequest>,
    ) -> Answer<pb::AcknowledgeIncidentResponse> {
        self.act(&request, |incident, by| incident.acknowledge(by))
            .await
    }

    async fn assign_incident(
        &self,
        request: Request<pb::AssignIncidentRequest>,
    ) -> Answer<pb::AssignIncidentResponse> {
        let organization = mainstay_practice::call::permit(&request)?
            .organization()
            .to_owned();
        let (team, assignee) = wire::assignment(request.get_ref(), &organization)?;
        self.act(&request, move |incident, by| {
            incident.assign(team.clone(), assignee.clone(), by)
        })
        .await
    }

    async fn unassign_incident(
        &self,
        request: Request<pb::UnassignIncidentRequest>,
    ) -> Answer<pb::UnassignIncidentResponse> {
        self.act(&request, |incident, by| incident.unassign(by))
            .await
    }

    async fn link_incident(
        &self,
        request: Request<pb::LinkIncidentRequest>,
    ) -> Answer<pb::LinkIncidentResponse> {
        let link = wire::link(request.get_ref().link.clone())?;
        self.act(&request, move |incident, by| {
            incident.link(link.clone(), by)
        })
        .await
    }

    async fn unlink_incident(
        &self,
        request: Request<pb::UnlinkIncidentRequest>,
    ) -> Answer<pb::UnlinkIncidentResponse> {
        let uri = request.get_ref().uri.clone();
        self.act(&request, move |incident, by| {
            incident.unlink(uri.clone(), by)
        })
        .await
    }

    async fn set_incident_parent(
        &self,
        request: Request<pb::SetIncidentParentRequest>,
    ) -> Answer<pb::SetIncidentParentResponse> {
        self.set_parent(request).await
    }

    async fn update_incident_milestones(
        &self,
        request: Request<pb::UpdateIncidentMilestonesRequest>,
    ) -> Answer<pb::UpdateIncidentMilestonesResponse> {
        let said = request.get_ref();
        let corrections = wire::corrections(said.milestones, said.update_mask.as_ref())?;
        self.act(&request, move |incident, by| {
            incident.correct_milestones(&corrections, by)
        })
        .await
    }

    async fn declare_major_incident(
        &self,
        request: Request<pb::DeclareMajorIncidentRequest>,
    ) -> Answer<pb::DeclareMajorIncidentResponse> {
        self.declare_major(request).await
    }

    async fn stand_down_major_incident(
        &self,
        request: Request<pb::StandDownMajorIncidentRequest>,
    ) -> Answer<pb::StandDownMajorIncidentResponse> {
        self.stand_down_major(request).await
    }

    async fn dismiss_major_incident(
        &self,
        request: Request<pb::DismissMajorIncidentRequest>,
    ) -> Answer<pb::DismissMajorIncidentResponse> {
        self.dismiss_major(request).await
    }

    async fn assign_incident_role(
        &self,
        request: Request<pb::AssignIncidentRoleRequest>,
    ) -> Answer<pb::AssignIncidentRoleResponse> {
        self.assign_role(request).await
    }

    async fn import_incidents(
        &self,
        request: Request<pb::ImportIncidentsRequest>,
    ) -> Answer<pb::ImportIncidentsResponse> {
        Ok(Response::new(self.import(request).await?))
    }
}
