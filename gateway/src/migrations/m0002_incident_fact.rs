//! The facts that metrics of incidents are counted from.

use mainstay_practice::store::without_rowid;
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `incident_fact`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("incident_fact")
            .col(uuid("incident"))
            .col(big_integer("revision"))
            .col(string("organization"))
            .col(big_integer("occur_us"))
            .col(string_len("state", 16))
            .col(string("service"))
            .col(string("team"))
            .col(string_len("impact", 16))
            .primary_key(Index::create().col("incident").col("revision"))
            .extra(without_rowid(manager.get_database_backend()))
            .to_owned();
        manager.create_table(table).await
    }
}
