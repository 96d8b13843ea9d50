//! When an incident closes by itself. Incidents that were resolved before have
//! no such time, and stay as they are until somebody closes them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Adds `auto_close_us` to `incident`.
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
            .add_column(big_integer_null("auto_close_us"))
            .to_owned();
        manager.alter_table(table).await
    }
}
