//! `PracticeService` of the whole: every practice describes itself, and the
//! gateway adds what it enforces for all of them: roles and metrics.

use mainstay_chassis::{Peer, Principal, Refusal};
use mainstay_practice::call::permit;
use mainstay_proto::mainstay::practice::v1 as pb;
use pb::practice_service_client::PracticeServiceClient;
use pb::practice_service_server::PracticeService;
use tonic::{Request, Response, Status};

use crate::access::{Role, Roles};
use crate::metrics::practice_metrics;

/// The practices behind the gateway.
#[derive(Clone, Debug)]
pub struct Practices {
    peers: Vec<Peer>,
    roles: Roles,
}

impl Practices {
    /// The practices that these peers serve.
    pub fn new(peers: impl IntoIterator<Item = Peer>, roles: Roles) -> Self {
        Self {
            peers: peers.into_iter().collect(),
            roles,
        }
    }

    /// All of them, in the order of the peers.
    async fn all(&self, principal: &Principal) -> Result<Vec<pb::Practice>, Status> {
        let mut practices = Vec::new();
        for peer in &self.peers {
            let mut request = Request::new(pb::ListPracticesRequest {});
            request.extensions_mut().insert(principal.clone());
            let reply = PracticeServiceClient::new(peer.clone())
                .list_practices(request)
                .await?;
            practices.extend(
                reply
                    .into_inner()
                    .practices
                    .into_iter()
                    .map(|practice| self.complete(practice)),
            );
        }
        Ok(practices)
    }

    /// A practice with what the gateway knows of it.
    fn complete(&self, mut practice: pb::Practice) -> pb::Practice {
        let word = word(&practice.name).to_owned();
        practice.metrics = practice_metrics(&word);
        practice.responsibilities = Role::ALL
            .into_iter()
            .map(|role| self.responsibility(role, &word))
            .collect();
        practice
    }

    fn responsibility(&self, role: Role, practice: &str) -> pb::Responsibility {
        let of_practice = |permission: &&String| permission.split('.').next() == Some(practice);
        let permissions = self
            .roles
            .permissions(role)
            .iter()
            .filter(of_practice)
            .cloned()
            .collect();
        pb::Responsibility {
            role: role.word().to_owned(),
            permissions,
        }
    }
}

#[tonic::async_trait]
impl PracticeService for Practices {
    async fn get_practice(
        &self,
        request: Request<pb::GetPracticeRequest>,
    ) -> Result<Response<pb::GetPracticeResponse>, Status> {
        let permit = permit(&request)?;
        let asked = word(&request.get_ref().name);
        let practices = self.all(permit.principal()).await?;
        let practice = practices
            .into_iter()
            .find(|practice| word(&practice.name) == asked);
        let practice = practice.ok_or_else(|| Refusal::not_found(format!("practices/{asked}")))?;
        Ok(Response::new(pb::GetPracticeResponse {
            practice: Some(practice),
        }))
    }

    async fn list_practices(
        &self,
        request: Request<pb::ListPracticesRequest>,
    ) -> Result<Response<pb::ListPracticesResponse>, Status> {
        let practices = self.all(permit(&request)?.principal()).await?;
        Ok(Response::new(pb::ListPracticesResponse { practices }))
    }
}

/// The last part of a practice's name.
fn word(name: &str) -> &str {
    name.strip_prefix("practices/").unwrap_or(name)
}
