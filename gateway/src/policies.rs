//! `PolicyService` of the whole: every practice keeps its own policy, and the
//! practice in the name says whose is meant.

use std::collections::BTreeMap;

use mainstay_chassis::{Deadline, Peer, Refusal};
use mainstay_practice::call::permit;
use mainstay_practice::name;
use mainstay_proto::mainstay::policy::v1 as pb;
use pb::policy_service_client::PolicyServiceClient;
use pb::policy_service_server::PolicyService;
use tonic::{Request, Response, Status};

/// What a request and a reply take along besides their messages.
const ASKED: [&str; 2] = ["x-correlation-id", "traceparent"];
const TOLD: [&str; 1] = ["idempotent-replayed"];

/// The policies of the practices behind the gateway.
#[derive(Clone, Debug)]
pub struct Policies {
    practices: BTreeMap<&'static str, PolicyServiceClient<Peer>>,
}

impl Policies {
    /// The policies that these practices keep.
    pub fn new(practices: impl IntoIterator<Item = (&'static str, Peer)>) -> Self {
        let client = |(name, peer)| (name, PolicyServiceClient::new(peer));
        Self {
            practices: practices.into_iter().map(client).collect(),
        }
    }

    /// Who keeps the policy that a request names.
    fn of<M>(
        &self,
        request: &Request<M>,
        field: &str,
        text: &str,
    ) -> Result<PolicyServiceClient<Peer>, Refusal> {
        let permit = permit(request)?;
        let local = name::local(text, permit.organization())?;
        let local = local.strip_prefix("policies/").unwrap_or(local);
        let practice = local.split('/').next().unwrap_or(local);
        if !name::is_slug(practice) {
            return Err(Refusal::invalid(
                field,
                "must be a name such as policies/{practice}",
            ));
        }
        let absent = || {
            let organization = permit.organization();
            Refusal::not_found(format!("organizations/{organization}/policies/{practice}"))
        };
        self.practices.get(practice).cloned().ok_or_else(absent)
    }
}

/// The request in the name of its caller, as a practice gets it.
fn carried<M>(request: Request<M>) -> Result<Request<M>, Refusal> {
    let principal = permit(&request)?.principal().clone();
    let (metadata, extensions, message) = request.into_parts();
    let mut carried = Request::new(message);
    carried.extensions_mut().insert(principal);
    if let Some(deadline) = extensions.get::<Deadline>() {
        carried.extensions_mut().insert(*deadline);
    }
    for key in ASKED {
        if let Some(value) = metadata.get(key) {
            carried.metadata_mut().insert(key, value.clone());
        }
    }
    Ok(carried)
}

/// The reply of a practice, as the caller gets it.
fn told<M>(reply: Response<M>) -> Response<M> {
    let (metadata, message, _) = reply.into_parts();
    let mut told = Response::new(message);
    for key in TOLD {
        if let Some(value) = metadata.get(key) {
            told.metadata_mut().insert(key, value.clone());
        }
    }
    told
}

macro_rules! routed {
    ($($method:ident($request:ident) -> $reply:ident by $field:ident;)*) => {
        #[tonic::async_trait]
        impl PolicyService for Policies {$(
            async fn $method(
                &self,
                request: Request<pb::$request>,
            ) -> Result<Response<pb::$reply>, Status> {
                let name = &request.get_ref().$field;
                let mut practice = self.of(&request, stringify!($field), name)?;
                Ok(told(practice.$method(carried(request)?).await?))
            }
        )*}
    };
}

routed! {
    get_policy(GetPolicyRequest) -> GetPolicyResponse by name;
    get_policy_version(GetPolicyVersionRequest) -> GetPolicyVersionResponse by name;
    list_policy_versions(ListPolicyVersionsRequest) -> ListPolicyVersionsResponse by parent;
    lint_policy(LintPolicyRequest) -> LintPolicyResponse by name;
    create_policy_version(CreatePolicyVersionRequest) -> CreatePolicyVersionResponse by parent;
    activate_policy_version(ActivatePolicyVersionRequest) -> ActivatePolicyVersionResponse by name;
    apply_policy(ApplyPolicyRequest) -> ApplyPolicyResponse by name;
    simulate_policy(SimulatePolicyRequest) -> SimulatePolicyResponse by name;
}
