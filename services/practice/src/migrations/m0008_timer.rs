//! The timers of records, and the clock that they go by.
//!
//! The scan for what is due is one range of `ix_timer_next`; lists go by
//! `ix_timer_due`, in the order in which timers are due.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `timer` and `store_clock`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut key = Index::create();
        let timer = Table::create()
            .table("timer")
            .col(uuid("record_id"))
            .col(string_len("name", 63))
            .col(string_len("organization", 63))
            .col(string_len("kind", 63))
            .col(big_integer("due_us"))
            .col(big_integer("generation"))
            .col(integer("attempts"))
            .col(big_integer("next_try_us"))
            .col(text_null("error"))
            .primary_key(key.col("record_id").col("name"))
            .to_owned();
        manager.create_table(timer).await?;
        let indexes = [
            ("ix_timer_next", vec!["next_try_us", "record_id", "name"]),
            (
                "ix_timer_due",
                vec!["organization", "due_us", "name", "record_id"],
            ),
        ];
        for (name, columns) in indexes {
            let mut index = Index::create();
            index.name(name).table("timer");
            for column in columns {
                index.col(column);
            }
            manager.create_index(index).await?;
        }
        let clock = Table::create()
            .table("store_clock")
            .col(integer("id").primary_key())
            .col(boolean("virtual_clock"))
            .col(big_integer("now_us"))
            .to_owned();
        manager.create_table(clock).await
    }
}
