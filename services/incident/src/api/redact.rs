//! Taking personal data out of an incident, its comments and their histories.

use mainstay_chassis::Refusal;
use mainstay_practice::Call;
use mainstay_proto::mainstay::incident::v1 as pb;
use sea_orm::prelude::Uuid;
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use tonic::{Request, Response};

use super::IncidentApi;
use crate::comment::{self, Comment};
use crate::incident::{self, Incident};

impl IncidentApi {
    /// Redacts the comments one by one, then the incident: whoever repeats a
    /// call that did not come to its end goes on where it ended.
    pub(super) async fn redact(
        &self,
        request: Request<pb::RedactIncidentRequest>,
    ) -> Result<Response<pb::RedactIncidentResponse>, Refusal> {
        let said = request.get_ref();
        let call = Call::of(&request, "", &said.request_id)?;
        let scope = self.store.scope(&call.permit);
        let id = scope.id_of::<Incident>("name", &said.name).await?;
        let comments: Vec<Uuid> = scope
            .find::<Comment>()
            .select_only()
            .column(comment::Column::Id)
            .filter(comment::Column::Incident.eq(id))
            .into_tuple()
            .all(scope.connection())
            .await
            .map_err(Refusal::internal)?;
        for comment in comments {
            let call = Call {
                request: None,
                ..call.clone()
            };
            let event = comment::Event::Redacted;
            self.store
                .redact::<Comment>(call, comment, event, Comment::redact)
                .await?;
        }
        let event = incident::Event::Redacted {
            reason: said.reason.clone(),
        };
        let written = self
            .store
            .redact::<Incident>(call.clone(), id, event, Incident::redact)
            .await?;
        let reply = |incident, cursor| pb::RedactIncidentResponse {
            incident: Some(incident),
            cursor,
        };
        Ok(self.reply(&call, &written, reply))
    }
}
