//! The comments on incidents.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `incident_comment`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("incident_comment")
            .col(uuid("id").primary_key())
            .col(string_len("organization", 63))
            .col(uuid("incident"))
            .col(big_integer("revision"))
            .col(big_integer("create_us"))
            .col(big_integer("occur_us"))
            .col(string_len("audience", 16))
            .col(text("body"))
            .col(string("author"))
            .to_owned();
        manager.create_table(table).await?;
        let incident = Index::create()
            .name("ix_incident_comment_incident")
            .table("incident_comment")
            .col("organization")
            .col("incident")
            .col("create_us")
            .col("id")
            .to_owned();
        manager.create_index(incident).await
    }
}
