//! `TimerService` of one service.

use mainstay_proto::mainstay::practice::v1 as pb;
use pb::timer_service_server::TimerService;
use tonic::{Request, Response, Status};

use super::Timers;
use crate::call::permit;

/// Serves the timers of a service.
#[derive(Clone, Debug)]
pub struct TimerApi(Timers);

impl TimerApi {
    /// Serves these timers.
    pub fn new(timers: Timers) -> Self {
        Self(timers)
    }
}

#[tonic::async_trait]
impl TimerService for TimerApi {
    async fn list_timers(
        &self,
        request: Request<pb::ListTimersRequest>,
    ) -> Result<Response<pb::ListTimersResponse>, Status> {
        let permit = permit(&request)?;
        let page = self.0.list(&permit, request.get_ref()).await?;
        Ok(Response::new(page))
    }
}
