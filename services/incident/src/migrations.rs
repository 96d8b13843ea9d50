//! The migrations of the incident practice: one table each.

use sea_orm_migration::prelude::*;

mod m0001_incident;
mod m0002_incident_comment;
mod m0003_incident_major;
mod m0004_incident_due;
mod m0005_incident_merged;
mod m0006_incident_text;
mod m0007_incident_auto_close;
mod m0008_incident_status;

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
            Box::new(m0004_incident_due::Migration),
            Box::new(m0005_incident_merged::Migration),
            Box::new(m0006_incident_text::Migration),
            Box::new(m0007_incident_auto_close::Migration),
            Box::new(m0008_incident_status::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "incident_migrations".into_iden()
    }
}
