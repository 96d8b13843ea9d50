//! The places of followers.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `consumer_cursor`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("consumer_cursor")
            .col(string("consumer").primary_key())
            .col(string("cursor"))
            .col(big_integer("updated_us"))
            .to_owned();
        manager.create_table(table).await
    }
}
