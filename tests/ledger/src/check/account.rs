//! What the ledger says of each operation: how often it was sent, what came
//! of it, and whether the server contradicted itself.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Findings, Kind};
use crate::ledger::{Entry, Outcome};
use crate::operation::Verb;

/// An operation and all that was told about it.
#[derive(Clone, Debug)]
pub struct Account {
    /// The request id.
    pub id: Uuid,
    /// What was asked for.
    pub verb: Verb,
    /// Digest of the request, in hexadecimal.
    pub digest: String,
    /// When it was first sent.
    pub sent_us: u64,
    /// When it first was known to be done.
    pub done_us: Option<u64>,
    /// What was told, in the order of telling.
    pub outcomes: Vec<Outcome>,
    /// Number of calls that never came back.
    pub open: u32,
    /// Calls that were sent while no other of this operation was under way.
    alone: BTreeSet<u32>,
    /// Whether a call was given up while the server may have gone on with it.
    lingers: bool,
    /// Whether the newest outcome is a refusal that settles the matter.
    settled: bool,
}

/// What must be true of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It is there exactly once: (name, revision).
    Done(&'a str, i64),
    /// It is there once or not at all.
    Open,
    /// It is not there.
    Refused,
}

impl Account {
    /// What must be true of it. A refusal settles it, also after calls that
    /// broke off: had one of them been done, the repeat would have been
    /// answered from it. Not so when the broken call may still have been under
    /// way, or when the server was only too busy to look.
    pub fn verdict(&self) -> Verdict<'_> {
        for outcome in &self.outcomes {
            if let Outcome::Ok { name, revision, .. } = outcome {
                return Verdict::Done(name, *revision);
            }
        }
        let all_refused = self
            .outcomes
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Fail { .. }));
        let over = self.open == 0 && !self.outcomes.is_empty();
        match over && (all_refused || self.settled) {
            true => Verdict::Refused,
            false => Verdict::Open,
        }
    }

    fn tell(&mut self, attempt: u32, outcome: &Outcome, at_us: u64) {
        self.open = self.open.saturating_sub(1);
        self.settled = match outcome {
            Outcome::Ok { .. } => {
                self.done_us.get_or_insert(at_us);
                false
            }
            Outcome::Unknown { code } => {
                self.lingers |= code == "DeadlineExceeded" || code == "Cancelled";
                false
            }
            Outcome::Fail { code, .. } => {
                code != "ResourceExhausted" && self.alone.contains(&attempt) && !self.lingers
            }
        };
        self.outcomes.push(outcome.clone());
    }

    /// How a violation names it.
    pub(super) fn label(&self) -> String {
        format!("{:?} {}", self.verb, self.id)
    }
}

/// The operations of a ledger, by request id.
pub fn accounts(entries: &[Entry]) -> BTreeMap<Uuid, Account> {
    let mut accounts: BTreeMap<Uuid, Account> = BTreeMap::new();
    for entry in entries {
        match entry {
            Entry::Sent {
                id,
                attempt,
                verb,
                digest,
                at_us,
                ..
            } => {
                let account = accounts.entry(*id).or_insert_with(|| Account {
                    id: *id,
                    verb: *verb,
                    digest: digest.clone(),
                    sent_us: *at_us,
                    done_us: None,
                    outcomes: Vec::new(),
                    open: 0,
                    alone: BTreeSet::new(),
                    lingers: false,
                    settled: false,
                });
                if account.open == 0 {
                    account.alone.insert(*attempt);
                }
                account.open += 1;
            }
            Entry::Told {
                id,
                attempt,
                outcome,
                at_us,
            } => {
                if let Some(account) = accounts.get_mut(id) {
                    account.tell(*attempt, outcome, *at_us);
                }
            }
        }
    }
    accounts
}

/// Whether what was told about each operation fits together.
pub(super) fn check(accounts: &BTreeMap<Uuid, Account>, found: &mut Findings) {
    for account in accounts.values() {
        let mut first: Option<(&str, i64)> = None;
        let mut made = 0;
        for outcome in &account.outcomes {
            match outcome {
                Outcome::Ok {
                    name,
                    revision,
                    replayed,
                } => {
                    made += u32::from(!replayed);
                    let (first_name, first_revision) = *first.get_or_insert((name, *revision));
                    if (first_name, first_revision) != (name.as_str(), *revision) {
                        let text = format!(
                            "{} was answered with {first_name} at {first_revision}, then with {name} at {revision}",
                            account.label()
                        );
                        found.add(Kind::Differs, text);
                    }
                }
                Outcome::Fail { code, reason }
                    if first.is_some() && code != "ResourceExhausted" =>
                {
                    let text = format!(
                        "{} was done, and a repeat refused: {code} {reason}",
                        account.label()
                    );
                    found.add(Kind::Differs, text);
                }
                Outcome::Fail { .. } | Outcome::Unknown { .. } => {}
            }
        }
        let interrupted = account.open > 0
            || account
                .outcomes
                .iter()
                .any(|o| matches!(o, Outcome::Unknown { .. }));
        if made > 1 {
            found.add(
                Kind::Doubled,
                format!("{} was made {made} times, says the server", account.label()),
            );
        }
        if made == 0 && first.is_some() && !interrupted {
            found.add(
                Kind::Differs,
                format!("{} was only ever replayed, never made", account.label()),
            );
        }
    }
}
