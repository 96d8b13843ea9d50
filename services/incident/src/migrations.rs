//! The migrations of the incident practice: one table each.

use sea_orm_migration::prelude::*;

mod m0001_incident;
mod m0002_incident_comment;
mod m0003_incident_major;

/// Brings the practice's tables up to date.
#[derive(Debug)]
pub(crate) struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_incident::Migration),
            Box::new(m0002_incident_comment::Migration),
            Box::new(m0003_incident_major::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "incident_migrations".into_iden()
    }
}
