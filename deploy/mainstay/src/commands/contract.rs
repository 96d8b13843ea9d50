//! `mainstay contract`: the contract that this binary speaks.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::output;

/// Where it goes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File to write; without it, standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the image with its options and comments, as the build made it.
pub(crate) fn run(args: Args) -> anyhow::Result<()> {
    match args.out {
        None => Ok(output::emit(mainstay_proto::IMAGE)?),
        Some(path) => std::fs::write(&path, mainstay_proto::IMAGE)
            .with_context(|| format!("writing {}", path.display())),
    }
}
