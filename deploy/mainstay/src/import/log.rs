//! Groups the rows of a log by incident, and finds what must not be sent.
//! Cells are kept once each, so that a row costs the same however long its
//! names are.

use std::collections::{BTreeMap, HashMap};

use super::mapping::{Mapping, Scale};
use super::pool::Pool;
use super::report::{Rejection, Report};
use super::source::{Row, Source, Unreadable};
use super::template::Template;

/// What the contract allows.
const KEY_LIMIT: usize = 200;
const TITLE_LIMIT: usize = 200;
const LABEL_LIMIT: usize = 200;
const DESCRIPTION_LIMIT: usize = 32 * 1024;

/// A log, by incident.
#[derive(Default)]
pub(super) struct Log {
    /// In the order of their first rows.
    pub(super) incidents: Vec<Incident>,
    pub(super) pools: Pools,
}

/// The distinct cells of the columns.
#[derive(Default)]
pub(super) struct Pools {
    pub(super) status: Pool,
    pub(super) impact: Pool,
    pub(super) urgency: Pool,
    pub(super) service: Pool,
    pub(super) team: Pool,
    pub(super) assignee: Pool,
}

/// What a log says of one incident.
pub(super) struct Incident {
    pub(super) key: String,
    pub(super) uri: String,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) rows: Vec<Change>,
    /// Whether something is wrong with one of its rows.
    pub(super) rejected: bool,
}

/// A row: an instant, and places in the pools.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) line: u64,
    /// Microseconds since the epoch.
    pub(super) time: i64,
    pub(super) cells: Cells,
}

/// What a row says, as places in the pools.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Cells {
    pub(super) status: usize,
    pub(super) impact: usize,
    pub(super) urgency: usize,
    pub(super) service: usize,
    pub(super) team: usize,
    pub(super) assignee: usize,
}

/// Where the columns of a mapping are in a file.
struct Layout<'a> {
    mapping: &'a Mapping,
    places: HashMap<&'a str, usize>,
}

impl Log {
    /// Reads all rows. Rows that cannot be used are put into the report.
    pub(super) fn read(
        source: &mut Source,
        mapping: &Mapping,
        report: &mut Report,
    ) -> Result<Self, Unreadable> {
        let layout = Layout::new(mapping, source)?;
        let mut log = Self::default();
        let mut known: HashMap<String, usize> = HashMap::new();
        while let Some(row) = source.next()? {
            report.rows += 1;
            let key = row.cell(layout.place(&mapping.columns.key));
            if let Err(message) = check_key(key) {
                report.reject(Rejection {
                    line: row.line,
                    key: key.chars().take(KEY_LIMIT).collect(),
                    message,
                });
                continue;
            }
            let place = *known.entry(key.to_owned()).or_insert_with(|| {
                log.incidents.push(layout.incident(key, row));
                log.incidents.len() - 1
            });
            let Some(incident) = log.incidents.get_mut(place) else {
                continue;
            };
            let taken = layout
                .change(row, &mut log.pools)
                .and_then(|change| incident.append(change));
            if let Err(message) = taken {
                incident.rejected = true;
                report.reject(Rejection {
                    line: row.line,
                    key: key.to_owned(),
                    message,
                });
            }
        }
        log.check_texts(report);
        Ok(log)
    }

    fn check_texts(&mut self, report: &mut Report) {
        for incident in &mut self.incidents {
            let Some(message) = incident.unfit() else {
                continue;
            };
            incident.rejected = true;
            let line = incident.rows.first().map_or(0, |row| row.line);
            report.reject(Rejection {
                line,
                key: incident.key.clone(),
                message,
            });
        }
    }
}

impl Incident {
    fn append(&mut self, change: Change) -> Result<(), String> {
        if let Some(last) = self.rows.last().filter(|last| last.time > change.time) {
            let (before, line) = (mainstay_chassis::clock::rfc3339(last.time), last.line);
            let now = mainstay_chassis::clock::rfc3339(change.time);
            return Err(format!(
                "time goes back: {now} after {before} of line {line}"
            ));
        }
        self.rows.push(change);
        Ok(())
    }

    /// What of its texts the contract does not allow.
    fn unfit(&self) -> Option<String> {
        let long = self
            .labels
            .iter()
            .find(|(_, value)| value.chars().count() > LABEL_LIMIT);
        if let Some((label, _)) = long {
            return Some(format!(
                "label `{label}` is longer than {LABEL_LIMIT} characters"
            ));
        }
        (self.title.is_empty()).then(|| "the title is empty".to_owned())
    }
}

impl<'a> Layout<'a> {
    fn new(mapping: &'a Mapping, source: &Source) -> Result<Self, Unreadable> {
        let templates = [
            Some(&mapping.title),
            mapping.description.as_ref(),
            mapping.origin.uri.as_ref(),
        ];
        let named = [&mapping.columns.key, &mapping.columns.time]
            .into_iter()
            .chain(&mapping.status.columns)
            .chain(
                mapping
                    .impact
                    .as_ref()
                    .and_then(|scale| scale.column.as_ref()),
            )
            .chain(
                mapping
                    .urgency
                    .as_ref()
                    .and_then(|scale| scale.column.as_ref()),
            )
            .chain(mapping.names().map(|(_, names)| &names.column))
            .chain(mapping.labels.values())
            .map(String::as_str);
        let all: Vec<&str> = named
            .chain(templates.into_iter().flatten().flat_map(Template::columns))
            .collect();
        let places = source.columns(all.iter().copied())?;
        Ok(Self {
            mapping,
            places: all.into_iter().zip(places).collect(),
        })
    }

    fn place(&self, column: &str) -> usize {
        // Every column of the mapping was looked up; another has no cells.
        self.places.get(column).copied().unwrap_or(usize::MAX)
    }

    fn incident(&self, key: &str, row: Row<'_>) -> Incident {
        let fill = |template: &Template| template.fill(|column| row.cell(self.place(column)));
        let labels = self.mapping.labels.iter();
        let labels =
            labels.map(|(label, column)| (label.clone(), row.cell(self.place(column)).to_owned()));
        Incident {
            key: key.to_owned(),
            uri: self
                .mapping
                .origin
                .uri
                .as_ref()
                .map(fill)
                .unwrap_or_default(),
            title: cut(fill(&self.mapping.title), |text| {
                text.chars().count() <= TITLE_LIMIT
            }),
            description: cut(
                self.mapping
                    .description
                    .as_ref()
                    .map(fill)
                    .unwrap_or_default(),
                |text| text.len() <= DESCRIPTION_LIMIT,
            ),
            labels: labels.filter(|(_, value)| !value.is_empty()).collect(),
            rows: Vec::new(),
            rejected: false,
        }
    }

    fn change(&self, row: Row<'_>, pools: &mut Pools) -> Result<Change, String> {
        let mapping = self.mapping;
        let time = instant(row.cell(self.place(&mapping.columns.time)))?;
        let status: Vec<&str> = mapping
            .status
            .columns
            .iter()
            .map(|column| row.cell(self.place(column)))
            .collect();
        let place = |pool: &mut Pool, column: Option<&String>| {
            column.map_or(0, |column| pool.place(row.cell(self.place(column))))
        };
        let names =
            |names: &'a Option<super::mapping::Names>| names.as_ref().map(|names| &names.column);
        let cells = Cells {
            impact: place(&mut pools.impact, column(&mapping.impact)),
            urgency: place(&mut pools.urgency, column(&mapping.urgency)),
            service: place(&mut pools.service, names(&mapping.service)),
            team: place(&mut pools.team, names(&mapping.team)),
            assignee: place(&mut pools.assignee, names(&mapping.assignee)),
            status: pools.status.place(&status.join("/")),
        };
        Ok(Change {
            line: row.line,
            time,
            cells,
        })
    }
}

fn column<T>(scale: &Option<Scale<T>>) -> Option<&String> {
    scale.as_ref().and_then(|scale| scale.column.as_ref())
}

fn check_key(key: &str) -> Result<(), String> {
    match key.chars().count() {
        0 => Err("the key is empty".to_owned()),
        1..=KEY_LIMIT => Ok(()),
        long => Err(format!(
            "the key has {long} characters, {KEY_LIMIT} are allowed"
        )),
    }
}

/// The text, or as much of it as fits, ending with an ellipsis.
fn cut(mut text: String, fits: impl Fn(&str) -> bool) -> String {
    if fits(&text) {
        return text;
    }
    while !fits(&format!("{text}…")) {
        text.pop();
    }
    text + "…"
}

/// Microseconds since the epoch of an RFC 3339 or ISO 8601 time with an offset.
fn instant(text: &str) -> Result<i64, String> {
    let time: jiff::Timestamp = text.parse().map_err(|_| {
        format!("{text:?} is not a time such as 2024-02-29T13:45:00+01:00 (with an offset)")
    })?;
    let us = time.as_microsecond();
    let told = mainstay_chassis::clock::micros(&mainstay_chassis::clock::timestamp(us));
    told.ok_or_else(|| format!("{text:?} is outside the years 1 to 9999"))
}
