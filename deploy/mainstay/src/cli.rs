//! The command line.

use clap::{Parser, Subcommand};
use mainstay_chassis::settings;

use crate::client::ServerArgs;
use crate::commands::{
    clock, contract, keys, metrics, policy, practice, redact, simulate, timers, token, verify,
    watch,
};
use crate::import::ImportArgs;

/// IT service management as a suite of gRPC services.
///
/// Without a command: starts the suite in this process.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

/// How the suite is started.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) process: settings::ProcessArgs,
    /// Serve this service alone: a practice such as `incident`, or `gateway`.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) only: Option<String>,
}

/// What else the binary does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the suite, or one service of it; what no command does as well.
    Serve(ServeArgs),
    /// Make the keys by which processes of a suite know one another.
    Keys {
        #[command(subcommand)]
        what: keys::What,
    },
    /// Print every setting with its default and what it is for.
    Config,
    /// Write the contract as a FileDescriptorSet, for buf, protoc and grpcurl.
    Contract(contract::Args),
    /// Check that the logs in a data folder or database are whole, also while a server runs.
    Verify(verify::Args),
    /// Make, list and revoke tokens.
    Token {
        #[command(flatten)]
        server: ServerArgs,
        #[command(subcommand)]
        what: token::What,
    },
    /// Print events as they happen.
    Watch {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        args: watch::Args,
    },
    /// Take personal data out of an incident, its comments and their events.
    Redact {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        args: redact::Args,
    },
    /// Import the log of another system.
    Import {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        args: ImportArgs,
    },
    /// Describe a practice.
    Practice {
        #[command(flatten)]
        server: ServerArgs,
        #[command(subcommand)]
        what: practice::What,
    },
    /// Apply the policies in a file, and say what changes.
    Apply {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        args: policy::ApplyArgs,
    },
    /// Print the policies in force as a file that can be applied.
    Export {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        args: policy::ExportArgs,
    },
    /// Say what the policies in a file would have made of the past.
    Simulate {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        args: simulate::Args,
    },
    /// List the timers that records have armed.
    Timers {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        args: timers::Args,
    },
    /// Tell the suite's clock, and move a virtual one.
    Clock {
        #[command(flatten)]
        server: ServerArgs,
        #[command(subcommand)]
        what: clock::What,
    },
    /// Answer a metric.
    Metrics {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        args: metrics::Args,
    },
}
