//! Programs from outside that the tests run: buf, and Python with gRPC.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use crate::repository;

/// The program of that name from the folder that `tests/prepare` fills. None,
/// and a sentence on standard error, where a machine cannot have it; never
/// none where `REQUIRE_TOOLS` is set.
pub fn tool(name: &str) -> anyhow::Result<Option<PathBuf>> {
    static FOLDER: LazyLock<Result<PathBuf, String>> = LazyLock::new(prepare);
    match &*FOLDER {
        Ok(folder) if folder.join("bin").join(name).exists() => {
            Ok(Some(folder.join("bin").join(name)))
        }
        Ok(_) => {
            skipped(&format!(
                "{name} cannot be had here: it is installed by Go only"
            ));
            Ok(None)
        }
        Err(why) if std::env::var_os("REQUIRE_TOOLS").is_some() => {
            anyhow::bail!("{name} is required, but {why}")
        }
        Err(why) => {
            skipped(&format!("{name} cannot be had here: {why}"));
            Ok(None)
        }
    }
}

/// Says that a test was skipped.
#[expect(clippy::print_stderr, reason = "says that a test was skipped")]
pub(crate) fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

fn prepare() -> Result<PathBuf, String> {
    let output = Command::new(repository().join("tests/prepare"))
        .output()
        .map_err(|error| format!("tests/prepare does not run: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let folder = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    Ok(folder.trim().into())
}
