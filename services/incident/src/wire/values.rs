//! The values of an incident: the contract's messages and what is kept.

use mainstay_chassis::clock::{micros, timestamp};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1 as record_pb;
use uuid::Uuid;

use super::words::OnWire;
use crate::incident::{Hold, Link, Milestones, Origin, Resolution};

/// The id at the end of a name; none of an empty one.
pub(super) fn other_in(name: &str) -> Result<Option<Uuid>, ()> {
    match name.rsplit('/').next().filter(|id| !id.is_empty()) {
        Some(id) => Uuid::parse_str(id).map(Some).map_err(|_| ()),
        None => Ok(None),
    }
}

/// An origin as it is kept.
pub(super) fn origin_in(said: record_pb::Origin) -> Origin {
    let uri = Some(said.uri).filter(|uri| !uri.is_empty());
    Origin {
        source: said.source,
        key: said.key,
        uri,
        imported: said.imported,
    }
}

/// A link as it is kept.
pub(super) fn link_in(said: record_pb::Link) -> Link {
    Link {
        uri: said.uri,
        title: said.title,
    }
}

/// A link on the wire.
pub(super) fn link_out(link: &Link) -> record_pb::Link {
    record_pb::Link {
        uri: link.uri.clone(),
        title: link.title.clone(),
    }
}

/// A hold as it is kept; none when it has no reason or no beginning.
pub(super) fn hold_in(said: &pb::Hold) -> Option<Hold> {
    Some(Hold {
        reason: OnWire::of(said.reason)?,
        note: said.note.clone(),
        since_us: said.since_time.as_ref().and_then(micros)?,
        resume_us: said.resume_time.as_ref().and_then(micros),
    })
}

/// A hold on the wire.
pub(super) fn hold_out(hold: &Hold) -> pb::Hold {
    pb::Hold {
        reason: hold.reason.number(),
        note: hold.note.clone(),
        since_time: Some(timestamp(hold.since_us)),
        resume_time: hold.resume_us.map(timestamp),
    }
}

/// A resolution as it is kept; none when it has no code.
pub(super) fn resolution_in(said: pb::Resolution) -> Option<Resolution> {
    let cause_code = Some(said.cause_code).filter(|code| !code.is_empty());
    Some(Resolution {
        code: OnWire::of(said.code)?,
        summary: said.summary,
        cause_code,
    })
}

/// A resolution on the wire.
pub(super) fn resolution_out(resolution: &Resolution) -> pb::Resolution {
    pb::Resolution {
        code: resolution.code.number(),
        summary: resolution.summary.clone(),
        cause_code: resolution.cause_code.clone().unwrap_or_default(),
    }
}

/// Milestones as they are kept.
pub(super) fn milestones_in(said: pb::Milestones) -> Milestones {
    let us = |time: Option<prost_types::Timestamp>| time.as_ref().and_then(micros);
    Milestones {
        impact_start_us: us(said.impact_start_time),
        detect_us: us(said.detect_time),
        acknowledge_us: us(said.acknowledge_time),
        first_response_us: us(said.first_response_time),
        identify_us: us(said.identify_time),
        mitigate_us: us(said.mitigate_time),
        restore_us: us(said.restore_time),
        resolve_us: us(said.resolve_time),
        close_us: us(said.close_time),
    }
}

/// Milestones on the wire.
pub(super) fn milestones_out(milestones: &Milestones) -> pb::Milestones {
    pb::Milestones {
        impact_start_time: milestones.impact_start_us.map(timestamp),
        detect_time: milestones.detect_us.map(timestamp),
        acknowledge_time: milestones.acknowledge_us.map(timestamp),
        first_response_time: milestones.first_response_us.map(timestamp),
        identify_time: milestones.identify_us.map(timestamp),
        mitigate_time: milestones.mitigate_us.map(timestamp),
        restore_time: milestones.restore_us.map(timestamp),
        resolve_time: milestones.resolve_us.map(timestamp),
        close_time: milestones.close_us.map(timestamp),
    }
}
