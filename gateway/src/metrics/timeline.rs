//! What became of one incident over time, as far as metrics care. Pure: no
//! clock, no database, no wire.

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Nobody works on it yet.
    New,
    /// Being worked on.
    InProgress,
    /// Waiting.
    OnHold,
    /// Users are no longer hurt.
    Mitigated,
    /// Service is restored.
    Resolved,
    /// Resolved and confirmed.
    Closed,
    /// It was none.
    Cancelled,
}

impl State {
    const ALL: [Self; 7] = [
        Self::New,
        Self::InProgress,
        Self::OnHold,
        Self::Mitigated,
        Self::Resolved,
        Self::Closed,
        Self::Cancelled,
    ];

    /// Its name, as it is stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::InProgress => "IN_PROGRESS",
            Self::OnHold => "ON_HOLD",
            Self::Mitigated => "MITIGATED",
            Self::Resolved => "RESOLVED",
            Self::Closed => "CLOSED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The state of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether there is still something to do.
    pub fn is_open(self) -> bool {
        match self {
            Self::New | Self::InProgress | Self::OnHold | Self::Mitigated => true,
            Self::Resolved | Self::Closed | Self::Cancelled => false,
        }
    }

    /// Whether it was done.
    pub fn is_resolved(self) -> bool {
        match self {
            Self::Resolved | Self::Closed => true,
            Self::New | Self::InProgress | Self::OnHold | Self::Mitigated | Self::Cancelled => {
                false
            }
        }
    }
}

/// An incident from an instant on, until its next point. Words are kept once
/// per organization; a point holds their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// When it came to be so, in microseconds since the epoch.
    pub occur_us: i64,
    /// The service's slug.
    pub service: u32,
    /// The team's slug.
    pub team: u32,
    /// The impact's name.
    pub impact: u32,
    /// The state.
    pub state: State,
}

/// The points of one incident in the order of its log, in which time never
/// goes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline(Vec<Point>);

/// What a timeline says of resolutions, up to an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolutions {
    /// The first resolution.
    pub first_us: i64,
    /// The last resolution.
    pub last_us: i64,
    /// Time on hold before the last resolution.
    pub held_us: i64,
    /// The first reopening after the first resolution.
    pub reopened_us: Option<i64>,
}

impl Timeline {
    /// Adds what came next.
    pub fn push(&mut self, point: Point) {
        self.0.push(point);
    }

    /// The newest point.
    pub fn newest(&self) -> Option<&Point> {
        self.0.last()
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no points.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the incident was created.
    pub fn created_us(&self) -> Option<i64> {
        self.0.first().map(|point| point.occur_us)
    }

    /// Returns what occurred before an instant.
    pub fn before(&self, end_us: i64) -> &[Point] {
        self.until(|point| point.occur_us < end_us)
    }

    /// Returns what occurred at or before an instant.
    pub fn as_of(&self, instant_us: i64) -> &[Point] {
        self.until(|point| point.occur_us <= instant_us)
    }

    fn until(&self, holds: impl Fn(&Point) -> bool) -> &[Point] {
        match self.0.last() {
            Some(newest) if holds(newest) => &self.0,
            Some(_) => &self.0[..self.0.partition_point(holds)],
            None => &[],
        }
    }
}

impl Resolutions {
    /// The resolutions among points; none when there is none.
    pub fn of(points: &[Point]) -> Option<Self> {
        let mut found: Option<Self> = None;
        let mut held_us = 0;
        let mut previous: Option<&Point> = None;
        for point in points {
            if let Some(before) = previous.filter(|before| before.state == State::OnHold) {
                held_us += point.occur_us - before.occur_us;
            }
            let was_open = previous.is_none_or(|before| before.state.is_open());
            if was_open && point.state.is_resolved() {
                let first_us = found.map_or(point.occur_us, |earlier| earlier.first_us);
                let reopened_us = found.and_then(|earlier| earlier.reopened_us);
                found = Some(Self {
                    first_us,
                    last_us: point.occur_us,
                    held_us,
                    reopened_us,
                });
            }
            let was_resolved = previous.is_some_and(|before| before.state.is_resolved());
            if let Some(found) = found
                .as_mut()
                .filter(|_| was_resolved && point.state.is_open())
            {
                found.reopened_us.get_or_insert(point.occur_us);
            }
            previous = Some(point);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use State::*;

    fn points(steps: &[(i64, State)]) -> Vec<Point> {
        steps
            .iter()
            .map(|&(occur_us, state)| Point {
                occur_us,
                state,
                service: 0,
                team: 0,
                impact: 0,
            })
            .collect()
    }

    fn resolutions(steps: &[(i64, State)]) -> Option<(i64, i64, i64, Option<i64>)> {
        Resolutions::of(&points(steps)).map(|found| {
            (
                found.first_us,
                found.last_us,
                found.held_us,
                found.reopened_us,
            )
        })
    }

    #[test]
    fn a_resolution_is_a_step_from_open_or_from_nothing() {
        assert_eq!(resolutions(&[(1, New), (5, InProgress)]), None);
        assert_eq!(
            resolutions(&[(1, New), (5, Resolved)]),
            Some((5, 5, 0, None))
        );
        assert_eq!(resolutions(&[(1, Closed)]), Some((1, 1, 0, None)));
        assert_eq!(
            resolutions(&[(1, Mitigated), (4, Closed)]),
            Some((4, 4, 0, None))
        );
    }

    #[test]
    fn a_step_between_resolved_and_closed_is_none() {
        assert_eq!(
            resolutions(&[(1, New), (5, Resolved), (9, Closed)]),
            Some((5, 5, 0, None))
        );
        assert_eq!(
            resolutions(&[(1, New), (5, Closed), (9, Resolved)]),
            Some((5, 5, 0, None))
        );
    }

    #[test]
    fn a_cancelled_incident_is_neither_resolved_nor_reopened() {
        assert_eq!(resolutions(&[(1, New), (5, Cancelled)]), None);
        assert_eq!(
            resolutions(&[(1, New), (5, Cancelled), (7, Resolved)]),
            None
        );
        assert_eq!(
            resolutions(&[(1, New), (5, Resolved), (7, Cancelled), (9, New)]),
            Some((5, 5, 0, None))
        );
    }

    #[test]
    fn a_reopening_counts_from_closed_too_and_the_first_is_kept() {
        let steps = [
            (1, New),
            (5, Resolved),
            (6, Closed),
            (8, InProgress),
            (9, Resolved),
            (11, OnHold),
            (15, Closed),
        ];
        assert_eq!(resolutions(&steps), Some((5, 15, 4, Some(8))));
    }

    #[test]
    fn holds_count_up_to_the_last_resolution_only() {
        let steps = [
            (0, OnHold),
            (10, InProgress),
            (20, OnHold),
            (25, Resolved),
            (30, OnHold),
            (70, New),
        ];
        assert_eq!(resolutions(&steps), Some((25, 25, 15, Some(30))));
    }

    #[test]
    fn steps_of_one_instant_count_in_their_order() {
        assert_eq!(
            resolutions(&[(3, New), (3, Resolved), (3, New), (3, Resolved)]),
            Some((3, 3, 0, Some(3)))
        );
    }

    #[test]
    fn an_interval_ends_before_its_end_and_an_instant_includes_itself() {
        let mut timeline = Timeline::default();
        points(&[(1, New), (5, OnHold), (5, InProgress), (9, Resolved)])
            .into_iter()
            .for_each(|point| timeline.push(point));
        assert_eq!(timeline.before(5).len(), 1);
        assert_eq!(timeline.as_of(5).len(), 3);
        assert_eq!(timeline.before(1).len(), 0);
        assert_eq!(timeline.as_of(100).len(), 4);
    }

    #[test]
    fn states_are_found_by_their_names() {
        for state in State::ALL {
            assert_eq!(State::named(state.name()), Some(state));
            assert!(!(state.is_open() && state.is_resolved()));
        }
    }
}
