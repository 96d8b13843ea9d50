//! The migrations of the gateway's own store.

use sea_orm_migration::prelude::*;

mod m0001_token;
mod m0002_incident_fact;
mod m0003_incident_count;
mod m0004_clock_advance;

/// Brings the gateway's tables up to date.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_token::Migration),
            Box::new(m0002_incident_fact::Migration),
            Box::new(m0003_incident_count::Migration),
            Box::new(m0004_clock_advance::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "gateway_migrations".into_iden()
    }
}
