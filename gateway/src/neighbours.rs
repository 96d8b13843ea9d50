//! The services behind the gateway: in this process, or elsewhere. One that is
//! elsewhere may be away; its health is watched and told as ours.

use std::collections::BTreeSet;
use std::time::Duration;

use mainstay_chassis::identity::{GATEWAY, Minter, Signing};
use mainstay_chassis::peer::Far;
use mainstay_chassis::process::Usage;
use mainstay_chassis::settings::{PeerError, Settings};
use mainstay_chassis::{Clock, Health, Methods, Peer};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::gateway::PACKAGES;

/// The first pause before a service that is away is asked again; it doubles up
/// to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A practice behind the gateway.
#[derive(Clone, Debug)]
pub struct Neighbour {
    /// Its name, such as `incident`.
    pub name: &'static str,
    /// The proto packages that are its own.
    pub packages: &'static [&'static str],
    /// How it is called.
    pub peer: Peer,
}

/// The neighbours that the settings find in other processes.
pub fn far(settings: &Settings) -> anyhow::Result<Vec<Neighbour>> {
    let peers = settings.peers()?;
    if peers.is_empty() {
        return Ok(Vec::new());
    }
    let methods = Methods::of(mainstay_proto::descriptors());
    if let Some((name, url)) = peers
        .iter()
        .find(|(name, _)| packages(&methods, name).is_empty())
    {
        let known: Vec<String> = practices(&methods).into_iter().collect();
        let fault = format!(
            "is of no practice of this contract: there is {}",
            known.join(", ")
        );
        return Err(PeerError::new(format!("{name}={url}"), fault).into());
    }
    let minter = Minter::new(Signing::load(&settings.keys, GATEWAY)?, Clock::wall());
    let neighbour = |(name, url): (String, String)| {
        let (written, packages) = (format!("{name}={url}"), packages(&methods, &name));
        // Made once, and needed for as long as the process lives.
        let name: &'static str = name.leak();
        let far = Far::new(name, &url, minter.clone())
            .map_err(|fault| PeerError::new(written, fault.to_string()))?;
        Ok(Neighbour {
            name,
            packages: packages.leak(),
            peer: Peer::far(far, methods.clone()),
        })
    };
    let neighbours: Result<Vec<Neighbour>, PeerError> = peers.into_iter().map(neighbour).collect();
    Ok(neighbours?)
}

/// Makes sure that every practice of the contract has its place.
pub(crate) fn complete(neighbours: &[Neighbour]) -> Result<(), Usage> {
    let there: BTreeSet<&str> = neighbours
        .iter()
        .flat_map(|neighbour| neighbour.packages)
        .filter_map(|package| package.split('.').nth(1))
        .collect();
    let practices = practices(&Methods::of(mainstay_proto::descriptors()));
    let missing: Vec<&String> = practices
        .iter()
        .filter(|practice| !there.contains(practice.as_str()))
        .collect();
    match missing.first() {
        None => Ok(()),
        Some(practice) => Err(Usage::new(format!(
            "the gateway does not know where {practice} runs: say it with --peer {practice}=http://127.0.0.1:PORT"
        ))),
    }
}

/// The practices of the contract, by the word in their packages.
fn practices(methods: &Methods) -> BTreeSet<String> {
    let packages = methods.iter().map(|method| method.package());
    packages
        .filter(|package| !PACKAGES.contains(&package.as_str()))
        .filter_map(|package| package.split('.').nth(1).map(str::to_owned))
        .collect()
}

/// The packages of a practice: those with its name, in which protobuf allows
/// no hyphen.
fn packages(methods: &Methods, name: &str) -> Vec<&'static str> {
    let word = name.replace('-', "");
    let own = methods.iter().map(|method| method.package());
    let own: BTreeSet<String> = own
        .filter(|package| !PACKAGES.contains(&package.as_str()))
        .filter(|package| package.split('.').nth(1) == Some(&word))
        .collect();
    own.into_iter().map(|package| &*package.leak()).collect()
}

/// Tells by our health what a neighbour elsewhere tells by its own, until the
/// drain.
pub(crate) async fn watch_health(
    neighbour: Neighbour,
    services: Vec<String>,
    health: Health,
    drain: CancellationToken,
) {
    let told = |serving: bool| services.iter().for_each(|name| health.set(name, serving));
    let mut pause = FIRST_PAUSE;
    let mut was = None;
    while !drain.is_cancelled() {
        let mut learn = |serving: bool| {
            told(serving);
            if was.replace(serving) != Some(serving) {
                say(neighbour.name, serving);
            }
            if serving {
                pause = FIRST_PAUSE;
            }
        };
        let watched = watched(&neighbour.peer, &mut learn);
        let ended = drain.run_until_cancelled(watched).await;
        learn(false);
        if let Some(Err(status)) = ended {
            tracing::debug!(service = neighbour.name, %status, "health cannot be watched");
        }
        let waited = drain.run_until_cancelled(tokio::time::sleep(pause)).await;
        if waited.is_none() {
            return;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn say(service: &str, serving: bool) {
    match serving {
        true => tracing::info!(service, "a service is there"),
        false => tracing::warn!(
            service,
            "a service is away: calls of it are refused until it comes back"
        ),
    }
}

/// Watches until the stream ends or fails.
async fn watched(peer: &Peer, learn: &mut impl FnMut(bool)) -> Result<(), Status> {
    let whole = HealthCheckRequest {
        service: String::new(),
    };
    let mut stream = HealthClient::new(peer.clone())
        .watch(whole)
        .await?
        .into_inner();
    while let Some(response) = stream.message().await? {
        learn(response.status() == ServingStatus::Serving);
    }
    Ok(())
}
