//! The schema of a service: made, and brought up to date, by one process at a
//! time.

use mainstay_chassis::Clock;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use sea_orm_migration::MigratorTrait;

use super::session::{self, Purpose};
use crate::store::batch::Heads;
use crate::store::database::DatabaseUrl;
use crate::store::open::ends;
use crate::tables::store_clock;

/// The oldest server that is known to do.
const OLDEST: i32 = 140_000;

/// Runs the migrations and reads where everything ends. A session lock lets
/// one process do it at a time; it ends with the connection.
pub(crate) async fn prepare<M: MigratorTrait>(
    url: &DatabaseUrl,
    service: &str,
    clock: &Clock,
) -> Result<(Heads, store_clock::Model), DbErr> {
    let pool = session::single(url, service, Purpose::Migrate).await;
    let connection = DatabaseConnection::from(pool.map_err(session::custom)?);
    fit(&connection).await?;
    lock(&connection, service).await?;
    make(&connection, service).await?;
    step::<crate::migrations::Migrator>(&connection).await?;
    step::<M>(&connection).await?;
    let ends = ends(&connection, clock).await?;
    connection.close().await?;
    Ok(ends)
}

/// The services that have a log in a database.
pub(crate) async fn logs(url: &DatabaseUrl) -> Result<Vec<String>, DbErr> {
    let pool = session::single(url, "public", Purpose::Watch).await;
    let connection = DatabaseConnection::from(pool.map_err(session::custom)?);
    let text = "select table_schema::text from information_schema.tables \
                where table_name = 'log_head' order by 1";
    let found = connection.query_all_raw(plain(text)).await?;
    connection.close().await?;
    found.iter().map(|row| row.try_get_by_index(0)).collect()
}

/// Refuses a server that is too old, and warns of one whose commits do not
/// reach the disk.
async fn fit(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let text = "select current_setting('server_version_num')::int4, current_setting('fsync')";
    let (mut version, mut fsync) = (0, String::new());
    if let Some(row) = connection.query_one_raw(plain(text)).await? {
        version = row.try_get_by_index(0)?;
        fsync = row.try_get_by_index(1)?;
    }
    if version < OLDEST {
        return Err(DbErr::Custom(format!(
            "the server is PostgreSQL {}: use 14 or newer",
            version / 10_000
        )));
    }
    if fsync != "on" {
        tracing::warn!("the server runs with fsync=off: a power cut loses acknowledged writes");
    }
    Ok(())
}

async fn lock(connection: &DatabaseConnection, service: &str) -> Result<(), DbErr> {
    // Whoever waits longer is told so, instead of waiting for ever.
    connection
        .execute_unprepared("set statement_timeout = '60s'")
        .await?;
    let lock = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "select pg_advisory_lock(hashtext($1))",
        [format!("{service}:migrate").into()],
    );
    connection.query_one_raw(lock).await?;
    connection
        .execute_unprepared("set statement_timeout = 0")
        .await
        .map(drop)
}

/// Makes the schema. Asked for first: to make one that exists needs a right
/// that its user may lack.
async fn make(connection: &DatabaseConnection, service: &str) -> Result<(), DbErr> {
    let known = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "select 1 from pg_namespace where nspname = $1",
        [service.into()],
    );
    if connection.query_one_raw(known).await?.is_some() {
        return Ok(());
    }
    connection
        .execute_unprepared(&format!("create schema \"{service}\""))
        .await
        .map(drop)
}

/// Runs what migrations are pending, one after the other.
async fn step<M: MigratorTrait>(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let pending = M::get_pending_migrations(connection).await?.len();
    for _ in 0..pending {
        M::up(connection, Some(1)).await?;
        collate(connection).await?;
    }
    Ok(())
}

/// Lets texts sort by their bytes, as they do in SQLite and in our own code:
/// pages of lists and ranges of prefixes rely on it. A column that a generated
/// column reads has to be made so by its migration.
async fn collate(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let text = "select format('alter table %I alter column %I type %s collate \"C\"', \
                c.relname, a.attname, format_type(a.atttypid, a.atttypmod)) \
                from pg_attribute a \
                join pg_class c on c.oid = a.attrelid \
                join pg_collation o on o.oid = a.attcollation \
                where c.relnamespace = current_schema()::regnamespace and c.relkind = 'r' \
                and a.attnum > 0 and not a.attisdropped \
                and a.attgenerated = '' and o.collname <> 'C'";
    for row in connection.query_all_raw(plain(text)).await? {
        let alter: String = row.try_get_by_index(0)?;
        connection.execute_unprepared(&alter).await?;
    }
    Ok(())
}

fn plain(text: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, text)
}
