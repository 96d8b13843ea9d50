//! The practice in this process, and callers with different rights.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use mainstay_chassis::peer::{Answer, Peer};
use mainstay_chassis::{Clock, Methods, Principal};
use mainstay_practice::Database;
use mainstay_practice::conformance::Scratch;
use mainstay_practice::{Service, StoreSettings};
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::event::v1::{Event, ListEventsRequest};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::policy::v1 as policy_pb;
use mainstay_proto::mainstay::practice::v1::practice_service_client::PracticeServiceClient;
use pb::incident_comment_service_client::IncidentCommentServiceClient;
use pb::incident_service_client::IncidentServiceClient;
use policy_pb::policy_service_client::PolicyServiceClient;
use tonic::Status;
use tonic::body::Body;
use tonic_types::StatusExt;

/// 2026-01-01T00:00:00Z.
pub(crate) const START_US: i64 = 1_767_225_600_000_000;
pub(crate) const MINUTE_US: i64 = 60_000_000;
pub(crate) const DAY_US: i64 = 24 * 60 * MINUTE_US;

pub(crate) struct Bench {
    peer: Peer,
    service: Service,
    clock: Arc<AtomicI64>,
    scratch: Scratch,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::on(Scratch::new().await).await
    }

    pub(crate) async fn on(scratch: Scratch) -> Self {
        let clock = Arc::new(AtomicI64::new(START_US));
        let tell = clock.clone();
        let settings = StoreSettings {
            clock: Clock::from_fn(move || tell.load(Ordering::SeqCst)),
            ..scratch.settings()
        };
        let service = mainstay_incident::open(settings).await.unwrap();
        let methods = Methods::of(mainstay_proto::descriptors());
        let peer = Peer::new(service.routes.clone(), methods);
        Self {
            peer,
            service,
            clock,
            scratch,
        }
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub(crate) fn pass(&self, us: i64) {
        self.clock.fetch_add(us, Ordering::SeqCst);
    }

    /// Everything but importing.
    pub(crate) fn agent(&self) -> Caller {
        let all = all_permissions()
            .into_iter()
            .filter(|name| name != "incident.import");
        self.caller(
            "agent",
            "default",
            all.chain(["incident.read_internal".to_owned()]),
        )
    }

    /// Everything, as an administrator.
    pub(crate) fn lead(&self) -> Caller {
        self.caller("administrator", "default", all_permissions())
    }

    pub(crate) fn viewer(&self) -> Caller {
        let read = all_permissions()
            .into_iter()
            .filter(|name| name.ends_with(".read"));
        self.caller("viewer", "default", read)
    }

    pub(crate) fn importer(&self) -> Caller {
        let read = all_permissions()
            .into_iter()
            .filter(|name| name.ends_with(".read"));
        self.caller(
            "importer",
            "default",
            read.chain(["incident.import".to_owned()]),
        )
    }

    /// An agent of another organization.
    pub(crate) fn stranger(&self) -> Caller {
        self.caller("agent", "acme", all_permissions())
    }

    pub(crate) fn caller(
        &self,
        name: &str,
        organization: &str,
        permissions: impl IntoIterator<Item = String>,
    ) -> Caller {
        let principal = Principal::new(
            format!("organizations/{organization}/serviceAccounts/{name}"),
            organization,
            Arc::new(permissions.into_iter().collect::<BTreeSet<_>>()),
            tokio_util::sync::CancellationToken::new(),
        )
        .with_roles([name]);
        Caller {
            peer: self.peer.clone(),
            principal,
        }
    }

    /// Where its data are.
    pub(crate) fn database(&self) -> Database {
        self.scratch.settings().database
    }

    /// Closes the practice, and keeps its data.
    pub(crate) async fn close_and_keep(self) -> Scratch {
        self.service.store.close().await;
        self.scratch
    }

    pub(crate) async fn close(self) {
        self.service.store.close().await;
    }
}

fn all_permissions() -> BTreeSet<String> {
    let methods = Methods::of(mainstay_proto::descriptors());
    methods
        .iter()
        .map(|method| method.permission.clone())
        .collect()
}

/// Calls the practice as somebody.
#[derive(Clone)]
pub(crate) struct Caller {
    peer: Peer,
    principal: Principal,
}

impl Caller {
    pub(crate) fn incidents(&self) -> IncidentServiceClient<Self> {
        IncidentServiceClient::new(self.clone())
    }

    pub(crate) fn comments(&self) -> IncidentCommentServiceClient<Self> {
        IncidentCommentServiceClient::new(self.clone())
    }

    pub(crate) fn policies(&self) -> PolicyServiceClient<Self> {
        PolicyServiceClient::new(self.clone())
    }

    pub(crate) fn practices(&self) -> PracticeServiceClient<Self> {
        PracticeServiceClient::new(self.clone())
    }

    /// All events that this caller may see.
    pub(crate) async fn events(&self) -> Vec<Event> {
        let request = ListEventsRequest {
            page_size: 500,
            ..Default::default()
        };
        let reply = EventServiceClient::new(self.clone())
            .list_events(request)
            .await
            .unwrap();
        reply
            .into_inner()
            .events
            .iter()
            .map(|logged| logged.decode().unwrap())
            .collect()
    }

    /// The last words of the types of all events.
    pub(crate) async fn event_types(&self) -> Vec<String> {
        let last = |event: &Event| {
            event
                .r#type
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        self.events().await.iter().map(last).collect()
    }

    pub(crate) async fn raise(&self, incident: pb::Incident) -> pb::Incident {
        let request = pb::CreateIncidentRequest {
            incident: Some(incident),
            ..Default::default()
        };
        self.incidents()
            .create_incident(request)
            .await
            .unwrap()
            .into_inner()
            .incident
            .unwrap()
    }

    pub(crate) async fn get(&self, name: &str) -> pb::Incident {
        let request = pb::GetIncidentRequest {
            name: name.to_owned(),
            as_of: None,
        };
        self.incidents()
            .get_incident(request)
            .await
            .unwrap()
            .into_inner()
            .incident
            .unwrap()
    }

    pub(crate) async fn import(
        &self,
        histories: Vec<pb::IncidentHistory>,
    ) -> Vec<pb::ImportResult> {
        let request = pb::ImportIncidentsRequest {
            histories,
            ..Default::default()
        };
        self.incidents()
            .import_incidents(request)
            .await
            .unwrap()
            .into_inner()
            .results
    }

    /// The numbers on the pages of a list.
    pub(crate) async fn list(&self, filter: &str, order_by: &str, page_size: i32) -> Vec<String> {
        let mut request = pb::ListIncidentsRequest {
            filter: filter.to_owned(),
            order_by: order_by.to_owned(),
            page_size,
            ..Default::default()
        };
        let mut numbers = Vec::new();
        loop {
            let page = self
                .incidents()
                .list_incidents(request.clone())
                .await
                .unwrap()
                .into_inner();
            numbers.extend(page.incidents.into_iter().map(|incident| incident.number));
            if page.next_page_token.is_empty() {
                return numbers;
            }
            request.page_token = page.next_page_token;
        }
    }
}

impl tower::Service<http::Request<Body>> for Caller {
    type Response = http::Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.peer.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Answer {
        request.extensions_mut().insert(self.principal.clone());
        self.peer.call(request)
    }
}

/// An incident with a title.
pub(crate) fn titled(title: &str) -> pb::Incident {
    pb::Incident {
        title: title.to_owned(),
        ..Default::default()
    }
}

/// The reason of a refusal.
pub(crate) fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map(|info| info.reason)
        .unwrap_or_default()
}

/// The metadata of a refusal.
pub(crate) fn metadata(status: &Status, key: &str) -> String {
    let info = status.get_details_error_info().unwrap();
    info.metadata.get(key).cloned().unwrap_or_default()
}

/// The fields that a refusal blames.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let blamed = status
        .get_details_bad_request()
        .map(|bad| bad.field_violations)
        .unwrap_or_default();
    blamed
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}
