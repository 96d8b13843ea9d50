//! `FollowerService` of the whole: the followers of every service and the
//! gateway's own; the service in a follower's name says whose it is.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::try_join_all;
use mainstay_chassis::{Health, Peer, Principal, Refusal};
use mainstay_practice::call::permit;
use mainstay_proto::mainstay::practice::v1 as pb;
use pb::follower_service_client::FollowerServiceClient;
use pb::follower_service_server::FollowerService;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::policies::{Asker, told};

/// How often it is looked how the followers are.
const LOOK: Duration = Duration::from_secs(5);
/// A follower that is behind for more seconds than this is not well.
const TOLERATED: i64 = 60;

/// The followers of the services behind the gateway, and its own.
#[derive(Clone, Debug)]
pub struct Followers {
    services: BTreeMap<&'static str, FollowerServiceClient<Peer>>,
}

impl Followers {
    /// The followers of these services.
    pub fn new(services: impl IntoIterator<Item = (&'static str, Peer)>) -> Self {
        let client = |(name, peer)| (name, FollowerServiceClient::new(peer));
        Self {
            services: services.into_iter().map(client).collect(),
        }
    }

    /// The service of the follower that a request names.
    fn of(&self, name: &str) -> Result<FollowerServiceClient<Peer>, Refusal> {
        let service = name.split('/').nth(1).unwrap_or_default();
        let found = self.services.get(service).cloned();
        found.ok_or_else(|| Refusal::not_found(name))
    }

    /// All of them, by service.
    async fn all(&self, principal: &Principal) -> Result<Vec<pb::Follower>, Status> {
        let calls = self.services.values().map(|service| {
            let mut request = Request::new(pb::ListFollowersRequest {});
            request.extensions_mut().insert(principal.clone());
            let mut service = service.clone();
            async move { service.list_followers(request).await }
        });
        let replies = try_join_all(calls).await?.into_iter();
        Ok(replies
            .flat_map(|reply| reply.into_inner().followers)
            .collect())
    }

    /// Says by health, in entries such as `mainstay.incident/followers`, which
    /// services have followers that somebody has to look after, until the drain.
    pub(crate) async fn tell_health(self, health: Health, drain: CancellationToken) {
        let principal = Principal::follower(crate::gateway::NAME);
        while !drain.is_cancelled() {
            for (name, service) in &self.services {
                let mut request = Request::new(pb::ListFollowersRequest {});
                request.extensions_mut().insert(principal.clone());
                let told = service.clone().list_followers(request).await;
                let well = told.is_ok_and(|told| told.get_ref().followers.iter().all(is_well));
                health.set(&format!("mainstay.{name}/followers"), well);
            }
            drain.run_until_cancelled(tokio::time::sleep(LOOK)).await;
        }
    }
}

/// Whether nobody has to look after a follower.
fn is_well(follower: &pb::Follower) -> bool {
    let follows = match follower.state() {
        pb::FollowerState::Starting | pb::FollowerState::Following => true,
        pb::FollowerState::Unspecified
        | pb::FollowerState::Interrupted
        | pb::FollowerState::Retrying
        | pb::FollowerState::Stuck => false,
    };
    let behind = follower.lag.as_ref().map_or(0, |lag| lag.seconds);
    follows && follower.parked_events == 0 && behind <= TOLERATED
}

macro_rules! routed {
    ($($method:ident($request:ident) -> $reply:ident by $field:ident;)*) => {
        #[tonic::async_trait]
        impl FollowerService for Followers {
            async fn list_followers(
                &self,
                request: Request<pb::ListFollowersRequest>,
            ) -> Result<Response<pb::ListFollowersResponse>, Status> {
                let followers = self.all(permit(&request)?.principal()).await?;
                Ok(Response::new(pb::ListFollowersResponse { followers }))
            }
        $(
            async fn $method(
                &self,
                request: Request<pb::$request>,
            ) -> Result<Response<pb::$reply>, Status> {
                let mut service = self.of(&request.get_ref().$field)?;
                let asker = Asker::of(&request)?;
                Ok(told(service.$method(asker.carry(request.into_inner())).await?))
            }
        )*}
    };
}

routed! {
    list_parked_events(ListParkedEventsRequest) -> ListParkedEventsResponse by parent;
    retry_parked_events(RetryParkedEventsRequest) -> RetryParkedEventsResponse by name;
    skip_parked_events(SkipParkedEventsRequest) -> SkipParkedEventsResponse by name;
    rewind_follower(RewindFollowerRequest) -> RewindFollowerResponse by name;
}
