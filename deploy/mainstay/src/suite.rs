//! The one list of services, and those of them that run in this process.

use std::pin::Pin;

use mainstay_chassis::process::Usage;
use mainstay_chassis::{Methods, Peer};
use mainstay_gateway::Neighbour;
use mainstay_practice::{Service, StoreError, StoreSettings};

/// Opens a service on its store.
type Open = fn(StoreSettings) -> Pin<Box<dyn Future<Output = Result<Service, StoreError>> + Send>>;

/// The services of the suite: a line each.
pub(crate) const SERVICES: [(&str, Open); 1] = [(mainstay_incident::NAME, |stores| {
    Box::pin(mainstay_incident::open(stores))
})];

/// The services that do not run elsewhere.
pub(crate) fn here(elsewhere: &[(String, String)]) -> Vec<(&'static str, Open)> {
    let is_here = |(name, _): &(&str, Open)| !elsewhere.iter().any(|(other, _)| other == name);
    SERVICES.into_iter().filter(is_here).collect()
}

/// The services of this process.
pub(crate) struct Suite(Vec<Service>);

impl Suite {
    /// Opens them.
    pub(crate) async fn open(
        here: Vec<(&'static str, Open)>,
        stores: impl Fn(&str) -> Result<StoreSettings, Usage>,
    ) -> anyhow::Result<Self> {
        let mut services = Vec::new();
        for (name, open) in here {
            services.push(open(stores(name)?).await?);
        }
        Ok(Self(services))
    }

    /// They as the gateway knows them.
    pub(crate) fn neighbours(&self) -> Vec<Neighbour> {
        let methods = Methods::of(mainstay_proto::descriptors());
        let neighbour = |service: &Service| Neighbour {
            name: service.name,
            packages: service.packages,
            peer: Peer::new(service.routes.clone(), methods.clone()),
        };
        self.0.iter().map(neighbour).collect()
    }

    /// Closes their stores.
    pub(crate) async fn close(&self) {
        for service in &self.0 {
            service.store.close().await;
        }
    }
}
