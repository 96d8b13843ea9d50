//! The incidents.
//!
//! Every index costs every write, so there is one per order and one per
//! filter field, each led by the organization, and those over fields that
//! are mostly empty hold only the rows that have them.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Makes `incident`.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(table()).await?;
        let number = Index::create()
            .name("ux_incident_number")
            .table("incident")
            .col("organization")
            .col("number")
            .unique()
            .to_owned();
        manager.create_index(number).await?;
        let origin = Index::create()
            .name("ux_incident_origin")
            .table("incident")
            .col("organization")
            .col("origin_source")
            .col("origin_key")
            .unique()
            .and_where(Expr::col("origin_key").is_not_null())
            .to_owned();
        manager.create_index(origin).await?;
        for column in ["state", "priority", "impact"] {
            manager.create_index(by(column).to_owned()).await?;
        }
        for column in [
            "service",
            "team",
            "assignee",
            "parent",
            "origin_source",
            "origin_key",
        ] {
            let index = by(column)
                .and_where(Expr::col(column).is_not_null())
                .to_owned();
            manager.create_index(index).await?;
        }
        let age = Index::create()
            .name("ix_incident_create")
            .table("incident")
            .col("organization")
            .col("create_us")
            .col("id")
            .to_owned();
        manager.create_index(age).await
    }
}

/// An index that finds by a column, oldest first.
fn by(column: &'static str) -> IndexCreateStatement {
    Index::create()
        .name(format!("ix_incident_{column}"))
        .table("incident")
        .col("organization")
        .col(column)
        .col("create_us")
        .col("id")
        .to_owned()
}

fn table() -> TableCreateStatement {
    Table::create()
        .table("incident")
        .col(uuid("id").primary_key())
        .col(string_len("organization", 63))
        .col(big_integer("number"))
        .col(big_integer("revision"))
        .col(big_integer("create_us"))
        .col(big_integer("occur_us"))
        .col(string_len("state", 16))
        .col(string("title"))
        .col(text("description"))
        .col(string_len("impact", 16))
        .col(string_len("urgency", 16))
        .col(string_len("priority", 16))
        .col(string_len_null("severity", 16))
        .col(string_len_null("category", 63))
        .col(string_len_null("service", 63))
        .col(json_binary("affected_services"))
        .col(string_len_null("team", 63))
        .col(string_len_null("assignee", 63))
        .col(string("creator"))
        .col(string_len_null("requester", 63))
        .col(string_len_null("origin_source", 63))
        .col(string_null("origin_key"))
        .col(text_null("origin_uri"))
        .col(boolean("imported"))
        .col(json_binary_null("trail"))
        .col(json_binary_null("hold"))
        .col(json_binary_null("resolution"))
        .col(uuid_null("parent"))
        .col(uuid_null("recurrence_of"))
        .col(json_binary("links"))
        .col(json_binary("labels"))
        .col(json_binary("milestones"))
        .col(integer("reopen_count"))
        .to_owned()
}
