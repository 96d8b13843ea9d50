//! The kernel's own tables, the same in every service's database. Instants
//! are microseconds since the epoch, UTC.

/// The log: a row per event, never changed.
pub mod event_log {
    use sea_orm::entity::prelude::*;

    /// An event as it is kept.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "event_log")]
    pub struct Model {
        /// Position in the service's log: 1, 2, 3 …
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        /// Whether the next event belongs to another operation.
        pub last_in_tx: bool,
        /// Slug of the organization.
        pub organization: String,
        /// Position in the organization's part of the log: 1, 2, 3 …
        pub org_sequence: i64,
        /// UUIDv7 of the event.
        pub event_id: Uuid,
        /// Full name of the payload's message.
        #[sea_orm(column_name = "type")]
        pub event_type: String,
        /// Name of the record that changed.
        pub subject: String,
        /// Id of the record that changed.
        pub record_id: Uuid,
        /// Its revision after the change.
        pub revision: i64,
        /// Full name of who did it.
        pub actor: String,
        /// The permission that a reader must hold beside `event.read`.
        pub needs: Option<String>,
        /// Whether it is imported history.
        pub imported: bool,
        /// When it occurred.
        pub occurred_us: i64,
        /// When it was recorded.
        pub recorded_us: i64,
        /// The encoded `mainstay.event.v1.Event`.
        pub body: Vec<u8>,
        /// SHA-256 of the body.
        pub body_hash: Vec<u8>,
        /// SHA-256 over the previous hash, this event's place and the body's hash.
        pub hash: Vec<u8>,
    }

    /// No relations: a log refers to nothing.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Where the log ends: one row.
pub mod log_head {
    use sea_orm::entity::prelude::*;

    /// The end of the log.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "log_head")]
    pub struct Model {
        /// Always 0.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        /// Made with the log; another one after it was restored or cut.
        pub epoch: Uuid,
        /// Position of the newest event.
        pub seq: i64,
        /// When it was recorded.
        pub recorded_us: i64,
        /// Positions up to here are archived.
        pub floor: i64,
        /// Its hash.
        pub hash: Vec<u8>,
    }

    /// No relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Where each organization's part of the log ends.
pub mod organization_head {
    use sea_orm::entity::prelude::*;

    /// The end of an organization's part of the log.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "organization_head")]
    pub struct Model {
        /// Slug of the organization.
        #[sea_orm(primary_key, auto_increment = false)]
        pub organization: String,
        /// Position of its newest event in its part of the log.
        pub org_sequence: i64,
    }

    /// No relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The writes that may be repeated: what each came to.
pub mod idempotency {
    use sea_orm::entity::prelude::*;

    /// A write with a request id.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency")]
    pub struct Model {
        /// The request id.
        #[sea_orm(primary_key, auto_increment = false)]
        pub request_id: Uuid,
        /// Slug of the organization.
        #[sea_orm(primary_key, auto_increment = false)]
        pub organization: String,
        /// Full name of who called.
        #[sea_orm(primary_key, auto_increment = false)]
        pub principal: String,
        /// SHA-256 over method and request.
        pub digest: Vec<u8>,
        /// The record written.
        pub record_id: Uuid,
        /// Its revision then: with the id it names the event that a repeat is answered from.
        pub revision: i64,
        /// When the write was made.
        pub created_us: i64,
        /// The other records written and their revisions: 24 bytes each.
        pub others: Option<Vec<u8>>,
    }

    /// Ids and revisions as the column holds them.
    pub(crate) fn others_of(records: impl Iterator<Item = (Uuid, i64)>) -> Option<Vec<u8>> {
        let bytes =
            |(id, revision): (Uuid, i64)| id.into_bytes().into_iter().chain(revision.to_be_bytes());
        let bytes: Vec<u8> = records.flat_map(bytes).collect();
        (!bytes.is_empty()).then_some(bytes)
    }

    impl Model {
        /// All records written and their revisions.
        pub(crate) fn written(&self) -> Vec<(Uuid, i64)> {
            let others = self.others.as_deref().unwrap_or_default();
            let other = |bytes: &[u8]| {
                let (id, revision) = bytes.split_at_checked(16)?;
                let revision = i64::from_be_bytes(revision.try_into().ok()?);
                Some((Uuid::from_slice(id).ok()?, revision))
            };
            let others = others.chunks(24).filter_map(other);
            std::iter::once((self.record_id, self.revision))
                .chain(others)
                .collect()
        }
    }

    /// No relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// How far each follower has come in the log that it follows.
pub mod consumer_cursor {
    use sea_orm::entity::prelude::*;

    /// A follower's place.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "consumer_cursor")]
    pub struct Model {
        /// Name of the follower and of the service whose log it follows.
        #[sea_orm(primary_key, auto_increment = false)]
        pub consumer: String,
        /// The cursor right after the last event applied; empty before the first.
        pub cursor: String,
        /// When it was moved.
        pub updated_us: i64,
        /// Counts what was done for the consumer: whoever moves its place names
        /// the revision that he saw.
        pub revision: i64,
        /// Id of the last event applied; empty before the first.
        pub event_id: String,
    }

    /// No relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The events that a follower could not apply and has put aside.
pub mod parked {
    use sea_orm::entity::prelude::*;

    /// An event put aside.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "parked")]
    pub struct Model {
        /// Name of the follower and of the service whose log it follows.
        #[sea_orm(primary_key, auto_increment = false)]
        pub consumer: String,
        /// Epoch of the log.
        #[sea_orm(primary_key, auto_increment = false)]
        pub epoch: Uuid,
        /// Position in the log.
        #[sea_orm(primary_key, auto_increment = false)]
        pub seq: i64,
        /// Slug of the event's organization; empty when the event cannot be read.
        pub organization: String,
        /// Name of the record that changed: what is parked of it stays in order.
        pub subject: String,
        /// UUIDv7 of the event; empty when the event cannot be read.
        pub event_id: String,
        /// Full name of the payload's message.
        #[sea_orm(column_name = "type")]
        pub event_type: String,
        /// The encoded `mainstay.event.v1.Event`.
        pub body: Vec<u8>,
        /// Why it could not be applied.
        pub error: String,
        /// How often that was tried; 0 when it waits for another of its record.
        pub attempts: i32,
        /// When it was put aside.
        pub parked_us: i64,
    }

    /// No relations: the record is another service's.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The numbers handed out to records.
pub mod number_head {
    use sea_orm::entity::prelude::*;

    /// The newest number of a kind in an organization.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "number_head")]
    pub struct Model {
        /// Slug of the organization.
        #[sea_orm(primary_key, auto_increment = false)]
        pub organization: String,
        /// The kind of record.
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: String,
        /// The newest number.
        pub number: i64,
    }

    /// No relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The labels of records, so that lists can be filtered by them.
pub mod record_label {
    use sea_orm::entity::prelude::*;

    /// A label of a record.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "record_label")]
    pub struct Model {
        /// Slug of the organization.
        #[sea_orm(primary_key, auto_increment = false)]
        pub organization: String,
        /// The kind of record.
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: String,
        /// The label.
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
        /// Its value.
        #[sea_orm(primary_key, auto_increment = false)]
        pub value: String,
        /// Id of the record.
        #[sea_orm(primary_key, auto_increment = false)]
        pub record_id: Uuid,
    }

    /// No relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The timers that records have armed.
pub mod timer {
    use sea_orm::entity::prelude::*;

    /// A timer.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "timer")]
    pub struct Model {
        /// Id of the record that armed it.
        #[sea_orm(primary_key, auto_increment = false)]
        pub record_id: Uuid,
        /// What it is.
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        /// Slug of the organization.
        pub organization: String,
        /// The kind of record.
        pub kind: String,
        /// When it is due.
        pub due_us: i64,
        /// Revision of the record that armed it so.
        pub generation: i64,
        /// How often it has failed to fire.
        pub attempts: i32,
        /// When it is tried: at first when it is due, later after a pause.
        pub next_try_us: i64,
        /// Why it failed the last time.
        pub error: Option<String>,
    }

    /// No relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The clock that the log was made under: one row.
pub mod store_clock {
    use sea_orm::entity::prelude::*;

    /// The clock of a store.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "store_clock")]
    pub struct Model {
        /// Always 0.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        /// Whether it is a virtual one.
        pub virtual_clock: bool,
        /// Where the virtual clock stands; 0 for the machine's.
        pub now_us: i64,
    }

    /// No relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
