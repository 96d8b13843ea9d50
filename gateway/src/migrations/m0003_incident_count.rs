//! How far the incident log was counted.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `incident_count`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("incident_count")
            .col(string("organization").primary_key())
            .col(big_integer("events"))
            .to_owned();
        manager.create_table(table).await
    }
}
