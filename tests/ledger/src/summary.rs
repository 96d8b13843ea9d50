//! A run in a few lines, for people.

use anyhow::{Result, bail};

use crate::ledger::{Entry, Outcome};
use crate::run::Run;

/// A run in a few lines.
pub fn summary(run: &Run) -> Result<String> {
    let evidence = &run.evidence;
    let told = |wanted: fn(&Outcome) -> bool| {
        let told = evidence.entries.iter().filter(|entry| match entry {
            Entry::Told { outcome, .. } => wanted(outcome),
            Entry::Sent { .. } => false,
        });
        told.count()
    };
    let sent = evidence
        .entries
        .iter()
        .filter(|entry| matches!(entry, Entry::Sent { .. }))
        .count();
    if sent == 0 {
        bail!("the run sent nothing");
    }
    let connections: u64 = evidence
        .subscribers
        .iter()
        .map(|seen| seen.connections)
        .sum();
    let received: usize = evidence
        .subscribers
        .iter()
        .map(|seen| seen.events.len())
        .sum();
    Ok(format!(
        "{sent} calls: {} acknowledged ({} of them replays), {} refused, {} broken off\n\
         {} events in the log, {} request ids, {} records\n\
         {} subscribers connected {connections} times and received {received} events\n\
         {:.1} s; slowest restart {:.2} s",
        told(|outcome| matches!(outcome, Outcome::Ok { .. })),
        told(|outcome| matches!(outcome, Outcome::Ok { replayed: true, .. })),
        told(|outcome| matches!(outcome, Outcome::Fail { .. })),
        told(|outcome| matches!(outcome, Outcome::Unknown { .. })),
        evidence.log.len(),
        evidence.requests.len(),
        evidence.records.len(),
        evidence.subscribers.len(),
        run.took.as_secs_f64(),
        run.slowest_start.as_secs_f64(),
    ))
}
