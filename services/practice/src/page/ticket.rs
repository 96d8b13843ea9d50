//! A record with every kind of field, for the tests of filters and pages.

use sea_orm::entity::prelude::*;
use sea_orm::{ActiveModelTrait, ConnectionTrait, Database, DatabaseConnection, IntoActiveModel};
use uuid::Uuid;

use crate::filter::{Field, FieldKind};
use crate::{Fixed, Payload, Record, Stamp};
use mainstay_chassis::Refusal;

use super::{Collection, Key, Order};

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ticket")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub organization: String,
    pub revision: i64,
    pub state: String,
    pub severity: Option<String>,
    pub team: Option<String>,
    pub category: String,
    pub note: Option<String>,
    pub parent: Option<Uuid>,
    pub create_us: i64,
    pub resolve_us: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Record for Model {
    type Table = Entity;
    type Active = ActiveModel;
    type Event = ();
    type Snapshot = ();
    const KIND: &'static str = "ticket";
    const COLLECTION: &'static str = "tickets";

    fn fixed() -> Fixed<Column> {
        Fixed {
            id: Column::Id,
            organization: Column::Organization,
            revision: Column::Revision,
            number: None,
        }
    }
    fn id(&self) -> Uuid {
        self.id
    }
    fn organization(&self) -> &str {
        &self.organization
    }
    fn revision(&self) -> i64 {
        self.revision
    }
    fn occur_us(&self) -> i64 {
        self.create_us
    }
    fn stamp(&mut self, stamp: Stamp) {
        self.revision = stamp.revision;
    }
    fn publish(&self, (): &()) -> Payload {
        Payload {
            type_name: "ticket",
            bytes: Vec::new(),
            needs: None,
            policy_version: String::new(),
        }
    }
    fn restore((): ()) -> Result<Self, Refusal> {
        Err(Refusal::unavailable())
    }
}

pub const STATES: &[(&str, &str)] = &[
    ("NEW", "new"),
    ("IN_PROGRESS", "in_progress"),
    ("ON_HOLD", "on_hold"),
    ("CLOSED", "closed"),
];
pub const SEVERITIES: &[(&str, &str)] = &[
    ("SEVERITY_SEV1", "sev1"),
    ("SEVERITY_SEV2", "sev2"),
    ("SEVERITY_SEV3", "sev3"),
];

pub const FIELDS: &[Field<Column>] = &[
    Field {
        name: "state",
        column: Column::State,
        kind: FieldKind::Enum(STATES),
    },
    Field {
        name: "severity",
        column: Column::Severity,
        kind: FieldKind::Enum(SEVERITIES),
    },
    Field {
        name: "team",
        column: Column::Team,
        kind: FieldKind::Slug("teams"),
    },
    Field {
        name: "category",
        column: Column::Category,
        kind: FieldKind::Slug("categories"),
    },
    Field {
        name: "origin.note",
        column: Column::Note,
        kind: FieldKind::Text,
    },
    Field {
        name: "parent",
        column: Column::Parent,
        kind: FieldKind::Name("tickets"),
    },
    Field {
        name: "create_time",
        column: Column::CreateUs,
        kind: FieldKind::Instant,
    },
    Field {
        name: "labels",
        column: Column::Id,
        kind: FieldKind::Labels,
    },
    // Sorts nothing, so that no index serves it alone: it comes last.
    Field {
        name: "resolve_time",
        column: Column::ResolveUs,
        kind: FieldKind::Instant,
    },
];

const fn up(column: Column) -> Key<Column> {
    Key {
        column,
        descending: false,
    }
}
const fn down(column: Column) -> Key<Column> {
    Key {
        column,
        descending: true,
    }
}

pub const TICKETS: Collection<Model> = Collection {
    method: "/test.Tickets/List",
    fields: FIELDS,
    orders: &[
        Order {
            name: "create_time desc",
            keys: &[down(Column::CreateUs)],
        },
        Order {
            name: "create_time",
            keys: &[up(Column::CreateUs)],
        },
        Order {
            name: "state, create_time",
            keys: &[up(Column::State), up(Column::CreateUs)],
        },
        Order {
            name: "state, create_time desc",
            keys: &[up(Column::State), down(Column::CreateUs)],
        },
    ],
    weight: |_| 100,
};

/// The labels of a ticket.
pub type Labels = Vec<(&'static str, String)>;

const TABLES: &str = "
CREATE TABLE ticket (id blob primary key, organization text not null, revision integer not null, state text not null,
    severity text, team text, category text not null, note text, parent blob, create_us integer not null, resolve_us integer) STRICT;
CREATE INDEX t1 ON ticket (organization, create_us, id);
CREATE INDEX t2 ON ticket (organization, state, create_us, id);
CREATE INDEX t4 ON ticket (organization, team, create_us, id);
CREATE INDEX t5 ON ticket (organization, severity, create_us, id);
CREATE INDEX t6 ON ticket (organization, category, create_us, id);
CREATE INDEX t7 ON ticket (organization, note, create_us, id);
CREATE INDEX t8 ON ticket (organization, parent, create_us, id);
CREATE INDEX t9 ON ticket (organization, resolve_us, id);
CREATE TABLE record_label (organization text, kind text, key text, value text, record_id blob,
    primary key (organization, kind, key, value, record_id)) STRICT, WITHOUT ROWID;";

/// A database in a folder, with the tickets and their labels.
pub async fn database(
    folder: &tempfile::TempDir,
    tickets: &[(Model, Labels)],
) -> DatabaseConnection {
    let url = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("tickets.db").display()
    );
    let connection = Database::connect(url).await.unwrap();
    connection.execute_unprepared(TABLES).await.unwrap();
    connection
        .execute_unprepared("PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL")
        .await
        .unwrap();
    fill(&connection, tickets).await;
    connection
}

/// Puts other tickets into the database.
pub async fn fill(connection: &DatabaseConnection, tickets: &[(Model, Labels)]) {
    use crate::tables::record_label;
    connection
        .execute_unprepared("DELETE FROM ticket; DELETE FROM record_label")
        .await
        .unwrap();
    for chunk in tickets.chunks(500) {
        let rows = chunk
            .iter()
            .map(|(ticket, _)| ticket.clone().into_active_model().reset_all());
        Entity::insert_many(rows).exec(connection).await.unwrap();
        let labels = chunk.iter().flat_map(|(ticket, labels)| {
            labels.iter().map(|(key, value)| record_label::Model {
                organization: ticket.organization.clone(),
                kind: "ticket".to_owned(),
                key: (*key).to_owned(),
                value: value.clone(),
                record_id: ticket.id,
            })
        });
        let labels: Vec<_> = labels
            .map(|label| label.into_active_model().reset_all())
            .collect();
        if !labels.is_empty() {
            record_label::Entity::insert_many(labels)
                .exec(connection)
                .await
                .unwrap();
        }
    }
}
