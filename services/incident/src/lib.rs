//! Incident management: restores service as fast as possible.
//!
//! Read in this order: `incident.rs` (the record), `incident/lifecycle.rs`
//! (what each verb does, and from where), `incident/verbs.rs` (the verbs),
//! `api.rs` (how calls reach them), `wire.rs` (how records look outside).

mod api;
pub mod comment;
mod follow;
pub mod incident;
mod migrations;
pub mod policy;
mod wire;

use std::sync::Arc;

use mainstay_chassis::{Methods, Peer, limited};
use mainstay_practice::follow::FollowerApi;
use mainstay_practice::{
    EventApi, PolicyApi, Portrait, PracticeApi, Service, Store, StoreError, StoreSettings,
    TimerApi, TimerRules, Timers,
};
use mainstay_proto::mainstay::event::v1::event_service_server::EventServiceServer;
use mainstay_proto::mainstay::incident::v1::incident_comment_service_server::IncidentCommentServiceServer;
use mainstay_proto::mainstay::incident::v1::incident_service_server::IncidentServiceServer;
use mainstay_proto::mainstay::policy::v1::policy_service_server::PolicyServiceServer;
use mainstay_proto::mainstay::practice::v1::PracticeTimer;
use mainstay_proto::mainstay::practice::v1::follower_service_server::FollowerServiceServer;
use mainstay_proto::mainstay::practice::v1::practice_service_server::PracticeServiceServer;
use mainstay_proto::mainstay::practice::v1::timer_service_server::TimerServiceServer;
use tonic::service::Routes;

use crate::incident::timers::{AUTO_CLOSE, RESUME};
use crate::incident::{Incident, LIFECYCLE, Terms, Verb};
use crate::policy::Policies;

/// The practice's name.
pub const NAME: &str = "incident";

/// Its proto package.
pub const PACKAGE: &str = "mainstay.incident.v1";

/// Opens the practice on its store.
pub async fn open(settings: StoreSettings) -> Result<Service, StoreError> {
    let store = Store::open::<migrations::Migrator>(NAME, settings).await?;
    let book = Policies::open(&store).await?;
    let incidents = IncidentServiceServer::new(api::IncidentApi::new(store.clone(), book.clone()));
    let comments = IncidentCommentServiceServer::new(api::comment::CommentApi::new(store.clone()));
    let events = EventServiceServer::new(EventApi::new(store.clone()));
    let policies = PolicyServiceServer::new(PolicyApi::new(store.clone(), book.clone()));
    let reactions = Arc::new(follow::Reactions::new(book.clone()));
    let rules = TimerRules::default().on::<Incident>(move |incident, due, at| {
        let in_force = book.at(incident.organization(), at.now_us);
        incident.fire(due, &mut Terms::new(&in_force, at).automatic())
    });
    let timers = TimerApi::new(Timers::start(store.clone(), rules));
    let practice = PracticeServiceServer::new(PracticeApi::new(portrait()));
    let followers = FollowerServiceServer::new(FollowerApi::new(store.clone()));
    let routes = Routes::new(limited!(incidents))
        .add_service(limited!(comments))
        .add_service(limited!(events))
        .add_service(limited!(followers))
        .add_service(limited!(policies))
        .add_service(limited!(practice))
        .add_service(limited!(TimerServiceServer::new(timers)));
    // It follows its own log as it would another's, until the store is drained.
    tokio::spawn(mainstay_practice::follow::follow(
        store.clone(),
        NAME,
        Peer::new(routes.clone(), Methods::of(mainstay_proto::descriptors())),
        reactions,
    ));
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
        followed_events: follow::followed(),
        timers: vec![
            timer(
                AUTO_CLOSE,
                "Armed by `ResolveIncident`, for 7 days later: closes the incident, unless it was reopened or closed before.",
            ),
            timer(
                RESUME,
                "Armed by a hold with a `resume_time`: ends the hold, unless it has ended before.",
            ),
        ],
        lifecycle_stages: &["operation"],
    }
}

fn timer(timer: &str, effect: &str) -> PracticeTimer {
    PracticeTimer {
        record: NAME.to_owned(),
        timer: timer.to_owned(),
        effect: effect.to_owned(),
    }
}

/// What the practice is for.
const OBJECTIVES: &[&str] = &[
    "Restore service as fast as possible, and hurt the business as little as possible.",
    "Handle first what hurts most and can wait least: impact and urgency give the priority.",
    "Keep every fact of an incident, and when it happened, so that it can be measured and learned from.",
];
