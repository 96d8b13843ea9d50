//! Sends histories: a bounded number of calls at a time, each repeated while
//! the server is busy or away. Repeating is safe, since an import is
//! idempotent.

use std::cell::Cell;
use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

use futures::StreamExt;
use indicatif::ProgressBar;
use mainstay_proto::mainstay::incident::v1 as pb;
use prost::Message;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use super::history::{Words, count};
use super::log::Incident;
use super::report::{Report, Sent};

/// As many histories as a call may have.
const BATCH: usize = 100;
/// As many bytes of histories as a call carries; a request may have 1 MiB.
const BATCH_BYTES: usize = 768 * 1024;
/// As long as the server takes at most for an import.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often a call is made before the import gives up: for about a minute
/// with a server that has answered before, else for a few seconds.
const ATTEMPTS: u32 = 12;
const FIRST_ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Only ask what would happen.
    pub(super) dry_run: bool,
    /// As many calls at a time.
    pub(super) in_flight: usize,
}

/// Sends the incidents that were not rejected, and puts into the report what
/// became of them.
///
/// # Errors
/// When a call fails for good; nothing is sent after it.
pub(super) async fn send<C, F>(
    incidents: &[Incident],
    words: &Words,
    manner: Manner,
    call: C,
    bar: &ProgressBar,
    report: &mut Report,
) -> Result<(), Status>
where
    C: Fn(Request<pb::ImportIncidentsRequest>) -> F,
    F: Future<Output = Result<Response<pb::ImportIncidentsResponse>, Status>>,
{
    let failed = Cell::new(false);
    let line = Line {
        bar,
        answers: Cell::new(false),
    };
    let mut outcome = Ok(());
    let batches = Batches {
        incidents: incidents.iter(),
        words,
        held: None,
    };
    // What is under way when a call fails is waited for, so that the report is true.
    let batches = batches.take_while(|_| !failed.get());
    let calls = futures::stream::iter(batches).map(|batch| {
        let request = pb::ImportIncidentsRequest {
            parent: String::new(),
            histories: batch.histories,
            validate_only: manner.dry_run,
        };
        let (sent, call, line) = (batch.sent, &call, &line);
        async move { (sent, deliver(call, request, line).await) }
    });
    let mut answers = std::pin::pin!(calls.buffer_unordered(manner.in_flight));
    while let Some((sent, answer)) = answers.next().await {
        bar.inc(count(sent.len()));
        match answer {
            Ok(response) => {
                for (sent, result) in sent.into_iter().zip(response.results) {
                    report.take(sent, result);
                }
            }
            Err(status) => {
                failed.set(true);
                outcome = outcome.and(Err(status));
            }
        }
    }
    outcome
}

/// What is known of the server, and where a person sees it.
struct Line<'a> {
    bar: &'a ProgressBar,
    /// Whether it has answered a call.
    answers: Cell<bool>,
}

/// Makes a call until it is answered, or refused for good.
async fn deliver<C, F>(
    call: &C,
    request: pb::ImportIncidentsRequest,
    line: &Line<'_>,
) -> Result<pb::ImportIncidentsResponse, Status>
where
    C: Fn(Request<pb::ImportIncidentsRequest>) -> F,
    F: Future<Output = Result<Response<pb::ImportIncidentsResponse>, Status>>,
{
    let mut attempt = 1;
    loop {
        let mut once = Request::new(request.clone());
        once.set_timeout(DEADLINE);
        let status = match call(once).await {
            Ok(response) => {
                line.answers.set(true);
                line.bar.set_message("");
                return Ok(response.into_inner());
            }
            Err(status) => status,
        };
        let Some(pause) = pause(&status, attempt, line.answers.get()) else {
            return Err(status);
        };
        line.bar.set_message("; waiting for the server");
        tokio::time::sleep(pause).await;
        attempt += 1;
    }
}

/// How long to wait before a call is repeated; none when that is of no use.
fn pause(status: &Status, attempt: u32, answers: bool) -> Option<Duration> {
    let asked = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    // A status with a source was made here, of a connection that broke.
    let passing = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded)
        || (status.code() != Code::Cancelled && status.source().is_some());
    let most = match answers || asked.is_some() {
        true => ATTEMPTS,
        false => FIRST_ATTEMPTS,
    };
    if attempt >= most || !(passing || asked.is_some()) {
        return None;
    }
    let doubled = FIRST_PAUSE
        .saturating_mul(1 << (attempt - 1))
        .min(LONGEST_PAUSE);
    // Calls that failed together must not come back together.
    let chance = f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX);
    let spread = doubled.mul_f64(0.5 + chance / 2.0);
    Some(spread.max(asked.unwrap_or_default()))
}

/// Histories of one call.
#[derive(Default)]
struct Batch {
    histories: Vec<pb::IncidentHistory>,
    sent: Vec<Sent>,
    bytes: usize,
}

impl Batch {
    fn add(&mut self, line: u64, history: pb::IncidentHistory) {
        self.bytes += history.encoded_len();
        let facts = count(history.facts.len());
        self.sent.push(Sent { line, facts });
        self.histories.push(history);
    }
}

/// Makes batches as they are needed.
struct Batches<'a> {
    incidents: std::slice::Iter<'a, Incident>,
    words: &'a Words,
    /// What did not fit the batch before.
    held: Option<(u64, pb::IncidentHistory)>,
}

impl Batches<'_> {
    fn history(&mut self) -> Option<(u64, pb::IncidentHistory)> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        let incident = self.incidents.find(|incident| !incident.rejected)?;
        let line = incident.rows.first().map_or(0, |row| row.line);
        Some((line, self.words.history(incident)))
    }
}

impl Iterator for Batches<'_> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut batch = Batch::default();
        while batch.histories.len() < BATCH {
            let Some((line, history)) = self.history() else {
                break;
            };
            if !batch.histories.is_empty() && batch.bytes + history.encoded_len() > BATCH_BYTES {
                self.held = Some((line, history));
                break;
            }
            batch.add(line, history);
        }
        (!batch.histories.is_empty()).then_some(batch)
    }
}
