//! Lists of somebody's work.

use mainstay_chassis::clock::timestamp;
use mainstay_practice::{Collection, Key, Order};
use mainstay_proto::mainstay::incident::v1 as pb;

use super::collection::light;
use super::{View, Viewer, incident};
use crate::incident::{Column, Incident};

/// The list of somebody's work: what is due first, then what matters most.
pub(crate) const WORK: Collection<Incident> = Collection {
    method: "/mainstay.incident.v1.IncidentService/ListWork",
    fields: &[],
    orders: &[Order {
        name: "due_time, priority, create_time",
        keys: &[
            rising(Column::DueUs),
            rising(Column::Priority),
            rising(Column::CreateUs),
        ],
    }],
    weight: light,
};

const fn rising(column: Column) -> Key<Column> {
    Key {
        column,
        descending: false,
    }
}

/// An incident as somebody's work.
pub(crate) fn item(work: &Incident, viewer: &Viewer) -> pb::WorkItem {
    pb::WorkItem {
        incident: Some(incident(work, viewer, View::Basic)),
        due_time: work.due_us().map(timestamp),
    }
}
