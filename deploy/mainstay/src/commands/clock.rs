//! `mainstay clock`: what time it is in the suite, and moving it.

use mainstay_proto::mainstay::clock::v1 as pb;
use mainstay_proto::mainstay::clock::v1::clock_service_client::ClockServiceClient;
use pb::advance_clock_request::Target;

use crate::client::ServerArgs;
use crate::{Usage, output, time};

/// What to do with the clock.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Print the suite's time.
    Show,
    /// Move the virtual clock on, and fire what comes due on the way.
    Advance {
        /// By a span, such as `30d` or `12h`.
        #[arg(long, value_name = "SPAN", required_unless_present = "to")]
        by: Option<String>,
        /// To a time, such as 2026-01-31T08:00:00Z.
        #[arg(long, value_name = "TIME", conflicts_with = "by")]
        to: Option<String>,
    },
}

/// Does it.
pub(crate) async fn run(server: &ServerArgs, what: What) -> anyhow::Result<()> {
    let mut client = ClockServiceClient::new(server.connect()?);
    let (by, to) = match what {
        What::Show => {
            let reply = client.get_clock(pb::GetClockRequest {}).await;
            let reply = reply.map_err(|status| server.explain(&status))?;
            return Ok(output::say(line(reply.into_inner().clock))?);
        }
        What::Advance { by, to } => (by, to),
    };
    let by = by.as_deref().map(span).transpose()?.map(Target::By);
    let to = to.as_deref().map(|to| time::instant("--to", to));
    let request = pb::AdvanceClockRequest {
        target: by.or(to.transpose()?.map(Target::To)),
        request_id: uuid::Uuid::now_v7().to_string(),
    };
    let reply = client.advance_clock(request).await;
    let reply = reply.map_err(|status| server.explain(&status))?;
    let reply = reply.into_inner();
    output::remark(format!("{} timers fired", reply.fired));
    Ok(output::say(line(reply.clock))?)
}

/// The clock on one line.
fn line(clock: Option<pb::Clock>) -> String {
    let clock = clock.unwrap_or_default();
    let kind = match clock.kind() {
        pb::ClockKind::Wall => "wall",
        pb::ClockKind::Virtual => "virtual",
        pb::ClockKind::Unspecified => "-",
    };
    format!("{}  {kind}", output::instant(clock.time.as_ref()))
}

fn span(text: &str) -> anyhow::Result<prost_types::Duration> {
    let wrong = || {
        Usage::new(format!(
            "--by {text}: give days, hours or less, such as 30d"
        ))
    };
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours());
    let length = length.map_err(|_| wrong())?;
    Ok(prost_types::Duration {
        seconds: length.as_secs(),
        nanos: length.subsec_nanos(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_of_days_at_most() {
        assert_eq!(span("30d").unwrap().seconds, 30 * 86_400);
        assert!(span("1mo").is_err() && span("soon").is_err());
    }
}
