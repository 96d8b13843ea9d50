//! The suite's services, as the tests of timers call them.

use anyhow::{Context, Result, ensure};
use clock::advance_clock_request::Target;
use clock::clock_service_client::ClockServiceClient;
use event::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::clock::v1 as clock;
use mainstay_proto::mainstay::event::v1 as event;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::practice::v1 as practice;
use mainstay_tests::{Caller, Suite};
use pb::incident_service_client::IncidentServiceClient;
use practice::timer_service_client::TimerServiceClient;

use super::DAY;

/// The suite's services, called by one caller.
pub(super) struct Desk {
    pub(super) caller: Caller,
}

impl Desk {
    pub(super) fn of(suite: &Suite) -> Result<Self> {
        Ok(Self::by(suite.administrator()?))
    }

    pub(super) fn by(caller: Caller) -> Self {
        Self { caller }
    }

    pub(super) fn incidents(&self) -> IncidentServiceClient<Caller> {
        IncidentServiceClient::new(self.caller.clone())
    }

    pub(super) async fn raise(&self) -> Result<String> {
        let incident = pb::Incident {
            title: "Mail is down".to_owned(),
            ..Default::default()
        };
        let request = pb::CreateIncidentRequest {
            incident: Some(incident),
            ..Default::default()
        };
        let made = self.incidents().create_incident(request).await?;
        Ok(made.into_inner().incident.context("the incident")?.name)
    }

    pub(super) async fn resolve(&self, name: &str) -> Result<pb::Incident> {
        let request = pb::ResolveIncidentRequest {
            name: name.to_owned(),
            resolution: Some(pb::Resolution {
                code: pb::ResolutionCode::Fixed.into(),
                summary: "Done.".to_owned(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let made = self.incidents().resolve_incident(request).await?;
        made.into_inner().incident.context("the incident")
    }

    pub(super) async fn get(&self, name: &str) -> Result<pb::Incident> {
        let request = pb::GetIncidentRequest {
            name: name.to_owned(),
            ..Default::default()
        };
        let found = self.incidents().get_incident(request).await?;
        found.into_inner().incident.context("the incident")
    }

    pub(super) async fn advance(&self, target: Target) -> Result<clock::AdvanceClockResponse> {
        let request = clock::AdvanceClockRequest {
            target: Some(target),
            ..Default::default()
        };
        let mut clock = ClockServiceClient::new(self.caller.clone());
        Ok(clock.advance_clock(request).await?.into_inner())
    }

    pub(super) async fn days(&self, days: i64) -> Result<clock::AdvanceClockResponse> {
        let (seconds, nanos) = (days * DAY, 0);
        self.advance(Target::By(prost_types::Duration { seconds, nanos }))
            .await
    }

    pub(super) async fn time(&self) -> Result<i64> {
        let mut clock = ClockServiceClient::new(self.caller.clone());
        let told = clock
            .get_clock(clock::GetClockRequest {})
            .await?
            .into_inner();
        let told = told.clock.context("the clock")?;
        ensure!(told.kind() == clock::ClockKind::Virtual, "{told:?}");
        Ok(told.time.context("its time")?.seconds)
    }

    pub(super) async fn timers(
        &self,
        asked: practice::ListTimersRequest,
    ) -> Result<Vec<practice::Timer>> {
        let mut timers = TimerServiceClient::new(self.caller.clone());
        Ok(timers.list_timers(asked).await?.into_inner().timers)
    }

    /// Waits until so many timers have fired.
    pub(super) async fn fired(&self, count: usize) -> Result<()> {
        let mut client = EventServiceClient::new(self.caller.clone());
        let earliest = event::start::At::Point(event::StartPoint::Earliest.into());
        let request = event::WatchEventsRequest {
            start: Some(event::Start { at: Some(earliest) }),
            ..Default::default()
        };
        let mut stream = client.watch_events(request).await?.into_inner();
        let mut fired = 0;
        while fired < count {
            let response = stream.message().await?.context("the stream goes on")?;
            if let Some(event::watch_events_response::Content::Events(batch)) = response.content {
                for logged in batch.events {
                    fired += usize::from(logged.decode()?.firing.is_some());
                }
            }
        }
        Ok(())
    }

    /// All events of all logs.
    pub(super) async fn events(&self) -> Result<Vec<(i64, event::Event)>> {
        let mut client = EventServiceClient::new(self.caller.clone());
        let (mut start, mut events) = (None, Vec::new());
        loop {
            let request = event::ListEventsRequest {
                start,
                page_size: 500,
                ..Default::default()
            };
            let page = client.list_events(request).await?.into_inner();
            if page.events.is_empty() {
                return Ok(events);
            }
            for logged in page.events {
                events.push((
                    logged.record_time.context("a time")?.seconds,
                    logged.decode()?,
                ));
            }
            let cursor = event::start::At::Cursor(page.next_cursor);
            start = Some(event::Start { at: Some(cursor) });
        }
    }
}
