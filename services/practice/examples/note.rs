//! A whole practice against the kernel, small: a note that is written, edited
//! and archived, by hand or by a timer, the wire form of it, a table, and a
//! follower that counts; what a team may adapt about notes is in
//! `note/policy.rs`. It is the kernel's documentation, and keeps it from
//! learning about incidents.
//!
//! `cargo run -p mainstay-practice --example note` plays it through;
//! `cargo test -p mainstay-practice --example note` tests it.

#[path = "note/follow.rs"]
pub mod follow;
#[path = "note/policy.rs"]
pub mod policy;

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstay_chassis::{Clock, Permit, Principal, Refusal};
use mainstay_practice::{
    Call, Database, Decision, Fixed, Lifecycle, Moment, Payload, Record, Rule, Stamp, Store,
    StoreError, StoreSettings, Timer, TimerRules, Timers, Word,
};
use sea_orm::entity::prelude::*;
use sea_orm_migration::prelude::*;
use tokio_util::sync::CancellationToken;

// ===== the record =====

/// Where a note stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum State {
    /// It may be edited.
    Open,
    /// It stays as it is.
    Archived,
}

/// A note.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "note")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    id: Uuid,
    organization: String,
    number: i64,
    text: String,
    state: State,
    revision: i64,
    occur_us: i64,
    update_us: i64,
}

/// It refers to nothing.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What may happen to a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It was written.
    Written,
    /// Its text was changed.
    Edited,
    /// It was put away.
    Archived,
}

/// What can be done with a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Change the text.
    Edit,
    /// Put it away.
    Archive,
}

impl Word for State {
    const ALL: &'static [Self] = &[Self::Open, Self::Archived];
    fn word(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Archived => "ARCHIVED",
        }
    }
}

impl Word for Verb {
    const ALL: &'static [Self] = &[Self::Edit, Self::Archive];
    fn word(self) -> &'static str {
        match self {
            Self::Edit => "edit",
            Self::Archive => "archive",
        }
    }
}

const LIFECYCLE: Lifecycle<State, Verb> = Lifecycle(&[
    Rule {
        verb: Verb::Edit,
        from: &[State::Open],
        to: None,
    },
    Rule {
        verb: Verb::Archive,
        from: &[State::Open],
        to: Some(State::Archived),
    },
]);

/// So long after its last change a note is archived: 30 days.
pub const LEFT_ALONE_US: i64 = 30 * 24 * 3_600 * 1_000_000;

type Decided = Result<Decision<Happening, Model>, Refusal>;

// ===== the rules: pure, and the only code that assigns a field =====

impl Model {
    fn write(organization: &str, text: &str, moment: &Moment) -> Self {
        Self {
            id: moment.id,
            organization: organization.to_owned(),
            number: 0,
            text: text.to_owned(),
            state: State::Open,
            revision: 0,
            occur_us: 0,
            update_us: 0,
        }
    }

    fn edit(&mut self, text: &str) -> Decided {
        self.state = LIFECYCLE.next(self.state, Verb::Edit)?;
        if self.text == text {
            return Ok(Decision::Unchanged);
        }
        text.clone_into(&mut self.text);
        Ok(Decision::Changed(Happening::Edited))
    }

    fn archive(&mut self) -> Decided {
        self.state = LIFECYCLE.next(self.state, Verb::Archive)?;
        Ok(Decision::Changed(Happening::Archived))
    }
}

// ===== the wire: a snapshot, and one payload that holds it =====

/// A note on the wire.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NoteSnapshot {
    #[prost(string, tag = "1")]
    uid: String,
    #[prost(string, tag = "2")]
    organization: String,
    #[prost(int64, tag = "3")]
    number: i64,
    #[prost(string, tag = "4")]
    text: String,
    #[prost(bool, tag = "5")]
    archived: bool,
    #[prost(int64, tag = "6")]
    revision: i64,
    #[prost(int64, tag = "7")]
    occur_us: i64,
    #[prost(int64, tag = "8")]
    update_us: i64,
}

/// The payload of every event of a note.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NotePayload {
    #[prost(message, optional, tag = "1")]
    note: Option<NoteSnapshot>,
}

impl Record for Model {
    type Table = Entity;
    type Active = ActiveModel;
    type Event = Happening;
    type Snapshot = NoteSnapshot;
    const KIND: &'static str = "note";
    const COLLECTION: &'static str = "notes";
    const NUMBER_PREFIX: &'static str = "NOTE";

    fn fixed() -> Fixed<Column> {
        Fixed {
            id: Column::Id,
            organization: Column::Organization,
            revision: Column::Revision,
            number: Some(Column::Number),
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
        self.occur_us
    }
    fn stamp(&mut self, stamp: Stamp) {
        (self.revision, self.occur_us, self.update_us) =
            (stamp.revision, stamp.occur_us, stamp.update_us);
    }
    fn set_number(&mut self, number: i64) {
        self.number = number;
    }
    fn timers(&self) -> Vec<Timer> {
        let (name, due_us) = ("archive", self.update_us + LEFT_ALONE_US);
        let open = (self.state == State::Open).then_some(Timer { name, due_us });
        open.into_iter().collect()
    }
    fn publish(&self, event: &Happening) -> Payload {
        let note = NoteSnapshot {
            uid: self.id.to_string(),
            organization: self.organization.clone(),
            number: self.number,
            text: self.text.clone(),
            archived: self.state == State::Archived,
            revision: self.revision,
            occur_us: self.occur_us,
            update_us: self.update_us,
        };
        let type_name = match event {
            Happening::Written => "example.v1.NoteWritten",
            Happening::Edited => "example.v1.NoteEdited",
            Happening::Archived => "example.v1.NoteArchived",
        };
        let bytes = prost::Message::encode_to_vec(&NotePayload { note: Some(note) });
        Payload {
            type_name,
            bytes,
            needs: None,
            policy_version: String::new(),
        }
    }
    fn restore(snapshot: NoteSnapshot) -> Result<Self, Refusal> {
        Ok(Self {
            id: snapshot.uid.parse().map_err(Refusal::internal)?,
            organization: snapshot.organization,
            number: snapshot.number,
            text: snapshot.text,
            state: if snapshot.archived {
                State::Archived
            } else {
                State::Open
            },
            revision: snapshot.revision,
            occur_us: snapshot.occur_us,
            update_us: snapshot.update_us,
        })
    }
}

// ===== the table =====

/// Makes the table.
#[derive(DeriveMigrationName)]
pub struct CreateNote;

#[async_trait::async_trait]
impl MigrationTrait for CreateNote {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        use sea_orm_migration::schema::{big_integer, string, uuid};
        let table = Table::create()
            .table("note")
            .col(uuid("id").primary_key())
            .col(string("organization"))
            .col(big_integer("number"))
            .col(string("text"))
            .col(string("state"))
            .col(big_integer("revision"))
            .col(big_integer("occur_us"))
            .col(big_integer("update_us"))
            .to_owned();
        manager.create_table(table).await?;
        let number = Index::create()
            .name("ux_note_number")
            .table("note")
            .col("organization")
            .col("number")
            .unique()
            .to_owned();
        manager.create_index(number).await
    }
}

/// The table's migrations.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateNote)]
    }
}

// ===== what a process makes of it =====

/// A store of notes in a database, whose timers fire.
pub async fn open(database: Database) -> Result<Store, StoreError> {
    let store = open_by(database, Clock::wall()).await?;
    let rules = TimerRules::default().on::<Model>(|note, _, _| note.archive());
    Timers::start(store.clone(), rules);
    Ok(store)
}

/// The same by another clock, and without anybody who fires timers.
pub async fn open_by(database: Database, clock: Clock) -> Result<Store, StoreError> {
    let drain = CancellationToken::new();
    let settings = StoreSettings {
        database,
        clock,
        drain,
    };
    Store::open::<Migrator>("note", settings).await
}

/// A caller who may do everything with notes of an organization.
pub fn permit(organization: &str) -> Result<Permit, Refusal> {
    let name = format!("organizations/{organization}/users/ada");
    let may = BTreeSet::from(["note.write".to_owned(), "event.read".to_owned()]);
    Principal::new(name, organization, Arc::new(may), CancellationToken::new()).permit("note.write")
}

/// A call without request id and etag.
pub fn call(permit: Permit) -> Call {
    Call::by(permit)
}

/// Writes a note.
pub async fn write(
    store: &Store,
    call: Call,
    text: &'static str,
) -> Result<mainstay_practice::Written<Model>, Refusal> {
    let organization = call.organization().to_owned();
    let build = move |at: &Moment| Ok((Model::write(&organization, text, at), Happening::Written));
    store.create(call, build).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::Write;
    let folder = std::env::temp_dir().join(format!("note-{}", Uuid::now_v7()));
    std::fs::create_dir_all(&folder)?;
    let store = open(Database::files(&folder)).await?;
    let permit = permit("default")?;
    let written = write(&store, call(permit.clone()), "the kernel carries it").await?;
    let id = written.record.id;
    let edit = |note: &mut Model, _: &Moment| note.edit("and knows nothing of it");
    store.act::<Model>(call(permit.clone()), id, edit).await?;
    let archived = store
        .act::<Model>(call(permit), id, |note, _| note.archive())
        .await?;
    let (note, cursor) = (archived.record, archived.cursor);
    let (number, state) = (note.number, note.state);
    writeln!(std::io::stdout(), "NOTE-{number} at {cursor}: {state:?}")?;
    store.close().await;
    Ok(std::fs::remove_dir_all(folder)?)
}

#[cfg(test)]
#[path = "note/tests.rs"]
mod tests;
#[cfg(test)]
#[path = "note/timers.rs"]
mod timers;
