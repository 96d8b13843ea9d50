//! The folder of the data: one process at a time for each service in it, and
//! for its owner only.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::TempDir;

/// The folder, held for this process until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _locks: Vec<File>,
    _temporary: Option<TempDir>,
}

impl DataFolder {
    /// Takes a folder for some services, making it when there is none.
    pub fn take(path: &Path, services: &[&str]) -> anyhow::Result<Self> {
        private_folder(path)
            .with_context(|| format!("making the data folder {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            _locks: locks(path, services)?,
            _temporary: None,
        })
    }

    /// A folder that goes when this is dropped.
    pub fn temporary(services: &[&str]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("mainstay-")
            .tempdir()
            .context("making a temporary folder")?;
        Ok(Self {
            path: folder.path().to_owned(),
            _locks: locks(folder.path(), services)?,
            _temporary: Some(folder),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the administrator's token is.
    pub fn token_file(&self) -> PathBuf {
        self.path.join("admin.token")
    }

    /// Keeps a secret in a file that only the owner can read, whole or not at
    /// all: a process that is killed here leaves no half of one.
    pub fn keep(&self, file: &Path, secret: &str) -> anyhow::Result<()> {
        let write = || {
            let mut draft = tempfile::NamedTempFile::new_in(&self.path)?;
            writeln!(draft, "{secret}")?;
            draft.as_file().sync_all()?;
            draft.persist(file).map_err(|error| error.error)
        };
        write()
            .map(drop)
            .with_context(|| format!("writing {}", file.display()))
    }
}

/// Takes the locks of the services.
fn locks(folder: &Path, services: &[&str]) -> anyhow::Result<Vec<File>> {
    services
        .iter()
        .map(|service| lock(folder, service))
        .collect()
}

/// Takes a service's lock in the folder; the system gives it back when the
/// process ends, however it does.
fn lock(folder: &Path, service: &str) -> anyhow::Result<File> {
    let path = folder.join(format!("{service}.lock"));
    let opened = OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path);
    let mut file = opened.with_context(|| format!("opening {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            bail!(
                "the data of {service} in {} is in use by another process (id {}): stop it, or choose another folder with --data",
                folder.display(),
                holder.trim()
            );
        }
        Err(TryLockError::Error(cause)) => {
            return Err(cause).with_context(|| format!("locking {}", path.display()));
        }
    }
    // For the message above; the lock does not depend on it.
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// Makes a folder that only the owner can enter; and whatever this process
/// makes from now on, databases too, is the owner's only, since the folder may
/// have been there before with other rights.
#[cfg(unix)]
fn private_folder(path: &Path) -> std::io::Result<()> {
    use rustix::fs::Mode;
    use std::os::unix::fs::DirBuilderExt as _;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(not(unix))]
fn private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_taken_once_and_free_again_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        let first = DataFolder::take(&path, &["incident"]).unwrap();
        let refusal = DataFolder::take(&path, &["gateway", "incident"])
            .unwrap_err()
            .to_string();
        let id = std::process::id();
        assert!(
            refusal.contains("in use by another process") && refusal.contains(&format!("id {id}")),
            "{refusal}"
        );
        let _beside = DataFolder::take(&path, &["gateway"]).unwrap();
        drop(first);
        DataFolder::take(&path, &["incident"]).unwrap();
    }

    #[test]
    fn a_temporary_folder_goes_at_the_end() {
        let folder = DataFolder::temporary(&["incident"]).unwrap();
        let path = folder.path().to_owned();
        assert!(path.is_dir());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_kept_secret_is_for_its_owner_only() {
        let folder = DataFolder::temporary(&["incident"]).unwrap();
        folder.keep(&folder.token_file(), "one").unwrap();
        folder.keep(&folder.token_file(), "two").unwrap();
        assert_eq!(
            std::fs::read_to_string(folder.token_file()).unwrap(),
            "two\n"
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(folder.token_file())
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
