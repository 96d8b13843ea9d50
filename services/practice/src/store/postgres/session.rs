//! Connections to PostgreSQL, each with the settings of its purpose.

use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor};

use crate::store::database::DatabaseUrl;

/// Statements kept prepared on a connection.
const STATEMENTS: usize = 512;
/// So many connections read.
const READERS: u32 = 8;
/// A reader waits so long for a connection.
const ACQUIRE: Duration = Duration::from_secs(2);
/// A connection that was idle for longer is tried before it is used.
const STALE: Duration = Duration::from_secs(1);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Writes; there is one.
    Write,
    /// Reads on behalf of callers.
    Read,
    /// Reads whole tables, or waits for notifications.
    Watch,
    /// Makes tables.
    Migrate,
}

impl Purpose {
    /// Its settings. A write that stalls holds up all processes that write to
    /// the same log: it is cut off after two seconds.
    fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Write => &[
                ("statement_timeout", "5s"),
                ("lock_timeout", "5s"),
                ("idle_in_transaction_session_timeout", "2s"),
                ("synchronous_commit", "on"),
                ("plan_cache_mode", "force_generic_plan"),
                ("jit", "off"),
                ("tcp_keepalives_idle", "5"),
                ("tcp_keepalives_interval", "2"),
                ("tcp_keepalives_count", "3"),
            ],
            Self::Read => &[
                ("statement_timeout", "5s"),
                ("lock_timeout", "2s"),
                ("idle_in_transaction_session_timeout", "10s"),
                ("default_transaction_read_only", "on"),
                ("jit", "off"),
            ],
            Self::Watch => &[
                ("default_transaction_read_only", "on"),
                ("idle_in_transaction_session_timeout", "10s"),
            ],
            Self::Migrate => &[("client_min_messages", "warning")],
        }
    }

    /// So many statements are kept prepared. Where tables change none may be.
    fn statements(self) -> usize {
        match self {
            Self::Write | Self::Read | Self::Watch => STATEMENTS,
            Self::Migrate => 0,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::Watch => "watch",
            Self::Migrate => "migrate",
        }
    }
}

/// How a connection of a service is made.
pub(super) fn options(url: &DatabaseUrl, service: &str, purpose: Purpose) -> PgConnectOptions {
    url.options()
        .application_name(&format!("mainstay {service} {}", purpose.name()))
        .statement_cache_capacity(purpose.statements())
        .options([("search_path", service)])
        .options(purpose.settings().iter().copied())
        .disable_statement_logging()
}

/// The connections of readers.
pub(crate) async fn readers(
    url: &DatabaseUrl,
    service: &str,
) -> Result<DatabaseConnection, sqlx::Error> {
    pool(READERS)
        .acquire_timeout(ACQUIRE)
        .max_lifetime(Duration::from_secs(30 * 60))
        .test_before_acquire(false)
        .before_acquire(|connection, of| {
            Box::pin(async move {
                if of.idle_for > STALE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        // A read that its caller gave up may have left a transaction begun. A
        // plain ROLLBACK would fill the server's log with warnings.
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.execute("BEGIN; ROLLBACK").await?;
                Ok(true)
            })
        })
        .connect_with(options(url, service, Purpose::Read))
        .await
        .map(DatabaseConnection::from)
}

/// A connection that reads whole tables, as long as it takes.
pub(crate) async fn long_reader(
    url: &DatabaseUrl,
    service: &str,
) -> Result<DatabaseConnection, DbErr> {
    single(url, service, Purpose::Watch)
        .await
        .map(DatabaseConnection::from)
        .map_err(custom)
}

/// A pool of one connection, which is always the same one.
pub(super) async fn single(
    url: &DatabaseUrl,
    service: &str,
    purpose: Purpose,
) -> Result<PgPool, sqlx::Error> {
    pool(1)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options(url, service, purpose))
        .await
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(connections)
}

/// What failed, in words; they hold no password.
pub(super) fn custom(error: sqlx::Error) -> DbErr {
    DbErr::Custom(error.to_string())
}

/// The connection on which the doorbell rings.
pub(crate) async fn listener(url: &DatabaseUrl, service: &str) -> Result<PgPool, sqlx::Error> {
    single(url, service, Purpose::Watch).await
}
