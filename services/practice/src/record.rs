//! What a record is to the kernel: a sea-orm Model with private fields, the
//! columns that every record has, and its form on the wire.

use std::collections::BTreeMap;

use mainstay_chassis::Refusal;
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, ModelTrait, TryIntoModel};
use uuid::Uuid;

use crate::Timer;

/// The columns that the kernel itself names.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<C> {
    /// Primary key.
    pub id: C,
    /// Slug of the organization.
    pub organization: C,
    /// Counts the changes.
    pub revision: C,
    /// The number that people see, when the kind has numbers.
    pub number: Option<C>,
}

/// What the kernel writes into a record whenever it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The new revision.
    pub revision: i64,
    /// When the change is recorded.
    pub update_us: i64,
    /// When it occurred; never earlier than the record's previous change.
    pub occur_us: i64,
}

/// The payload of an event.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Full name of the payload's message.
    pub type_name: &'static str,
    /// The encoded message; its field 1 is the record's snapshot.
    pub bytes: Vec<u8>,
    /// The permission that a reader must hold beside `event.read`.
    pub needs: Option<&'static str>,
    /// Version of the policy that decided; empty for the built-in one.
    pub policy_version: String,
}

/// A kind of record. Its Model is the record; protobuf is its wire form.
pub trait Record:
    ModelTrait<Entity = Self::Table>
    + IntoActiveModel<Self::Active>
    + Clone
    + PartialEq
    + Send
    + Sync
    + 'static
{
    /// The sea-orm entity.
    type Table: EntityTrait<Model = Self>;
    /// Its active model, which the kernel alone handles.
    type Active: ActiveModelTrait<Entity = Self::Table> + TryIntoModel<Self> + Send;
    /// What may happen to it, in the domain's words.
    type Event: Clone + Send + Sync + 'static;
    /// The record on the wire, as field 1 of every payload holds it.
    type Snapshot: prost::Message + Default + 'static;

    /// One word for the kind, such as `incident`.
    const KIND: &'static str;
    /// The collection in its name, such as `incidents`.
    const COLLECTION: &'static str;
    /// What stands before its number, such as `INC`; empty when it has none.
    const NUMBER_PREFIX: &'static str = "";

    /// The columns that every record has.
    fn fixed() -> Fixed<<Self::Table as EntityTrait>::Column>;
    /// Its id.
    fn id(&self) -> Uuid;
    /// The slug of its organization.
    fn organization(&self) -> &str;
    /// Its revision.
    fn revision(&self) -> i64;
    /// When its newest change occurred.
    fn occur_us(&self) -> i64;
    /// Takes the stamp of a change.
    fn stamp(&mut self, stamp: Stamp);
    /// Takes its number, once, before it is created.
    fn set_number(&mut self, _number: i64) {}
    /// Its labels, which the kernel keeps filterable in a table of their own.
    fn labels(&self) -> Option<&BTreeMap<String, String>> {
        None
    }
    /// The timers that should be armed while it is as it is; at most one of a
    /// name. The kernel arms, moves and disarms them with the record.
    fn timers(&self) -> Vec<Timer> {
        Vec::new()
    }
    /// Its natural key in words, for the refusal when another record has it.
    fn natural_key(&self) -> String {
        self.name()
    }
    /// Its full name.
    fn name(&self) -> String {
        format!(
            "organizations/{}/{}/{}",
            self.organization(),
            Self::COLLECTION,
            self.id()
        )
    }
    /// Its etag.
    fn etag(&self) -> String {
        format!("\"{}\"", self.revision())
    }
    /// The payload of an event of which this is the record after it.
    fn publish(&self, event: &Self::Event) -> Payload;
    /// The record from its snapshot.
    fn restore(snapshot: Self::Snapshot) -> Result<Self, Refusal>;
}
