//! Where the log, its parts and the numbers end.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `log_head`, `organization_head` and `number_head`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let log = Table::create()
            .table("log_head")
            .col(integer("id").primary_key())
            .col(uuid("epoch"))
            .col(big_integer("seq"))
            .col(big_integer("recorded_us"))
            .col(big_integer("floor"))
            .col(blob("hash"))
            .to_owned();
        manager.create_table(log).await?;
        let organization = Table::create()
            .table("organization_head")
            .col(string("organization").primary_key())
            .col(big_integer("org_sequence"))
            .to_owned();
        manager.create_table(organization).await?;
        let number = Table::create()
            .table("number_head")
            .col(string("organization"))
            .col(string("kind"))
            .col(big_integer("number"))
            .primary_key(Index::create().col("organization").col("kind"))
            .to_owned();
        manager.create_table(number).await
    }
}
