//! The team's own word for where an incident stands.
//!
//! What is there already has the word that its state has by itself.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Adds `status` to `incident`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("incident")
            .add_column(string_len("status", 63).default(""))
            .to_owned();
        manager.alter_table(table).await?;
        let own_words = "UPDATE incident SET status = replace(lower(state), '_', '-')";
        manager
            .get_connection()
            .execute_unprepared(own_words)
            .await?;
        let index = Index::create()
            .name("ix_incident_status")
            .table("incident")
            .col("organization")
            .col("status")
            .col("create_us")
            .col("id")
            .to_owned();
        manager.create_index(index).await
    }
}
