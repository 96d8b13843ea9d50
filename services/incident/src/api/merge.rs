//! Merging an incident into another.

use mainstay_chassis::Refusal;
use mainstay_practice::{Call, Moment, Seen, Targets};
use mainstay_proto::mainstay::incident::v1 as pb;
use tonic::{Request, Response};

use super::{IncidentApi, once};
use crate::incident::{Column, Incident, Terms};
use crate::wire;

impl IncidentApi {
    /// Closes an incident into another one, both in one transaction.
    pub(super) async fn merge(
        &self,
        request: Request<pb::MergeIncidentRequest>,
    ) -> Result<Response<pb::MergeIncidentResponse>, Refusal> {
        let said = request.get_ref();
        let call = Call::of(&request, &said.etag, &said.request_id)?;
        let scope = self.store.scope(&call.permit);
        let id = scope.id_of::<Incident>("name", &said.name).await?;
        let into = scope.id_of::<Incident>("into", &said.into).await?;
        let targets = Targets::of(once([id, into])).looking_at(Column::Parent, id);
        let policies = self.policies.clone();
        let decide = move |seen: &Seen<'_, Incident>, at: &Moment| {
            let gone = || Refusal::internal("a target was not loaded");
            let incident = seen.get(id).ok_or_else(gone)?.clone();
            let into = seen.get(into).ok_or_else(gone)?;
            let has_children = seen.with(Column::Parent, id).next().is_some();
            let in_force = policies.at(incident.organization(), at.now_us);
            incident.merge(into, has_children, &mut Terms::new(&in_force, at))
        };
        let written = self.store.act_all(call.clone(), targets, decide).await?;
        let viewer = self.viewer(&call.permit);
        let mut told = written
            .iter()
            .map(|written| wire::incident(&written.record, &viewer, wire::View::Full));
        let message = pb::MergeIncidentResponse {
            incident: told.next(),
            into: told.next(),
            cursor: written
                .first()
                .map(|one| one.cursor.clone())
                .unwrap_or_default(),
        };
        let replayed = written.iter().any(|written| written.replayed);
        Ok(wire::answer(message, replayed))
    }
}
