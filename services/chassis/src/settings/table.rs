//! Every setting: its key, its default, and what it is for.

use crate::config::{Setting, Table};

const fn setting(key: &'static str, default: &'static str, about: &'static str) -> Setting {
    Setting {
        key,
        default,
        about,
    }
}

/// Every setting of the suite.
pub const TABLE: Table = Table {
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
            "Folder that holds the administrator's token and, without `database`, one SQLite file per service.",
        ),
        setting(
            "database",
            "\"\"",
            "PostgreSQL database that holds the records, a schema per service, as `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`; empty keeps them in the data folder.",
        ),
        setting(
            "only",
            "\"\"",
            "Service that the process serves alone, such as `incident` or `gateway`; empty for all of them.",
        ),
        setting(
            "peers",
            "\"\"",
            "Where services run that are not in this process, such as `incident=http://127.0.0.1:8081`; commas between several.",
        ),
        setting(
            "keys",
            "\"\"",
            "Folder of the keys by which processes of the suite know one another; `mainstay keys generate` makes it. Needed when services run apart.",
        ),
        setting(
            "clock",
            "\"wall\"",
            "`wall`, or `virtual` for a suite whose time only AdvanceClock moves: for tests. The data stays with the clock that it was made under.",
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
        setting(
            "services.gateway.database",
            "\"\"",
            "PostgreSQL database of the gateway alone; empty means `database`.",
        ),
        setting(
            "services.incident.database",
            "\"\"",
            "PostgreSQL database of the incident service alone; empty means `database`.",
        ),
    ],
    reserved: &[
        "MAINSTAY_CONFIG",
        "MAINSTAY_SERVER",
        "MAINSTAY_TOKEN",
        "MAINSTAY_TOKEN_FILE",
        "MAINSTAY_BINARY",
        "MAINSTAY_PLANT",
        "MAINSTAY_TEST_DATABASE",
        "MAINSTAY_TEST_TOPOLOGY",
    ],
};
