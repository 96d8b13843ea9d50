//! `IncidentCommentService`: parse, act, reply.

use mainstay_chassis::{Permit, Refusal};
use mainstay_practice::call::permit;
use mainstay_practice::{Call, Page, PageRequest, Reader, Record, Store};
use mainstay_proto::mainstay::incident::v1 as pb;
use pb::incident_comment_service_server::IncidentCommentService;
use sea_orm::{ColumnTrait, QueryFilter};
use tonic::{Request, Response};

use super::Answer;
use crate::comment::{Audience, Column, Comment, READ_INTERNAL};
use crate::incident::Incident;
use crate::wire;

/// Serves the comments out of a store.
#[derive(Clone, Debug)]
pub(crate) struct CommentApi(Store);

impl CommentApi {
    /// Serves the comments of this store.
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }

    /// A page of the comments on an incident that the caller may read.
    async fn page(
        &self,
        permit: &Permit,
        asked: pb::ListIncidentCommentsRequest,
    ) -> Result<Page<Comment>, Refusal> {
        let pb::ListIncidentCommentsRequest {
            parent,
            page_size,
            page_token,
        } = asked;
        let scope = self.0.scope(permit);
        let incident = scope.id_of::<Incident>("parent", &parent).await?;
        let incident = scope.get::<Incident>(incident).await?;
        let mut select = scope
            .find::<Comment>()
            .filter(Column::Incident.eq(incident.id()));
        if !permit.principal().may(READ_INTERNAL) {
            select = select.filter(Column::Audience.eq(Audience::Public));
        }
        let parent = incident.name();
        let asked = PageRequest {
            page_size,
            page_token,
            parent,
            ..PageRequest::default()
        };
        let (organization, connection) = (scope.organization(), scope.connection());
        let now_us = self.0.clock().now_us();
        wire::COMMENTS
            .page(
                select,
                Reader {
                    organization,
                    connection,
                    now_us,
                },
                &asked,
            )
            .await
    }
}

#[tonic::async_trait]
impl IncidentCommentService for CommentApi {
    async fn create_incident_comment(
        &self,
        request: Request<pb::CreateIncidentCommentRequest>,
    ) -> Answer<pb::CreateIncidentCommentResponse> {
        let asked = request.get_ref();
        let call = Call::of(&request, "", &asked.request_id)?;
        let scope = self.0.scope(&call.permit);
        let said = wire::said(asked.comment.clone())?;
        let incident = scope.id_of::<Incident>("parent", &asked.parent).await?;
        let incident = scope.get::<Incident>(incident).await?.id();
        let organization = scope.organization().to_owned();
        let build = move |at: &_| Ok(Comment::write(said.clone(), incident, &organization, at));
        let written = self.0.create::<Comment>(call, build).await?;
        Ok(wire::commented(&written))
    }

    async fn list_incident_comments(
        &self,
        request: Request<pb::ListIncidentCommentsRequest>,
    ) -> Answer<pb::ListIncidentCommentsResponse> {
        let permit = permit(&request)?;
        let page = self.page(&permit, request.into_inner()).await?;
        let comments = page.records.iter().map(wire::comment).collect();
        let next_page_token = page.next_page_token;
        Ok(Response::new(pb::ListIncidentCommentsResponse {
            comments,
            next_page_token,
        }))
    }
}
