//! The incident service without the door: the same `Routes` on the same
//! accept loop, with a principal put in by hand instead of credentials,
//! limits, protocols and routing. What the gateway costs is the difference.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::Result;
use mainstay_chassis::serve::{ServeSettings, serve};
use mainstay_chassis::{Clock, Methods, Peer, Principal};
use mainstay_practice::{Database, StoreSettings};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

/// Puts a principal into every call.
#[derive(Clone)]
struct Trusted {
    peer: Peer,
    principal: Principal,
}

impl tower::Service<http::Request<Body>> for Trusted {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = <Peer as tower::Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        tower::Service::poll_ready(&mut self.peer, context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        request.extensions_mut().insert(self.principal.clone());
        self.peer.call(request)
    }
}

/// Serves the incident service of a folder on a free port until the process ends.
pub(crate) async fn run(data: &Path, say: impl Fn(&str)) -> Result<()> {
    let stop = CancellationToken::new();
    let settings = StoreSettings {
        database: Database::files(data),
        clock: Clock::wall(),
        drain: stop.clone(),
    };
    let service = mainstay_incident::open(settings).await?;
    let methods = Methods::of(mainstay_proto::descriptors());
    let permissions: BTreeSet<String> = methods
        .iter()
        .map(|method| method.permission.clone())
        .collect();
    let name = "organizations/default/serviceAccounts/bench";
    let principal = Principal::new(name, "default", Arc::new(permissions), stop.clone());
    let peer = Peer::new(service.routes, methods);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    say(&format!("incident on http://{}", listener.local_addr()?));
    serve(
        listener,
        Trusted { peer, principal },
        ServeSettings::default(),
        stop,
    )
    .await;
    Ok(())
}
