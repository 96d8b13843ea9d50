//! `mainstay watch`: prints events as they happen, and goes on where it was
//! when the server restarts, drains the stream or is silent for too long.

use std::ops::ControlFlow;
use std::time::Duration;

use mainstay_proto::mainstay::event::v1 as pb;
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::event::v1::start::At;
use mainstay_proto::mainstay::event::v1::watch_events_response::Content;
use tonic::{Code, Status};

use crate::client::{Connection, ServerArgs};
use crate::{output, time};

mod line;

/// After so much silence the connection is dead: the server promises a
/// message every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);
/// The first wait before the next try, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Which events.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to begin: `earliest`, `latest`, a time, or a cursor that `--json` gave.
    #[arg(long, value_name = "PLACE", default_value = "latest")]
    from: String,
    /// Only events of this type, or of a package as `mainstay.incident.v1.*`;
    /// may be repeated.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Print one JSON object per event.
    #[arg(long)]
    json: bool,
}

/// Prints events until it is interrupted.
pub(crate) async fn run(server: &ServerArgs, args: Args) -> anyhow::Result<()> {
    let mut watch = Watch {
        client: EventServiceClient::new(server.connect()?).max_decoding_message_size(8 << 20),
        at: start(&args.from)?,
        filter: pb::EventFilter {
            types: args.types,
            subjects: Vec::new(),
        },
        json: args.json,
        wait: WAITS.0,
        reached: false,
    };
    let interrupted = mainstay_chassis::shutdown::signal();
    tokio::select! {
        () = interrupted => Ok(()),
        ended = watch.follow(server) => ended,
    }
}

/// A subscription, over as many streams as it takes.
struct Watch {
    client: EventServiceClient<Connection>,
    at: At,
    filter: pb::EventFilter,
    json: bool,
    wait: Duration,
    reached: bool,
}

impl Watch {
    /// Opens one stream after the other; returns only when going on is of no use.
    async fn follow(&mut self, server: &ServerArgs) -> anyhow::Result<()> {
        loop {
            match self.stream().await {
                Ok(pause) => tokio::time::sleep(pause).await,
                Err(Ended::Output(cause)) => return Err(cause),
                Err(Ended::Status(status)) => {
                    if !self.reached || is_final(status.code()) {
                        return Err(server.explain(&status));
                    }
                    output::remark(format!("lost the server ({}), trying again", status.code()));
                    tokio::time::sleep(self.wait).await;
                    self.wait = (self.wait * 2).min(WAITS.1);
                }
            }
        }
    }

    /// Prints one stream to its end; says how long to wait before the next.
    async fn stream(&mut self) -> Result<Duration, Ended> {
        let start = Some(pb::Start {
            at: Some(self.at.clone()),
        });
        let request = pb::WatchEventsRequest {
            parent: String::new(),
            start,
            filter: Some(self.filter.clone()),
        };
        let opened = within(self.client.watch_events(request)).await??;
        let mut stream = opened.into_inner();
        self.reached = true;
        loop {
            let Some(response) = within(stream.message()).await?? else {
                return Ok(WAITS.0);
            };
            self.wait = WAITS.0;
            if let ControlFlow::Break(pause) = self.take(response).map_err(Ended::Output)? {
                return Ok(pause);
            }
        }
    }

    /// Prints a message, and remembers its cursor only then.
    fn take(&mut self, response: pb::WatchEventsResponse) -> anyhow::Result<ControlFlow<Duration>> {
        let mut flow = ControlFlow::Continue(());
        match response.content {
            Some(Content::Events(batch)) => {
                line::print(&batch.events, &response.cursor, self.json)?
            }
            Some(Content::Drain(drain)) => {
                let pause = u64::try_from(drain.reconnect_delay_ms).unwrap_or_default();
                flow = ControlFlow::Break(Duration::from_millis(pause));
            }
            Some(Content::Bookmark(_)) | None => {}
        }
        if !response.cursor.is_empty() {
            self.at = At::Cursor(response.cursor);
        }
        Ok(flow)
    }
}

/// Why a stream ended.
enum Ended {
    /// The server said so, or is away.
    Status(Status),
    /// Nobody reads what is printed.
    Output(anyhow::Error),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// Waits for a message no longer than the server may be silent.
async fn within<T>(message: impl Future<Output = T>) -> Result<T, Ended> {
    let silent = |_| Ended::Status(mainstay_chassis::Refusal::deadline().into());
    tokio::time::timeout(SILENCE, message).await.map_err(silent)
}

/// Whether the same call would get the same answer.
fn is_final(code: Code) -> bool {
    match code {
        Code::Unavailable
        | Code::Unknown
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Internal
        | Code::DataLoss => false,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => true,
    }
}

/// Where to begin. What is neither a word nor a time is taken for a cursor;
/// the server refuses a bad one.
fn start(from: &str) -> anyhow::Result<At> {
    Ok(match from {
        "earliest" => At::Point(pb::StartPoint::Earliest.into()),
        "latest" => At::Point(pb::StartPoint::Latest.into()),
        text if text.contains(':') => At::Time(time::instant("--from", text)?),
        cursor => At::Cursor(cursor.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_word_a_time_or_a_cursor() {
        assert_eq!(start("earliest").unwrap(), At::Point(1));
        assert!(matches!(
            start("2026-01-01T00:00:00Z").unwrap(),
            At::Time(_)
        ));
        assert!(matches!(start("AbC_-9").unwrap(), At::Cursor(_)));
        assert!(start("12:30").is_err());
    }
}
