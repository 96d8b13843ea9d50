//! What operators ask of a follower: to try again what it has put aside, to
//! leave it out, or to begin again. It is done between two runs of events, and
//! like them by compare-and-swap of the place: no other process parks or
//! applies anything meanwhile.

use std::collections::HashSet;

use mainstay_chassis::Refusal;
use tokio::sync::oneshot;

use super::apply::{Move, Moved};
use super::feed::Trouble;
use super::following::Following;
use super::{Follower, parked};
use crate::tables::parked::Model;

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Applies what is parked of an organization, or of one record of it.
    Retry {
        organization: String,
        subject: Option<String>,
    },
    /// Leaves out these parked events of an organization.
    Skip {
        organization: String,
        event_ids: Vec<String>,
    },
    /// Sets the place back to the earliest event and empties the replicas.
    Rewind,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Number of events applied or left out.
    pub done: i32,
    /// Number of those asked for that are still parked.
    pub left: i32,
    /// Why the first of these is.
    pub error: String,
}

/// An order, and who waits for it.
#[derive(Debug)]
pub(super) struct Request {
    pub order: Order,
    pub answer: oneshot::Sender<Result<Done, Refusal>>,
}

impl<F: Follower> Following<F> {
    /// Does what is asked for, and answers.
    pub(super) async fn serve(&mut self, request: Request) -> Result<(), Trouble> {
        let rewinds = matches!(request.order, Order::Rewind);
        let done = match request.order {
            Order::Retry {
                organization,
                subject,
            } => self.retry(&organization, subject.as_deref()).await,
            Order::Skip {
                organization,
                event_ids,
            } => self.skip(&organization, &event_ids).await,
            Order::Rewind => self.rewind().await,
        };
        self.note();
        let (answer, trouble) = match done {
            Ok(answer) => (answer, None),
            Err(trouble) => (Err(Refusal::unavailable()), Some(trouble)),
        };
        let moved = rewinds && answer.is_ok();
        let _ = request.answer.send(answer);
        match trouble {
            Some(trouble) => Err(trouble),
            None if moved => Err(Trouble::Moved),
            None => Ok(()),
        }
    }

    async fn retry(
        &mut self,
        organization: &str,
        subject: Option<&str>,
    ) -> Result<Result<Done, Refusal>, Trouble> {
        let rows = parked::all(&self.store, &self.consumer, Some(organization), subject).await?;
        let (mut done, mut blocked) = (Done::default(), HashSet::new());
        for row in rows {
            if blocked.contains(&row.subject) {
                done.left += 1;
                continue;
            }
            match self.apply_parked(&row).await? {
                Moved::Done(_) => done.done += 1,
                Moved::Lost => return Ok(Err(Refusal::unavailable())),
                Moved::Refused(refusal) => {
                    let error = refusal.to_string();
                    blocked.insert(row.subject.clone());
                    done.left += 1;
                    if done.error.is_empty() {
                        done.error.clone_from(&error);
                    }
                    self.keep(row, error).await?;
                }
            }
        }
        Ok(Ok(done))
    }

    /// Leaves an event parked that was tried once more.
    async fn keep(&mut self, mut row: Model, error: String) -> Result<(), Trouble> {
        row.attempts += 1;
        row.error = error;
        let mut wanted = self.move_nowhere();
        wanted.parks.push(row);
        self.commit(wanted).await.map(drop)
    }

    async fn skip(
        &mut self,
        organization: &str,
        event_ids: &[String],
    ) -> Result<Result<Done, Refusal>, Trouble> {
        let rows = parked::all(&self.store, &self.consumer, Some(organization), None).await?;
        let chosen = |row: &Model| event_ids.contains(&row.event_id);
        let (skipped, _): (Vec<Model>, Vec<Model>) = rows.into_iter().partition(chosen);
        let known = |id: &&String| !skipped.iter().any(|row| row.event_id == **id);
        if let Some(unknown) = event_ids.iter().find(known) {
            let resource = format!("the parked event {unknown}");
            return Ok(Err(Refusal::not_found(resource)));
        }
        let mut wanted = self.move_nowhere();
        wanted.unparks.clone_from(&skipped);
        let done = i32::try_from(skipped.len()).unwrap_or(i32::MAX);
        let done = Done {
            done,
            ..Done::default()
        };
        Ok(moved(self.commit(wanted).await?).map(|()| done))
    }

    async fn rewind(&mut self) -> Result<Result<Done, Refusal>, Trouble> {
        let Some(replicas) = self.follower.replicas() else {
            let remedy = "must be a follower that can be rebuilt: this one acts on what it hears";
            return Ok(Err(Refusal::invalid("name", remedy)));
        };
        let mut wanted = self.move_nowhere();
        wanted.to.cursor.clear();
        wanted.to.event_id.clear();
        wanted.clears = replicas.0;
        wanted.unparks = parked::all(&self.store, &self.consumer, None, None).await?;
        let done = moved(self.commit(wanted).await?);
        if done.is_ok() {
            self.follower.rewound();
            self.place = None;
            let now_us = self.store.clock().now_us();
            self.store.followers().note(&self.consumer, |standing| {
                standing.see(0, standing.head, now_us);
            });
        }
        Ok(done.map(|()| Done::default()))
    }

    /// A move that leaves the place where it is.
    fn move_nowhere(&self) -> Move {
        let mut to = self.stored.clone();
        to.revision += 1;
        to.updated_us = self.store.clock().now_us();
        Move::to(to)
    }
}

fn moved(moved: Moved) -> Result<(), Refusal> {
    match moved {
        Moved::Done(_) => Ok(()),
        Moved::Lost => Err(Refusal::unavailable()),
        Moved::Refused(refusal) => Err(refusal),
    }
}
