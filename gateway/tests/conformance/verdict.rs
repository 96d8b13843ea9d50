//! What the suite said, against what is known.
//!
//! Every refusal of ours carries its reason as a detail, where the suite
//! expects none: a case with no other complaint counts as passed, and is
//! reported apart. What else fails must be on the list, and what is on the
//! list must fail.

use std::collections::BTreeSet;
use std::fmt;

/// What of the suite's output matters.
pub(crate) struct Verdict {
    summary: String,
    with_reason: usize,
    unexpected: Vec<String>,
    known: usize,
    mended: Vec<String>,
    ran: bool,
}

impl Verdict {
    /// Reads the output; `whole` when all cases ran.
    pub(crate) fn of(output: &str, known: &str, whole: bool) -> Self {
        let known: BTreeSet<&str> = known
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let mut verdict = Self {
            summary: String::new(),
            with_reason: 0,
            unexpected: Vec::new(),
            known: 0,
            mended: Vec::new(),
            ran: false,
        };
        let mut failed = BTreeSet::new();
        for block in output.split("FAILED: ").skip(1) {
            let mut lines = block.lines();
            let case = lines.next().unwrap_or_default().trim_end_matches(':');
            // A complaint after the first begins with what separates them.
            let complaints: Vec<&str> = lines
                .take_while(|line| line.starts_with('\t'))
                .map(|line| line.trim().trim_start_matches("; "))
                .collect();
            if !complaints.is_empty()
                && complaints
                    .iter()
                    .all(|complaint| is_about_details(complaint))
            {
                verdict.with_reason += 1;
            } else if known.contains(case) {
                verdict.known += 1;
                failed.insert(case);
            } else {
                verdict
                    .unexpected
                    .push(format!("{case}: {}", complaints.join("; ")));
            }
        }
        if whole {
            verdict.mended = known.difference(&failed).map(ToString::to_string).collect();
        }
        let totals: Vec<&str> = output
            .lines()
            .filter(|line| line.starts_with("Total cases") || line.contains(" passed, "))
            .collect();
        verdict.ran = totals.len() == 2;
        verdict.summary = totals.join(", ");
        verdict
    }

    /// Whether all is as known.
    pub(crate) fn good(&self) -> bool {
        self.ran && self.unexpected.is_empty() && self.mended.is_empty()
    }
}

/// Whether a complaint is about details that refusals have.
fn is_about_details(complaint: &str) -> bool {
    let counted = complaint.starts_with("actual error contain ")
        && complaint.ends_with(" details; expecting 0");
    // The suite's client does not know the messages of google.rpc.
    counted || complaint.contains("could not check debug data because message type \"google.rpc.")
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary)?;
        writeln!(
            f,
            "{} of the failed have nothing but a reason that the suite does not expect",
            self.with_reason
        )?;
        writeln!(f, "{} failed as known", self.known)?;
        for case in &self.mended {
            writeln!(f, "PASSED, so take it off the list: {case}")?;
        }
        for case in &self.unexpected {
            writeln!(f, "FAILED: {case}")?;
        }
        Ok(())
    }
}
