//! Events as they come from a log's owner, and whether they follow on.

use bytes::Bytes;
use mainstay_chassis::clock::micros;
use mainstay_proto::LoggedEvent;
use mainstay_proto::mainstay::event::v1 as pb;

/// An event that was heard.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// Its position in the log.
    pub sequence: i64,
    /// When it was recorded.
    pub record_us: i64,
    /// The event; none when its bytes are no event, and why.
    pub event: Result<pb::Event, String>,
    /// Its bytes.
    pub body: Bytes,
}

impl From<LoggedEvent> for Heard {
    fn from(logged: LoggedEvent) -> Self {
        let time = logged.record_time.as_ref();
        Self {
            sequence: logged.sequence,
            record_us: time.and_then(micros).unwrap_or_default(),
            event: logged.decode().map_err(|error| error.to_string()),
            body: logged.event,
        }
    }
}

impl Heard {
    /// Organization and name of the record that it is about: the events of one
    /// record stay in order.
    pub(super) fn record(&self) -> (String, String) {
        let event = self.event.as_ref().ok();
        event.map_or_else(Default::default, |event| {
            (event.organization.clone(), event.subject.clone())
        })
    }

    /// Its id; empty when it cannot be read.
    pub(super) fn id(&self) -> String {
        let event = self.event.as_ref().ok();
        event.map(|event| event.id.clone()).unwrap_or_default()
    }
}

/// What a delivery means to somebody who has come to a place.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Events that follow on, without a hole.
    pub next: Vec<Heard>,
    /// Where the hole ends that comes after them, when there is one: what was
    /// delivered from there on is asked for again.
    pub hole_until: Option<i64>,
}

/// Sorts a delivery: drops what was delivered before, and stops at a hole.
pub(super) fn sorted(mut place: i64, delivery: Vec<LoggedEvent>) -> Sorted {
    let mut sorted = Sorted::default();
    let newest = delivery.iter().map(|logged| logged.sequence).max();
    for logged in delivery {
        match logged.sequence - place {
            ..=0 => {}
            1 => {
                place = logged.sequence;
                sorted.next.push(Heard::from(logged));
            }
            2.. => {
                sorted.hole_until = newest;
                break;
            }
        }
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(sequences: &[i64]) -> Vec<LoggedEvent> {
        let logged = |sequence: &i64| LoggedEvent {
            sequence: *sequence,
            ..LoggedEvent::default()
        };
        sequences.iter().map(logged).collect()
    }

    fn outcome(place: i64, sequences: &[i64]) -> (Vec<i64>, Option<i64>) {
        let sorted = sorted(place, delivery(sequences));
        let next = sorted.next.iter().map(|heard| heard.sequence).collect();
        (next, sorted.hole_until)
    }

    #[test]
    fn what_follows_on_is_taken_and_what_was_there_is_dropped() {
        assert_eq!(outcome(2, &[1, 2, 3, 3, 4]), (vec![3, 4], None));
        assert_eq!(outcome(4, &[1, 2]), (vec![], None));
        assert_eq!(outcome(0, &[]), (vec![], None));
    }

    #[test]
    fn a_hole_is_not_jumped_over() {
        assert_eq!(outcome(2, &[3, 5, 6]), (vec![3], Some(6)));
        assert_eq!(outcome(2, &[4, 3]), (vec![], Some(4)));
    }
}
