//! `AccessService`: parse, act, reply.

use mainstay_practice::call::permit;
use mainstay_practice::{Call, name};
use mainstay_proto::mainstay::access::v1 as pb;
use mainstay_proto::mainstay::access::v1::access_service_server::AccessService;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use super::{Access, Role, Secret, token, wire};

/// Serves tokens and roles.
#[derive(Clone, Debug)]
pub struct AccessApi {
    access: Access,
}

impl AccessApi {
    /// The service over an access.
    pub fn new(access: Access) -> Self {
        Self { access }
    }
}

#[tonic::async_trait]
impl AccessService for AccessApi {
    async fn create_token(
        &self,
        request: Request<pb::CreateTokenRequest>,
    ) -> Result<Response<pb::CreateTokenResponse>, Status> {
        let call = Call::of(&request, "", &request.get_ref().request_id)?;
        let asked = request.into_inner();
        name::parent(&asked.parent, call.organization())?;
        let draft = wire::draft(asked.token.unwrap_or_default())?;
        let secret = Secret::generate()?;
        let made = self.access.create(call, draft, secret.clone()).await?;
        // A repeat made no token for this secret, and the first one is gone.
        let secret = if made.replayed {
            String::new()
        } else {
            secret.reveal().to_owned()
        };
        let token = Some(made.record.snapshot());
        Ok(reply(
            made.replayed,
            pb::CreateTokenResponse {
                token,
                secret,
                cursor: made.cursor,
            },
        ))
    }

    async fn list_tokens(
        &self,
        request: Request<pb::ListTokensRequest>,
    ) -> Result<Response<pb::ListTokensResponse>, Status> {
        let permit = permit(&request)?;
        let asked = request.into_inner();
        name::parent(&asked.parent, permit.organization())?;
        let page = self
            .access
            .page(&permit, asked.page_size, asked.page_token)
            .await?;
        Ok(Response::new(pb::ListTokensResponse {
            tokens: page.records.iter().map(token::Model::snapshot).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn revoke_token(
        &self,
        request: Request<pb::RevokeTokenRequest>,
    ) -> Result<Response<pb::RevokeTokenResponse>, Status> {
        let asked = request.get_ref();
        let call = Call::of(&request, &asked.etag, &asked.request_id)?;
        let id = self
            .access
            .store
            .scope(&call.permit)
            .id_of::<token::Model>("name", &asked.name)
            .await?;
        let done = self.access.revoke(call, id).await?;
        let token = Some(done.record.snapshot());
        Ok(reply(
            done.replayed,
            pb::RevokeTokenResponse {
                token,
                cursor: done.cursor,
            },
        ))
    }

    async fn list_roles(
        &self,
        _: Request<pb::ListRolesRequest>,
    ) -> Result<Response<pb::ListRolesResponse>, Status> {
        let roles = Role::ALL.map(|role| self.access.keyring.roles().told(role));
        Ok(Response::new(pb::ListRolesResponse {
            roles: roles.into(),
        }))
    }
}

/// A reply that says whether it repeats an earlier one.
fn reply<M>(replayed: bool, message: M) -> Response<M> {
    let mut response = Response::new(message);
    if replayed {
        response
            .metadata_mut()
            .insert("idempotent-replayed", MetadataValue::from_static("true"));
    }
    response
}
