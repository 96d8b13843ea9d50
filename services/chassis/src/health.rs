//! `grpc.health.v1`: one entry per service beside `""` for the whole. All start
//! as not serving, and are not serving again once the process drains.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{self, Stream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{self, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::Refusal;

/// Tells who serves.
#[derive(Clone, Debug)]
pub struct Health(Arc<Board>);

#[derive(Debug)]
struct Board {
    entries: watch::Sender<BTreeMap<String, bool>>,
    drain: CancellationToken,
}

impl Health {
    /// Entries for `""` and the services (full names, such as
    /// `mainstay.incident.v1.IncidentService`), until the drain.
    pub fn new<S: Into<String>>(
        services: impl IntoIterator<Item = S>,
        drain: CancellationToken,
    ) -> Self {
        let names = services.into_iter().map(Into::into).chain([String::new()]);
        let entries = watch::Sender::new(names.map(|name| (name, false)).collect());
        Self(Arc::new(Board { entries, drain }))
    }

    /// Says whether a service serves.
    pub fn set(&self, service: &str, serving: bool) {
        self.0.entries.send_if_modified(|entries| {
            entries.insert(service.to_owned(), serving) != Some(serving)
        });
    }

    /// Says whether all do.
    pub fn set_all(&self, serving: bool) {
        self.0
            .entries
            .send_modify(|entries| entries.values_mut().for_each(|entry| *entry = serving));
    }

    /// The gRPC service.
    pub fn server(&self) -> HealthServer<Self> {
        HealthServer::new(self.clone())
    }

    /// The status of a service.
    fn status(&self, service: &str) -> ServingStatus {
        match (
            self.0.entries.borrow().get(service),
            self.0.drain.is_cancelled(),
        ) {
            (None, _) => ServingStatus::ServiceUnknown,
            (Some(true), false) => ServingStatus::Serving,
            (Some(_), _) => ServingStatus::NotServing,
        }
    }
}

/// What a watcher was told, and what it waits for.
struct Watcher {
    health: Health,
    service: String,
    entries: watch::Receiver<BTreeMap<String, bool>>,
    told: Option<ServingStatus>,
    last: bool,
}

impl Watcher {
    /// The next status that differs from the one told; none after the drain.
    async fn next(mut self) -> Option<(Result<HealthCheckResponse, Status>, Self)> {
        while !self.last {
            self.last = self.health.0.drain.is_cancelled();
            self.entries.borrow_and_update();
            let status = self.health.status(&self.service);
            if self.told != Some(status) {
                self.told = Some(status);
                return Some((Ok(response(status)), self));
            }
            if !self.last {
                let drained = self.health.0.drain.cancelled();
                tokio::select! { _ = self.entries.changed() => {}, () = drained => {} }
            }
        }
        None
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse {
        status: status.into(),
    }
}

#[tonic::async_trait]
impl health_server::Health for Health {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        match self.status(&service) {
            ServingStatus::ServiceUnknown => Err(Refusal::not_found(service).into()),
            status @ (ServingStatus::Unknown
            | ServingStatus::Serving
            | ServingStatus::NotServing) => Ok(Response::new(response(status))),
        }
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let watcher = Watcher {
            health: self.clone(),
            service: request.into_inner().service,
            entries: self.0.entries.subscribe(),
            told: None,
            last: false,
        };
        Ok(Response::new(Box::pin(stream::unfold(
            watcher,
            Watcher::next,
        ))))
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use tonic_health::pb::health_server::Health as _;

    use super::*;

    fn about(service: &str) -> Request<HealthCheckRequest> {
        Request::new(HealthCheckRequest {
            service: service.to_owned(),
        })
    }

    async fn checked(health: &Health, service: &str) -> Result<ServingStatus, tonic::Code> {
        health
            .check(about(service))
            .await
            .map(|reply| reply.into_inner().status())
            .map_err(|status| status.code())
    }

    #[tokio::test]
    async fn nothing_serves_until_it_is_said_or_after_the_drain() {
        let drain = CancellationToken::new();
        let health = Health::new(["a.B"], drain.clone());
        assert_eq!(checked(&health, "").await, Ok(ServingStatus::NotServing));
        health.set("a.B", true);
        assert_eq!(checked(&health, "a.B").await, Ok(ServingStatus::Serving));
        assert_eq!(checked(&health, "").await, Ok(ServingStatus::NotServing));
        health.set_all(true);
        assert_eq!(checked(&health, "").await, Ok(ServingStatus::Serving));
        drain.cancel();
        assert_eq!(checked(&health, "a.B").await, Ok(ServingStatus::NotServing));
        assert_eq!(checked(&health, "a.C").await, Err(tonic::Code::NotFound));
    }

    #[tokio::test]
    async fn a_watch_of_an_unknown_service_stays_open_until_the_drain() {
        let drain = CancellationToken::new();
        let health = Health::new(["a.B"], drain.clone());
        let mut watch = health.watch(about("a.C")).await.unwrap().into_inner();
        assert_eq!(
            watch.next().await.unwrap().unwrap().status(),
            ServingStatus::ServiceUnknown
        );
        health.set("a.C", true);
        assert_eq!(
            watch.next().await.unwrap().unwrap().status(),
            ServingStatus::Serving
        );
        drain.cancel();
        assert_eq!(
            watch.next().await.unwrap().unwrap().status(),
            ServingStatus::NotServing
        );
        assert!(watch.next().await.is_none());
    }
}
