//! The migrations of the kernel's own tables; they run before a practice's.

use sea_orm_migration::prelude::*;

mod m0001_event_log;
mod m0002_heads;
mod m0003_idempotency;
mod m0004_consumer_cursor;
mod m0005_record_label;
mod m0006_policy_version;
mod m0007_idempotency_others;
mod m0008_timer;
mod m0009_parked;

/// Brings the kernel's tables up to date.
#[derive(Debug)]
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_event_log::Migration),
            Box::new(m0002_heads::Migration),
            Box::new(m0003_idempotency::Migration),
            Box::new(m0004_consumer_cursor::Migration),
            Box::new(m0005_record_label::Migration),
            Box::new(m0006_policy_version::Migration),
            Box::new(m0007_idempotency_others::Migration),
            Box::new(m0008_timer::Migration),
            Box::new(m0009_parked::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "kernel_migrations".into_iden()
    }
}
