//! When open incidents are due, for lists of somebody's work.

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::*;

/// Adds `due_us` to `incident`, and the indexes of work.
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
            .add_column(big_integer_null("due_us"))
            .to_owned();
        manager.alter_table(table).await?;
        let resume = match manager.get_database_backend() == DbBackend::Sqlite {
            true => "json_extract(\"hold\", '$.resume_us')",
            false => "(\"hold\" ->> 'resume_us')::bigint",
        };
        let fill = format!(
            "update \"incident\" set \"due_us\" = coalesce({resume}, {})
             where \"state\" in ('NEW', 'IN_PROGRESS', 'ON_HOLD', 'MITIGATED')",
            i64::MAX
        );
        manager.get_connection().execute_unprepared(&fill).await?;
        for column in ["assignee", "team"] {
            let index = Index::create()
                .name(format!("ix_incident_work_{column}"))
                .table("incident")
                .col("organization")
                .col(column)
                .col("due_us")
                .col("priority")
                .col("create_us")
                .col("id")
                .and_where(Expr::col("due_us").is_not_null())
                .and_where(Expr::col(column).is_not_null())
                .to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }
}
