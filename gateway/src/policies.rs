//! `PolicyService` of the whole: every practice keeps its own policy, and the
//! practice in the name says whose is meant.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_chassis::clock::micros;
use mainstay_chassis::{Deadline, Peer, Principal, Refusal};
use mainstay_practice::call::permit;
use mainstay_practice::name;
use mainstay_proto::mainstay::policy::v1 as pb;
use pb::policy_service_client::PolicyServiceClient;
use pb::policy_service_server::PolicyService;
use prost_types::Timestamp;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Response, Status};

use crate::metrics::Metrics;
use crate::metrics::simulated::Refused;

/// What a request and a reply take along besides their messages.
const ASKED: [&str; 2] = ["x-correlation-id", "traceparent"];
const TOLD: [&str; 1] = ["idempotent-replayed"];
/// So many differences are asked for at once when all are needed.
const LARGEST_PAGE: i32 = 500;
/// How long a simulation takes at most that has no deadline.
const LONGEST: Duration = Duration::from_secs(30);

/// The policies of the practices behind the gateway.
#[derive(Clone, Debug)]
pub struct Policies {
    practices: BTreeMap<&'static str, PolicyServiceClient<Peer>>,
    metrics: Metrics,
}

impl Policies {
    /// The policies that these practices keep.
    pub fn new(
        practices: impl IntoIterator<Item = (&'static str, Peer)>,
        metrics: Metrics,
    ) -> Self {
        let client = |(name, peer)| (name, PolicyServiceClient::new(peer));
        Self {
            practices: practices.into_iter().map(client).collect(),
            metrics,
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

impl Policies {
    /// A page of a simulation; the first says also which metrics would change.
    async fn simulate(
        &self,
        mut practice: PolicyServiceClient<Peer>,
        asker: Asker,
        asked: pb::SimulatePolicyRequest,
    ) -> Result<Response<pb::SimulatePolicyResponse>, Status> {
        let first = practice.simulate_policy(asker.carry(asked.clone())).await?;
        let mut first = told(first);
        let cursor = match &first.get_ref().simulation {
            Some(simulation) if asked.page_token.is_empty() => simulation.cursor.clone(),
            Some(_) | None => return Ok(first),
        };
        let mut refused = refusals(first.get_ref());
        let mut page_token = first.get_ref().next_page_token.clone();
        while !page_token.is_empty() {
            let next = pb::SimulatePolicyRequest {
                page_size: LARGEST_PAGE,
                page_token,
                ..asked.clone()
            };
            let page = practice
                .simulate_policy(asker.carry(next))
                .await?
                .into_inner();
            refused.extend(refusals(&page));
            page_token = page.next_page_token;
        }
        let us = |time: &Option<Timestamp>| time.as_ref().and_then(micros);
        let window = (us(&asked.start_time), us(&asked.end_time));
        let organization = asker.principal.organization();
        let deadline = asker.deadline.unwrap_or_else(|| Deadline::after(LONGEST));
        let metrics = self
            .metrics
            .without(organization, &refused, window, &cursor, deadline)
            .await?;
        if let Some(simulation) = &mut first.get_mut().simulation {
            simulation.metrics = metrics;
        }
        Ok(first)
    }
}

/// The decisions that a page says are refused.
fn refusals(page: &pb::SimulatePolicyResponse) -> Refused {
    let refused = page
        .differences
        .iter()
        .filter(|difference| difference.refused);
    let place = |difference: &pb::PolicyDifference| {
        let id = difference.record.rsplit('/').next()?.parse().ok()?;
        Some((id, difference.revision))
    };
    refused.filter_map(place).collect()
}

/// Who asks, and what goes along with each request in his name.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    principal: Principal,
    deadline: Option<Deadline>,
    metadata: Vec<(&'static str, MetadataValue<Ascii>)>,
}

impl Asker {
    pub(crate) fn of<M>(request: &Request<M>) -> Result<Self, Refusal> {
        let value = |key| Some((key, request.metadata().get(key)?.clone()));
        Ok(Self {
            principal: permit(request)?.principal().clone(),
            deadline: request.extensions().get::<Deadline>().copied(),
            metadata: ASKED.into_iter().filter_map(value).collect(),
        })
    }

    /// A request as a practice gets it.
    pub(crate) fn carry<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(self.principal.clone());
        if let Some(deadline) = self.deadline {
            request.extensions_mut().insert(deadline);
        }
        for (key, value) in &self.metadata {
            request.metadata_mut().insert(*key, value.clone());
        }
        request
    }
}

/// The reply of a practice, as the caller gets it.
pub(crate) fn told<M>(reply: Response<M>) -> Response<M> {
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
                let asker = Asker::of(&request)?;
                Ok(told(practice.$method(asker.carry(request.into_inner())).await?))
            }
        )*

            async fn simulate_policy(
                &self,
                request: Request<pb::SimulatePolicyRequest>,
            ) -> Result<Response<pb::SimulatePolicyResponse>, Status> {
                let practice = self.of(&request, "name", &request.get_ref().name)?;
                let asker = Asker::of(&request)?;
                self.simulate(practice, asker, request.into_inner()).await
            }
        }
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
}
