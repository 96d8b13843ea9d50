//! What a follower is.

use std::sync::Arc;

use mainstay_chassis::Refusal;
use mainstay_proto::mainstay::event::v1 as pb;
use sea_orm::EntityTrait;

use super::Effects;
use crate::store::Shape;

/// Somebody who follows a log.
pub trait Follower: Send + Sync + 'static {
    /// What [`Follower::apply`] leaves for [`Follower::applied`].
    type Change: Send;

    /// Name of the follower, unique in its service; with the service's name it
    /// is the id of its rule.
    const NAME: &'static str;
    /// Whether it hears of imported history. Analysis does (metrics,
    /// candidates, replicas); what acts on events must not.
    const IMPORTED: bool = false;
    /// Whether an event that cannot be applied is put aside, with all later
    /// ones of its record, for an operator. One that must not miss anything
    /// stops there instead, and raises an alarm.
    const PARKS: bool = true;
    /// The permissions that its effects on records may use.
    const PERMISSIONS: &'static [&'static str] = &[];

    /// The plain tables that come from the log alone, when all that the
    /// follower does is to keep them: they are emptied and built again when
    /// its place is set back.
    fn replicas(&self) -> Option<Replicas> {
        None
    }

    /// Says what events lead to. Pure: it may run again for the same events,
    /// and for those that another process has applied. A refusal that is not
    /// for lack of a database or a peer means that the events cannot be applied.
    fn apply(
        &self,
        events: &[(i64, pb::Event)],
        effects: &mut Effects,
    ) -> Result<Self::Change, Refusal>;

    /// Hears that it was committed, and up to which cursor; also what another
    /// process has committed, so that memory keeps up with the tables.
    fn applied(&self, _change: Self::Change, _cursor: &str) {}

    /// Hears that its place was set back and its replicas are empty.
    fn rewound(&self) {}
}

/// Plain tables that come from a log alone.
#[derive(Clone, Debug, Default)]
pub struct Replicas(pub(super) Vec<Arc<Shape>>);

impl Replicas {
    /// Adds the table of an entity.
    #[must_use]
    pub fn with<E: EntityTrait>(mut self) -> Self {
        self.0.push(Arc::new(Shape::of::<E>()));
        self
    }
}
