//! What a process says of itself while it runs: log lines on stderr. Standard
//! output belongs to the commands. No token and no message of a call is ever
//! put into a line.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Why log lines cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("the log filter `{filter}` cannot be read: {cause}")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        cause: tracing_subscriber::filter::ParseError,
    },
    /// Something else of this process takes the lines already.
    #[error("log lines are taken already: {0}")]
    Taken(Box<dyn std::error::Error + Send + Sync>),
}

/// From now on writes log lines that pass the filter (such as
/// `info,mainstay_practice=debug`) to stderr.
pub fn start(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let unreadable = |cause| TelemetryError::Filter {
        filter: filter.to_owned(),
        cause,
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter).map_err(unreadable)?)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(TelemetryError::Taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        let refusal = start("info,mainstay=loudly", LogFormat::Text)
            .unwrap_err()
            .to_string();
        assert!(refusal.contains("`info,mainstay=loudly`"), "{refusal}");
    }
}
