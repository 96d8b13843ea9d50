//! `mainstay metrics`: asks for a metric once everything that was written
//! before is counted.

use mainstay_proto::mainstay::event::v1::GetEventLogRequest;
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::metrics::v1 as pb;
use mainstay_proto::mainstay::metrics::v1::metric_group::Figure;
use mainstay_proto::mainstay::metrics::v1::metric_service_client::MetricServiceClient;
use mainstay_proto::mainstay::metrics::v1::query_metrics_request::Window;

use crate::client::ServerArgs;
use crate::{output, time};

/// Which metric.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Its name, such as `time_to_resolve`.
    name: String,
    /// The variant; without it, the metric's first.
    #[arg(long)]
    variant: Option<String>,
    /// A dimension to group by, such as `service`; may be repeated.
    #[arg(long, value_name = "DIMENSION")]
    group_by: Vec<String>,
    /// As of this instant, for metrics of an instant.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "to"])]
    at: Option<String>,
    /// From this instant on.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Up to this instant, exclusive.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Print the reply as canonical JSON.
    #[arg(long)]
    json: bool,
}

/// Answers it.
pub(crate) async fn run(server: &ServerArgs, args: Args) -> anyhow::Result<()> {
    let window = window(&args)?;
    let connection = server.connect()?;
    let log = EventServiceClient::new(connection.clone())
        .get_event_log(GetEventLogRequest::default())
        .await;
    let log = log
        .map_err(|status| server.explain(&status))?
        .into_inner()
        .log
        .unwrap_or_default();
    let request = pb::QueryMetricsRequest {
        metric: args.name,
        variant: args.variant.unwrap_or_default(),
        window,
        group_by: args.group_by,
        min_cursor: log.latest_cursor,
        ..Default::default()
    };
    let group_by = request.group_by.clone();
    let reply = MetricServiceClient::new(connection)
        .query_metrics(request)
        .await;
    let reply = reply
        .map_err(|status| server.explain(&status))?
        .into_inner();
    match args.json {
        true => output::say(output::json(
            "mainstay.metrics.v1.QueryMetricsResponse",
            &reply,
        )?)?,
        false => {
            for line in lines(&group_by, &reply) {
                output::say(line)?;
            }
        }
    }
    Ok(())
}

fn window(args: &Args) -> anyhow::Result<Option<Window>> {
    let read = |option, text: &Option<String>| {
        text.as_deref()
            .map(|text| time::instant(option, text))
            .transpose()
    };
    let (at, from, to) = (
        read("--at", &args.at)?,
        read("--from", &args.from)?,
        read("--to", &args.to)?,
    );
    Ok(match (at, from, to) {
        (Some(at), _, _) => Some(Window::AsOf(at)),
        (None, None, None) => None,
        (None, start_time, end_time) => Some(Window::Interval(pb::Interval {
            start_time,
            end_time,
        })),
    })
}

/// A reply for people: what was asked, then a line per group.
fn lines(group_by: &[String], reply: &pb::QueryMetricsResponse) -> Vec<String> {
    let interval = reply.interval.as_ref().map(|interval| {
        let start = output::instant(interval.start_time.as_ref());
        format!(
            " from {start} to {}",
            output::instant(interval.end_time.as_ref())
        )
    });
    let instant = reply
        .as_of
        .as_ref()
        .map(|at| format!(" as of {}", output::instant(Some(at))));
    let window = interval.or(instant).unwrap_or_default();
    let variant = if reply.variant.is_empty() {
        String::new()
    } else {
        format!(" ({})", reply.variant)
    };
    let by = if group_by.is_empty() {
        String::new()
    } else {
        format!(" by {}", group_by.join(", "))
    };
    let title = format!("{}{variant}{by}{window}", reply.metric);
    std::iter::once(title)
        .chain(reply.groups.iter().map(group))
        .collect()
}

fn group(group: &pb::MetricGroup) -> String {
    let keys: Vec<_> = group
        .keys
        .iter()
        .map(|key| {
            if key.is_empty() {
                "(none)"
            } else {
                key.as_str()
            }
        })
        .collect();
    let keys = if keys.is_empty() {
        String::new()
    } else {
        format!("{}: ", keys.join(", "))
    };
    let figure = match &group.figure {
        Some(Figure::Distribution(spread)) => distribution(spread),
        Some(Figure::Ratio(ratio)) => ratio_text(ratio),
        None => "-".to_owned(),
    };
    format!("  {keys}{figure}")
}

fn distribution(spread: &pb::Distribution) -> String {
    let figures = [
        ("mean", spread.mean_ms),
        ("p50", spread.p50_ms),
        ("p75", spread.p75_ms),
        ("p90", spread.p90_ms),
        ("p95", spread.p95_ms),
        ("max", spread.max_ms),
    ];
    let told = figures
        .into_iter()
        .filter_map(|(name, ms)| Some(format!("  {name} {}", length(ms?))));
    format!(
        "n {}  missing {}{}",
        spread.n,
        spread.n_missing,
        told.collect::<String>()
    )
}

fn ratio_text(ratio: &pb::Ratio) -> String {
    let open = match ratio.n_provisional {
        0 => String::new(),
        n => format!("  ({n} provisional)"),
    };
    let share = percent(ratio.numerator, ratio.denominator)
        .map(|share| format!("  {share} %"))
        .unwrap_or_default();
    format!("{} of {}{share}{open}", ratio.numerator, ratio.denominator)
}

/// A share in percent with one digit, rounded half up; none of nothing.
fn percent(part: i64, whole: i64) -> Option<String> {
    let tenths = part
        .checked_mul(2_000)?
        .checked_add(whole)?
        .checked_div(whole.checked_mul(2)?)?;
    Some(format!("{}.{}", tenths / 10, tenths % 10))
}

/// A length of time for people, to the second.
fn length(ms: i64) -> String {
    let seconds = ms / 1_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{}.{:03}s", seconds % 60, ms % 1_000),
        (0, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (0, _, _) => format!("{hours}h{minutes:02}m{:02}s", seconds % 60),
        _ => format!("{days}d{hours:02}h{minutes:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_nothing_is_no_number() {
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(1, 3).as_deref(), Some("33.3"));
        assert_eq!(percent(2, 3).as_deref(), Some("66.7"));
        assert_eq!(percent(3, 3).as_deref(), Some("100.0"));
    }

    #[test]
    fn lengths_are_told_in_the_units_people_use() {
        assert_eq!(length(1_500), "1.500s");
        assert_eq!(length(61_000), "1m01s");
        assert_eq!(length(3_600_000), "1h00m00s");
        assert_eq!(length(90_000_000), "1d01h00m");
    }

    #[test]
    fn a_group_without_a_value_is_named_so() {
        let ratio = pb::Ratio {
            numerator: 1,
            denominator: 4,
            n_provisional: 2,
        };
        let told = group(&pb::MetricGroup {
            keys: vec![String::new()],
            figure: Some(Figure::Ratio(ratio)),
        });
        assert_eq!(told, "  (none): 1 of 4  25.0 %  (2 provisional)");
    }
}
