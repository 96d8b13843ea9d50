//! The settings of the suite: one table for people, one struct for the code.
//! A test holds them together. All processes of a suite understand the same
//! file; each takes from it what is its own.

mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
pub use table::TABLE;

use crate::Clock;
use crate::config::{Layers, SettingsError};
use crate::serve::ServeSettings;
use crate::telemetry::LogFormat;

/// How a process is started, by flags.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ProcessArgs {
    /// Keep the data in a temporary folder that goes at the end.
    #[arg(long, conflicts_with = "data")]
    pub ephemeral: bool,
    /// Folder that holds the data.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// PostgreSQL database that holds the records, as
    /// postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full, a schema per
    /// service; without it they are SQLite files in the data folder. MAINSTAY_DATABASE
    /// names it without showing the password to other users of the machine.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Address to listen on; port 0 takes a free one and says which.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Allow an address that other machines reach, without TLS.
    #[arg(long)]
    pub insecure_listen: bool,
    /// `wall`, or `virtual` for a suite whose time only AdvanceClock moves; the
    /// data stays with the clock that it was made under.
    #[arg(long, value_name = "CLOCK")]
    pub clock: Option<ClockChoice>,
    /// TOML file with settings; `mainstay config` prints all of them. MAINSTAY_CONFIG
    /// names it as well.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where a service runs that is not in this process; once for each.
    #[arg(long, value_name = "SERVICE=URL")]
    pub peer: Vec<String>,
    /// Folder of the keys by which processes of the suite know one another;
    /// `mainstay keys generate` makes it.
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
}

/// The settings in force.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Whether it may be one that other machines reach.
    pub insecure_listen: bool,
    /// Folder of the data.
    pub data: PathBuf,
    /// Database of all services; empty for files in the folder of the data.
    pub database: Hidden,
    /// Service that is served alone; empty for all.
    pub only: String,
    /// Where other services run, as it was written: see [`Settings::peers`].
    pub peers: String,
    /// Folder of the keys; empty for none.
    pub keys: PathBuf,
    /// The clock.
    pub clock: ClockChoice,
    /// Whether clients may ask for the contract by reflection.
    pub reflection: bool,
    /// What the process says while it runs.
    pub log: LogSettings,
    /// What clients may take.
    pub limits: Limits,
    /// What services have of their own, by name.
    pub services: BTreeMap<String, ServiceSettings>,
}

/// What a service has of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSettings {
    /// Its database; empty for that of all services.
    pub database: Hidden,
}

/// A text that may hold a password: it is never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Hidden(String);

impl Hidden {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// The clock of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum ClockChoice {
    /// The machine's.
    Wall,
    /// One that only AdvanceClock moves.
    Virtual,
}

impl ClockChoice {
    /// A clock of this kind.
    pub(crate) fn clock(self) -> Clock {
        match self {
            Self::Wall => Clock::wall(),
            Self::Virtual => Clock::virtual_at(DAWN_US),
        }
    }

    fn word(self) -> String {
        let word = match self {
            Self::Wall => "wall",
            Self::Virtual => "virtual",
        };
        word.to_owned()
    }
}

/// What the process says while it runs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// What goes into the log.
    pub filter: String,
    /// How its lines look.
    pub format: LogFormat,
}

/// What clients may take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Cost units a second, for each principal.
    pub units_per_second: u32,
    /// Calls with a wrong token a minute, for each address.
    pub failures_per_minute: u32,
    /// Streams at once, for each principal.
    pub streams_per_principal: usize,
    /// Streams at once, for each organization.
    pub streams_per_organization: usize,
    /// Streams at once, in the process.
    pub streams_per_process: usize,
    /// Calls under way on an HTTP/2 connection of a client.
    pub streams_per_connection: u32,
    /// Connections at once.
    pub connections: usize,
}

/// Why a peer of the settings cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the peer `{peer}` {fault}")]
pub struct PeerError {
    peer: String,
    fault: String,
}

impl PeerError {
    /// What is wrong with it, as the end of a sentence that begins with it.
    pub fn new(peer: impl Into<String>, fault: impl Into<String>) -> Self {
        Self {
            peer: peer.into(),
            fault: fault.into(),
        }
    }
}

/// Where a virtual clock begins, the same for every suite, so that the same
/// calls come to the same log: 2026-01-01T00:00:00Z.
const DAWN_US: i64 = 1_767_225_600_000_000;
/// Open connections end within this after the stop, so that the whole process
/// ends within five seconds.
const DRAIN: Duration = Duration::from_secs(2);
/// Unary calls that a connection between two processes has room for beside the
/// streams.
const STREAMS_BESIDE: u32 = 4_096;

impl Settings {
    /// The settings of a start: defaults, file, environment, flags.
    pub fn of(args: &ProcessArgs) -> Result<Self, SettingsError> {
        let mut layers = Layers::of_process();
        let from_environment = || std::env::var_os("MAINSTAY_CONFIG").map(PathBuf::from);
        layers.file = args.config.clone().or_else(from_environment);
        let given = [
            ("listen", args.listen.map(|address| address.to_string())),
            (
                "insecure_listen",
                args.insecure_listen.then(|| true.to_string()),
            ),
            (
                "data",
                args.data.as_ref().map(|path| path.display().to_string()),
            ),
            ("database", args.database.clone()),
            ("clock", args.clock.map(ClockChoice::word)),
            (
                "peers",
                (!args.peer.is_empty()).then(|| args.peer.join(",")),
            ),
            (
                "keys",
                args.keys.as_ref().map(|path| path.display().to_string()),
            ),
        ];
        layers.flags = given
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        TABLE.load(layers)
    }

    /// The URL of a service's database; none when it is a file.
    pub fn database(&self, service: &str) -> Option<&str> {
        let own = self.services.get(service).map(|own| own.database.reveal());
        let own = own.filter(|url| !url.is_empty());
        own.or(Some(self.database.reveal()))
            .filter(|url| !url.is_empty())
    }

    /// How connections are served.
    pub fn serving(&self) -> ServeSettings {
        ServeSettings {
            connections: self.limits.connections,
            streams: self.limits.streams_per_connection,
            drain: DRAIN,
            ..ServeSettings::default()
        }
    }

    /// How the gateway's connections to a service that runs alone are served:
    /// all streams of all clients share one.
    pub fn serving_peers(&self) -> ServeSettings {
        let streams = u32::try_from(self.limits.streams_per_process).unwrap_or(u32::MAX);
        ServeSettings {
            streams: streams.saturating_add(STREAMS_BESIDE),
            ..self.serving()
        }
    }

    /// Where other services run: name and URL of each, none twice.
    pub fn peers(&self) -> Result<Vec<(String, String)>, PeerError> {
        let written = self.peers.split(',').map(str::trim);
        let mut peers: Vec<(String, String)> = Vec::new();
        for peer in written.filter(|peer| !peer.is_empty()) {
            let (name, url) = peer.split_once('=').ok_or_else(|| {
                PeerError::new(
                    peer,
                    "is to be SERVICE=URL, such as incident=http://127.0.0.1:8081",
                )
            })?;
            if peers.iter().any(|(known, _)| known == name) {
                return Err(PeerError::new(peer, "is named twice"));
            }
            peers.push((name.to_owned(), url.to_owned()));
        }
        Ok(peers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> Settings {
        TABLE.load(Layers::default()).unwrap()
    }

    #[test]
    fn every_setting_of_the_table_has_a_field_and_a_default_that_fits() {
        defaults();
    }

    #[test]
    fn the_defaults_are_those_of_the_parts_they_set() {
        let (serving, usual) = (defaults().serving(), ServeSettings::default());
        assert_eq!(
            (serving.connections, serving.streams),
            (usual.connections, usual.streams)
        );
    }

    #[test]
    fn a_service_may_have_a_database_of_its_own_and_none_is_shown() {
        assert_eq!(defaults().database("incident"), None);
        let layers = Layers {
            flags: vec![
                ("database", "postgres://ada:secret@db/all".to_owned()),
                ("services.incident.database", "postgres://db/own".to_owned()),
            ],
            ..Layers::default()
        };
        let settings: Settings = TABLE.load(layers).unwrap();
        assert_eq!(settings.database("incident"), Some("postgres://db/own"));
        let all = Some("postgres://ada:secret@db/all");
        assert_eq!(settings.database("gateway"), all);
        assert!(!format!("{settings:?}").contains("secret"));
    }

    fn peers(written: &str) -> Result<Vec<(String, String)>, PeerError> {
        Settings {
            peers: written.to_owned(),
            ..defaults()
        }
        .peers()
    }

    #[test]
    fn peers_are_named_once_each_with_their_place() {
        assert_eq!(peers(""), Ok(Vec::new()));
        let pair = |name: &str, url: &str| (name.to_owned(), url.to_owned());
        assert_eq!(
            peers("incident=http://127.0.0.1:1, change=http://127.0.0.1:2"),
            Ok(vec![
                pair("incident", "http://127.0.0.1:1"),
                pair("change", "http://127.0.0.1:2")
            ])
        );
        assert!(
            peers("incident")
                .unwrap_err()
                .to_string()
                .contains("SERVICE=URL")
        );
        assert!(peers("a=b,a=c").unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn the_shipped_file_says_what_the_table_says() {
        let shipped = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../deploy/config/default.toml"
        );
        let text = std::fs::read_to_string(shipped).unwrap();
        assert_eq!(
            text,
            TABLE.document(),
            "write it anew: mainstay config > deploy/config/default.toml"
        );
    }
}
