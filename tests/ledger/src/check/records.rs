//! Records against the log: every record is what its newest event says, and
//! every revision has its event.

use std::collections::BTreeMap;

use super::{Findings, Kind};
use crate::evidence::{Evidence, LogRow};

pub(super) fn check(evidence: &Evidence, found: &mut Findings) {
    let mut newest: BTreeMap<&str, &LogRow> = BTreeMap::new();
    for row in &evidence.log {
        let before = newest
            .insert(&row.subject, row)
            .map_or(0, |row| row.revision);
        if row.revision != before + 1 {
            let text = format!(
                "{} goes from revision {before} to {} at event {}",
                row.subject, row.revision, row.seq
            );
            found.add(Kind::Gap, text);
        }
    }
    for (name, row) in &newest {
        match evidence.records.get(*name) {
            None => found.add(
                Kind::Lost,
                format!("{name} is in the log, and is no record"),
            ),
            Some(record) if record.revision != row.revision => {
                let text = format!(
                    "{name} has revision {}, its newest event {}",
                    record.revision, row.revision
                );
                found.add(Kind::Differs, text);
            }
            Some(record) if record.content != row.snapshot => {
                found.add(
                    Kind::Differs,
                    format!("{name} is not what its event {} says", row.seq),
                );
            }
            Some(_) => {}
        }
    }
    for name in evidence.records.keys() {
        if !newest.contains_key(name.as_str()) {
            found.add(
                Kind::Phantom,
                format!("{name} is a record, and has no event"),
            );
        }
    }
}
