//! What PostgreSQL's errors mean to the engine.

use crate::store::backend::Fault;

/// Whether an error leaves the connection of no use.
pub(super) fn lost(error: &sqlx::Error) -> bool {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all that is not the server's answer or our own mistake broke the connection"
    )]
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // The server ends, the session was idle too long, the line broke.
            code.starts_with("57P0") || code == "25P03" || code.starts_with("08")
        }),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => false,
        _ => true,
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        match code.as_deref() {
            // Unique violation.
            Some("23505") => Self::Taken,
            // Serialization failure, deadlock, lock timeout.
            Some("40001" | "40P01" | "55P03") => Self::Conflict,
            Some(_) | None => Self::Away(error.to_string()),
        }
    }
}
