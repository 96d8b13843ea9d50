//! A request understood, or what is wrong with each of its fields and how to
//! mend it.

use mainstay_chassis::Refusal;
use mainstay_chassis::clock::micros;
use mainstay_proto::mainstay::metrics::v1 as pb;
use pb::query_metrics_request::Window as Asked;
use prost_types::Timestamp;

use super::definition::{DEFINITIONS, Definition, Dimension, Metric, Variant, Window};
use super::query::{Interval, Measure};
use super::wire;

/// What a request asks for.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// The metric.
    pub(crate) definition: &'static Definition,
    /// The variant, when it has some.
    pub(crate) variant: Option<Variant>,
    /// The dimensions to group by.
    pub(crate) by: Vec<Dimension>,
    /// Start of the interval; none means the beginning of time.
    pub(crate) start_us: Option<i64>,
    /// End of the interval, or the instant; none means now.
    pub(crate) end_us: Option<i64>,
}

/// Fields that break a rule, each with its remedy.
#[derive(Debug, Default)]
struct Wrong(Vec<(String, String)>);

impl Wrong {
    fn say(&mut self, field: impl Into<String>, remedy: impl Into<String>) {
        self.0.push((field.into(), remedy.into()));
    }
}

impl Question {
    /// Understands a request.
    pub(crate) fn of(request: &pb::QueryMetricsRequest) -> Result<Self, Refusal> {
        let known = DEFINITIONS.iter().map(|definition| definition.name);
        let Some(definition) = Definition::named(&request.metric) else {
            return Err(Refusal::invalid("metric", one_of(known, &request.metric)));
        };
        let mut wrong = Wrong::default();
        let variant = variant(definition, &request.variant, &mut wrong);
        let by = dimensions(definition, &request.group_by, &mut wrong);
        let (start_us, end_us) = window(definition, request.window.as_ref(), &mut wrong);
        match wrong.0.is_empty() {
            true => Ok(Self {
                definition,
                variant,
                by,
                start_us,
                end_us,
            }),
            false => Err(Refusal::invalid_all(wrong.0)),
        }
    }

    /// The end of the interval, or the instant. An interval is open at its
    /// end, so that one up to now ends right after it.
    pub(crate) fn end_at(&self, now_us: i64) -> i64 {
        match self.definition.window {
            Window::Interval => self.end_us.unwrap_or_else(|| now_us.saturating_add(1)),
            Window::Instant => self.end_us.unwrap_or(now_us),
        }
    }

    /// What the engine is to compute.
    pub(crate) fn measure(&self, end_us: i64) -> Measure {
        let interval = Interval {
            start_us: self.start_us.unwrap_or(i64::MIN),
            end_us,
        };
        match self.definition.metric {
            Metric::TimeToResolve => {
                Measure::TimeToResolve(self.variant.unwrap_or(Variant::GrossLast), interval)
            }
            Metric::ReopenRate => Measure::ReopenRate(interval),
            Metric::BacklogAge => Measure::BacklogAge(end_us),
        }
    }
}

fn variant(definition: &Definition, name: &str, wrong: &mut Wrong) -> Option<Variant> {
    let found = wire::variant(definition, name);
    if found.is_none() && !name.is_empty() {
        let known = definition.variants.iter().map(|variant| variant.name());
        match definition.variants.is_empty() {
            true => wrong.say(
                "variant",
                format!("must be empty: {} has one form only", definition.name),
            ),
            false => wrong.say("variant", one_of(known, name)),
        }
    }
    found
}

fn dimensions(definition: &Definition, names: &[String], wrong: &mut Wrong) -> Vec<Dimension> {
    let mut found: Vec<Dimension> = Vec::new();
    for (place, name) in names.iter().enumerate() {
        match wire::dimension(definition, name) {
            Some(dimension) if found.contains(&dimension) => {
                wrong.say(
                    format!("group_by[{place}]"),
                    format!("must not name {name} twice"),
                );
            }
            Some(dimension) => found.push(dimension),
            None => {
                let known = definition
                    .dimensions
                    .iter()
                    .map(|dimension| dimension.name());
                wrong.say(format!("group_by[{place}]"), one_of(known, name));
            }
        }
    }
    found
}

fn window(
    definition: &Definition,
    asked: Option<&Asked>,
    wrong: &mut Wrong,
) -> (Option<i64>, Option<i64>) {
    let name = definition.name;
    match (definition.window, asked) {
        (_, None) => (None, None),
        (Window::Interval, Some(Asked::Interval(interval))) => bounds(interval, wrong),
        (Window::Instant, Some(Asked::AsOf(instant))) => (None, exactly(instant, "as_of", wrong)),
        (Window::Interval, Some(Asked::AsOf(_))) => {
            wrong.say(
                "as_of",
                format!("must be absent: {name} is asked over an interval, so give interval"),
            );
            (None, None)
        }
        (Window::Instant, Some(Asked::Interval(_))) => {
            wrong.say(
                "interval",
                format!("must be absent: {name} is asked as of an instant, so give as_of"),
            );
            (None, None)
        }
    }
}

fn bounds(interval: &pb::Interval, wrong: &mut Wrong) -> (Option<i64>, Option<i64>) {
    let start_us = interval
        .start_time
        .as_ref()
        .and_then(|time| not_before(time, "interval.start_time", wrong));
    let end_us = interval
        .end_time
        .as_ref()
        .and_then(|time| not_before(time, "interval.end_time", wrong));
    if let (Some(start_us), Some(end_us)) = (start_us, end_us)
        && end_us < start_us
    {
        wrong.say(
            "interval.end_time",
            "must not be before interval.start_time",
        );
    }
    (start_us, end_us)
}

/// The microsecond of an instant.
fn exactly(time: &Timestamp, field: &str, wrong: &mut Wrong) -> Option<i64> {
    let us = micros(time);
    if us.is_none() {
        wrong.say(field, "must lie in the years 1 to 9999");
    }
    us
}

/// The first microsecond that is not before a time: the same events lie before
/// either of them.
fn not_before(time: &Timestamp, field: &str, wrong: &mut Wrong) -> Option<i64> {
    let rest = i64::from(time.nanos % 1_000 != 0);
    exactly(time, field, wrong).map(|us| us + rest)
}

/// The remedy for a name that is none of the known ones.
fn one_of(known: impl Iterator<Item = &'static str> + Clone, given: &str) -> String {
    let list = known.clone().collect::<Vec<_>>().join(", ");
    let likeness = |name: &&str| strsim::jaro_winkler(name, given);
    let nearest = known.max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    match nearest.filter(|name| likeness(name) > 0.8) {
        Some(nearest) => format!("must be one of {list}; did you mean {nearest}?"),
        None => format!("must be one of {list}"),
    }
}

#[cfg(test)]
mod tests {
    use mainstay_proto::mainstay::error::v1::ErrorReason;

    use super::*;

    fn ask(metric: &str) -> pb::QueryMetricsRequest {
        pb::QueryMetricsRequest {
            metric: metric.to_owned(),
            ..pb::QueryMetricsRequest::default()
        }
    }

    fn over(start: Option<Timestamp>, end: Option<Timestamp>) -> Option<Asked> {
        Some(Asked::Interval(pb::Interval {
            start_time: start,
            end_time: end,
        }))
    }

    fn at(seconds: i64, nanos: i32) -> Timestamp {
        Timestamp { seconds, nanos }
    }

    fn refused(request: &pb::QueryMetricsRequest) -> String {
        let refusal = Question::of(request).unwrap_err();
        assert_eq!(refusal.reason(), ErrorReason::ValidationFailed);
        refusal.message().to_owned()
    }

    #[test]
    fn an_unknown_metric_is_told_the_known_ones_and_the_nearest() {
        let known = "metric must be one of time_to_resolve, reopen_rate, backlog_age";
        assert_eq!(refused(&ask("mttr")), known);
        assert_eq!(
            refused(&ask("time_to_resolv")),
            format!("{known}; did you mean time_to_resolve?")
        );
        assert_eq!(
            refused(&ask("backlog")),
            format!("{known}; did you mean backlog_age?")
        );
    }

    #[test]
    fn a_variant_is_one_of_the_metric() {
        let wrong = |metric, variant: &str| {
            refused(&pb::QueryMetricsRequest {
                variant: variant.to_owned(),
                ..ask(metric)
            })
        };
        let known = "variant must be one of gross_last, gross_first, net_of_holds; did you mean gross_last?";
        assert_eq!(wrong("time_to_resolve", "gross_lats"), known);
        assert_eq!(
            wrong("reopen_rate", "gross_last"),
            "variant must be empty: reopen_rate has one form only"
        );
        assert_eq!(
            Question::of(&ask("time_to_resolve")).unwrap().variant,
            Some(Variant::GrossLast)
        );
        assert_eq!(Question::of(&ask("backlog_age")).unwrap().variant, None);
    }

    #[test]
    fn every_wrong_dimension_is_named_with_its_place() {
        let by = |names: &[&str]| pb::QueryMetricsRequest {
            group_by: names.iter().map(|&name| name.to_owned()).collect(),
            ..ask("backlog_age")
        };
        assert_eq!(
            refused(&by(&["team", "colour"])),
            "group_by[1] must be one of service, team, impact"
        );
        assert_eq!(
            refused(&by(&["team", "team"])),
            "group_by[1] must not name team twice"
        );
        let question = Question::of(&by(&["impact", "service"])).unwrap();
        assert_eq!(question.by, [Dimension::Impact, Dimension::Service]);
    }

    #[test]
    fn the_window_is_of_the_metrics_kind_and_in_order() {
        let interval = |metric, start, end| pb::QueryMetricsRequest {
            window: over(start, end),
            ..ask(metric)
        };
        assert_eq!(
            refused(&interval("backlog_age", None, None)),
            "interval must be absent: backlog_age is asked as of an instant, so give as_of"
        );
        let as_of = |time| Some(Asked::AsOf(time));
        assert_eq!(
            refused(&pb::QueryMetricsRequest {
                window: as_of(at(0, 0)),
                ..ask("reopen_rate")
            }),
            "as_of must be absent: reopen_rate is asked over an interval, so give interval"
        );
        assert_eq!(
            refused(&interval("reopen_rate", Some(at(5, 0)), Some(at(4, 0)))),
            "interval.end_time must not be before interval.start_time"
        );
        assert_eq!(
            refused(&interval("reopen_rate", Some(at(i64::MAX, 0)), None)),
            "interval.start_time must lie in the years 1 to 9999"
        );
        assert_eq!(
            refused(&pb::QueryMetricsRequest {
                window: as_of(at(0, -1)),
                ..ask("backlog_age")
            }),
            "as_of must lie in the years 1 to 9999"
        );
        assert!(Question::of(&interval("reopen_rate", Some(at(5, 0)), Some(at(5, 0)))).is_ok());
    }

    #[test]
    fn bounds_between_two_microseconds_keep_the_same_events_before_them() {
        let request = pb::QueryMetricsRequest {
            window: over(Some(at(1, 1_001)), Some(at(2, 5_000))),
            ..ask("reopen_rate")
        };
        let question = Question::of(&request).unwrap();
        assert_eq!(
            (question.start_us, question.end_us),
            (Some(1_000_002), Some(2_000_005))
        );
        let request = pb::QueryMetricsRequest {
            window: Some(Asked::AsOf(at(1, 1_999))),
            ..ask("backlog_age")
        };
        assert_eq!(Question::of(&request).unwrap().end_us, Some(1_000_001));
    }

    #[test]
    fn an_absent_end_is_now_with_what_occurs_in_this_very_microsecond() {
        let question = Question::of(&ask("time_to_resolve")).unwrap();
        assert_eq!(question.end_at(7), 8);
        assert_eq!(Question::of(&ask("backlog_age")).unwrap().end_at(7), 7);
    }
}
