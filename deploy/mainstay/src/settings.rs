//! The settings of the suite: one table for people, one struct for the code.
//! A test holds them together.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use mainstay_chassis::config::{Layers, Setting, SettingsError, Table};
use mainstay_chassis::serve::ServeSettings;
use mainstay_chassis::telemetry::LogFormat;
use mainstay_gateway::{GatewaySettings, front};
use serde::Deserialize;

use crate::cli::ServeArgs;

const fn setting(key: &'static str, default: &'static str, about: &'static str) -> Setting {
    Setting {
        key,
        default,
        about,
    }
}

/// Every setting of the suite.
pub(crate) const TABLE: Table = Table {
    prefix: "MAINSTAY",
    settings: &[
        setting(
            "listen",
            "\"127.0.0.1:8080\"",
            "Address to listen on; port 0 takes a free one and says which.",
        ),
        setting(
            "insecure_listen",
            "false",
            "Allow an address that other machines reach: tokens then cross the network in clear text, so put TLS in front.",
        ),
        setting(
            "data",
            "\"data\"",
            "Folder that holds the data: one SQLite file per service, and the administrator's token.",
        ),
        setting(
            "reflection",
            "true",
            "Whether clients may ask for the contract by gRPC reflection.",
        ),
        setting(
            "log.filter",
            "\"info,sea_orm_migration=warn\"",
            "What goes into the log on stderr, such as `info` or `warn,mainstay_practice=debug`.",
        ),
        setting(
            "log.format",
            "\"text\"",
            "How log lines look: `text` for people, `json` for machines.",
        ),
        setting(
            "limits.units_per_second",
            "100000",
            "Cost units that a principal may use per second; an RPC's cost stands in the contract.",
        ),
        setting(
            "limits.failures_per_minute",
            "20",
            "Calls with a wrong token that an address may make per minute.",
        ),
        setting(
            "limits.streams_per_principal",
            "2000",
            "Streams that a principal may have open.",
        ),
        setting(
            "limits.streams_per_organization",
            "5000",
            "Streams that an organization may have open.",
        ),
        setting(
            "limits.streams_per_process",
            "12000",
            "Streams that may be open in the process.",
        ),
        setting(
            "limits.streams_per_connection",
            "200",
            "Calls under way that an HTTP/2 connection may carry.",
        ),
        setting(
            "limits.connections",
            "4096",
            "Connections that may be open.",
        ),
    ],
    reserved: &[
        "MAINSTAY_CONFIG",
        "MAINSTAY_SERVER",
        "MAINSTAY_TOKEN",
        "MAINSTAY_TOKEN_FILE",
        "MAINSTAY_BINARY",
        "MAINSTAY_PLANT",
    ],
};

/// The settings in force.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) insecure_listen: bool,
    pub(crate) data: PathBuf,
    pub(crate) reflection: bool,
    pub(crate) log: LogSettings,
    pub(crate) limits: Limits,
}

/// What the process says while it runs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogSettings {
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

/// What clients may take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    units_per_second: u32,
    failures_per_minute: u32,
    streams_per_principal: usize,
    streams_per_organization: usize,
    streams_per_process: usize,
    streams_per_connection: u32,
    connections: usize,
}

/// Open connections end within this after the stop, so that the whole process
/// ends within five seconds.
const DRAIN: Duration = Duration::from_secs(2);

impl Settings {
    /// The settings of a start: defaults, file, environment, flags.
    pub(crate) fn of(args: &ServeArgs) -> Result<Self, SettingsError> {
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
        ];
        layers.flags = given
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        TABLE.load(layers)
    }

    /// How connections are served.
    pub(crate) fn serving(&self) -> ServeSettings {
        ServeSettings {
            connections: self.limits.connections,
            streams: self.limits.streams_per_connection,
            drain: DRAIN,
            ..ServeSettings::default()
        }
    }

    /// What the gateway allows.
    pub(crate) fn gateway(&self) -> GatewaySettings {
        let limits = front::Limits {
            units_per_second: self.limits.units_per_second,
            failures_per_minute: self.limits.failures_per_minute,
            streams_per_principal: self.limits.streams_per_principal,
            streams_per_organization: self.limits.streams_per_organization,
            streams_per_process: self.limits.streams_per_process,
            ..front::Limits::default()
        };
        GatewaySettings {
            limits,
            reflection: self.reflection,
        }
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
        assert_eq!(
            format!("{:?}", defaults().gateway().limits),
            format!("{:?}", front::Limits::default())
        );
    }

    #[test]
    fn the_shipped_file_says_what_the_table_says() {
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/default.toml");
        let text = std::fs::read_to_string(shipped).unwrap();
        assert_eq!(
            text,
            TABLE.document(),
            "write it anew: mainstay config > deploy/config/default.toml"
        );
    }
}
