//! What followers put aside, what tells their places apart, and what operators
//! had them do.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `parked` and `intervention`; adds to `consumer_cursor` what a place is compared by.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let place = || Table::alter().table("consumer_cursor").to_owned();
        let revision = place()
            .add_column(big_integer("revision").default(1))
            .to_owned();
        manager.alter_table(revision).await?;
        let event = place()
            .add_column(string("event_id").default(""))
            .to_owned();
        manager.alter_table(event).await?;
        let table = Table::create()
            .table("parked")
            .col(string("consumer"))
            .col(uuid("epoch"))
            .col(big_integer("seq"))
            .col(string("organization"))
            .col(string("subject"))
            .col(string("event_id"))
            .col(string("type"))
            .col(blob("body"))
            .col(text("error"))
            .col(integer("attempts"))
            .col(big_integer("parked_us"))
            .primary_key(Index::create().col("consumer").col("epoch").col("seq"))
            .to_owned();
        manager.create_table(table).await?;
        let record = Index::create()
            .name("ix_parked_record")
            .table("parked")
            .col("consumer")
            .col("organization")
            .col("subject")
            .to_owned();
        manager.create_index(record).await?;
        let intervention = Table::create()
            .table("intervention")
            .col(uuid("id").primary_key())
            .col(string("organization"))
            .col(string("follower"))
            .col(string("action"))
            .col(string("subject"))
            .col(json_binary("event_ids"))
            .col(string("actor"))
            .col(big_integer("revision"))
            .col(big_integer("occur_us"))
            .col(big_integer("update_us"))
            .to_owned();
        manager.create_table(intervention).await
    }
}
