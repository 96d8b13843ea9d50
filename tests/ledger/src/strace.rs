//! Watches the server's system calls: between a write's arrival and its
//! acknowledgement at least one fsync or fdatasync comes to its end. Killing a
//! process does not test the disk; this does, as far as a process can.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use tonic::transport::Endpoint;

use crate::operation::{Caller, Operation, Verb};
use crate::process::Launch;

/// Number of writes, one after the other.
const WRITES: u128 = 50;
/// The file that a write must have reached.
const FILE: &str = "incident.db";
/// Calls that bring what was written to the disk.
pub const SYNCS: &str = "fsync,fdatasync";
/// Those, and what is written.
pub const WRITES_AND_SYNCS: &str = "pwrite64,fsync,fdatasync";
/// How long every sync waits before it begins.
const SLOW: Duration = Duration::from_millis(20);

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Writes acknowledged.
    pub writes: usize,
    /// Writes within whose time no sync of their file began and ended.
    pub unsynced: usize,
    /// Calls of fsync and fdatasync on that file.
    pub syncs: usize,
}

/// The tracer, where this machine has one.
pub fn tracer() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join("strace"))
        .find(|path| path.is_file())
}

/// The same launch on a slow disk: each of these system calls waits `delay`
/// before it begins. What does not wait for the disk is then told long before
/// the disk has it. The calls are written to `trace`.
pub fn slowed(plain: Launch, tracer: &Path, calls: &str, delay: Duration, trace: &Path) -> Launch {
    // -D: the tracer steps aside, so that the process started is the server itself.
    let mut arguments: Vec<OsString> = ["-D", "-f", "--seccomp-bpf", "-q", "-y", "-ttt", "-T"]
        .map(Into::into)
        .into();
    let delay = delay.as_micros().max(1);
    let (shown, slow) = (
        format!("trace={calls}"),
        format!("inject={calls}:delay_enter={delay}"),
    );
    arguments.extend(["-e", &shown, "-e", &slow, "-o"].map(Into::into));
    arguments.extend([trace.into(), plain.program.into_os_string()]);
    arguments.extend(plain.arguments);
    Launch {
        program: tracer.to_owned(),
        arguments,
        ..plain
    }
}

/// Runs the server under the tracer and makes writes one by one.
pub async fn watch(
    tracer: &Path,
    binary: &Path,
    folder: &Path,
    environment: &[(String, String)],
) -> Result<Watched> {
    let data = folder.join("traced");
    std::fs::create_dir_all(&data)?;
    let trace = folder.join("trace");
    let plain = Launch {
        environment: environment.to_vec(),
        ..Launch::server(binary, &data, "127.0.0.1:0")
    };
    let launch = slowed(plain, tracer, SYNCS, SLOW, &trace);
    let mut process = launch.start().await?;
    let channel = Endpoint::from_shared(format!("http://{}", process.address()))?
        .connect()
        .await?;
    let token = std::fs::read_to_string(data.join("admin.token"))?;
    let caller = Caller::new(&channel, format!("Bearer {}", token.trim()).parse()?);
    let mut times = Vec::new();
    for number in 1..=WRITES {
        let id = uuid::Builder::from_random_bytes(number.to_be_bytes()).into_uuid();
        let operation = Operation {
            id,
            verb: Verb::Create,
            target: String::new(),
        };
        let sent = now()?;
        operation.send(&caller).await?;
        times.push((sent, now()?));
    }
    let id = process.id().context("the server has ended")?;
    process.stop().await?;
    let syncs = syncs(&whole(&trace, id).await?);
    ensure!(!syncs.is_empty(), "the tracer saw no sync of {FILE}");
    // Of its own: begun after the write was sent, not for the write before it.
    let synced = |sent: f64, told: f64| {
        let own = |(begun, ended): &(f64, f64)| *begun >= sent && *ended <= told;
        syncs.iter().any(own)
    };
    let unsynced = times.iter().filter(|(sent, told)| !synced(*sent, *told));
    let unsynced = unsynced.count();
    Ok(Watched {
        writes: times.len(),
        unsynced,
        syncs: syncs.len(),
    })
}

/// The trace, once the tracer has told of the server's end: it writes late.
async fn whole(path: &Path, id: u32) -> Result<String> {
    for _ in 0..200 {
        let trace = std::fs::read_to_string(path)?;
        let over = |line: &str| line.starts_with(&format!("{id} ")) && line.contains("+++ exited");
        if trace.lines().rev().any(over) {
            return Ok(trace);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    bail!("the tracer does not tell of the server's end")
}

fn now() -> Result<f64> {
    Ok(SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?
        .as_secs_f64())
}

/// When each sync of the file began and ended, in seconds since 1970. Calls
/// that others interrupt are told in two lines: the first has the file and the
/// time of the begin, the second the time of the end and the result.
fn syncs(trace: &str) -> Vec<(f64, f64)> {
    let mut open: HashMap<&str, f64> = HashMap::new();
    let mut syncs = Vec::new();
    for line in trace.lines() {
        let mut words = line.split_whitespace();
        let (Some(thread), Some(at)) = (words.next(), words.next()) else {
            continue;
        };
        let Ok(at) = at.parse::<f64>() else { continue };
        if line.contains("resumed>") {
            let begun = open.remove(thread);
            let ended = took(line).map(|_| at);
            syncs.extend(begun.zip(ended));
        } else if line.contains(FILE) && line.ends_with("<unfinished ...>") {
            open.insert(thread, at);
        } else if line.contains(FILE) {
            syncs.extend(took(line).map(|took| (at, at + took)));
        }
    }
    syncs
}

/// How long a call took that succeeded.
fn took(line: &str) -> Option<f64> {
    let (call, took) = line.rsplit_once('<')?;
    let result = call.rsplit_once("= ")?.1;
    let done = result.trim_end() == "0" || result.starts_with("0 (");
    let took: f64 = took.strip_suffix('>')?.parse().ok()?;
    done.then_some(took)
}

#[cfg(test)]
mod tests {
    use super::syncs;

    #[test]
    fn a_sync_is_read_from_whole_and_from_broken_lines() {
        let trace = "\
            12 100.500000 fsync(9</data/incident.db-wal>) = 0 (DELAYED) <0.000250>\n\
            13 101.000000 fdatasync(9</data/incident.db-wal> <unfinished ...>\n\
            14 101.000100 fsync(9</data/incident.db>) = -1 EIO (Input/output error) <0.000100>\n\
            15 101.000200 fsync(10</data/gateway.db-wal> <unfinished ...>\n\
            13 101.000300 <... fdatasync resumed>) = 0 <0.000290>\n\
            15 101.000400 <... fsync resumed>) = 0 <0.000190>\n\
            12 102.000000 +++ exited with 0 +++\n";
        assert_eq!(syncs(trace), [(100.5, 100.50025), (101.0, 101.0003)]);
    }
}
