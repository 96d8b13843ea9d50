//! Making an incident part of another.

use mainstay_chassis::Refusal;
use mainstay_practice::Scope;
use mainstay_practice::call::permit;
use mainstay_proto::mainstay::incident::v1 as pb;
use sea_orm::prelude::Uuid;
use sea_orm::{ColumnTrait, QueryFilter};
use tonic::Request;

use super::{Answer, IncidentApi};
use crate::incident::{Column, Incident, Terms};

impl IncidentApi {
    /// Makes an incident a child of another, or of none.
    pub(super) async fn set_parent(
        &self,
        request: Request<pb::SetIncidentParentRequest>,
    ) -> Answer<pb::SetIncidentParentResponse> {
        let scope = self.store.scope(&permit(&request)?);
        let said = request.get_ref();
        let family = self.families.lock().await;
        let id = scope.id_of::<Incident>("name", &said.name).await?;
        let parent = match said.parent.as_str() {
            "" => None,
            text => Some(
                scope
                    .get::<Incident>(scope.id_of::<Incident>("parent", text).await?)
                    .await?,
            ),
        };
        let has_children = has_children(&scope, id).await?;
        let decide = move |incident: &mut Incident, by: &mut Terms<'_>| {
            incident.set_parent(parent.as_ref(), has_children, by)
        };
        let answer = self.act(&request, decide).await;
        drop(family);
        answer
    }
}

async fn has_children(scope: &Scope, id: Uuid) -> Result<bool, Refusal> {
    let child = scope
        .find::<Incident>()
        .filter(Column::Parent.eq(id))
        .one(scope.connection());
    child
        .await
        .map(|child| child.is_some())
        .map_err(Refusal::internal)
}
