//! The ledger: what was asked and what was told, one JSON line each, on the
//! disk before the call is made and before its outcome is used.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::mpsc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::operation::Verb;

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A call is about to be made.
    Sent {
        /// The request id.
        id: Uuid,
        /// Which time this operation is sent, from 1.
        attempt: u32,
        /// What is asked.
        verb: Verb,
        /// Name of the incident; empty when one is created.
        target: String,
        /// SHA-256 over the type of the request and the request, in hexadecimal.
        digest: String,
        /// Microseconds since the run began.
        at_us: u64,
    },
    /// The call has come back.
    Told {
        /// The request id.
        id: Uuid,
        /// Which time this operation was sent.
        attempt: u32,
        /// What came of it.
        outcome: Outcome,
        /// Microseconds since the run began.
        at_us: u64,
    },
}

/// What the client knows after a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done.
    Ok {
        /// Name of the record written.
        name: String,
        /// Its revision then.
        revision: i64,
        /// Whether the server says that an earlier call did it.
        replayed: bool,
    },
    /// It may have been done or not: the connection broke, or the server could not say.
    Unknown {
        /// The code.
        code: String,
    },
    /// The server refused it: it was not done.
    Fail {
        /// The code.
        code: String,
        /// The reason in the catalogue.
        reason: String,
    },
}

/// Appends to a ledger; cheap to clone.
#[derive(Clone, Debug)]
pub struct Ledger(mpsc::Sender<(Vec<u8>, oneshot::Sender<()>)>);

impl Ledger {
    /// Makes a ledger, and the thread that writes it: entries that wait
    /// together share one fsync.
    pub fn create(path: &Path) -> Result<Self> {
        let mut file =
            File::create_new(path).with_context(|| format!("making {}", path.display()))?;
        let (sender, receiver) = mpsc::channel::<(Vec<u8>, oneshot::Sender<()>)>();
        std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || {
                while let Ok(first) = receiver.recv() {
                    let waiting: Vec<_> =
                        std::iter::once(first).chain(receiver.try_iter()).collect();
                    let lines: Vec<u8> =
                        waiting.iter().flat_map(|(line, _)| line).copied().collect();
                    if file
                        .write_all(&lines)
                        .and_then(|()| file.sync_data())
                        .is_err()
                    {
                        return;
                    }
                    for (_, done) in waiting {
                        let _ = done.send(());
                    }
                }
            })?;
        Ok(Self(sender))
    }

    /// Appends an entry and returns once it is on the disk.
    pub async fn append(&self, entry: &Entry) -> Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let (done, written) = oneshot::channel();
        self.0
            .send((line, done))
            .ok()
            .context("the ledger cannot be written")?;
        written.await.context("the ledger cannot be written")
    }
}

/// Reads a ledger back.
pub fn read(path: &Path) -> Result<Vec<Entry>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let lines = BufReader::new(file).lines();
    lines
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_appended_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let ledger = Ledger::create(&path).unwrap();
        let id = Uuid::from_u128(7);
        let outcome = Outcome::Ok {
            name: "incidents/1".to_owned(),
            revision: 3,
            replayed: false,
        };
        let entries = [
            Entry::Sent {
                id,
                attempt: 1,
                verb: Verb::Hold,
                target: String::new(),
                digest: "00".to_owned(),
                at_us: 1,
            },
            Entry::Told {
                id,
                attempt: 1,
                outcome,
                at_us: 2,
            },
        ];
        for entry in &entries {
            ledger.append(entry).await.unwrap();
        }
        assert_eq!(read(&path).unwrap(), entries);
    }
}
