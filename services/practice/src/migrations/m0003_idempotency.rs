//! The writes that may be repeated.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `idempotency`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("idempotency")
            .col(uuid("request_id"))
            .col(string("organization"))
            .col(string("principal"))
            .col(blob("digest"))
            .col(uuid("record_id"))
            .col(big_integer("revision"))
            .col(big_integer("created_us"))
            .primary_key(
                Index::create()
                    .col("request_id")
                    .col("organization")
                    .col("principal"),
            )
            .extra(crate::store::without_rowid(manager.get_database_backend()))
            .to_owned();
        manager.create_table(table).await?;
        let age = Index::create()
            .name("ix_idempotency_created")
            .table("idempotency")
            .col("created_us")
            .to_owned();
        manager.create_index(age).await
    }
}
