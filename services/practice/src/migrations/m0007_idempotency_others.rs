//! Writes of several records under one request id.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Adds `idempotency.others`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::alter()
            .table("idempotency")
            .add_column(blob_null("others"))
            .to_owned();
        manager.alter_table(table).await
    }
}
