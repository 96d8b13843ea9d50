//! What requests ask for, in the record's words. What a caller may not say is
//! refused by name.

use std::collections::BTreeSet;

use mainstay_chassis::Refusal;
use mainstay_chassis::clock::micros;
use mainstay_practice::{AsOf, name};
use mainstay_proto::check::Violations;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1 as record_pb;
use prost_types::{FieldMask, Timestamp};

use super::draft_of;
use super::values::{link_in, milestones_in, resolution_in};
use super::words::OnWire;
use crate::incident::{Change, Draft, HoldReason, Link, Milestone, Milestones, Resolution};

const OUTPUT_ONLY: &str = "is output only: leave it empty";

/// What is said of a new incident; other incidents are still names.
#[derive(Clone, Debug)]
pub(crate) struct Raised {
    /// What is said.
    pub(crate) draft: Draft,
    /// Name or number of the parent.
    pub(crate) parent: String,
    /// Name or number of the earlier incident.
    pub(crate) recurrence_of: String,
}

/// What CreateIncident says of the incident.
pub(crate) fn raised(said: Option<pb::Incident>, organization: &str) -> Result<Raised, Refusal> {
    let said = said.ok_or_else(|| Refusal::invalid("incident", "is required"))?;
    refuse_output_only(&said)?;
    let times = said.milestones.unwrap_or_default();
    for (field, time) in [
        ("impact_start_time", &times.impact_start_time),
        ("detect_time", &times.detect_time),
    ] {
        instant(&format!("incident.milestones.{field}"), time.as_ref())?;
    }
    if let Some(index) = repeated_link(&said.links) {
        return Err(Refusal::invalid(
            format!("incident.links[{index}]"),
            "names a URI twice",
        ));
    }
    let (parent, recurrence_of) = (said.parent.clone(), said.recurrence_of.clone());
    let draft = Draft {
        milestones: milestones_in(times),
        ..draft_of(said, organization)?
    };
    Ok(Raised {
        draft,
        parent,
        recurrence_of,
    })
}

fn refuse_output_only(said: &pb::Incident) -> Result<(), Refusal> {
    let milestones = said.milestones.unwrap_or_default();
    let later = pb::Milestones {
        impact_start_time: None,
        detect_time: None,
        ..milestones
    };
    let fields = [
        ("name", !said.name.is_empty()),
        ("uid", !said.uid.is_empty()),
        ("number", !said.number.is_empty()),
        ("state", said.state != 0),
        ("priority", said.priority != 0),
        ("creator", said.creator.is_some()),
        (
            "origin.imported",
            said.origin.as_ref().is_some_and(|origin| origin.imported),
        ),
        ("hold", said.hold.is_some()),
        ("resolution", said.resolution.is_some()),
        ("reopen_count", said.reopen_count != 0),
        ("auto_close_time", said.auto_close_time.is_some()),
        ("available_verbs", !said.available_verbs.is_empty()),
        ("create_time", said.create_time.is_some()),
        ("update_time", said.update_time.is_some()),
        ("etag", !said.etag.is_empty()),
        ("revision", said.revision != 0),
        ("major", said.major.is_some()),
        ("merged_into", !said.merged_into.is_empty()),
    ];
    let told = fields.into_iter().filter(|(_, said)| *said);
    let mut violations: Vec<_> = told
        .map(|(field, _)| (format!("incident.{field}"), OUTPUT_ONLY.to_owned()))
        .collect();
    if later != pb::Milestones::default() {
        let remedy =
            "may give impact_start_time and detect_time only; use UpdateIncidentMilestones later";
        violations.push(("incident.milestones".to_owned(), remedy.to_owned()));
    }
    match violations.is_empty() {
        true => Ok(()),
        false => Err(Refusal::invalid_all(violations)),
    }
}

fn repeated_link(links: &[record_pb::Link]) -> Option<usize> {
    let mut seen = BTreeSet::new();
    links.iter().position(|link| !seen.insert(&link.uri))
}

/// The changes that UpdateIncident asks for. The contract's rules are checked
/// for the fields of the mask only.
pub(crate) fn changes(
    said: &pb::Incident,
    mask: Option<&FieldMask>,
    organization: &str,
) -> Result<Vec<Change>, Refusal> {
    let paths = paths(mask)?;
    let mut masked = pb::Incident {
        title: "-".to_owned(),
        ..pb::Incident::default()
    };
    for path in paths {
        take(path, said, &mut masked)?;
    }
    let violations = Violations::of(&masked).into_iter();
    let violations: Vec<_> = violations
        .map(|(field, remedy)| (format!("incident.{field}"), remedy))
        .collect();
    if !violations.is_empty() {
        return Err(Refusal::invalid_all(violations));
    }
    let draft = draft_of(masked, organization)?;
    Ok(paths
        .iter()
        .filter_map(|path| change(path, &draft))
        .collect())
}

/// The paths of a mask: some, and no `*`.
fn paths(mask: Option<&FieldMask>) -> Result<&[String], Refusal> {
    let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
    match paths {
        [] => Err(Refusal::invalid(
            "update_mask",
            "must name the fields to change",
        )),
        paths if paths.iter().any(|path| path == "*") => Err(Refusal::invalid(
            "update_mask",
            "must name the fields to change, not *",
        )),
        paths => Ok(paths),
    }
}

/// Takes a field over, or says why it is not changed by an update.
fn take(path: &str, said: &pb::Incident, masked: &mut pb::Incident) -> Result<(), Refusal> {
    match path {
        "title" => masked.title.clone_from(&said.title),
        "description" => masked.description.clone_from(&said.description),
        "impact" => masked.impact = said.impact,
        "urgency" => masked.urgency = said.urgency,
        "severity" => masked.severity = said.severity,
        "category" => masked.category.clone_from(&said.category),
        "service" => masked.service.clone_from(&said.service),
        "affected_services" => masked.affected_services.clone_from(&said.affected_services),
        "requester" => masked.requester.clone_from(&said.requester),
        "labels" => masked.labels.clone_from(&said.labels),
        "status" => match said.status.is_empty() {
            true => return Err(Refusal::invalid("incident.status", "must not be empty")),
            false => masked.status.clone_from(&said.status),
        },
        other => return Err(Refusal::invalid("update_mask", not_updated(other))),
    }
    Ok(())
}

fn not_updated(path: &str) -> String {
    let remedy = match path.split('.').next().unwrap_or_default() {
        "name" | "uid" | "number" | "priority" | "creator" | "reopen_count" | "available_verbs"
        | "create_time" | "update_time" | "etag" | "revision" | "auto_close_time" => {
            "is output only"
        }
        "state" | "hold" | "resolution" | "major" | "merged_into" => {
            "is output only: it changes by verbs"
        }
        "origin" | "recurrence_of" => "is immutable",
        "team" | "assignee" => "is changed by AssignIncident and UnassignIncident",
        "parent" => "is changed by SetIncidentParent",
        "links" => "is changed by LinkIncident and UnlinkIncident",
        "milestones" => "is changed by UpdateIncidentMilestones",
        "labels" | "affected_services" => "is changed as a whole",
        _ => "is no field of Incident",
    };
    let path: String = path.chars().take(60).collect();
    format!("must not name {path}: it {remedy}")
}

fn change(path: &str, draft: &Draft) -> Option<Change> {
    Some(match path {
        "title" => Change::Title(draft.title.clone()),
        "description" => Change::Description(draft.description.clone()),
        "impact" => Change::Impact(draft.impact),
        "urgency" => Change::Urgency(draft.urgency),
        "severity" => Change::Severity(draft.severity),
        "category" => Change::Category(draft.category.clone()),
        "service" => Change::Service(draft.service.clone()),
        "affected_services" => Change::AffectedServices(draft.affected_services.clone()),
        "requester" => Change::Requester(draft.requester.clone()),
        "labels" => Change::Labels(draft.labels.clone()),
        "status" => Change::Word(draft.status.clone()?),
        _ => return None,
    })
}

/// The corrections that UpdateIncidentMilestones asks for.
pub(crate) fn corrections(
    said: Option<pb::Milestones>,
    mask: Option<&FieldMask>,
) -> Result<Vec<(Milestone, Option<i64>)>, Refusal> {
    let told = said.unwrap_or_default();
    refuse_odd_times(&told)?;
    let milestones: Milestones = milestones_in(told);
    let known = |path: &String| Milestone::ALL.into_iter().find(|one| one.field() == path);
    let one = |path: &String| match known(path) {
        Some(milestone) => Ok((milestone, milestones.get(milestone))),
        None => Err(Refusal::invalid("update_mask", not_corrected(path))),
    };
    paths(mask)?.iter().map(one).collect()
}

fn refuse_odd_times(told: &pb::Milestones) -> Result<(), Refusal> {
    let times = [
        &told.impact_start_time,
        &told.detect_time,
        &told.acknowledge_time,
        &told.first_response_time,
        &told.identify_time,
        &told.mitigate_time,
        &told.restore_time,
    ];
    for (milestone, time) in Milestone::ALL.iter().zip(times) {
        instant(&format!("milestones.{}", milestone.field()), time.as_ref())?;
    }
    Ok(())
}

fn not_corrected(path: &str) -> String {
    match path {
        "resolve_time" | "close_time" => format!("must not name {path}: it is set by verbs only"),
        _ => {
            let path: String = path.chars().take(60).collect();
            format!("must not name {path}: it is no milestone such as impact_start_time")
        }
    }
}

/// An instant of a request, if it is given.
pub(crate) fn instant(field: &str, time: Option<&Timestamp>) -> Result<Option<i64>, Refusal> {
    let read = |time| {
        micros(time).ok_or_else(|| Refusal::invalid(field, "must lie in the years 1 to 9999"))
    };
    time.map(read).transpose()
}

/// What the work is to wait for.
pub(crate) fn hold(reason: i32) -> Result<HoldReason, Refusal> {
    OnWire::of(reason).ok_or_else(|| Refusal::invalid("reason", "is required"))
}

/// How the incident was resolved.
pub(crate) fn resolution(said: Option<pb::Resolution>) -> Result<Resolution, Refusal> {
    said.and_then(resolution_in)
        .ok_or_else(|| Refusal::invalid("resolution", "is required"))
}

/// Team and assignee of an assignment; at least one of them.
pub(crate) fn assignment(
    said: &pb::AssignIncidentRequest,
    organization: &str,
) -> Result<(Option<String>, Option<String>), Refusal> {
    let team = name::slug("team", &said.team, organization, "teams")?;
    let assignee = name::slug("assignee", &said.assignee, organization, "users")?;
    match (&team, &assignee) {
        (None, None) => Err(Refusal::invalid("team", "or assignee must be given")),
        (Some(_), _) | (_, Some(_)) => Ok((team, assignee)),
    }
}

/// The link to add.
pub(crate) fn link(said: Option<record_pb::Link>) -> Result<Link, Refusal> {
    said.map(link_in)
        .ok_or_else(|| Refusal::invalid("link", "is required"))
}

/// The point in the past that is meant.
pub(crate) fn as_of(said: pb::AsOf) -> Result<AsOf, Refusal> {
    match said.at {
        Some(pb::as_of::At::Time(time)) => match instant("as_of.time", Some(&time))? {
            Some(us) => Ok(AsOf::Time(us)),
            None => Err(Refusal::invalid("as_of", "is required")),
        },
        Some(pb::as_of::At::Cursor(cursor)) => Ok(AsOf::Cursor(cursor)),
        None => Err(Refusal::invalid("as_of", "must give a time or a cursor")),
    }
}
