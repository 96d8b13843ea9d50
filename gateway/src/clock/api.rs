//! `ClockService`: parse, act, reply.

use std::sync::Arc;

use mainstay_chassis::clock::{Turn, VirtualClock, micros, timestamp};
use mainstay_chassis::{Kind, Refusal};
use mainstay_practice::{Call, Store};
use mainstay_proto::mainstay::clock::v1 as pb;
use mainstay_proto::mainstay::error::v1::ErrorReason;
use pb::advance_clock_request::Target;
use pb::clock_service_server::ClockService;
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

use super::advance;

/// Serves the clock of the suite.
#[derive(Clone, Debug)]
pub struct ClockApi {
    store: Store,
    /// Held during a move, so that each begins where the one before has ended.
    hand: Arc<Mutex<()>>,
}

impl ClockApi {
    /// The service over the clock of the gateway's store.
    pub fn new(store: Store) -> Self {
        Self {
            store,
            hand: Arc::default(),
        }
    }

    fn clock(&self) -> pb::Clock {
        let kind = match self.store.clock().as_virtual() {
            Some(_) => pb::ClockKind::Virtual,
            None => pb::ClockKind::Wall,
        };
        pb::Clock {
            time: Some(timestamp(self.store.clock().now_us())),
            kind: kind.into(),
        }
    }

    /// Notes the move, and moves the clock.
    async fn advance(
        self,
        clock: Arc<VirtualClock>,
        call: Call,
        turn: Turn,
    ) -> Result<pb::AdvanceClockResponse, Refusal> {
        let _hand = self.hand.lock().await;
        let organization = call.organization().to_owned();
        let begun = self
            .store
            .create(call, move |moment| {
                advance::Model::begin(&organization, turn, moment)
            })
            .await?;
        let to_us = begun.record.to_us();
        // A repeat finds the clock there already, or goes on to where it was sent.
        let fired = match clock.now_us() < to_us {
            true => clock.turn(Turn::To(to_us)).await?.woken,
            false => 0,
        };
        Ok(pb::AdvanceClockResponse {
            clock: Some(self.clock()),
            fired: i64::try_from(fired).unwrap_or(i64::MAX),
            cursor: begun.cursor,
        })
    }
}

#[tonic::async_trait]
impl ClockService for ClockApi {
    async fn get_clock(
        &self,
        _: Request<pb::GetClockRequest>,
    ) -> Result<Response<pb::GetClockResponse>, Status> {
        let clock = Some(self.clock());
        Ok(Response::new(pb::GetClockResponse { clock }))
    }

    async fn advance_clock(
        &self,
        request: Request<pb::AdvanceClockRequest>,
    ) -> Result<Response<pb::AdvanceClockResponse>, Status> {
        let call = Call::of(&request, "", &request.get_ref().request_id)?;
        let turn = turn(request.get_ref())?;
        let clock = self.store.clock().as_virtual().ok_or_else(not_virtual)?;
        // Detached: the clock comes to where it was sent when its caller goes away.
        let moved = tokio::spawn(self.clone().advance(clock.clone(), call, turn));
        let moved = moved.await.map_err(Refusal::internal)?;
        Ok(Response::new(moved?))
    }
}

/// How far the clock is to be moved.
fn turn(request: &pb::AdvanceClockRequest) -> Result<Turn, Refusal> {
    match &request.target {
        Some(Target::To(to)) => micros(to)
            .map(Turn::To)
            .ok_or_else(|| Refusal::invalid("to", "must lie in the years 1 to 9999")),
        Some(Target::By(by)) => {
            let micros = by.seconds.checked_mul(1_000_000);
            micros
                .and_then(|micros| micros.checked_add(i64::from(by.nanos) / 1_000))
                .map(Turn::By)
                .ok_or_else(|| Refusal::invalid("by", "must be a shorter time"))
        }
        None => Err(Refusal::invalid("target", "is required: `to` or `by`")),
    }
}

fn not_virtual() -> Refusal {
    Refusal::new(
        Kind::Precondition,
        ErrorReason::ClockNotVirtual,
        "the suite runs on the machine's clock, which nobody can move: start it on an empty folder with --clock virtual",
    )
}
