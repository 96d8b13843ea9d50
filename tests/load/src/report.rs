//! Figures: medians of repeats beside the limits of the same run, as a table
//! for people and as JSON for comparisons.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// Its number in the design, such as `P1`.
    pub(crate) id: String,
    /// What was measured.
    pub(crate) what: String,
    /// The median of the repeats.
    pub(crate) value: f64,
    /// The unit of the value.
    pub(crate) unit: String,
    /// The limit or peer of the same run, in the same unit.
    pub(crate) limit: Option<f64>,
    /// Value by limit.
    pub(crate) ratio: Option<f64>,
    /// What the limit is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) limit_is: String,
    /// What is to be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) goal: Option<Goal>,
    /// The smallest and the largest of the repeats.
    pub(crate) spread: (f64, f64),
}

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Goal {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
}

impl Goal {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {}", number(least)),
            Self::AtMost(most) => format!("≤ {}", number(most)),
        }
    }
}

/// All figures of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The figures.
    pub(crate) figures: Vec<Figure>,
}

/// Samples of one figure, collected over the repeats.
#[derive(Clone, Debug, Default)]
struct Series {
    unit: &'static str,
    goal: Option<Goal>,
    values: Vec<f64>,
    limits: Vec<f64>,
    limit_is: &'static str,
}

/// Collects samples until the run ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(BTreeMap<(Rank, String), Series>);

/// Sorts `P2` before `P10`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank(u32, String);

impl Samples {
    /// Adds a sample of a figure.
    pub(crate) fn add(
        &mut self,
        id: &str,
        what: &str,
        unit: &'static str,
        goal: Option<Goal>,
        value: f64,
    ) {
        let series = self.series(id, what);
        (series.unit, series.goal) = (unit, goal);
        series.values.push(value);
    }

    /// Adds a sample of the limit that a figure is held to.
    pub(crate) fn limit(&mut self, id: &str, what: &str, limit_is: &'static str, value: f64) {
        let series = self.series(id, what);
        series.limit_is = limit_is;
        series.limits.push(value);
    }

    fn series(&mut self, id: &str, what: &str) -> &mut Series {
        self.0.entry(key(id, what)).or_default()
    }

    /// The figures.
    pub(crate) fn report(&self) -> Report {
        let figures = self.0.iter().filter_map(|((rank, what), series)| {
            let value = median(&series.values)?;
            let limit = median(&series.limits);
            let least = series.values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = series
                .values
                .iter()
                .copied()
                .fold(f64::NEG_INFINITY, f64::max);
            Some(Figure {
                id: rank.1.clone(),
                what: what.clone(),
                value,
                unit: series.unit.to_owned(),
                limit,
                ratio: limit
                    .filter(|limit| *limit != 0.0)
                    .map(|limit| value / limit),
                limit_is: series.limit_is.to_owned(),
                goal: series.goal,
                spread: (least, most),
            })
        });
        Report {
            figures: figures.collect(),
        }
    }
}

fn key(id: &str, what: &str) -> (Rank, String) {
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    (
        Rank(digits.parse().unwrap_or_default(), id.to_owned()),
        what.to_owned(),
    )
}

/// The median; of an even number, the mean of the two in the middle.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    match sorted.len() % 2 {
        0 => Some(f64::midpoint(upper, sorted[sorted.len() / 2 - 1])),
        _ => Some(upper),
    }
}

impl Report {
    /// Reads a report.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
    }

    /// Writes it.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }

    /// The table.
    pub(crate) fn table(&self) -> String {
        let heads = [
            "", "what", "value", "spread", "goal", "", "limit", "ratio", "limit is",
        ]
        .map(str::to_owned);
        let rows = self.figures.iter().map(|figure| {
            let goal = figure.goal.map(Goal::text).unwrap_or_default();
            let reached = match figure.goal {
                Some(goal) if goal.holds(figure.value) => "reached",
                Some(_) => "MISSED",
                None => "",
            };
            [
                figure.id.clone(),
                figure.what.clone(),
                format!("{} {}", number(figure.value), figure.unit),
                format!("{} – {}", number(figure.spread.0), number(figure.spread.1)),
                goal,
                reached.to_owned(),
                figure.limit.map(number).unwrap_or_default(),
                figure
                    .ratio
                    .map(|ratio| format!("{ratio:.2}"))
                    .unwrap_or_default(),
                figure.limit_is.clone(),
            ]
        });
        aligned(std::iter::once(heads).chain(rows).collect())
    }

    /// This report beside a later one of the same machine.
    pub(crate) fn compare(&self, later: &Self) -> String {
        let heads = [
            "",
            "what",
            "before",
            "after",
            "after/before",
            "ratio before",
            "ratio after",
        ]
        .map(str::to_owned);
        let mut rows = vec![heads];
        for before in &self.figures {
            let same = |figure: &&Figure| figure.id == before.id && figure.what == before.what;
            let after = later.figures.iter().find(same);
            let ratio = |figure: Option<&Figure>| {
                figure
                    .and_then(|figure| figure.ratio)
                    .map(|ratio| format!("{ratio:.2}"))
                    .unwrap_or_default()
            };
            rows.push([
                before.id.clone(),
                before.what.clone(),
                format!("{} {}", number(before.value), before.unit),
                after
                    .map(|after| format!("{} {}", number(after.value), after.unit))
                    .unwrap_or_default(),
                after
                    .map(|after| format!("{:.2}", after.value / before.value))
                    .unwrap_or_default(),
                ratio(Some(before)),
                ratio(after),
            ]);
        }
        aligned(rows)
    }
}

/// Three digits that matter, thousands apart.
fn number(value: f64) -> String {
    if value.abs() < 10.0 {
        return format!("{value:.2}");
    }
    if value.abs() < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len() - place;
        if place > 0 && left.is_multiple_of(3) && digit != '-' && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Rows in columns; what is in the second and the last is text, all else to the right.
fn aligned<const N: usize>(rows: Vec<[String; N]>) -> String {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                let room = " ".repeat(width - cell.chars().count());
                if column < 2 || column == N - 1 {
                    format!("{cell}{room}")
                } else {
                    format!("{room}{cell}")
                }
            });
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_medians_in_the_order_of_their_numbers() {
        let mut samples = Samples::default();
        samples.add("P10", "late", "ms", Some(Goal::AtMost(2.0)), 3.0);
        for value in [5.0, 1.0, 4.0] {
            samples.add("P2", "early", "/s", Some(Goal::AtLeast(4.0)), value);
            samples.limit("P2", "early", "the disk", 2.0 * value);
        }
        let report = samples.report();
        let ids: Vec<&str> = report
            .figures
            .iter()
            .map(|figure| figure.id.as_str())
            .collect();
        assert_eq!(ids, ["P2", "P10"]);
        let first = &report.figures[0];
        assert_eq!(
            (first.value, first.limit, first.ratio),
            (4.0, Some(8.0), Some(0.5))
        );
        assert_eq!(first.spread, (1.0, 5.0));
        let table = report.table();
        assert!(
            table.contains("reached") && table.contains("MISSED"),
            "{table}"
        );
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let mut samples = Samples::default();
        samples.add("P1", "create", "/s", Some(Goal::AtLeast(8000.0)), 9000.0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        samples.report().write(&path).unwrap();
        assert_eq!(Report::read(&path).unwrap(), samples.report());
        assert!(samples.report().compare(&samples.report()).contains("1.00"));
    }

    #[test]
    fn numbers_show_three_digits_that_matter() {
        let shown = [0.25, 12.34, 345.6, 1234.0, 1_234_567.0].map(number);
        assert_eq!(shown, ["0.25", "12.3", "346", "1,234", "1,234,567"]);
    }
}
