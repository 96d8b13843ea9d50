//! Makes histories of facts, as the contract has them, of the rows of a log.

use mainstay_chassis::clock;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1::Origin;

use super::log::{Cells, Incident, Log, Pools};
use super::mapping::{Mapping, Names, Scale, State, Status};
use super::pool::Pool;
use super::report::{Rejection, Report};
use super::slug;

/// As many facts as a history may have.
const FACTS_LIMIT: usize = 1000;

/// What the cells of a log mean, by their place in the pools.
pub(super) struct Words {
    source: String,
    status: Vec<Option<Status>>,
    impact: Vec<Option<pb::Impact>>,
    urgency: Vec<Option<pb::Urgency>>,
    service: Vec<Option<String>>,
    team: Vec<Option<String>>,
    assignee: Vec<Option<String>>,
    /// Whether the log tells who works on an incident: then an empty cell
    /// says that nobody does.
    tells_assignee: bool,
}

impl Words {
    /// Looks up every cell once.
    ///
    /// # Errors
    /// The names that have no slug or would share one, a line each.
    pub(super) fn new(mapping: &Mapping, pools: &Pools) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let mut slugs = |place: &str, names: Option<&Names>, pool: &Pool| match names {
            Some(names) => slug::resolve(place, names, pool.values()).unwrap_or_else(|lines| {
                wrong.extend(lines);
                Vec::new()
            }),
            None => Vec::new(),
        };
        let service = slugs("service", mapping.service.as_ref(), &pools.service);
        let team = slugs("team", mapping.team.as_ref(), &pools.team);
        let assignee = slugs("assignee", mapping.assignee.as_ref(), &pools.assignee);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        Ok(Self {
            source: mapping.origin.source.clone(),
            status: pools.status.meanings(&mapping.status.values),
            impact: levels(mapping.impact.as_ref(), &pools.impact),
            urgency: levels(mapping.urgency.as_ref(), &pools.urgency),
            service,
            team,
            assignee,
            tells_assignee: mapping.assignee.is_some(),
        })
    }

    /// Rejects the incidents with a value that the mapping does not know, and
    /// those with more facts than a history may have.
    pub(super) fn sift(&self, log: &mut Log, report: &mut Report) {
        for incident in &mut log.incidents {
            for row in &incident.rows {
                let unknown = self.unknown(&row.cells, &log.pools);
                if unknown.is_empty() {
                    continue;
                }
                let told = unknown
                    .iter()
                    .map(|(place, value)| format!("{place} {value:?} is not in the mapping"));
                let message = told.collect::<Vec<_>>().join(", ");
                report.reject(Rejection {
                    line: row.line,
                    key: incident.key.clone(),
                    message,
                });
                for (place, value) in unknown {
                    report.unmapped(place, value);
                }
                incident.rejected = true;
            }
            if !incident.rejected && incident.rows.len() > FACTS_LIMIT {
                self.shorten(incident, report);
            }
        }
    }

    /// The history of an incident that was not rejected.
    pub(super) fn history(&self, incident: &Incident) -> pb::IncidentHistory {
        pb::IncidentHistory {
            origin: Some(Origin {
                source: self.source.clone(),
                key: incident.key.clone(),
                uri: incident.uri.clone(),
                imported: false,
            }),
            title: incident.title.clone(),
            description: incident.description.clone(),
            labels: incident.labels.clone(),
            facts: self.facts(incident),
        }
    }

    fn unknown<'a>(&self, cells: &Cells, pools: &'a Pools) -> Vec<(&'static str, &'a str)> {
        let known = [
            (
                "status",
                &pools.status,
                cells.status,
                at(&self.status, cells.status).is_some(),
            ),
            (
                "impact",
                &pools.impact,
                cells.impact,
                at(&self.impact, cells.impact).is_some(),
            ),
            (
                "urgency",
                &pools.urgency,
                cells.urgency,
                at(&self.urgency, cells.urgency).is_some(),
            ),
        ];
        let unknown = known.into_iter().filter(|(_, _, _, known)| !known);
        unknown
            .map(|(place, pool, cell, _)| (place, pool.value(cell)))
            .collect()
    }

    /// Leaves out the rows that change nothing, and rejects what is still too
    /// long.
    fn shorten(&self, incident: &mut Incident, report: &mut Report) {
        let mut facts = self.facts(incident).into_iter();
        let mut before = None;
        let all = incident.rows.len();
        incident.rows.retain(|_| {
            let fact = facts.next().map(|fact| pb::Fact { time: None, ..fact });
            let idle = fact == before;
            before = fact;
            !idle
        });
        let left = incident.rows.len();
        report.facts_idle += count(all - left);
        if let Some(beyond) = incident.rows.get(FACTS_LIMIT) {
            incident.rejected = true;
            let message = format!("the incident has {left} changes, {FACTS_LIMIT} are allowed");
            report.reject(Rejection {
                line: beyond.line,
                key: incident.key.clone(),
                message,
            });
        }
    }

    fn facts(&self, incident: &Incident) -> Vec<pb::Fact> {
        let mut begun = false;
        let facts = incident.rows.iter().filter_map(|row| {
            let status = at(&self.status, row.cells.status)?;
            let state = if status.new_at_first && !begun {
                State::New
            } else {
                status.state
            };
            begun |= state != State::New;
            Some(self.fact(row.time, state, status, &row.cells))
        });
        facts.collect()
    }

    fn fact(&self, time: i64, state: State, status: Status, cells: &Cells) -> pb::Fact {
        let slug = |slugs: &[Option<String>], cell| at(slugs, cell).unwrap_or_default();
        let assignee = if status.unassigned {
            String::new()
        } else {
            slug(&self.assignee, cells.assignee)
        };
        let hold_reason = status.hold_reason.filter(|_| state == State::OnHold);
        pb::Fact {
            time: Some(clock::timestamp(time)),
            state: pb::IncidentState::from(state).into(),
            hold_reason: hold_reason
                .map_or(pb::HoldReason::Unspecified, Into::into)
                .into(),
            impact: at(&self.impact, cells.impact).unwrap_or_default().into(),
            urgency: at(&self.urgency, cells.urgency).unwrap_or_default().into(),
            service: slug(&self.service, cells.service),
            team: slug(&self.team, cells.team),
            unassigned: assignee.is_empty() && (status.unassigned || self.tells_assignee),
            assignee,
        }
    }
}

fn at<T: Clone>(meanings: &[Option<T>], cell: usize) -> Option<T> {
    meanings.get(cell).cloned().flatten()
}

/// What each cell of a scale means; not given where there is no scale, or an
/// empty cell that its table does not hold.
fn levels<T: Copy, L: From<T> + Default>(scale: Option<&Scale<T>>, pool: &Pool) -> Vec<Option<L>> {
    let constant = scale
        .and_then(|scale| scale.constant)
        .map(L::from)
        .unwrap_or_default();
    let Some(table) = scale.and_then(|scale| scale.values.as_ref()) else {
        return vec![Some(constant)];
    };
    let meanings = pool.meanings(table).into_iter().zip(pool.values());
    meanings
        .map(|(level, value)| {
            level
                .map(L::from)
                .or_else(|| value.is_empty().then(L::default))
        })
        .collect()
}

/// A number of things in memory, to be added to others.
pub(super) fn count(things: usize) -> u64 {
    u64::try_from(things).unwrap_or(u64::MAX)
}
