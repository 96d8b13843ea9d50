//! The metrics in one table: what each means, its variants, its dimensions,
//! and of which time it is asked. Queries, descriptors, the practice's own
//! description and refusals all read it.

/// How long after its first resolution an incident may be reopened and still
/// count in `reopen_rate`: 30 days.
pub const REOPEN_PERIOD_US: i64 = 30 * 24 * 60 * 60 * 1_000_000;

/// Which figure is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// How long resolving takes.
    TimeToResolve,
    /// How often a resolution does not hold.
    ReopenRate,
    /// How old the open ones are.
    BacklogAge,
}

/// Up to where, and of which time, `time_to_resolve` is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// Up to the last resolution.
    GrossLast,
    /// Up to the first resolution.
    GrossFirst,
    /// Up to the last resolution, without the time on hold.
    NetOfHolds,
}

/// What figures can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The service that is hurt.
    Service,
    /// The team that works on it.
    Team,
    /// How much is hurt.
    Impact,
}

/// Of which time a metric is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// Over an interval.
    Interval,
    /// As of an instant.
    Instant,
}

/// What a metric means.
#[derive(Debug)]
pub struct Definition {
    /// Which metric it is.
    pub metric: Metric,
    /// Its name.
    pub name: &'static str,
    /// The practice it belongs to.
    pub practice: &'static str,
    /// What it says, in a line.
    pub summary: &'static str,
    /// Cohort, formula and edges.
    pub text: &'static str,
    /// Its variants; the first is the default.
    pub variants: &'static [Variant],
    /// What it can be grouped by.
    pub dimensions: &'static [Dimension],
    /// Of which time it is asked.
    pub window: Window,
}

/// All metrics, in the order in which they are listed.
pub static DEFINITIONS: [Definition; 3] = [
    Definition {
        metric: Metric::TimeToResolve,
        name: "time_to_resolve",
        practice: "incident",
        summary: "How long it takes from raising an incident to resolving it.",
        text: "Incidents that are RESOLVED or CLOSED at the end of the interval and whose last resolution before that end \
               lies in the interval. A resolution is a step from an open state, or from nothing, into RESOLVED or CLOSED; \
               a step between the two is none. gross_last: last resolution - creation. gross_first: first resolution - \
               creation. net_of_holds: gross_last without the time on hold before the last resolution. Creation is when \
               the first event occurred. Cancelled incidents do not count. Dimensions have their values at the end of \
               the interval. Percentiles by nearest rank.",
        variants: &[Variant::GrossLast, Variant::GrossFirst, Variant::NetOfHolds],
        dimensions: &Dimension::ALL,
        window: Window::Interval,
    },
    Definition {
        metric: Metric::ReopenRate,
        name: "reopen_rate",
        practice: "incident",
        summary: "Which part of the incidents is reopened within 30 days of the first resolution.",
        text: "Denominator: incidents whose first resolution lies in the interval, whatever became of them. Numerator: \
               those of them that were reopened before the end of the interval and at most 30 days after that \
               resolution; several reopenings count once. A reopening is a step from RESOLVED or CLOSED to an open \
               state. Provisional: those not reopened yet whose 30 days have not passed at the end of the interval. \
               Dimensions have their values at the end of the interval.",
        variants: &[],
        dimensions: &Dimension::ALL,
        window: Window::Interval,
    },
    Definition {
        metric: Metric::BacklogAge,
        name: "backlog_age",
        practice: "incident",
        summary: "How old the open incidents are at an instant.",
        text: "Incidents whose latest event at or before the instant left them open: NEW, IN_PROGRESS, ON_HOLD or \
               MITIGATED. Age: the instant - creation, which is when the first event occurred. State and dimensions \
               have their values as of the instant. Percentiles by nearest rank.",
        variants: &[],
        dimensions: &Dimension::ALL,
        window: Window::Instant,
    },
];

impl Variant {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::GrossLast => "gross_last",
            Self::GrossFirst => "gross_first",
            Self::NetOfHolds => "net_of_holds",
        }
    }
}

impl Dimension {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Service, Self::Team, Self::Impact];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Team => "team",
            Self::Impact => "impact",
        }
    }
}

impl Definition {
    /// The definition of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        DEFINITIONS
            .iter()
            .find(|definition| definition.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_found_by_its_name_and_says_what_it_means() {
        for definition in &DEFINITIONS {
            assert_eq!(
                Definition::named(definition.name).map(|found| found.metric),
                Some(definition.metric)
            );
            assert!(
                !definition.summary.is_empty() && definition.text.len() > definition.summary.len()
            );
        }
        assert!(Definition::named("mttr").is_none());
    }

    #[test]
    fn the_default_of_time_to_resolve_is_gross_last() {
        let definition = Definition::named("time_to_resolve").unwrap();
        assert_eq!(definition.variants.first(), Some(&Variant::GrossLast));
    }
}
