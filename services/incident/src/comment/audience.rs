//! Who may read a comment.

use sea_orm::entity::prelude::*;

/// The permission to read internal comments.
pub const READ_INTERNAL: &str = "incident.read_internal";

/// Who may read a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
pub enum Audience {
    /// Everybody who may read the incident.
    Public,
    /// Those who hold [`READ_INTERNAL`].
    Internal,
}

impl Audience {
    /// The permission that a reader must hold beside reading incidents.
    pub fn needs(self) -> Option<&'static str> {
        match self {
            Self::Public => None,
            Self::Internal => Some(READ_INTERNAL),
        }
    }
}
