//! Every kind of rule that the contract uses, by a message that breaks it: which
//! field is named, and with which remedy.

#[path = "rules/shapes.rs"]
mod shapes;
#[path = "rules/values.rs"]
mod values;

use mainstay_proto::check::{Rules, Violations};
use mainstay_proto::mainstay::access::v1 as access;
use mainstay_proto::mainstay::event::v1 as event;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::metrics::v1 as metrics;
use mainstay_proto::mainstay::record::v1 as record;
use prost_types::{Duration, FieldMask};

/// Asserts that a message breaks one rule, and how that is told.
#[track_caller]
fn breaks(message: &impl Rules, field: &str, remedy: &str) {
    let told = Violations::of(message);
    assert_eq!(told, [(field.to_owned(), remedy.to_owned())]);
}

#[track_caller]
fn holds(message: &impl Rules) {
    assert_eq!(Violations::of(message), []);
}

fn get(name: &str) -> pb::GetIncidentRequest {
    pb::GetIncidentRequest {
        name: name.to_owned(),
        ..Default::default()
    }
}

fn incident() -> pb::Incident {
    pb::Incident {
        title: "Mail is down".to_owned(),
        ..Default::default()
    }
}

fn create(incident: pb::Incident) -> pb::CreateIncidentRequest {
    pb::CreateIncidentRequest {
        incident: Some(incident),
        ..Default::default()
    }
}

fn link(uri: &str) -> pb::LinkIncidentRequest {
    pb::LinkIncidentRequest {
        name: "INC-1".to_owned(),
        link: Some(record::Link {
            uri: uri.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn resolve(resolution: pb::Resolution) -> pb::ResolveIncidentRequest {
    pb::ResolveIncidentRequest {
        name: "INC-1".to_owned(),
        resolution: Some(resolution),
        ..Default::default()
    }
}

fn fixed() -> pb::Resolution {
    pb::Resolution {
        code: pb::ResolutionCode::Fixed.into(),
        summary: "Restarted".to_owned(),
        ..Default::default()
    }
}

fn watch(at: Option<event::start::At>) -> event::WatchEventsRequest {
    event::WatchEventsRequest {
        start: Some(event::Start { at }),
        ..Default::default()
    }
}
