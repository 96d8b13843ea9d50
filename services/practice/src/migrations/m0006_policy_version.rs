//! The versions of policies.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `policy_version`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("policy_version")
            .col(uuid("id").primary_key())
            .col(string_len("organization", 63))
            .col(string_len("practice", 63))
            .col(big_integer("number"))
            .col(string("document_type"))
            .col(blob("document"))
            .col(text("note"))
            .col(string("creator"))
            .col(big_integer("create_us"))
            .col(json_binary("activations"))
            .col(big_integer("revision"))
            .col(big_integer("occur_us"))
            .col(big_integer("update_us"))
            .to_owned();
        manager.create_table(table).await?;
        let number = Index::create()
            .name("ux_policy_version_number")
            .table("policy_version")
            .col("organization")
            .col("practice")
            .col("number")
            .unique()
            .to_owned();
        manager.create_index(number).await
    }
}
