//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::client::ServerArgs;
use crate::commands::{contract, metrics, policy, practice, token, verify, watch};
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
    /// Keep the data in a temporary folder that goes at the end.
    #[arg(long, conflicts_with = "data")]
    pub(crate) ephemeral: bool,
    /// Folder that holds the data.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Address to listen on; port 0 takes a free one and says which.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Allow an address that other machines reach, without TLS.
    #[arg(long)]
    pub(crate) insecure_listen: bool,
    /// TOML file with settings; `mainstay config` prints all of them. MAINSTAY_CONFIG
    /// names it as well.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What else the binary does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print every setting with its default and what it is for.
    Config,
    /// Write the contract as a FileDescriptorSet, for buf, protoc and grpcurl.
    Contract(contract::Args),
    /// Check that the logs in a data folder are whole, also while a server runs.
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
    /// Answer a metric.
    Metrics {
        #[command(flatten)]
        server: ServerArgs,
        #[command(flatten)]
        args: metrics::Args,
    },
}
