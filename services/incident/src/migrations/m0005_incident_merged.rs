//! Which incident another one was merged into.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Adds `merged_into` to `incident`.
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
            .add_column(uuid_null("merged_into"))
            .to_owned();
        manager.alter_table(table).await
    }
}
