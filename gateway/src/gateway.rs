//! The gateway put together: its store, what it serves itself, and the front
//! before it and the practices.

use std::sync::Arc;

use mainstay_chassis::health::Health;
use mainstay_chassis::settings::Settings;
use mainstay_chassis::{Methods, Peer, Refusal, limited, reflection};
use mainstay_practice::follow::FollowerApi;
use mainstay_practice::{EventApi, Store, StoreError, StoreSettings, follow};
use mainstay_proto::mainstay::access::v1::access_service_server::AccessServiceServer;
use mainstay_proto::mainstay::clock::v1::clock_service_server::ClockServiceServer;
use mainstay_proto::mainstay::event::v1::event_service_server::EventServiceServer;
use mainstay_proto::mainstay::metrics::v1::metric_service_server::MetricServiceServer;
use mainstay_proto::mainstay::policy::v1::policy_service_server::PolicyServiceServer;
use mainstay_proto::mainstay::practice::v1::follower_service_server::FollowerServiceServer;
use mainstay_proto::mainstay::practice::v1::practice_service_server::PracticeServiceServer;
use mainstay_proto::mainstay::practice::v1::timer_service_server::TimerServiceServer;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::access::{Access, AccessApi};
use crate::clock::ClockApi;
use crate::door::Door;
use crate::followers::Followers;
use crate::front::{Front, Limits};
use crate::merge::MergedEvents;
use crate::metrics::{MetricApi, Metrics};
use crate::migrations::Migrator;
use crate::neighbours::{self, Neighbour};
use crate::policies::Policies;
use crate::practices::Practices;
use crate::timers::MergedTimers;

/// The gateway's name among the services.
pub const NAME: &str = "gateway";

/// The packages that the gateway serves itself, or merges from its peers.
pub(crate) const PACKAGES: [&str; 9] = [
    "mainstay.access.v1",
    "mainstay.clock.v1",
    "mainstay.event.v1",
    "mainstay.metrics.v1",
    "mainstay.policy.v1",
    "mainstay.practice.v1",
    "grpc.health.v1",
    "grpc.reflection.v1",
    "grpc.reflection.v1alpha",
];

/// What the gateway allows.
#[derive(Clone, Copy, Debug)]
pub struct GatewaySettings {
    /// What the front allows.
    pub limits: Limits,
    /// Whether clients may ask for the contract by reflection.
    pub reflection: bool,
}

impl GatewaySettings {
    /// What the settings of a process say of the gateway.
    pub fn of(settings: &Settings) -> Self {
        let limits = &settings.limits;
        let limits = Limits {
            units_per_second: limits.units_per_second,
            failures_per_minute: limits.failures_per_minute,
            streams_per_principal: limits.streams_per_principal,
            streams_per_organization: limits.streams_per_organization,
            streams_per_process: limits.streams_per_process,
            ..Limits::default()
        };
        Self {
            limits,
            reflection: settings.reflection,
        }
    }
}

/// Why the gateway cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Its store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its store cannot be read.
    #[error("the gateway's store cannot be read: {0}")]
    Unreadable(#[from] Refusal),
    /// The contract cannot be told by reflection.
    #[error("the contract cannot be told by reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// The gateway.
pub struct Gateway {
    store: Store,
    access: Access,
    health: Health,
    /// The gRPC services that do not depend on another process.
    local: Vec<String>,
    front: Front,
    followers: TaskTracker,
}

impl Gateway {
    /// Opens the gateway before its neighbours, and begins to follow them.
    /// Health says that nothing is served until [`Gateway::ready`].
    pub async fn open(
        stores: StoreSettings,
        neighbours: Vec<Neighbour>,
        settings: GatewaySettings,
    ) -> Result<Self, GatewayError> {
        let methods = Methods::of(mainstay_proto::descriptors());
        let store = Store::open::<Migrator>(NAME, stores).await?;
        let access = Access::open(store.clone(), &methods).await?;
        let metrics = Metrics::open(store.clone()).await?;
        let followers = TaskTracker::new();
        let counted = |neighbour: &&Neighbour| neighbour.name == Metrics::SOURCE;
        if let Some(Neighbour { name, peer, .. }) = neighbours.iter().find(counted) {
            let (store, counter) = (store.clone(), metrics.counter());
            followers.spawn(follow::follow(store, name, peer.clone(), counter));
        }
        let health = Health::new(services(&methods, |_| true), store.drain().clone());
        let far = neighbours
            .iter()
            .filter(|neighbour| neighbour.peer.is_far());
        for neighbour in far.cloned() {
            let services = services(&methods, |package| neighbour.packages.contains(&package));
            let (health, drain) = (health.clone(), store.drain().clone());
            followers.spawn(neighbours::watch_health(neighbour, services, health, drain));
        }
        let all = every_follower(&store, &neighbours, &methods);
        followers.spawn(all.tell_health(health.clone(), store.drain().clone()));
        followers.close();
        let local = services(&methods, |package| {
            let is_far = |neighbour: &&Neighbour| neighbour.peer.is_far();
            let mut far = neighbours.iter().filter(is_far);
            !far.any(|neighbour| neighbour.packages.contains(&package))
        });
        let own = Parts {
            store: &store,
            access: &access,
            metrics,
            health: &health,
        };
        let own = Peer::new(
            own.routes(&neighbours, &methods, settings.reflection)?,
            methods.clone(),
        );
        let peers = peers(&own, &neighbours);
        let door = Door::new(mainstay_proto::descriptors().clone(), &methods, peers);
        let front = Front::new(
            methods,
            Arc::new(access.keyring().clone()),
            settings.limits,
            door,
        );
        Ok(Self {
            store,
            access,
            health,
            local,
            front,
            followers,
        })
    }

    /// What is to be served.
    pub fn front(&self) -> Front {
        self.front.clone()
    }

    /// Who may call.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Says by health that everything is served but what runs elsewhere, of
    /// which it says what it hears.
    pub fn ready(&self) {
        self.health.set("", true);
        for service in &self.local {
            self.health.set(service, true);
        }
    }

    /// Waits for the followers, which end by the drain, and closes the store.
    pub async fn close(&self) {
        self.followers.wait().await;
        self.store.close().await;
    }
}

/// What the gateway's own routes are made of.
struct Parts<'a> {
    store: &'a Store,
    access: &'a Access,
    metrics: Metrics,
    health: &'a Health,
}

impl Parts<'_> {
    fn routes(
        self,
        neighbours: &[Neighbour],
        methods: &Methods,
        reflected: bool,
    ) -> Result<Routes, tonic_reflection::server::Error> {
        let own_log = Routes::new(EventServiceServer::new(EventApi::new(self.store.clone())));
        let own_log = (NAME, Peer::new(own_log, methods.clone()));
        let named = |neighbour: &Neighbour| (neighbour.name, neighbour.peer.clone());
        let logs = neighbours.iter().map(named);
        let events = MergedEvents::new(logs.chain([own_log]));
        let followers = every_follower(self.store, neighbours, methods);
        let peers = neighbours.iter().map(|neighbour| neighbour.peer.clone());
        let policies = Policies::new(neighbours.iter().map(named), self.metrics.clone());
        let timers = MergedTimers::new(peers.clone(), self.store.clock().clone());
        let practices = Practices::new(peers, self.access.keyring().roles().clone());
        let access = AccessApi::new(self.access.clone());
        let metrics = MetricApi::new(self.metrics);
        let routes = Routes::new(limited!(AccessServiceServer::new(access)))
            .add_service(limited!(EventServiceServer::new(events)))
            .add_service(limited!(FollowerServiceServer::new(followers)))
            .add_service(limited!(MetricServiceServer::new(metrics)))
            .add_service(limited!(PolicyServiceServer::new(policies)))
            .add_service(limited!(PracticeServiceServer::new(practices)))
            .add_service(limited!(TimerServiceServer::new(timers)))
            .add_service(limited!(ClockServiceServer::new(ClockApi::new(
                self.store.clone()
            ))))
            .add_service(self.health.server());
        match reflected {
            true => reflection::reflected(routes),
            false => Ok(routes),
        }
    }
}

/// The names of the gRPC services in some packages.
fn services(methods: &Methods, of: impl Fn(&str) -> bool) -> Vec<String> {
    let methods = methods.iter().filter(|method| of(&method.package()));
    methods
        .map(|method| method.descriptor.parent_service().full_name().to_owned())
        .collect()
}

/// The followers of the neighbours and the gateway's own.
fn every_follower(store: &Store, neighbours: &[Neighbour], methods: &Methods) -> Followers {
    let own = FollowerServiceServer::new(FollowerApi::new(store.clone()));
    let own = (NAME, Peer::new(Routes::new(own), methods.clone()));
    let theirs = neighbours
        .iter()
        .map(|neighbour| (neighbour.name, neighbour.peer.clone()));
    Followers::new(theirs.chain([own]))
}

/// Who serves which package.
fn peers(own: &Peer, neighbours: &[Neighbour]) -> Vec<(String, Peer)> {
    let theirs = neighbours.iter().flat_map(|neighbour| {
        neighbour
            .packages
            .iter()
            .map(|package| ((*package).to_owned(), neighbour.peer.clone()))
    });
    theirs
        .chain(PACKAGES.map(|package| (package.to_owned(), own.clone())))
        .collect()
}
