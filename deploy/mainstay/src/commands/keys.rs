//! `mainstay keys`: the keys by which processes of a suite know one another.

use std::path::PathBuf;

use mainstay_chassis::identity::{self, GATEWAY};

use crate::output;

/// What to do with keys.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Make a pair: NAME.key to sign with, for that service alone, and
    /// NAME.ID.pub to verify with, for every service that it calls.
    Generate {
        /// Folder that holds the keys; made when there is none.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The service that signs.
        #[arg(long = "for", value_name = "NAME", default_value = GATEWAY)]
        issuer: String,
        /// Replace the private key; the public one of the old stays good until
        /// you delete its file.
        #[arg(long)]
        rotate: bool,
    },
}

/// Does it.
pub(crate) fn run(what: What) -> anyhow::Result<()> {
    let What::Generate {
        folder,
        issuer,
        rotate,
    } = what;
    let pair = identity::generate(&folder, &issuer, rotate)?;
    output::remark(format!(
        "{issuer} signs with the first, which nobody else may read; services verify with the second."
    ));
    output::say(pair.private.display())?;
    Ok(output::say(pair.public.display())?)
}
