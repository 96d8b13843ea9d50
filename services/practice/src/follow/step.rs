//! One run of events: applied together, or one by one when one of them cannot
//! be applied, which is put aside after some tries. What another process has
//! applied is only heard.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mainstay_chassis::{Kind, Refusal};
use mainstay_proto::mainstay::event::v1 as pb;

use super::apply::{Move, Moved};
use super::board::State;
use super::effects::Rule;
use super::feed::{Trouble, cursor};
use super::following::Following;
use super::heard::Heard;
use super::parked::RecordName;
use super::{Effects, Follower};
use crate::tables::{consumer_cursor, parked};

/// A chain of causes is cut after so many events.
const MOST_HOPS: i32 = 8;

/// What is to become of an event.
enum Verdict<'a> {
    /// It is applied.
    Apply(&'a pb::Event),
    /// It is none of the follower's business.
    Skip,
    /// It is put aside at once.
    Park(String),
}

/// What came of a run.
enum Outcome {
    Applied,
    /// Somebody else has moved the place.
    Lost,
    /// One of the events cannot be applied.
    Refused(Refusal),
}

impl<F: Follower> Following<F> {
    /// Applies events that follow on from the place.
    pub(super) async fn step(&mut self, run: &[Heard]) -> Result<(), Trouble> {
        let (mut rest, mut alone, mut tries) = (run, false, 0);
        while let Some(first) = rest.first() {
            let theirs = self.applied_by_others(rest);
            if theirs > 0 {
                self.listen(&rest[..theirs])?;
                (rest, tries) = (&rest[theirs..], 0);
                continue;
            }
            let part = if alone { &rest[..1] } else { rest };
            match self.apply(part).await? {
                Outcome::Applied => (rest, tries) = (&rest[part.len()..], 0),
                Outcome::Lost => {}
                Outcome::Refused(_) if part.len() > 1 => alone = true,
                Outcome::Refused(refusal) => {
                    tries += 1;
                    self.refused(first, &refusal, tries).await?;
                }
            }
        }
        Ok(())
    }

    /// How many of the events at the front another process has applied.
    fn applied_by_others(&self, run: &[Heard]) -> usize {
        let stored = self.feed.place_in(&self.stored.cursor);
        let until = stored.map_or(0, |stored| stored.sequence);
        run.iter()
            .take_while(|heard| heard.sequence <= until)
            .count()
    }

    /// Applies events together.
    async fn apply(&mut self, part: &[Heard]) -> Result<Outcome, Trouble> {
        let Some(last) = part.last() else {
            return Ok(Outcome::Applied);
        };
        let mut place = self.here()?;
        place.sequence = last.sequence;
        let mut to = self.stored_at(&place);
        to.event_id = last.id();
        let mut wanted = self.move_to(to);
        let mut fit = Vec::new();
        let mut aside: HashSet<RecordName> = HashSet::new();
        for heard in part {
            match self.verdict(heard, &aside) {
                Verdict::Apply(event) => fit.push((heard.sequence, event.clone())),
                Verdict::Skip => {}
                Verdict::Park(error) if !F::PARKS => return Err(Trouble::Stuck(error)),
                Verdict::Park(error) => {
                    aside.insert(heard.record());
                    wanted.parks.push(self.aside(heard, &error, 0)?);
                }
            }
        }
        let change = match self.decide(&fit, &mut wanted.effects) {
            Ok(change) => change,
            Err(refusal) => return self.outcome(refusal),
        };
        let cursor = wanted.to.cursor.clone();
        match self.commit(wanted).await? {
            Moved::Done(_) => {}
            Moved::Lost => return Ok(Outcome::Lost),
            Moved::Refused(refusal) => return self.outcome(refusal),
        }
        if let Some(change) = change {
            self.follower.applied(change, &cursor);
        }
        self.place = Some(place);
        self.arrived(last);
        Ok(Outcome::Applied)
    }

    /// A move to a place in the name of the rule.
    fn move_to(&self, to: consumer_cursor::Model) -> Move {
        Move {
            effects: self.effects(),
            ..Move::to(to)
        }
    }

    fn effects(&self) -> Effects {
        Effects::new(Rule {
            id: self.rule.clone(),
            service: self.store.log().service(),
            permissions: F::PERMISSIONS,
        })
    }

    /// Hands a move to the writer; when somebody else was faster, or something
    /// was put aside, place and parked events are read again.
    pub(super) async fn commit(&mut self, wanted: Move) -> Result<Moved, Trouble> {
        let aside = !(wanted.parks.is_empty() && wanted.unparks.is_empty());
        let before = self.stored.revision;
        let (operation, moved) = wanted.operation();
        self.store.submit(operation)?;
        let moved = moved.await.map_err(|_| Refusal::unavailable())?;
        match moved {
            Moved::Done(to) => {
                self.stored = to.clone();
                if aside {
                    self.reload().await?;
                }
                Ok(Moved::Done(to))
            }
            Moved::Lost => {
                self.reload().await?;
                let stays = self.stored.revision == before;
                let away = self.went_elsewhere();
                match (stays, away) {
                    (true, _) => Ok(Moved::Refused(Refusal::exists(&self.consumer))),
                    (false, true) => Err(Trouble::Moved),
                    (false, false) => Ok(Moved::Lost),
                }
            }
            Moved::Refused(refusal) => Ok(Moved::Refused(refusal)),
        }
    }

    /// Whether the stored place lies before this process's, or in another log.
    fn went_elsewhere(&self) -> bool {
        let (Some(own), stored) = (&self.place, self.feed.place_in(&self.stored.cursor)) else {
            return true;
        };
        stored.is_none_or(|stored| stored.epoch != own.epoch || stored.sequence < own.sequence)
    }

    /// What is to become of an event, given what else is put aside just now.
    fn verdict<'a>(&self, heard: &'a Heard, aside: &HashSet<RecordName>) -> Verdict<'a> {
        let record = heard.record();
        if self.parked.contains_key(&record) || aside.contains(&record) {
            return match self.is_heard(heard) {
                true => Verdict::Park("an earlier event of the record is parked".to_owned()),
                false => Verdict::Skip,
            };
        }
        self.judge(heard)
    }

    /// What is to become of an event when nothing of its record is put aside.
    fn judge<'a>(&self, heard: &'a Heard) -> Verdict<'a> {
        match &heard.event {
            Err(error) => Verdict::Park(format!("it cannot be read: {error}")),
            Ok(_) if !self.is_heard(heard) => Verdict::Skip,
            Ok(event) if acts::<F>() && event.hops >= MOST_HOPS => Verdict::Park(format!(
                "a chain of {} causes: it may be a loop",
                event.hops
            )),
            Ok(event) => Verdict::Apply(event),
        }
    }

    /// Whether the follower hears of an event at all: not of imported history,
    /// unless it asks for it, and not of what its own rule has led to.
    fn is_heard(&self, heard: &Heard) -> bool {
        heard.event.as_ref().is_ok_and(|event| {
            (F::IMPORTED || !event.imported) && !(acts::<F>() && event.rules.contains(&self.rule))
        })
    }

    /// Lets the follower decide; a panic is a refusal.
    fn decide(
        &self,
        events: &[(i64, pb::Event)],
        effects: &mut Effects,
    ) -> Result<Option<F::Change>, Refusal> {
        if events.is_empty() {
            return Ok(None);
        }
        let decide = AssertUnwindSafe(|| self.follower.apply(events, effects));
        let decided =
            catch_unwind(decide).unwrap_or_else(|_| Err(Refusal::internal("a follower panicked")));
        decided.map(Some)
    }

    /// Takes what another process has applied into memory.
    fn listen(&mut self, run: &[Heard]) -> Result<(), Trouble> {
        let mut place = self.here()?;
        let fit: Vec<(i64, pb::Event)> = run
            .iter()
            .filter_map(|heard| match self.judge(heard) {
                Verdict::Apply(event) => Some((heard.sequence, event.clone())),
                Verdict::Skip | Verdict::Park(_) => None,
            })
            .collect();
        if let Some(last) = run.last() {
            place.sequence = last.sequence;
            self.arrived(last);
        }
        let cursor = cursor(&place);
        let heard = |events: &[(i64, pb::Event)]| {
            let change = self.decide(events, &mut self.effects())?;
            change
                .into_iter()
                .for_each(|change| self.follower.applied(change, &cursor));
            Ok::<_, Refusal>(())
        };
        if heard(&fit).is_err() {
            // One of them is parked: nobody has applied that one.
            for one in fit.chunks(1) {
                let _ = heard(one);
            }
        }
        self.place = Some(place);
        Ok(())
    }

    /// After an event could not be applied: a pause, or it is put aside.
    async fn refused(
        &mut self,
        heard: &Heard,
        refusal: &Refusal,
        tries: i32,
    ) -> Result<(), Trouble> {
        let error = refusal.to_string();
        let (follower, event) = (self.consumer.clone(), heard.id());
        if tries < self.pace.tries {
            self.tell(State::Retrying, &error);
            return self.rest(self.pace.retry(tries)).await;
        }
        if !F::PARKS {
            return Err(Trouble::Stuck(error));
        }
        let mut place = self.here()?;
        place.sequence = heard.sequence;
        let mut wanted = Move::to(self.stored_at(&place));
        wanted.to.event_id = heard.id();
        wanted.parks.push(self.aside(heard, &error, tries)?);
        if let Moved::Refused(refusal) = self.commit(wanted).await? {
            return Err(refusal.into());
        }
        tracing::error!(follower, event, error, "an event is parked");
        self.tell(State::Following, "");
        Ok(())
    }

    /// The row of an event that is put aside.
    fn aside(&self, heard: &Heard, error: &str, tries: i32) -> Result<parked::Model, Trouble> {
        let (epoch, now_us) = (self.here()?.epoch, self.store.clock().now_us());
        let consumer = &self.consumer;
        Ok(parked::Model::aside(
            consumer, epoch, heard, error, tries, now_us,
        ))
    }

    /// What a refusal means: that the event cannot be applied, or that
    /// something is away or busy, which is no fault of the event.
    fn outcome(&self, refusal: Refusal) -> Result<Outcome, Trouble> {
        match is_passing(&refusal) {
            true => Err(refusal.into()),
            false => Ok(Outcome::Refused(refusal)),
        }
    }

    /// Says on the board that everything up to an event is applied.
    fn arrived(&self, last: &Heard) {
        let (sequence, record_us) = (last.sequence, last.record_us);
        let parked = self.parked.values().sum();
        let now_us = self.store.clock().now_us();
        self.store.followers().note(&self.consumer, |standing| {
            standing.parked = parked;
            standing.record_us = record_us;
            standing.see(sequence, standing.head, now_us);
            standing.behind_since_us = standing.behind_since_us.map(|_| record_us);
        });
    }

    /// Applies an event that was put aside, at the place that is stored.
    pub(super) async fn apply_parked(&mut self, row: &parked::Model) -> Result<Moved, Trouble> {
        let heard = Heard::from(row);
        let mut to = self.stored.clone();
        to.revision += 1;
        let cursor = to.cursor.clone();
        let mut wanted = self.move_to(to);
        wanted.unparks.push(row.clone());
        let fit = match self.judge(&heard) {
            Verdict::Apply(event) => vec![(heard.sequence, event.clone())],
            Verdict::Skip => Vec::new(),
            Verdict::Park(error) => return Ok(Moved::Refused(Refusal::invalid("event", error))),
        };
        let change = match self.decide(&fit, &mut wanted.effects) {
            Ok(change) => change,
            Err(refusal) if is_passing(&refusal) => return Err(refusal.into()),
            Err(refusal) => return Ok(Moved::Refused(refusal)),
        };
        let moved = self.commit(wanted).await?;
        if let (Moved::Done(_), Some(change)) = (&moved, change) {
            self.follower.applied(change, &cursor);
        }
        Ok(moved)
    }
}

/// Whether the follower's effects may lead to events.
fn acts<F: Follower>() -> bool {
    !F::PERMISSIONS.is_empty()
}

/// Whether a refusal passes by itself.
fn is_passing(refusal: &Refusal) -> bool {
    matches!(
        refusal.kind(),
        Kind::Unavailable | Kind::Exhausted | Kind::Deadline
    )
}
