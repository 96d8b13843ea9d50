//! The gateway as a process: alone before services that run elsewhere, or
//! together with them. Its own program does the one, `mainstay` both.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use mainstay_chassis::Process;
use mainstay_chassis::data::DataFolder;
use mainstay_chassis::process::{self, Alone};
use mainstay_chassis::settings::ProcessArgs;
use mainstay_practice::Database;
use mainstay_practice::process::{databases, stores};

use crate::access::{Access, Secret};
use crate::gateway::NAME;
use crate::{Gateway, GatewaySettings, Neighbour, neighbours};

/// The organization that the first start makes.
const ORGANIZATION: &str = "default";

/// The program of the gateway.
pub fn main() -> ExitCode {
    process::main(NAME, async |alone: Alone| {
        Box::pin(run_alone(&alone.serve)).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Serves the gateway before services that all run elsewhere.
pub async fn run_alone(args: &ProcessArgs) -> anyhow::Result<()> {
    let process = Process::open(args, &[NAME]).await?;
    run(process, Vec::new(), async {}).await
}

/// Serves the gateway before services in this process and those that the
/// settings find elsewhere, until the process is asked to end; `close` closes
/// the services of this process.
pub async fn run(
    process: Process,
    near: Vec<Neighbour>,
    close: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let names: Vec<&str> = near.iter().map(|near| near.name).collect();
    let far = neighbours::far(&process.settings)?;
    let neighbours: Vec<Neighbour> = near.into_iter().chain(far).collect();
    neighbours::complete(&neighbours)?;
    let settings = GatewaySettings::of(&process.settings);
    let records = databases(&process, &[&names[..], &[NAME]].concat())?;
    let gateway = Gateway::open(stores(&process, NAME)?, neighbours, settings).await?;
    let token_file = administrator(gateway.access(), &process.folder).await?;
    gateway.ready();
    let word = banner(process.address()?, &process, &records, &token_file);
    let (front, serving) = (gateway.front(), process.settings.serving());
    // The gateway's store closes last: it hears from the others.
    let close = async {
        close.await;
        gateway.close().await;
    };
    process.run(front, serving, &word, close).await
}

/// Makes an administrator's token when there is none to be read, or none that
/// works. The file is written first: a secret that no token stands behind does
/// no harm, a token whose secret is lost would lock everybody out.
async fn administrator(access: &Access, folder: &DataFolder) -> anyhow::Result<PathBuf> {
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
fn banner(
    address: SocketAddr,
    process: &Process,
    records: &[Database],
    token_file: &Path,
) -> String {
    let reach = reachable(address);
    let (version, data) = (env!("CARGO_PKG_VERSION"), process.folder.path().display());
    let goes = if process.ephemeral {
        " (temporary: gone at the end)"
    } else {
        ""
    };
    let records: Vec<String> = records.iter().map(Database::to_string).collect();
    let records = records.join(" and ");
    let token = token_file.display();
    let quoted = quoted(&token.to_string());
    format!(
        r#"Mainstay {version} listens on http://{address} (gRPC, gRPC-Web and Connect/JSON on one port)
  data    {data}{goes}
  records {records}
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
