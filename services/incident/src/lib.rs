//! Incident management: restores service as fast as possible.
//!
//! Read in this order: `incident.rs` (the record), `incident/lifecycle.rs`
//! (what each verb does, and from where), `incident/verbs.rs` (the verbs),
//! `api.rs` (how calls reach them), `wire.rs` (how records look outside).

mod api;
pub mod comment;
pub mod incident;
mod migrations;
pub mod policy;
mod wire;

use mainstay_chassis::limited;
use mainstay_practice::{
    EventApi, Portrait, PracticeApi, Service, Store, StoreError, StoreSettings,
};
use mainstay_proto::mainstay::event::v1::event_service_server::EventServiceServer;
use mainstay_proto::mainstay::incident::v1::incident_comment_service_server::IncidentCommentServiceServer;
use mainstay_proto::mainstay::incident::v1::incident_service_server::IncidentServiceServer;
use mainstay_proto::mainstay::practice::v1::practice_service_server::PracticeServiceServer;
use tonic::service::Routes;

use crate::incident::{LIFECYCLE, Verb};
use crate::policy::Policies;

/// The practice's name.
pub const NAME: &str = "incident";

/// Its proto package.
pub const PACKAGE: &str = "mainstay.incident.v1";

/// Opens the practice on its store.
pub async fn open(settings: StoreSettings) -> Result<Service, StoreError> {
    let store = Store::open::<migrations::Migrator>(NAME, settings).await?;
    let incidents =
        IncidentServiceServer::new(api::IncidentApi::new(store.clone(), Policies::default()));
    let comments = IncidentCommentServiceServer::new(api::comment::CommentApi::new(store.clone()));
    let events = EventServiceServer::new(EventApi::new(store.clone()));
    let practice = PracticeServiceServer::new(PracticeApi::new(portrait()));
    let routes = Routes::new(limited!(incidents))
        .add_service(limited!(comments))
        .add_service(limited!(events))
        .add_service(limited!(practice));
    Ok(Service {
        name: NAME,
        packages: &[PACKAGE],
        routes,
        store,
    })
}

/// What the practice says of itself beyond its contract.
pub fn portrait() -> Portrait {
    Portrait {
        name: NAME,
        title: "Incident management",
        package: PACKAGE,
        objectives: OBJECTIVES,
        workflows: vec![LIFECYCLE.workflow(NAME, Verb::permission)],
        followed_events: Vec::new(),
        lifecycle_stages: &["operation"],
    }
}

/// What the practice is for.
const OBJECTIVES: &[&str] = &[
    "Restore service as fast as possible, and hurt the business as little as possible.",
    "Handle first what hurts most and can wait least: impact and urgency give the priority.",
    "Keep every fact of an incident, and when it happened, so that it can be measured and learned from.",
];
