//! How incidents stand as major ones.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Adds `major_state` and `major` to `incident`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in [
            string_len_null("major_state", 16),
            json_binary_null("major"),
        ] {
            let table = Table::alter()
                .table("incident")
                .add_column(column)
                .to_owned();
            manager.alter_table(table).await?;
        }
        let index = Index::create()
            .name("ix_incident_major_state")
            .table("incident")
            .col("organization")
            .col("major_state")
            .col("create_us")
            .col("id")
            .and_where(Expr::col("major_state").is_not_null())
            .to_owned();
        manager.create_index(index).await
    }
}
