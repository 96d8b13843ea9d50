//! The plain tables that the follower keeps, from which memory is rebuilt at
//! start. They can be dropped at any time: everything in them comes from logs.

/// How incidents were after each change that metrics care about.
pub mod incident_fact {
    use sea_orm::entity::prelude::*;

    /// A fact.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "incident_fact")]
    pub struct Model {
        /// Id of the incident.
        #[sea_orm(primary_key, auto_increment = false)]
        pub incident: Uuid,
        /// The incident's revision after the change.
        #[sea_orm(primary_key, auto_increment = false)]
        pub revision: i64,
        /// Slug of the organization.
        pub organization: String,
        /// When it occurred, in microseconds since the epoch.
        pub occur_us: i64,
        /// Name of the state.
        pub state: String,
        /// Slug of the service; empty when there is none.
        pub service: String,
        /// Slug of the team; empty when there is none.
        pub team: String,
        /// Name of the impact; empty when it is not set.
        pub impact: String,
    }

    /// No relations: facts refer to another service's records.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// Up to where the incident log was counted, for each organization.
pub mod incident_count {
    use sea_orm::entity::prelude::*;

    /// An organization's place.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "incident_count")]
    pub struct Model {
        /// Slug of the organization.
        #[sea_orm(primary_key, auto_increment = false)]
        pub organization: String,
        /// Number of its events that were counted: the sequence of the last,
        /// since an organization's part of the log is dense.
        pub events: i64,
    }

    /// No relations.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
