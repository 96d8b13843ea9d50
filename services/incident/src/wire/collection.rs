//! What lists may be asked: fields, orders, and how heavy a record is.

use mainstay_practice::{Collection, Field, FieldKind, Key, Order};

use super::View;
use crate::comment::{self, Comment};
use crate::incident::{Column, Incident};

const STATES: &[(&str, &str)] = &[
    ("INCIDENT_STATE_NEW", "NEW"),
    ("INCIDENT_STATE_IN_PROGRESS", "IN_PROGRESS"),
    ("INCIDENT_STATE_ON_HOLD", "ON_HOLD"),
    ("INCIDENT_STATE_MITIGATED", "MITIGATED"),
    ("INCIDENT_STATE_RESOLVED", "RESOLVED"),
    ("INCIDENT_STATE_CLOSED", "CLOSED"),
    ("INCIDENT_STATE_CANCELLED", "CANCELLED"),
];

const PRIORITIES: &[(&str, &str)] = &[
    ("PRIORITY_P1", "P1"),
    ("PRIORITY_P2", "P2"),
    ("PRIORITY_P3", "P3"),
    ("PRIORITY_P4", "P4"),
    ("PRIORITY_P5", "P5"),
];

const IMPACTS: &[(&str, &str)] = &[
    ("IMPACT_LOW", "LOW"),
    ("IMPACT_MEDIUM", "MEDIUM"),
    ("IMPACT_HIGH", "HIGH"),
    ("IMPACT_CRITICAL", "CRITICAL"),
];

const MAJOR_STATES: &[(&str, &str)] = &[
    ("MAJOR_INCIDENT_STATE_PROPOSED", "PROPOSED"),
    ("MAJOR_INCIDENT_STATE_DISMISSED", "DISMISSED"),
    ("MAJOR_INCIDENT_STATE_DECLARED", "DECLARED"),
    ("MAJOR_INCIDENT_STATE_STOOD_DOWN", "STOOD_DOWN"),
];

/// The fields that a filter of incidents may name; each has an index.
pub(crate) const FIELDS: &[Field<Column>] = &[
    Field {
        name: "state",
        column: Column::State,
        kind: FieldKind::Enum(STATES),
    },
    Field {
        name: "priority",
        column: Column::Priority,
        kind: FieldKind::Enum(PRIORITIES),
    },
    Field {
        name: "impact",
        column: Column::Impact,
        kind: FieldKind::Enum(IMPACTS),
    },
    Field {
        name: "major",
        column: Column::MajorState,
        kind: FieldKind::Enum(MAJOR_STATES),
    },
    Field {
        name: "status",
        column: Column::Status,
        kind: FieldKind::Text,
    },
    Field {
        name: "service",
        column: Column::Service,
        kind: FieldKind::Slug("services"),
    },
    Field {
        name: "team",
        column: Column::Team,
        kind: FieldKind::Slug("teams"),
    },
    Field {
        name: "assignee",
        column: Column::Assignee,
        kind: FieldKind::Slug("users"),
    },
    Field {
        name: "parent",
        column: Column::Parent,
        kind: FieldKind::Name("incidents"),
    },
    Field {
        name: "origin.source",
        column: Column::OriginSource,
        kind: FieldKind::Text,
    },
    Field {
        name: "origin.key",
        column: Column::OriginKey,
        kind: FieldKind::Text,
    },
    Field {
        name: "labels",
        column: Column::Id,
        kind: FieldKind::Labels,
    },
    Field {
        name: "create_time",
        column: Column::CreateUs,
        kind: FieldKind::Instant,
    },
];

const OLDEST: Key<Column> = Key {
    column: Column::CreateUs,
    descending: false,
};
const NEWEST: Key<Column> = Key {
    column: Column::CreateUs,
    descending: true,
};
const URGENT: Key<Column> = Key {
    column: Column::Priority,
    descending: false,
};

/// The orders of incidents; the first is the usual one.
const ORDERS: &[Order<Column>] = &[
    Order {
        name: "create_time desc",
        keys: &[NEWEST],
    },
    Order {
        name: "create_time",
        keys: &[OLDEST],
    },
    Order {
        name: "priority, create_time",
        keys: &[URGENT, OLDEST],
    },
    Order {
        name: "priority, create_time desc",
        keys: &[URGENT, NEWEST],
    },
];

/// The list of incidents, as it is told in a view.
pub(crate) fn incidents(view: View) -> Collection<Incident> {
    Collection {
        method: "/mainstay.incident.v1.IncidentService/ListIncidents",
        fields: FIELDS,
        orders: ORDERS,
        weight: match view {
            View::Basic => light,
            View::Full => heavy,
        },
    }
}

/// What names, times and words of an incident come to on the wire, at most.
const FRAME: usize = 2_000;

pub(super) fn light(incident: &Incident) -> usize {
    let labels = incident
        .label_map()
        .iter()
        .map(|(key, value)| key.len() + value.len() + 8);
    let services = incident.affected_services().len() * 160;
    let note = incident.hold().map_or(0, |hold| hold.note.len());
    let summary = incident
        .resolution()
        .map_or(0, |resolution| resolution.summary.len());
    FRAME + incident.title().len() + labels.sum::<usize>() + services + note + summary
}

fn heavy(incident: &Incident) -> usize {
    let links = incident
        .links()
        .iter()
        .map(|link| link.uri.len() + link.title.len() + 8);
    light(incident) + incident.description().len() + links.sum::<usize>()
}

/// The list of the comments on an incident.
pub(crate) const COMMENTS: Collection<Comment> = Collection {
    method: "/mainstay.incident.v1.IncidentCommentService/ListIncidentComments",
    fields: &[],
    orders: &[Order {
        name: "create_time",
        keys: &[Key {
            column: comment::Column::CreateUs,
            descending: false,
        }],
    }],
    weight: |comment| 500 + comment.body().len(),
};

#[cfg(test)]
mod tests {
    use super::*;
    use mainstay_practice::Word;

    #[test]
    fn the_words_of_filters_are_those_of_the_table() {
        let words: Vec<_> = STATES.iter().map(|(_, kept)| *kept).collect();
        let states: Vec<_> = crate::incident::State::ALL
            .iter()
            .map(|state| state.word())
            .collect();
        assert_eq!(words, states);
        for (wire, kept) in STATES
            .iter()
            .chain(PRIORITIES)
            .chain(IMPACTS)
            .chain(MAJOR_STATES)
        {
            assert!(wire.ends_with(kept), "{wire} is not {kept}");
        }
    }
}
