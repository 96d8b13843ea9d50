//! Moves of the virtual clock.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `clock_advance`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("clock_advance")
            .col(uuid("id").primary_key())
            .col(string("organization"))
            .col(big_integer("from_us"))
            .col(big_integer("to_us"))
            .col(string("creator"))
            .col(big_integer("occur_us"))
            .col(big_integer("revision"))
            .to_owned();
        manager.create_table(table).await
    }
}
