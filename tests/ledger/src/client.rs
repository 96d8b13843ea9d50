//! A client: one operation after the other, each in the ledger before it is
//! sent and before its outcome is believed; some are sent twice at once, some
//! again after the server was killed, some again long after they succeeded.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use mainstay_proto::mainstay::incident::v1::IncidentState;
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::ledger::{Entry, Ledger, Outcome};
use crate::operation::{Answer, Caller, Operation, Verb};
use crate::world::{Phase, World};

/// How many operations that succeeded a client remembers, to send one again.
const REMEMBERED: usize = 200;

/// Sends operations and writes the ledger.
#[derive(Clone, Debug)]
pub struct Scribe {
    /// The ledger.
    pub ledger: Ledger,
    /// When the run began.
    pub began: Instant,
}

impl Scribe {
    /// Sends an operation once, with its entries in the ledger.
    pub async fn send(
        &self,
        operation: &Operation,
        attempt: u32,
        caller: &Caller,
    ) -> Result<(Outcome, Option<Answer>)> {
        let sent = Entry::Sent {
            id: operation.id,
            attempt,
            verb: operation.verb,
            target: operation.target.clone(),
            digest: operation.digest(),
            at_us: self.now_us(),
        };
        self.ledger.append(&sent).await?;
        let result = operation.send(caller).await;
        let at_us = self.now_us();
        let outcome = match &result {
            Ok(answer) => Outcome::Ok {
                name: answer.name.clone(),
                revision: answer.revision,
                replayed: answer.replayed,
            },
            Err(status) => failure(status),
        };
        let told = Entry::Told {
            id: operation.id,
            attempt,
            outcome: outcome.clone(),
            at_us,
        };
        self.ledger.append(&told).await?;
        Ok((outcome, result.ok()))
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Whether a failure says that nothing was done, or leaves it open.
fn failure(status: &Status) -> Outcome {
    let code = format!("{:?}", status.code());
    let details = status.get_error_details();
    let reason = details
        .error_info()
        .map(|info| info.reason.clone())
        .unwrap_or_default();
    match status.code() {
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => Outcome::Fail { code, reason },
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Outcome::Unknown { code },
    }
}

/// A client of the run.
#[derive(Debug)]
pub struct Client {
    /// Where its randomness comes from.
    pub random: fastrand::Rng,
    /// Two connections: the second is for a twin sent at the same time.
    pub callers: [Caller; 2],
    /// Its pen.
    pub scribe: Scribe,
    /// What the clients know together.
    pub world: Arc<World>,
    /// Where the run stands.
    pub phase: watch::Receiver<Phase>,
}

impl Client {
    /// Works until the run closes.
    pub async fn run(mut self) -> Result<()> {
        let mut done: Vec<(Operation, u32)> = Vec::new();
        loop {
            let phase = *self.phase.wait_for(|phase| *phase != Phase::Down).await?;
            if phase != Phase::Up {
                return Ok(());
            }
            if !done.is_empty() && self.random.u32(..100) < 3 {
                let place = self.random.usize(..done.len());
                let (operation, attempts) = &mut done[place];
                *attempts += 1;
                self.scribe
                    .send(operation, *attempts, &self.callers[0])
                    .await?;
                continue;
            }
            let operation = self.choose();
            if let Some(attempts) = Box::pin(self.carry_through(&operation)).await? {
                match done.len() < REMEMBERED {
                    true => done.push((operation, attempts)),
                    false => {
                        let place = self.random.usize(..REMEMBERED);
                        done[place] = (operation, attempts);
                    }
                }
            }
        }
    }

    /// Sends an operation, perhaps with a twin, perhaps again when its outcome
    /// stays open; the number of times it was sent, if it succeeded.
    async fn carry_through(&mut self, operation: &Operation) -> Result<Option<u32>> {
        let mut attempts = 1;
        let (mut outcome, mut answer) = match self.random.u32(..100) < 2 {
            true => {
                attempts = 2;
                let [one, two] = &self.callers;
                let (first, second) = futures::join!(
                    self.scribe.send(operation, 1, one),
                    self.scribe.send(operation, 2, two)
                );
                let (first, second) = (first?, second?);
                if first.1.is_some() { first } else { second }
            }
            false => self.scribe.send(operation, 1, &self.callers[0]).await?,
        };
        while matches!(outcome, Outcome::Unknown { .. }) && self.random.u32(..100) < 80 {
            self.phase.wait_for(|phase| *phase != Phase::Down).await?;
            attempts += 1;
            (outcome, answer) = self
                .scribe
                .send(operation, attempts, &self.callers[0])
                .await?;
        }
        let Some(answer) = answer else {
            return Ok(None);
        };
        if let Some(state) = answer.state {
            self.world.note(&answer.name, state);
        }
        Ok(Some(attempts))
    }

    /// What to do next: mostly what the incident's state allows.
    fn choose(&mut self) -> Operation {
        let id = uuid::Builder::from_random_bytes(self.random.u128(..).to_be_bytes()).into_uuid();
        let create = Operation {
            id,
            verb: Verb::Create,
            target: String::new(),
        };
        if self.random.u32(..100) < 25 {
            return create;
        }
        let Some((target, state)) = self.world.pick(&mut self.random) else {
            return create;
        };
        let verb = match self.random.u32(..100) < 10 {
            true => self.any(&[
                Verb::Resolve,
                Verb::Reopen,
                Verb::Assign,
                Verb::Hold,
                Verb::Resume,
                Verb::Comment,
            ]),
            false => self.any(open(state)),
        };
        Operation { id, verb, target }
    }

    fn any(&mut self, verbs: &[Verb]) -> Verb {
        verbs[self.random.usize(..verbs.len())]
    }
}

/// Verbs that a state allows.
fn open(state: IncidentState) -> &'static [Verb] {
    match state {
        IncidentState::OnHold => &[
            Verb::Resume,
            Verb::Resume,
            Verb::Comment,
            Verb::Assign,
            Verb::Resolve,
        ],
        IncidentState::Resolved | IncidentState::Closed | IncidentState::Cancelled => {
            &[Verb::Reopen, Verb::Reopen, Verb::Comment]
        }
        IncidentState::Unspecified
        | IncidentState::New
        | IncidentState::InProgress
        | IncidentState::Mitigated => &[Verb::Assign, Verb::Hold, Verb::Resolve, Verb::Comment],
    }
}

/// The verbs that end a run, one or more of every type of event: a subscriber
/// that has seen the last of its types has seen everything before it.
pub const CLOSING: [Verb; 6] = [
    Verb::Create,
    Verb::Assign,
    Verb::Comment,
    Verb::Hold,
    Verb::Resume,
    Verb::Resolve,
];

/// Ids for the operations that end a run; the comment is a public one.
pub fn closing_ids(random: &mut fastrand::Rng) -> [Uuid; 6] {
    std::array::from_fn(|_| {
        let bits = random.u128(..) & !1;
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    })
}

/// Sends the operations that end a run.
pub async fn close(scribe: &Scribe, caller: &Caller, ids: [Uuid; 6]) -> Result<()> {
    let mut target = String::new();
    for (verb, id) in CLOSING.into_iter().zip(ids) {
        let operation = Operation {
            id,
            verb,
            target: target.clone(),
        };
        let (outcome, answer) = scribe.send(&operation, 1, caller).await?;
        let answer = answer
            .ok_or_else(|| anyhow::anyhow!("closing the run, {verb:?} came to {outcome:?}"))?;
        if verb == Verb::Create {
            target = answer.name;
        }
    }
    Ok(())
}
