//! `mainstay`: the suite in one process, from the first look at its settings
//! to the last word after the drain.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use mainstay_chassis::{Shutdown, serve, shutdown as ending, telemetry};
use mainstay_gateway::access::{Access, Secret};
use tokio::net::TcpListener;

use crate::cli::ServeArgs;
use crate::data::DataFolder;
use crate::settings::Settings;
use crate::suite::Suite;
use crate::{Usage, output};

/// The organization that the first start makes.
const ORGANIZATION: &str = "default";

/// Serves until the process is asked to end.
pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let settings = Settings::of(&args)?;
    refuse_in_the_open(&settings)?;
    telemetry::start(&settings.log.filter, settings.log.format).map_err(Usage::new)?;
    let folder = match args.ephemeral {
        true => DataFolder::temporary()?,
        false => DataFolder::take(&settings.data)?,
    };
    let listener = TcpListener::bind(settings.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", settings.listen))?;
    let shutdown = Shutdown::default();
    let suite = Suite::open(folder.path(), &settings, &shutdown).await?;
    let token_file = administrator(suite.gateway.access(), &folder).await?;
    suite.gateway.ready();
    let asked = ending::asked();
    output::say(banner(
        listener.local_addr()?,
        &folder,
        &token_file,
        args.ephemeral,
    ))?;
    let serving = serve::serve(
        listener,
        suite.gateway.front(),
        settings.serving(),
        shutdown.stop.clone(),
    );
    shutdown.run(asked, serving, suite.close()).await;
    Ok(())
}

/// Refuses an address that other machines reach, unless its owner says that
/// he knows: there is no TLS here, and a token in clear text is anyone's.
fn refuse_in_the_open(settings: &Settings) -> Result<(), Usage> {
    if settings.listen.ip().is_loopback() || settings.insecure_listen {
        return Ok(());
    }
    let listen = settings.listen;
    Err(Usage::new(format!(
        "{listen} can be reached from other machines, and tokens would cross the network in clear text: \
         listen on 127.0.0.1 behind a proxy that speaks TLS, or allow it with --insecure-listen"
    )))
}

/// Makes an administrator's token when there is none to be read, or none that
/// works. The file is written first: a secret that no token stands behind does
/// no harm, a token whose secret is lost would lock everybody out.
async fn administrator(access: &Access, folder: &DataFolder) -> anyhow::Result<std::path::PathBuf> {
    let file = folder.token_file();
    if file.exists() && access.is_managed() {
        return Ok(file);
    }
    let secret = Secret::generate()?;
    folder.keep(&file, secret.reveal())?;
    access.install(ORGANIZATION, &secret).await?;
    tracing::info!(file = %file.display(), "made an administrator's token");
    Ok(file)
}

/// What a person reads at the start: where, with what, and what to try.
fn banner(address: SocketAddr, folder: &DataFolder, token_file: &Path, ephemeral: bool) -> String {
    let reach = reachable(address);
    let (version, data) = (env!("CARGO_PKG_VERSION"), folder.path().display());
    let goes = if ephemeral {
        " (temporary: gone at the end)"
    } else {
        ""
    };
    let token = token_file.display();
    let quoted = quoted(&token.to_string());
    format!(
        r#"Mainstay {version} listens on http://{address} (gRPC, gRPC-Web and Connect/JSON on one port)
  data    {data}{goes}
  token   {token} (administrator)

Try it with curl:
  curl -sS http://{reach}/mainstay.incident.v1.IncidentService/CreateIncident \
    -H "Authorization: Bearer $(cat {quoted})" -H 'Content-Type: application/json' \
    -d '{{"incident": {{"title": "Checkout is slow", "impact": "IMPACT_HIGH", "urgency": "URGENCY_HIGH"}}}}'
with any gRPC client:
  grpcurl -plaintext -H "Authorization: Bearer $(cat {quoted})" \
    {reach} mainstay.incident.v1.IncidentService/ListIncidents
and with this one:
  mainstay watch --server http://{reach} --token-file {quoted} --from earliest
Ctrl-C ends it."#
    )
}

/// The address as a client on this machine says it.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut reach = address;
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() {
            "127.0.0.1".parse()
        } else {
            "::1".parse()
        };
        reach.set_ip(loopback.unwrap_or(address.ip()));
    }
    reach
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    match path.chars().all(plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_any_path_as_it_is() {
        assert_eq!(quoted("data/admin.token"), "data/admin.token");
        assert_eq!(quoted("my data/it's"), r"'my data/it'\''s'");
    }

    #[test]
    fn an_address_of_all_is_reached_by_loopback() {
        assert_eq!(
            reachable("0.0.0.0:8080".parse().unwrap()).to_string(),
            "127.0.0.1:8080"
        );
        assert_eq!(
            reachable("[::]:8080".parse().unwrap()).to_string(),
            "[::1]:8080"
        );
    }
}
