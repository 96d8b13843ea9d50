//! What is true when practice and gateway run in processes of their own, and
//! either of them dies.

use anyhow::{Context, Result, bail, ensure};
use mainstay_proto::mainstay::access::v1 as access;
use mainstay_proto::mainstay::access::v1::access_service_client::AccessServiceClient;
use mainstay_proto::mainstay::event::v1 as event;
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::event::v1::watch_events_response::Content;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::incident::v1::incident_service_client::IncidentServiceClient;
use mainstay_proto::mainstay::metrics::v1 as metrics;
use mainstay_proto::mainstay::metrics::v1::metric_service_client::MetricServiceClient;
use mainstay_tests::{Bearer, Caller, Extra, GATEWAY, Suite, Topology, told};
use tonic::codec::Streaming;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

const INCIDENT: &str = "incident";

async fn apart() -> Result<Suite> {
    Suite::start_as(Topology::Apart, Extra::default()).await
}

fn incidents(suite: &Suite) -> Result<IncidentServiceClient<Caller>> {
    Ok(IncidentServiceClient::new(suite.administrator()?))
}

/// Opens some incidents; returns the cursor after the last.
async fn open(suite: &Suite, count: usize) -> Result<String> {
    let mut cursor = String::new();
    for _ in 0..count {
        let incident = pb::Incident {
            title: "Checkout is slow".to_owned(),
            impact: pb::Impact::High.into(),
            urgency: pb::Urgency::High.into(),
            ..Default::default()
        };
        let request = pb::CreateIncidentRequest {
            incident: Some(incident),
            ..Default::default()
        };
        let made = incidents(suite)?.create_incident(request).await?;
        cursor = made.into_inner().cursor;
    }
    Ok(cursor)
}

async fn first(suite: &Suite) -> Result<pb::GetIncidentResponse, tonic::Status> {
    let client = incidents(suite);
    let mut client = client.map_err(|error| tonic::Status::internal(error.to_string()))?;
    let request = pb::GetIncidentRequest {
        name: "INC-1".to_owned(),
        ..Default::default()
    };
    Ok(client.get_incident(request).await?.into_inner())
}

/// A subscriber that comes again with its cursor, as the rule is.
struct Watcher {
    cursor: Option<String>,
    sequences: Vec<i64>,
    stream: Option<Streaming<event::WatchEventsResponse>>,
}

impl Watcher {
    fn new() -> Self {
        Self {
            cursor: None,
            sequences: Vec::new(),
            stream: None,
        }
    }

    async fn connect(&mut self, suite: &Suite) -> Result<()> {
        let at = match &self.cursor {
            Some(cursor) => event::start::At::Cursor(cursor.clone()),
            None => event::start::At::Point(event::StartPoint::Earliest.into()),
        };
        let request = event::WatchEventsRequest {
            start: Some(event::Start { at: Some(at) }),
            filter: Some(event::EventFilter {
                types: vec!["mainstay.incident.v1.*".to_owned()],
                ..Default::default()
            }),
            ..Default::default()
        };
        let mut client = EventServiceClient::new(suite.administrator()?);
        self.stream = Some(client.watch_events(request).await?.into_inner());
        Ok(())
    }

    /// Reads until it has seen so many events.
    async fn see(&mut self, count: usize) -> Result<()> {
        while self.sequences.len() < count {
            let stream = self.stream.as_mut().context("it is connected")?;
            let response = stream.message().await?.context("the stream goes on")?;
            if let Some(Content::Events(batch)) = response.content {
                let sequences = batch.events.iter().map(|event| event.sequence);
                self.sequences.extend(sequences);
            }
            self.cursor = Some(response.cursor);
        }
        Ok(())
    }

    /// Reads until the stream breaks.
    async fn broken(&mut self) -> Result<tonic::Status> {
        let stream = self.stream.as_mut().context("it is connected")?;
        loop {
            match stream.message().await {
                Err(status) => return Ok(status),
                Ok(Some(_)) => {}
                Ok(None) => bail!("the stream ended well"),
            }
        }
    }
}

/// Waits until the gateway tells this of the incident service.
async fn health(suite: &Suite, service: &str, awaited: ServingStatus) -> Result<()> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let mut stream = HealthClient::new(suite.channel()?)
        .watch(request)
        .await?
        .into_inner();
    while let Some(response) = stream.message().await? {
        if response.status() == awaited {
            return Ok(());
        }
    }
    bail!("the watch of health ended")
}

const SERVICE: &str = "mainstay.incident.v1.IncidentService";

#[tokio::test]
async fn a_watcher_and_a_follower_miss_nothing_when_either_process_is_killed() -> Result<()> {
    let mut suite = apart().await?;
    let mut watcher = Watcher::new();
    watcher.connect(&suite).await?;
    open(&suite, 3).await?;
    watcher.see(3).await?;

    suite.kill_only(INCIDENT).await?;
    let broken = watcher.broken().await?;
    assert_eq!(
        (broken.code(), told(&broken).reason.as_str()),
        (Code::Unavailable, "UNAVAILABLE")
    );
    suite.restart_only(INCIDENT).await?;
    health(&suite, SERVICE, ServingStatus::Serving).await?;
    open(&suite, 2).await?;
    watcher.connect(&suite).await?;
    watcher.see(5).await?;

    suite.kill_only(GATEWAY).await?;
    watcher.broken().await?;
    suite.restart_only(GATEWAY).await?;
    health(&suite, SERVICE, ServingStatus::Serving).await?;
    let cursor = open(&suite, 2).await?;
    watcher.connect(&suite).await?;
    watcher.see(7).await?;
    assert_eq!(watcher.sequences, (1..=7).collect::<Vec<i64>>());

    let question = metrics::QueryMetricsRequest {
        metric: "backlog_age".to_owned(),
        min_cursor: cursor,
        ..Default::default()
    };
    let mut client = MetricServiceClient::new(suite.administrator()?);
    let answer = client.query_metrics(question).await?.into_inner();
    let figure = answer
        .groups
        .into_iter()
        .next()
        .and_then(|group| group.figure);
    let Some(metrics::metric_group::Figure::Distribution(backlog)) = figure else {
        bail!("no backlog is told");
    };
    assert_eq!(backlog.n, 7);
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_away_is_told_and_comes_back_by_itself() -> Result<()> {
    let mut suite = apart().await?;
    open(&suite, 1).await?;
    suite.kill().await?;
    suite.restart_only(GATEWAY).await?;
    health(&suite, SERVICE, ServingStatus::NotServing).await?;
    health(&suite, "", ServingStatus::Serving).await?;
    health(
        &suite,
        "mainstay.access.v1.AccessService",
        ServingStatus::Serving,
    )
    .await?;
    let away = first(&suite).await.err().context("it is away")?;
    assert_eq!(
        (away.code(), told(&away).reason.as_str()),
        (Code::Unavailable, "UNAVAILABLE")
    );
    ensure!(away.get_details_retry_info().is_some(), "{away:?}");
    let mut own = AccessServiceClient::new(suite.administrator()?);
    own.list_tokens(access::ListTokensRequest::default())
        .await?;

    suite.restart_only(INCIDENT).await?;
    health(&suite, SERVICE, ServingStatus::Serving).await?;
    let back = first(&suite).await?;
    assert_eq!(back.incident.context("an incident")?.number, "INC-1");
    Ok(())
}

#[tokio::test]
async fn a_watch_ends_with_the_rights_that_opened_it() -> Result<()> {
    let suite = apart().await?;
    let made = suite.create_token("viewer", None).await?;
    let mut client = EventServiceClient::new(suite.caller(&made.secret)?);
    let latest = event::start::At::Point(event::StartPoint::Latest.into());
    let request = event::WatchEventsRequest {
        start: Some(event::Start { at: Some(latest) }),
        ..Default::default()
    };
    let mut stream = client.watch_events(request).await?.into_inner();
    stream.message().await?.context("a greeting")?;
    let revoke = access::RevokeTokenRequest {
        name: made.token.context("a token")?.name,
        ..Default::default()
    };
    let mut own = AccessServiceClient::new(suite.administrator()?);
    own.revoke_token(revoke).await?;
    let mut last = None;
    while let Some(response) = stream.message().await? {
        last = response.content;
    }
    let Some(Content::Drain(drain)) = last else {
        bail!("the last word was {last:?}");
    };
    assert_eq!(drain.reason, "rights");
    Ok(())
}

#[tokio::test]
async fn a_service_believes_the_gateways_token_and_no_other_word() -> Result<()> {
    let mut suite = apart().await?;
    open(&suite, 1).await?;
    let address = suite.address_of(INCIDENT)?;
    let channel: Channel = Endpoint::from_shared(format!("http://{address}"))?.connect_lazy();
    let administrator = suite.administrator_token()?;
    let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.";
    for token in ["", unsigned, &administrator] {
        let bearer = match token {
            "" => Bearer::none(),
            token => Bearer::token(token)?,
        };
        let mut client = IncidentServiceClient::new(Caller::new(channel.clone(), bearer));
        let mut request = Request::new(pb::ListIncidentsRequest::default());
        for name in [
            "x-internal-principal",
            "x-mainstay-organization",
            "x-forwarded-user",
        ] {
            request
                .metadata_mut()
                .insert(name, "administrator".parse()?);
        }
        let refused = client.list_incidents(request).await;
        let refused = refused.err().context("nobody is let in")?;
        assert_eq!(
            refused.code(),
            Code::Unauthenticated,
            "{token}: {refused:?}"
        );
    }
    let whole = HealthCheckRequest::default();
    let health = HealthClient::new(channel).check(whole).await?.into_inner();
    assert_eq!(health.status(), ServingStatus::Serving);
    Ok(())
}
