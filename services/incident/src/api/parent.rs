//! Making an incident part of another. Child and parent are locked by the same
//! operation, so that what one call has read of a family no other changes.

use mainstay_practice::{Call, Moment, Seen, Targets};
use mainstay_proto::mainstay::incident::v1 as pb;
use sea_orm::prelude::Uuid;
use tonic::Request;

use super::{Answer, IncidentApi, once};
use crate::incident::{Column, Incident, Terms};
use crate::wire::Addressed;

impl IncidentApi {
    /// Makes an incident a child of another, or of none.
    pub(super) async fn set_parent(
        &self,
        request: Request<pb::SetIncidentParentRequest>,
    ) -> Answer<pb::SetIncidentParentResponse> {
        let said = request.get_ref();
        let call = Call::of(&request, &said.etag, &said.request_id)?;
        let scope = self.store.scope(&call.permit);
        let id = scope.id_of::<Incident>("name", &said.name).await?;
        let parent = match said.parent.as_str() {
            "" => None,
            text => Some(scope.id_of::<Incident>("parent", text).await?),
        };
        let policies = self.policies.clone();
        let decide = move |incident: &mut Incident, seen: &Seen<'_, Incident>, at: &Moment| {
            let parent = parent.and_then(|parent| seen.get(parent));
            let has_children = seen.with(Column::Parent, id).next().is_some();
            let in_force = policies.at(incident.organization(), at.now_us);
            incident.set_parent(parent, has_children, &mut Terms::new(&in_force, at))
        };
        let targets = family(id, parent);
        let written = self
            .store
            .act_looking(call.clone(), id, targets, decide)
            .await?;
        Ok(self.reply(&call, &written, pb::SetIncidentParentRequest::reply))
    }
}

/// Child and parent, in sight of the child's own children.
fn family(id: Uuid, parent: Option<Uuid>) -> Targets<Incident> {
    let ids = std::iter::once(id).chain(parent);
    Targets::of(once(ids)).looking_at(Column::Parent, id)
}
