//! One follower at work: from its place to the end of the log, over and over,
//! whatever goes wrong in between.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use mainstay_proto::mainstay::event::v1 as pb;
use pb::watch_events_response::Content;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout_at};

use super::apply::{Move, Moved};
use super::board::{Standing, State};
use super::desk::Request;
use super::feed::{Ends, Feed, Trouble, cursor};
use super::heard::{Heard, sorted};
use super::parked::RecordName;
use super::{Follower, Pace, consumer, parked, place};
use crate::Store;
use crate::cursor::Place;
use crate::tables::consumer_cursor;

/// An owner that still has the same log, but less of it than was heard, is
/// asked again so often before it is believed.
const DOUBTS: u32 = 10;

/// One follower at work.
pub(super) struct Following<F> {
    pub(super) store: Store,
    pub(super) feed: Feed,
    pub(super) follower: Arc<F>,
    pub(super) pace: Pace,
    /// The name of its place.
    pub(super) consumer: String,
    /// The id of its rule.
    pub(super) rule: String,
    /// What operators ask for.
    pub(super) desk: mpsc::Receiver<Request>,
    /// Its place as it was last stored; revision 0 when there is none.
    pub(super) stored: consumer_cursor::Model,
    /// Where this process has come, in memory too; none before it knows.
    pub(super) place: Option<Place>,
    /// What is put aside, by record.
    pub(super) parked: HashMap<RecordName, usize>,
    /// How often the owner had less of the log than was heard.
    doubts: u32,
}

/// How a part of the stream leaves it.
enum Stream {
    Open,
    Ended,
}

impl<F: Follower> Following<F> {
    pub(super) fn new(
        store: Store,
        source: &'static str,
        feed: Feed,
        follower: Arc<F>,
        pace: Pace,
    ) -> Self {
        let consumer = consumer::<F>(source);
        let standing = Standing::new(source, follower.replicas().is_some(), F::PARKS);
        Self {
            desk: store.followers().join(&consumer, standing),
            rule: format!("{}/{}", store.log().service(), F::NAME),
            stored: absent(&consumer),
            place: None,
            parked: HashMap::new(),
            doubts: 0,
            store,
            feed,
            follower,
            pace,
            consumer,
        }
    }

    /// Follows until the store's drain.
    pub(super) async fn run(mut self) {
        let drain = self.store.drain().clone().cancelled_owned();
        tokio::select! {
            () = self.forever() => {}
            () = drain => {}
        }
        self.store.followers().leave(&self.consumer);
    }

    async fn forever(&mut self) {
        let mut pause = self.pace.first_pause;
        loop {
            let mut ended = self.attempt(&mut pause).await;
            if let Err(Trouble::Expired(cause)) = &ended {
                let cause = cause.clone();
                ended = self.resync(&cause).await;
            }
            match ended {
                Ok(()) | Err(Trouble::Moved) => {}
                Err(Trouble::Away(cause) | Trouble::Expired(cause)) => {
                    self.tell(State::Interrupted, &cause);
                }
                Err(Trouble::Stuck(cause)) => self.tell(State::Stuck, &cause),
            }
            let _ = self.rest(pause).await;
            pause = (pause * 2).min(self.pace.longest_pause);
        }
    }

    /// Says what it is about; a change for the worse is logged once.
    pub(super) fn tell(&self, state: State, cause: &str) {
        let before = self.store.followers().note(&self.consumer, |standing| {
            standing.state = state;
            cause.clone_into(&mut standing.cause);
        });
        if before.is_some_and(|before| before.state == state) {
            return;
        }
        let follower = self.consumer.as_str();
        match state {
            State::Starting | State::Following => tracing::debug!(follower, "it follows"),
            State::Interrupted => tracing::warn!(follower, cause, "following is interrupted"),
            State::Retrying => tracing::warn!(follower, cause, "an event could not be applied"),
            State::Stuck => tracing::error!(follower, cause, "a follower is stuck at an event"),
        }
    }

    /// Follows until the stream ends or something fails.
    async fn attempt(&mut self, pause: &mut Duration) -> Result<(), Trouble> {
        self.reload().await?;
        let place = self.begin().await?;
        let mut stream = self.feed.watch(&place).await?;
        let mut heard_at = Instant::now();
        let mut compare = interval(self.pace.compare);
        compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = timeout_at(heard_at + self.pace.silence, stream.next()) => {
                    let silent = |_| Trouble::Away("no sign of life from the owner".to_owned());
                    let Some(message) = message.map_err(silent)?.transpose()? else {
                        return Ok(());
                    };
                    if let Stream::Ended = self.take(message).await? {
                        return Ok(());
                    }
                    heard_at = Instant::now();
                    *pause = self.pace.first_pause;
                }
                _ = compare.tick() => self.compare(heard_at).await?,
                Some(request) = self.desk.recv() => self.serve(request).await?,
            }
        }
    }

    /// Reads the stored place, and what is put aside.
    pub(super) async fn reload(&mut self) -> Result<(), Trouble> {
        let stored = place(&self.store, &self.consumer).await?;
        self.stored = stored.unwrap_or_else(|| absent(&self.consumer));
        self.parked = parked::counted(&self.store, &self.consumer).await?;
        self.note();
        Ok(())
    }

    /// Where to go on: where this process was, if the stored place is not
    /// before that; else memory begins again too.
    async fn begin(&mut self) -> Result<Place, Trouble> {
        let stored = self.feed.place_in(&self.stored.cursor);
        let place = match (self.place.take(), stored) {
            (Some(own), Some(stored)) if goes_on(&own, &stored) => own,
            (None, Some(stored)) => stored,
            (own, stored) => {
                let ends = self.feed.ends().await?;
                let first = self.feed.place(ends.epoch, ends.floor);
                match own {
                    Some(own) if own != first && self.follower.replicas().is_some() => {
                        self.follower.rewound();
                        first
                    }
                    Some(_) | None => stored.unwrap_or(first),
                }
            }
        };
        self.place = Some(place.clone());
        Ok(place)
    }

    /// Takes a part of the stream.
    async fn take(&mut self, message: pb::WatchEventsResponse) -> Result<Stream, Trouble> {
        let place = self.here()?;
        let reaches = self.feed.place_in(&message.cursor);
        let reaches = reaches.ok_or_else(|| self.feed.odd("a cursor that is none"))?;
        if reaches.epoch != place.epoch {
            return Err(Trouble::Expired("the log has another epoch".to_owned()));
        }
        self.tell(State::Following, "");
        if let Some(Content::Events(batch)) = message.content.as_ref() {
            let sorted = sorted(place.sequence, batch.events.clone());
            self.step(&sorted.next).await?;
            if let Some(until) = sorted.hole_until {
                self.fill(until).await?;
            }
        }
        self.fill(reaches.sequence).await?;
        match message.content {
            Some(Content::Drain(_)) => Ok(Stream::Ended),
            Some(Content::Events(_) | Content::Bookmark(_)) | None => Ok(Stream::Open),
        }
    }

    /// Asks the owner for everything up to a position that was not delivered.
    async fn fill(&mut self, until: i64) -> Result<(), Trouble> {
        loop {
            let place = self.here()?;
            if place.sequence >= until {
                return Ok(());
            }
            let page = self.feed.list(&place).await?;
            let sorted = sorted(place.sequence, page.events);
            if sorted.next.is_empty() || sorted.hole_until.is_some() {
                return Err(self.feed.odd("a page with a hole"));
            }
            self.step(&sorted.next).await?;
        }
    }

    /// Compares the place with the end of the owner's log.
    async fn compare(&mut self, heard_at: Instant) -> Result<(), Trouble> {
        let (ends, place) = (self.feed.ends().await?, self.here()?);
        if ends.epoch != place.epoch {
            return Err(Trouble::Expired("the log has another epoch".to_owned()));
        }
        let now_us = self.store.clock().now_us();
        self.store.followers().note(&self.consumer, |standing| {
            standing.see(place.sequence, ends.head, now_us);
        });
        match ends.head > place.sequence && heard_at.elapsed() > self.pace.patience {
            true => self.fill(ends.head).await,
            false => Ok(()),
        }
    }

    /// Goes on in a log that was replaced or cut.
    async fn resync(&mut self, cause: &str) -> Result<(), Trouble> {
        let ends = self.feed.ends().await?;
        let Some(stored) = self.feed.place_in(&self.stored.cursor) else {
            return Ok(());
        };
        if stored.epoch == ends.epoch {
            self.doubts += 1;
            let away = stored.sequence > ends.head;
            match away && self.doubts < DOUBTS {
                true => return Err(Trouble::Away(cause.to_owned())),
                false if !away && stored.sequence >= ends.floor => return Ok(()),
                false => {}
            }
        }
        self.doubts = 0;
        let kept = self.is_still_there(&stored, &ends).await?;
        let sequence = if kept { stored.sequence } else { ends.floor };
        let to = self.feed.place(ends.epoch, sequence);
        let mut wanted = Move::to(self.stored_at(&to));
        if !kept {
            wanted.to.event_id.clear();
            wanted.clears = self.follower.replicas().unwrap_or_default().0;
        }
        let (follower, at) = (self.consumer.as_str(), sequence);
        tracing::error!(
            follower,
            cause,
            kept,
            at,
            "the log was replaced: going on in the new one"
        );
        if !matches!(self.commit(wanted).await?, Moved::Done(_)) {
            return Err(Trouble::Moved);
        }
        self.store
            .followers()
            .note(&self.consumer, |standing| standing.resyncs += 1);
        let memory = self.place.replace(to);
        if !kept || memory.is_some_and(|memory| memory.sequence != sequence) {
            self.follower.rewound();
        }
        Ok(())
    }

    /// Whether the last event applied is where it was in the log that replaced it.
    async fn is_still_there(&self, stored: &Place, ends: &Ends) -> Result<bool, Trouble> {
        let within = ends.floor < stored.sequence && stored.sequence <= ends.head;
        if !within || self.stored.event_id.is_empty() {
            return Ok(false);
        }
        let before = self.feed.place(ends.epoch, stored.sequence - 1);
        let page = self.feed.list(&before).await?;
        let first = page.events.into_iter().next().map(Heard::from);
        Ok(first.is_some_and(|first| first.id() == self.stored.event_id))
    }

    /// Where this process has come.
    pub(super) fn here(&self) -> Result<Place, Trouble> {
        self.place.clone().ok_or(Trouble::Moved)
    }

    /// The row of a place that comes after the stored one.
    pub(super) fn stored_at(&self, place: &Place) -> consumer_cursor::Model {
        consumer_cursor::Model {
            cursor: cursor(place),
            updated_us: self.store.clock().now_us(),
            revision: self.stored.revision + 1,
            ..self.stored.clone()
        }
    }

    /// Says on the board how far it has come.
    pub(super) fn note(&self) {
        let parked = self.parked.values().sum();
        let sequence = self.place.as_ref().map(|place| place.sequence);
        let now_us = self.store.clock().now_us();
        self.store.followers().note(&self.consumer, |standing| {
            standing.parked = parked;
            if let Some(sequence) = sequence {
                standing.see(sequence, standing.head, now_us);
            }
        });
    }

    /// Waits, and serves operators meanwhile.
    pub(super) async fn rest(&mut self, pause: Duration) -> Result<(), Trouble> {
        let until = Instant::now() + pause;
        loop {
            tokio::select! {
                () = sleep_until(until) => return Ok(()),
                Some(request) = self.desk.recv() => self.serve(request).await?,
            }
        }
    }
}

/// Whether what was stored is in the log that this process follows, and not
/// before what it has in memory.
fn goes_on(own: &Place, stored: &Place) -> bool {
    own.epoch == stored.epoch && own.sequence <= stored.sequence
}

/// The place of a consumer that has none.
fn absent(consumer: &str) -> consumer_cursor::Model {
    consumer_cursor::Model {
        consumer: consumer.to_owned(),
        cursor: String::new(),
        updated_us: 0,
        revision: 0,
        event_id: String::new(),
    }
}
