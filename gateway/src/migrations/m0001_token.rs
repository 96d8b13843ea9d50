//! Tokens.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `token`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("token")
            .col(uuid("id").primary_key())
            .col(string("organization"))
            .col(string("account"))
            .col(string_len("role", 16))
            .col(blob("secret_hash").unique_key())
            .col(string_len("state", 16))
            .col(big_integer_null("expire_us"))
            .col(string("creator"))
            .col(big_integer("create_us"))
            .col(big_integer_null("revoke_us"))
            .col(big_integer("update_us"))
            .col(big_integer("occur_us"))
            .col(big_integer("revision"))
            .to_owned();
        manager.create_table(table).await?;
        let newest = Index::create()
            .name("ix_token_newest")
            .table("token")
            .col("organization")
            .col("create_us")
            .col("id")
            .to_owned();
        manager.create_index(newest).await
    }
}
