//! Times as they are given on the command line.

use crate::Usage;

/// An instant in RFC 3339 form; the option is named when it is none.
pub(crate) fn instant(option: &str, text: &str) -> anyhow::Result<prost_types::Timestamp> {
    let at: jiff::Timestamp = text.parse().map_err(|_| {
        Usage::new(format!(
            "{option} {text}: give a time such as 2026-01-31T08:00:00Z"
        ))
    })?;
    Ok(mainstay_chassis::clock::timestamp(at.as_microsecond()))
}
