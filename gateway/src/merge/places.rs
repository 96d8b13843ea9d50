//! A place in the log of each service, and what a page moves.

use std::collections::VecDeque;

use mainstay_chassis::Refusal;
use mainstay_practice::cursor::{Cursor, Place};
use mainstay_proto::LoggedEvent;
use mainstay_proto::mainstay::event::v1 as pb;
use tonic::Status;

use super::{Ask, MergedEvents, Source, recorded};

/// A place in the log of each service.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Vec<(Place, String)>);

impl Places {
    /// The cursor of all places.
    pub(super) fn cursor(&self, organization: &str) -> String {
        Cursor::merge(
            organization,
            self.0.iter().map(|(place, _)| place.clone()).collect(),
        )
        .encode()
    }

    /// Where a service's log is to be read on from.
    pub(super) fn start(&self, service: &str) -> pb::Start {
        let known = self.0.iter().find(|(place, _)| place.service == service);
        let at = match known {
            Some((_, cursor)) => pb::start::At::Cursor(cursor.clone()),
            None => pb::start::At::Point(pb::StartPoint::Earliest.into()),
        };
        pb::Start { at: Some(at) }
    }

    /// Takes the cursor that a service gave.
    pub(super) fn learn(
        &mut self,
        service: &str,
        cursor: &str,
        organization: &str,
    ) -> Result<(), Refusal> {
        let decoded = Cursor::decode(cursor, organization)?;
        let place = decoded
            .place(service)
            .ok_or_else(|| Refusal::internal("a service gave another one's cursor"))?;
        self.set(place.clone(), cursor.to_owned());
        Ok(())
    }

    fn set(&mut self, place: Place, cursor: String) {
        match self
            .0
            .iter_mut()
            .find(|(known, _)| known.service == place.service)
        {
            Some(known) => *known = (place, cursor),
            None => self.0.push((place, cursor)),
        }
    }

    /// Moves to a sequence within a service's log.
    fn set_sequence(&mut self, service: &str, sequence: i64, organization: &str) {
        let place = self
            .0
            .iter()
            .find(|(place, _)| place.service == service)
            .map(|(place, _)| place.clone());
        if let Some(place) = place {
            let place = match place.told {
                Some(_) => Place {
                    told: Some(sequence),
                    ..place
                },
                None => Place { sequence, ..place },
            };
            let cursor = Cursor::at(organization, place.clone()).encode();
            self.set(place, cursor);
        }
    }

    /// Whether the records of some service are still being told.
    pub(super) fn telling(&self) -> bool {
        self.0.iter().any(|(place, _)| place.told.is_some())
    }

    /// Moves behind pages that were looked at and held nothing.
    pub(super) fn follow(
        &mut self,
        sources: &[Source],
        pages: &[pb::ListEventsResponse],
        organization: &str,
    ) -> Result<(), Refusal> {
        for (source, page) in sources.iter().zip(pages) {
            self.learn(source.service, &page.next_cursor, organization)?;
        }
        Ok(())
    }

    /// Takes a place back into the telling of records in which it was before.
    fn restore_telling(&mut self, before: &Self, service: &str) {
        let telling =
            |(place, _): &&(Place, String)| place.service == service && place.told.is_some();
        if let Some((place, cursor)) = before.0.iter().find(telling) {
            self.set(place.clone(), cursor.clone());
        }
    }

    /// Merges pages into one in the order of recording, and moves behind what
    /// it holds: a page that did not fit whole is read on from its last event.
    pub(super) fn take(
        &mut self,
        sources: &[Source],
        pages: Vec<pb::ListEventsResponse>,
        size: i32,
        organization: &str,
    ) -> Result<Vec<LoggedEvent>, Refusal> {
        let most = usize::try_from(size).unwrap_or_default();
        let before = self.clone();
        self.follow(sources, &pages, organization)?;
        let mut queues: Vec<VecDeque<LoggedEvent>> =
            pages.into_iter().map(|page| page.events.into()).collect();
        let mut events = Vec::new();
        while events.len() < most {
            let first = |queue: &VecDeque<LoggedEvent>| queue.front().map(recorded);
            let earliest = queues
                .iter_mut()
                .filter(|queue| !queue.is_empty())
                .min_by_key(|queue| first(queue));
            let Some(event) = earliest.and_then(VecDeque::pop_front) else {
                break;
            };
            events.push(event);
        }
        for (source, queue) in sources.iter().zip(queues) {
            if let Some(left) = queue.front() {
                self.restore_telling(&before, source.service);
                self.set_sequence(source.service, left.sequence - 1, organization);
            }
        }
        Ok(events)
    }
}

impl MergedEvents {
    /// The places that a caller's start means.
    pub(super) async fn places(
        &self,
        ask: &Ask,
        start: Option<&pb::Start>,
    ) -> Result<Places, Status> {
        let mut places = Places::default();
        let organization = ask.organization();
        let at = start.and_then(|start| start.at.clone());
        let cursor = match &at {
            Some(pb::start::At::Cursor(text)) => Some(Cursor::decode(text, organization)?),
            Some(pb::start::At::Time(_) | pb::start::At::Point(_)) | None => None,
        };
        for source in &self.sources {
            let known = cursor
                .as_ref()
                .and_then(|cursor| cursor.place(source.service));
            let text = match (&at, known) {
                (_, Some(place)) => Cursor::at(organization, place.clone()).encode(),
                (Some(pb::start::At::Time(_)), None) => source.at(ask, start).await?,
                (Some(pb::start::At::Cursor(_) | pb::start::At::Point(_)) | None, None) => {
                    let log = source.log(ask, String::new()).await?;
                    let snapshot = pb::start::At::Point(pb::StartPoint::Snapshot.into());
                    match latest(&at, cursor.as_ref()) {
                        _ if at == Some(snapshot) => {
                            let latest = Cursor::decode(&log.latest_cursor, organization)?;
                            latest.telling(0).encode()
                        }
                        true => log.latest_cursor,
                        false => log.earliest_cursor,
                    }
                }
            };
            places.learn(source.service, &text, organization)?;
        }
        Ok(places)
    }
}

/// Whether a log of which the start says nothing begins at its end: a cursor
/// of one service's write speaks of that service alone, a merged one was made
/// before the other service was there.
fn latest(at: &Option<pb::start::At>, cursor: Option<&Cursor>) -> bool {
    let point = pb::start::At::Point(pb::StartPoint::Latest.into());
    *at == Some(point) || cursor.is_some_and(|cursor| !cursor.merged)
}

impl Source {
    /// The cursor right before the first event at a time.
    async fn at(&self, ask: &Ask, start: Option<&pb::Start>) -> Result<String, Status> {
        let request = pb::ListEventsRequest {
            start: start.cloned(),
            page_size: 1,
            ..pb::ListEventsRequest::default()
        };
        let page = self
            .events
            .clone()
            .list_events(ask.carry(request))
            .await?
            .into_inner();
        let Some(first) = page.events.first() else {
            return Ok(page.next_cursor);
        };
        let cursor = Cursor::decode(&page.next_cursor, ask.organization())?;
        let epoch = cursor
            .place(self.service)
            .map(|place| place.epoch)
            .unwrap_or_default();
        Ok(Cursor::single(ask.organization(), self.service, epoch, first.sequence - 1).encode())
    }
}
