//! The one list of services, opened on one folder and put behind the gateway.

use std::path::Path;

use mainstay_chassis::{Clock, Methods, Peer, Shutdown};
use mainstay_gateway::{Gateway, Neighbour};
use mainstay_practice::{Service, StoreError, StoreSettings};

use crate::settings::Settings;

/// The services of the suite: a line each.
async fn services(settings: &StoreSettings) -> Result<Vec<Service>, StoreError> {
    Ok(vec![mainstay_incident::open(settings.clone()).await?])
}

/// The whole suite.
pub(crate) struct Suite {
    services: Vec<Service>,
    pub(crate) gateway: Gateway,
}

impl Suite {
    /// Opens all stores in a folder, and what follows from one to the other.
    pub(crate) async fn open(
        folder: &Path,
        settings: &Settings,
        shutdown: &Shutdown,
    ) -> anyhow::Result<Self> {
        let stores = StoreSettings {
            folder: folder.to_owned(),
            clock: Clock::wall(),
            drain: shutdown.drain.clone(),
        };
        let methods = Methods::of(mainstay_proto::descriptors());
        let services = services(&stores).await?;
        let neighbour = |service: &Service| Neighbour {
            name: service.name,
            packages: service.packages,
            peer: Peer::new(service.routes.clone(), methods.clone()),
        };
        let neighbours = services.iter().map(neighbour).collect();
        let gateway = Gateway::open(stores, neighbours, settings.gateway()).await?;
        Ok(Self { services, gateway })
    }

    /// Closes the stores, the gateway's last: it hears from the others.
    pub(crate) async fn close(&self) {
        for service in &self.services {
            service.store.close().await;
        }
        self.gateway.close().await;
    }
}
