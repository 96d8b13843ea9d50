//! What became of a log, for people and for scripts.

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use mainstay_proto::mainstay::incident::v1 as pb;
use serde::Serialize;

/// As many single rejections and refusals as are kept; all are counted.
const DETAILS: usize = 1000;
/// As many of them as a person is shown.
const SHOWN: usize = 20;
/// The exit code when something was left out.
const LEFT_OUT: u8 = 3;

/// What became of a log.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Whether nothing was to be written.
    pub(crate) dry_run: bool,
    /// Rows of the log, without its header.
    pub(crate) rows: u64,
    /// Incidents of the log.
    pub(crate) incidents: u64,
    /// Incidents that were made.
    pub(crate) created: u64,
    /// Incidents that got later facts.
    pub(crate) extended: u64,
    /// Incidents that were there with the same facts.
    pub(crate) unchanged: u64,
    /// Incidents that the server refused.
    pub(crate) refused: u64,
    /// Incidents that were not sent, since something in their rows is wrong.
    pub(crate) rejected: u64,
    /// Facts that were sent.
    pub(crate) facts_sent: u64,
    /// Facts that were written as events.
    pub(crate) facts_written: u64,
    /// Facts that change nothing, sent or not.
    pub(crate) facts_idle: u64,
    /// Facts that were there already.
    pub(crate) facts_known: u64,
    /// Rows in which something is wrong.
    pub(crate) rejected_rows: u64,
    /// The first of them.
    pub(crate) rejections: Vec<Rejection>,
    /// Values that the mapping does not know.
    pub(crate) unmapped: Vec<Unmapped>,
    /// The first refusals.
    pub(crate) refusals: Vec<Refused>,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Incidents that were sent, a second.
    pub(crate) incidents_per_second: u64,
    /// Facts that were sent, a second.
    pub(crate) facts_per_second: u64,
    /// Why it ended before all was sent.
    pub(crate) error: Option<String>,
}

/// A row in which something is wrong.
#[derive(Debug, Serialize)]
pub(crate) struct Rejection {
    /// The line it begins on.
    pub(crate) line: u64,
    /// The key of its incident.
    pub(crate) key: String,
    /// What is wrong.
    pub(crate) message: String,
}

/// A value that the mapping does not know.
#[derive(Debug, Serialize)]
pub(crate) struct Unmapped {
    /// Where in the mapping it is missing: `status`, `impact` or `urgency`.
    pub(crate) place: &'static str,
    /// The value.
    pub(crate) value: String,
    /// In how many rows it stands.
    pub(crate) rows: u64,
}

/// An incident that the server refused.
#[derive(Debug, Serialize)]
pub(crate) struct Refused {
    /// The line of its first row.
    pub(crate) line: u64,
    /// Its key.
    pub(crate) key: String,
    /// The reason, as in the error catalogue.
    pub(crate) reason: String,
    /// The same in words.
    pub(crate) message: String,
}

/// A history that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// The line of its first row.
    pub(super) line: u64,
    /// How many facts it has.
    pub(super) facts: u64,
}

impl Report {
    /// Takes in a row in which something is wrong.
    pub(super) fn reject(&mut self, rejection: Rejection) {
        self.rejected_rows += 1;
        if self.rejections.len() < DETAILS {
            self.rejections.push(rejection);
        }
    }

    /// Takes in a value that the mapping does not know.
    pub(super) fn unmapped(&mut self, place: &'static str, value: &str) {
        let known = self
            .unmapped
            .iter_mut()
            .find(|known| known.place == place && known.value == value);
        match known {
            Some(known) => known.rows += 1,
            None => self.unmapped.push(Unmapped {
                place,
                value: value.to_owned(),
                rows: 1,
            }),
        }
    }

    /// Takes in what the server says of a history.
    pub(super) fn take(&mut self, sent: Sent, result: pb::ImportResult) {
        let written = u64::try_from(result.written_facts).unwrap_or_default();
        let idle = u64::try_from(result.idle_facts).unwrap_or_default();
        self.facts_sent += sent.facts;
        self.facts_written += written;
        self.facts_idle += idle;
        if result.outcome() != pb::ImportOutcome::Refused {
            self.facts_known += sent.facts.saturating_sub(written + idle);
        }
        match result.outcome() {
            pb::ImportOutcome::Created => self.created += 1,
            pb::ImportOutcome::Extended => self.extended += 1,
            pb::ImportOutcome::Unchanged => self.unchanged += 1,
            pb::ImportOutcome::Refused | pb::ImportOutcome::Unspecified => {
                self.refused += 1;
                if self.refusals.len() < DETAILS {
                    let pb::ImportResult {
                        key,
                        reason,
                        message,
                        ..
                    } = result;
                    self.refusals.push(Refused {
                        line: sent.line,
                        key,
                        reason,
                        message,
                    });
                }
            }
        }
    }

    /// Puts what is listed into an order that does not depend on the calls'.
    pub(super) fn finish(&mut self, took: Duration) {
        let sent = self.created + self.extended + self.unchanged + self.refused;
        if self.error.is_none() && sent + self.rejected != self.incidents {
            self.error =
                Some("the server did not say of every incident what became of it".to_owned());
        }
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        self.seconds = took.as_secs_f64();
        self.incidents_per_second = sent * 1000 / millis;
        self.facts_per_second = self.facts_sent * 1000 / millis;
        self.rejections.sort_by_key(|rejection| rejection.line);
        self.refusals.sort_by_key(|refused| refused.line);
        self.unmapped
            .sort_by(|a, b| (a.place, b.rows, &a.value).cmp(&(b.place, a.rows, &b.value)));
    }

    /// What the process ends with: 0 when all went in, 1 when it ended early,
    /// 3 when incidents were rejected or refused.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match (
            &self.error,
            self.refused + self.rejected + self.rejected_rows,
        ) {
            (Some(_), _) => ExitCode::FAILURE,
            (None, 0) => ExitCode::SUCCESS,
            (None, _) => ExitCode::from(LEFT_OUT),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, incidents) = (grouped(self.rows), grouped(self.incidents));
        let what = if self.dry_run {
            "Dry run, nothing was written"
        } else {
            "Import"
        };
        writeln!(f, "{what}: {rows} rows, {incidents} incidents")?;
        let outcomes = [
            ("created", self.created, ""),
            ("extended", self.extended, "by later facts"),
            ("unchanged", self.unchanged, ""),
            ("refused", self.refused, "by the server, see below"),
            ("rejected", self.rejected, "not sent, see below"),
        ];
        for (name, number, note) in outcomes {
            let note = if number == 0 { "" } else { note };
            writeln!(
                f,
                "{}",
                format!("  {name:<10}{:>12}  {note}", grouped(number)).trim_end()
            )?;
        }
        writeln!(
            f,
            "Facts: {} sent, {} written, {} there already, {} change nothing",
            grouped(self.facts_sent),
            grouped(self.facts_written),
            grouped(self.facts_known),
            grouped(self.facts_idle),
        )?;
        self.write_problems(f)?;
        let (incidents, facts) = (
            grouped(self.incidents_per_second),
            grouped(self.facts_per_second),
        );
        write!(
            f,
            "Took {:.1} s: {incidents} incidents, {facts} facts a second",
            self.seconds
        )?;
        match &self.error {
            Some(error) => {
                write!(f, "\nEnded early: {error}")?;
                let again = "\nRunning it again completes it: what is there stays as it is";
                f.write_str(if self.dry_run { "" } else { again })
            }
            None => Ok(()),
        }
    }
}

impl Report {
    fn write_problems(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unmapped = self.unmapped.iter().map(|value| {
            let Unmapped { place, value, rows } = value;
            format!("{place} {value:?}: {} rows", grouped(*rows))
        });
        let title = "Values that the mapping does not know (their incidents were not sent)";
        list(
            f,
            title,
            u64::try_from(self.unmapped.len()).unwrap_or(u64::MAX),
            unmapped,
        )?;
        let rejections = self.rejections.iter();
        let rejections =
            rejections.map(|row| format!("line {}: {}: {}", row.line, row.key, row.message));
        list(
            f,
            "Rejected rows (nothing of their incidents was sent)",
            self.rejected_rows,
            rejections,
        )?;
        let refusals = self.refusals.iter();
        let refusals = refusals.map(|it| {
            format!(
                "line {}: {}: {}: {}",
                it.line, it.key, it.reason, it.message
            )
        });
        list(f, "Refused incidents", self.refused, refusals)
    }
}

/// Writes the first of some lines under a title, and how many more there are.
fn list(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    all: u64,
    lines: impl Iterator<Item = String>,
) -> fmt::Result {
    if all == 0 {
        return Ok(());
    }
    writeln!(f, "{title}:")?;
    let mut shown = 0;
    for line in lines.take(SHOWN) {
        writeln!(f, "  {line}")?;
        shown += 1;
    }
    match all.saturating_sub(shown) {
        0 => Ok(()),
        more => writeln!(
            f,
            "  and {} more (--json lists up to {DETAILS})",
            grouped(more)
        ),
    }
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let first = digits.len() % 3;
    let (head, tail) = digits.split_at(first);
    let mut text = head.to_owned();
    for (at, digit) in tail.chars().enumerate() {
        if at % 3 == 0 && !text.is_empty() {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
