//! From a log to answers: follows a log that the test writes, as the incident
//! service would serve it, and asks the API.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_chassis::{Clock, Deadline, Principal, clock};
use mainstay_practice::conformance::Scratch;
use mainstay_practice::cursor::Cursor;
use mainstay_practice::{StoreSettings, follow};
use mainstay_proto::LoggedEvent;
use mainstay_proto::mainstay::event::v1 as event;
use mainstay_proto::mainstay::incident::v1 as incident;
use mainstay_proto::mainstay::metrics::v1 as pb;
use prost::Message;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use super::*;
use crate::migrations::Migrator;
use event::event_service_server::{EventService, EventServiceServer};
use event::watch_events_response::Content;
use incident::IncidentState::{InProgress, New, OnHold, Resolved};
use pb::metric_group::Figure;
use pb::metric_service_server::MetricService;

const EPOCH: Uuid = Uuid::from_u128(42);
const HOUR: i64 = 3_600_000_000;
const NOW: i64 = 1_000 * HOUR;

/// The log of an incident service. Every write is one event.
#[derive(Clone, Debug)]
struct Log(watch::Sender<Vec<event::Event>>);

impl Log {
    fn new() -> Self {
        Self(watch::channel(Vec::new()).0)
    }

    /// Writes what became of an incident at an hour; returns the cursor of its
    /// organization after it.
    fn write(
        &self,
        organization: &str,
        number: u128,
        hour: i64,
        state: incident::IncidentState,
        team: &str,
    ) -> String {
        self.0.send_modify(|events| {
            let subject = format!(
                "organizations/{organization}/incidents/{}",
                Uuid::from_u128(number)
            );
            let revision = events
                .iter()
                .filter(|event| event.subject == subject)
                .count()
                + 1;
            let after = incident::Incident {
                state: state.into(),
                team: format!("organizations/{organization}/teams/{team}"),
                impact: incident::Impact::High.into(),
                ..incident::Incident::default()
            };
            let payload = incident::IncidentCreated {
                incident: Some(after),
                decision: None,
            };
            events.push(event::Event {
                source: "incident".to_owned(),
                subject,
                subject_revision: i64::try_from(revision).unwrap(),
                occur_time: Some(clock::timestamp(hour * HOUR)),
                organization: organization.to_owned(),
                data: Some(prost_types::Any {
                    type_url: String::new(),
                    value: payload.encode_to_vec(),
                }),
                ..event::Event::default()
            });
        });
        self.cursor(organization)
    }

    /// Writes a comment, which changes nothing that is counted.
    fn comment(&self, organization: &str) -> String {
        self.0.send_modify(|events| {
            events.push(event::Event {
                subject: format!(
                    "organizations/{organization}/incidents/{}/comments/{}",
                    Uuid::nil(),
                    Uuid::nil()
                ),
                organization: organization.to_owned(),
                ..event::Event::default()
            });
        });
        self.cursor(organization)
    }

    fn cursor(&self, organization: &str) -> String {
        let count = self
            .0
            .borrow()
            .iter()
            .filter(|event| event.organization == organization)
            .count();
        Cursor::single(
            organization,
            "incident",
            EPOCH,
            i64::try_from(count).unwrap(),
        )
        .encode()
    }

    fn response(events: &[event::Event], place: usize) -> event::WatchEventsResponse {
        let sequence = i64::try_from(place + 1).unwrap();
        let logged = LoggedEvent {
            sequence,
            record_time: None,
            event: events[place].encode_to_vec().into(),
        };
        event::WatchEventsResponse {
            cursor: Cursor::single(ALL_ORGANIZATIONS, "incident", EPOCH, sequence).encode(),
            server_time: None,
            content: Some(Content::Events(event::EventBatch {
                events: vec![logged],
                fragment: false,
            })),
        }
    }
}

#[tonic::async_trait]
impl EventService for Log {
    type WatchEventsStream =
        Pin<Box<dyn Stream<Item = Result<event::WatchEventsResponse, Status>> + Send>>;

    async fn watch_events(
        &self,
        request: Request<event::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let begin = match request.into_inner().start.and_then(|start| start.at) {
            Some(event::start::At::Cursor(text)) => {
                let cursor = Cursor::decode(&text, ALL_ORGANIZATIONS).unwrap();
                usize::try_from(cursor.place("incident").unwrap().sequence).unwrap()
            }
            Some(event::start::At::Time(_) | event::start::At::Point(_)) | None => 0,
        };
        let state = (self.0.subscribe(), begin);
        let stream = futures::stream::unfold(state, |(mut events, place)| async move {
            let response = Log::response(
                &events
                    .wait_for(|events| events.len() > place)
                    .await
                    .ok()?
                    .clone(),
                place,
            );
            Some((Ok(response), (events, place + 1)))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_events(
        &self,
        _: Request<event::ListEventsRequest>,
    ) -> Result<Response<event::ListEventsResponse>, Status> {
        Ok(Response::new(event::ListEventsResponse::default()))
    }

    async fn get_event_log(
        &self,
        _: Request<event::GetEventLogRequest>,
    ) -> Result<Response<event::GetEventLogResponse>, Status> {
        let at = |sequence| Cursor::single(ALL_ORGANIZATIONS, "incident", EPOCH, sequence).encode();
        let log = event::EventLog {
            earliest_cursor: at(0),
            latest_cursor: at(i64::try_from(self.0.borrow().len()).unwrap()),
            ..event::EventLog::default()
        };
        Ok(Response::new(event::GetEventLogResponse { log: Some(log) }))
    }
}

/// A gateway's metrics that follow a log.
struct Bench {
    log: Log,
    store: Store,
    api: MetricApi,
    following: JoinHandle<()>,
    _scratch: Scratch,
    _drain: DropGuard,
}

impl Bench {
    async fn start() -> Self {
        let scratch = Scratch::new().await;
        let drain = CancellationToken::new();
        let settings = StoreSettings {
            database: scratch.database(),
            clock: Clock::from_fn(|| NOW),
            drain: drain.clone(),
        };
        let store = Store::open::<Migrator>("gateway", settings).await.unwrap();
        let log = Log::new();
        let (api, following) = opened(&store, &log).await;
        Self {
            log,
            store,
            api,
            following,
            _scratch: scratch,
            _drain: drain.drop_guard(),
        }
    }

    /// Forgets what is in memory, as a restart of the process does.
    async fn restart(&mut self) {
        self.following.abort();
        (self.api, self.following) = opened(&self.store, &self.log).await;
    }
}

async fn opened(store: &Store, log: &Log) -> (MetricApi, JoinHandle<()>) {
    let metrics = Metrics::open(store.clone()).await.unwrap();
    let service = EventServiceServer::new(log.clone());
    let following = follow::follow(store.clone(), Metrics::SOURCE, service, metrics.counter());
    (MetricApi::new(metrics), tokio::spawn(following))
}

fn asked(organization: &str, asked: pb::QueryMetricsRequest) -> Request<pb::QueryMetricsRequest> {
    let permissions = Arc::new(BTreeSet::from(["metric.read".to_owned()]));
    let principal = Principal::new(
        "somebody",
        organization,
        permissions,
        CancellationToken::new(),
    );
    let mut request = Request::new(asked);
    request
        .extensions_mut()
        .insert(principal.permit("metric.read").unwrap());
    request
}

fn question(metric: &str, min_cursor: &str) -> pb::QueryMetricsRequest {
    pb::QueryMetricsRequest {
        metric: metric.to_owned(),
        min_cursor: min_cursor.to_owned(),
        ..pb::QueryMetricsRequest::default()
    }
}

async fn ask(
    api: &MetricApi,
    organization: &str,
    question: pb::QueryMetricsRequest,
) -> Result<pb::QueryMetricsResponse, Status> {
    api.query_metrics(asked(organization, question))
        .await
        .map(Response::into_inner)
}

fn spread(group: &pb::MetricGroup) -> (String, i64, Option<i64>) {
    match group.figure {
        Some(Figure::Distribution(spread)) => (
            group.keys.join(","),
            spread.n,
            spread.max_ms.map(|ms| ms * 1_000 / HOUR),
        ),
        Some(Figure::Ratio(_)) | None => panic!("{group:?}"),
    }
}

fn reason(status: &Status) -> (Code, String) {
    (
        status.code(),
        status
            .get_error_details()
            .error_info()
            .unwrap()
            .reason
            .clone(),
    )
}

#[tokio::test]
async fn a_question_waits_until_the_write_it_names_is_counted() {
    let bench = Bench::start().await;
    bench.log.write("default", 1, 0, New, "red");
    bench.log.write("default", 1, 2, OnHold, "red");
    let ahead = Cursor::single("default", "incident", EPOCH, 4).encode();
    let waiting = ask(&bench.api, "default", question("time_to_resolve", &ahead));
    let writing = async {
        bench.log.comment("default");
        bench.log.write("default", 1, 8, Resolved, "blue")
    };
    let (answer, written) = tokio::join!(waiting, writing);
    let answer = answer.unwrap();
    assert_eq!(written, ahead, "a comment counts as an event");
    assert_eq!(
        answer.groups.iter().map(spread).collect::<Vec<_>>(),
        [(String::new(), 1, Some(8))]
    );
    assert_eq!(
        (answer.variant.as_str(), answer.cursor),
        ("gross_last", ahead)
    );
    let understood = pb::Interval {
        start_time: None,
        end_time: Some(clock::timestamp(NOW + 1)),
    };
    assert_eq!((answer.interval, answer.as_of), (Some(understood), None));
}

#[tokio::test]
async fn what_was_counted_is_there_after_a_restart_and_goes_on() {
    let mut bench = Bench::start().await;
    bench.log.write("default", 1, 0, New, "red");
    bench.log.write("default", 2, 1, InProgress, "blue");
    let cursor = bench.log.comment("default");
    let by_team = |cursor: &str| pb::QueryMetricsRequest {
        group_by: vec!["team".to_owned()],
        ..question("backlog_age", cursor)
    };
    let before = ask(&bench.api, "default", by_team(&cursor)).await.unwrap();

    bench.restart().await;
    let after = ask(&bench.api, "default", by_team("")).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(after.cursor, cursor);
    let groups: Vec<_> = after.groups.iter().map(spread).collect();
    assert_eq!(
        groups,
        [
            ("blue".to_owned(), 1, Some(999)),
            ("red".to_owned(), 1, Some(1_000))
        ]
    );

    let cursor = bench.log.write("default", 1, 2, Resolved, "red");
    let answer = ask(&bench.api, "default", by_team(&cursor)).await.unwrap();
    assert_eq!(answer.cursor, cursor);
    let groups: Vec<_> = answer.groups.iter().map(spread).collect();
    assert_eq!(groups, [("blue".to_owned(), 1, Some(999))]);
}

#[tokio::test]
async fn organizations_are_counted_apart() {
    let bench = Bench::start().await;
    bench.log.write("acme", 1, 0, New, "red");
    let ours = bench.log.write("default", 2, 10, New, "red");
    bench.log.write("acme", 3, 0, New, "red");
    let theirs = bench.log.cursor("acme");
    let answer = ask(&bench.api, "default", question("backlog_age", &ours))
        .await
        .unwrap();
    assert_eq!(
        answer.groups.iter().map(spread).collect::<Vec<_>>(),
        [(String::new(), 1, Some(990))]
    );
    let answer = ask(&bench.api, "acme", question("backlog_age", &theirs))
        .await
        .unwrap();
    assert_eq!(
        answer.groups.iter().map(spread).collect::<Vec<_>>(),
        [(String::new(), 2, Some(1_000))]
    );
    assert_eq!(answer.cursor, theirs);
}

#[tokio::test]
async fn cursors_that_are_none_are_refused_with_their_reason() {
    let bench = Bench::start().await;
    let ours = bench.log.write("default", 1, 0, New, "red");
    ask(&bench.api, "default", question("backlog_age", &ours))
        .await
        .unwrap();
    let refused = async |cursor: &str| {
        let status = ask(&bench.api, "default", question("backlog_age", cursor))
            .await
            .unwrap_err();
        reason(&status)
    };
    let invalid = (Code::InvalidArgument, "EVENT_CURSOR_INVALID".to_owned());
    assert_eq!(refused("garbled").await, invalid);
    assert_eq!(
        refused(&Cursor::single("acme", "incident", EPOCH, 1).encode()).await,
        invalid
    );
    let replaced = Cursor::single("default", "incident", Uuid::from_u128(7), 1).encode();
    assert_eq!(
        refused(&replaced).await,
        (Code::OutOfRange, "EVENT_CURSOR_EXPIRED".to_owned())
    );
    let elsewhere = Cursor::single("default", "gateway", Uuid::from_u128(7), 1_000).encode();
    assert!(
        ask(&bench.api, "default", question("backlog_age", &elsewhere))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn nobody_waits_beyond_the_deadline() {
    let bench = Bench::start().await;
    let never = Cursor::single("default", "incident", EPOCH, 1_000).encode();
    let mut request = asked("default", question("backlog_age", &never));
    request
        .extensions_mut()
        .insert(Deadline::after(std::time::Duration::ZERO));
    let status = bench.api.query_metrics(request).await.unwrap_err();
    assert_eq!(
        reason(&status),
        (Code::DeadlineExceeded, "DEADLINE_EXCEEDED".to_owned())
    );
}

#[tokio::test]
async fn another_organization_is_refused_and_the_own_may_be_named() {
    let bench = Bench::start().await;
    let parent = |parent: &str| pb::QueryMetricsRequest {
        parent: parent.to_owned(),
        ..question("backlog_age", "")
    };
    let status = ask(&bench.api, "default", parent("organizations/acme"))
        .await
        .unwrap_err();
    assert_eq!(
        reason(&status),
        (Code::PermissionDenied, "PERMISSION_DENIED".to_owned())
    );
    let answer = ask(&bench.api, "default", parent("organizations/default"))
        .await
        .unwrap();
    assert_eq!(
        answer.groups.iter().map(spread).collect::<Vec<_>>(),
        [(String::new(), 0, None)]
    );
    assert_eq!(answer.as_of, Some(clock::timestamp(NOW)));
}

#[tokio::test]
async fn every_metric_that_is_listed_can_be_asked_for_in_every_variant_and_dimension() {
    let bench = Bench::start().await;
    let cursor = bench.log.write("default", 1, 0, Resolved, "red");
    let listed = bench
        .api
        .list_metric_descriptors(Request::new(pb::ListMetricDescriptorsRequest {}))
        .await
        .unwrap();
    let listed = listed.into_inner().metrics;
    assert_eq!(listed.len(), definition::DEFINITIONS.len());
    for metric in listed {
        let first = metric.variants.first().cloned().unwrap_or_default();
        for variant in metric.variants.iter().cloned().chain([String::new()]) {
            let asked = pb::QueryMetricsRequest {
                variant: variant.clone(),
                group_by: metric.dimensions.clone(),
                ..question(&metric.metric, &cursor)
            };
            let answer = ask(&bench.api, "default", asked).await.unwrap();
            assert_eq!(
                answer.variant,
                if variant.is_empty() {
                    first.clone()
                } else {
                    variant
                }
            );
            assert_eq!(
                answer.interval.is_some(),
                metric.window() == pb::MetricWindow::Interval
            );
            assert_eq!(
                answer.as_of.is_some(),
                metric.window() == pb::MetricWindow::Instant
            );
        }
    }
}
