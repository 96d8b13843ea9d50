//! The log.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `event_log`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("event_log")
            .col(big_integer("seq").primary_key())
            .col(boolean("last_in_tx"))
            .col(string("organization"))
            .col(big_integer("org_sequence"))
            .col(uuid("event_id"))
            .col(string("type"))
            .col(string("subject"))
            .col(uuid("record_id"))
            .col(big_integer("revision"))
            .col(string("actor"))
            .col(string_null("needs"))
            .col(boolean("imported"))
            .col(big_integer("occurred_us"))
            .col(big_integer("recorded_us"))
            .col(blob("body"))
            .col(blob("body_hash"))
            .col(blob("hash"))
            .to_owned();
        manager.create_table(table).await?;
        let organization = Index::create()
            .name("ux_event_log_organization")
            .table("event_log")
            .col("organization")
            .col("org_sequence")
            .unique()
            .to_owned();
        manager.create_index(organization).await?;
        let history = Index::create()
            .name("ux_event_log_record")
            .table("event_log")
            .col("record_id")
            .col("revision")
            .unique()
            .to_owned();
        manager.create_index(history).await
    }
}
