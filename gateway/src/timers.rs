//! `TimerService` of the whole: the timers of all practices, merged in the
//! order in which they are due.

use mainstay_chassis::{Clock, Peer};
use mainstay_practice::call::permit;
use mainstay_practice::timer::{Listed, merged};
use mainstay_proto::mainstay::practice::v1 as pb;
use pb::timer_service_client::TimerServiceClient;
use pb::timer_service_server::TimerService;
use tonic::{Request, Response, Status};

/// The timers of the practices behind the gateway.
#[derive(Clone, Debug)]
pub struct MergedTimers {
    peers: Vec<Peer>,
    clock: Clock,
}

impl MergedTimers {
    /// The timers that these peers serve.
    pub fn new(peers: impl IntoIterator<Item = Peer>, clock: Clock) -> Self {
        Self {
            peers: peers.into_iter().collect(),
            clock,
        }
    }
}

#[tonic::async_trait]
impl TimerService for MergedTimers {
    async fn list_timers(
        &self,
        request: Request<pb::ListTimersRequest>,
    ) -> Result<Response<pb::ListTimersResponse>, Status> {
        let permit = permit(&request)?;
        let asked = request.into_inner();
        let listed = Listed::of(&asked, permit.organization(), self.clock.now_us())?;
        let calls = self.peers.iter().map(|peer| {
            let mut request = Request::new(asked.clone());
            request.extensions_mut().insert(permit.principal().clone());
            let mut timers = TimerServiceClient::new(peer.clone());
            async move { Ok::<_, Status>(timers.list_timers(request).await?.into_inner()) }
        });
        let pages = futures::future::try_join_all(calls).await?;
        Ok(Response::new(merged(&listed, pages)))
    }
}
