//! The labels of records.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `record_label`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = ["organization", "kind", "key", "value", "record_id"];
        let mut key = Index::create();
        for column in columns {
            key.col(column);
        }
        let table = Table::create()
            .table("record_label")
            .col(string("organization"))
            .col(string("kind"))
            .col(string("key"))
            .col(string("value"))
            .col(uuid("record_id"))
            .primary_key(&mut key)
            .extra(crate::store::without_rowid(manager.get_database_backend()))
            .to_owned();
        manager.create_table(table).await
    }
}
