//! Watches the server's system calls: between a write's arrival and its
//! acknowledgement at least one fsync or fdatasync comes to its end. Killing a
//! process does not test the disk; this does, as far as a process can.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use tonic::transport::Endpoint;

use crate::operation::{Caller, Operation, Verb};
use crate::process::Launch;

/// Number of writes, one after the other.
const WRITES: u128 = 50;

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Writes acknowledged.
    pub writes: usize,
    /// Writes within whose time no fsync ended.
    pub unsynced: usize,
    /// Calls of fsync and fdatasync.
    pub syncs: usize,
}

/// The tracer, where this machine has one.
pub fn tracer() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join("strace"))
        .find(|path| path.is_file())
}

/// Runs the server under the tracer and makes writes one by one.
pub async fn watch(
    tracer: PathBuf,
    binary: &Path,
    folder: &Path,
    environment: &[(String, String)],
) -> Result<Watched> {
    let data = folder.join("traced");
    std::fs::create_dir_all(&data)?;
    let trace = folder.join("trace");
    let plain = Launch::server(binary, &data, "127.0.0.1:0");
    let options = ["-f", "-ttt", "-T", "-e", "trace=fsync,fdatasync", "-o"].map(Into::into);
    let mut arguments = Vec::from(options);
    arguments.extend([
        trace.clone().into_os_string(),
        plain.program.into_os_string(),
    ]);
    arguments.extend(plain.arguments);
    let environment = environment.to_vec();
    let launch = Launch {
        program: tracer,
        arguments,
        environment,
        log: plain.log,
    };
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
    process.stop().await?;
    let syncs = ends(&std::fs::read_to_string(&trace)?);
    ensure!(!syncs.is_empty(), "the tracer saw no fsync at all");
    let within = |sent: f64, told: f64| syncs.iter().any(|end| (sent..=told).contains(end));
    let unsynced = times
        .iter()
        .filter(|(sent, told)| !within(*sent, *told))
        .count();
    Ok(Watched {
        writes: times.len(),
        unsynced,
        syncs: syncs.len(),
    })
}

fn now() -> Result<f64> {
    Ok(SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?
        .as_secs_f64())
}

/// When each call that succeeded came to its end, in seconds since 1970.
/// Calls that others interrupt are told in two lines; the second has the time
/// of the end, the duration, and the result.
fn ends(trace: &str) -> Vec<f64> {
    let end = |line: &str| {
        let mut words = line.split_whitespace();
        let at: f64 = words.nth(1)?.parse().ok()?;
        let (call, took) = line.rsplit_once('<')?;
        let done = call.trim_end().ends_with("= 0") && call.contains("sync");
        let took: f64 = took.trim_end().strip_suffix('>')?.parse().ok()?;
        let resumed = line.contains("resumed>");
        done.then_some(if resumed { at } else { at + took })
    };
    trace.lines().filter_map(end).collect()
}

#[cfg(test)]
mod tests {
    use super::ends;

    #[test]
    fn the_end_of_a_sync_is_read_from_whole_and_from_broken_lines() {
        let trace = "\
            12 100.500000 fsync(9)                          = 0 <0.000250>\n\
            13 101.000000 fdatasync(9 <unfinished ...>\n\
            14 101.000100 fsync(10)                         = -1 EIO (Input/output error) <0.000100>\n\
            13 101.000300 <... fdatasync resumed>)          = 0 <0.000290>\n\
            12 102.000000 +++ exited with 0 +++\n";
        assert_eq!(ends(trace), [100.50025, 101.0003]);
    }
}
