//! A practice as a process of its own, which only the gateway calls: what its
//! own program does, and `mainstay serve --only` with its name.

use std::process::ExitCode;
use std::sync::Arc;

use mainstay_chassis::identity::{Entrance, Verifier, Verifying};
use mainstay_chassis::process::{self, Alone, Usage};
use mainstay_chassis::settings::ProcessArgs;
use mainstay_chassis::{Clock, Health, Method, Methods, Peer, Process, reflection};

use crate::{Database, Service, StoreError, StoreSettings};

/// What every practice serves beside its own packages.
const SHARED: [&str; 3] = [
    "mainstay.event.v1",
    "mainstay.policy.v1",
    "mainstay.practice.v1",
];

/// The program of a practice: its name, and what opens it.
pub fn main<O, F>(name: &'static str, open: O) -> ExitCode
where
    O: FnOnce(StoreSettings) -> F,
    F: Future<Output = Result<Service, StoreError>>,
{
    process::main(name, async |alone: Alone| {
        Box::pin(run(&alone.serve, name, open)).await?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Serves a practice until the process is asked to end.
pub async fn run<O, F>(args: &ProcessArgs, name: &'static str, open: O) -> anyhow::Result<()>
where
    O: FnOnce(StoreSettings) -> F,
    F: Future<Output = Result<Service, StoreError>>,
{
    let process = Process::open_inside(args, name).await?;
    let keys = Verifying::load(&process.settings.keys)?;
    let verifier = Verifier::new(name, keys, Clock::wall());
    let stores = stores(&process, name)?;
    let records = stores.database.to_string();
    let service = open(stores).await?;
    let methods = Methods::of(mainstay_proto::descriptors());
    let served = |method: &&Arc<Method>| {
        let package = method.package();
        SHARED.contains(&package.as_str()) || service.packages.contains(&package.as_str())
    };
    let names = methods
        .iter()
        .filter(served)
        .map(|method| method.descriptor.parent_service().full_name().to_owned());
    let health = Health::new(names, process.shutdown.drain.clone());
    let mut routes = service.routes.clone().add_service(health.server());
    if process.settings.reflection {
        routes = reflection::reflected(routes)?;
    }
    let entrance = Entrance::new(Peer::new(routes, methods), verifier);
    health.set_all(true);
    let serving = process.settings.serving_peers();
    let word = format!(
        "Mainstay {name} {} listens on http://{} for the gateway alone\n  data    {}\n  records {records}\nCtrl-C ends it.",
        env!("CARGO_PKG_VERSION"),
        process.address()?,
        process.folder.path().display()
    );
    process
        .run(entrance, serving, &word, service.store.close())
        .await
}

/// How the store of a service of a process is opened.
pub fn stores(process: &Process, service: &str) -> Result<StoreSettings, Usage> {
    Ok(StoreSettings {
        database: database(process, service)?,
        clock: process.clock.clone(),
        drain: process.shutdown.drain.clone(),
    })
}

/// The databases of a process's services, each once.
pub fn databases(process: &Process, services: &[&str]) -> Result<Vec<Database>, Usage> {
    let mut all = Vec::new();
    for service in services {
        let database = database(process, service)?;
        if !all.contains(&database) {
            all.push(database);
        }
    }
    Ok(all)
}

fn database(process: &Process, service: &str) -> Result<Database, Usage> {
    match process.settings.database(service) {
        None => Ok(Database::files(process.folder.path())),
        Some(url) => {
            let url = url.parse();
            let url = url.map_err(|error| Usage::new(format!("the database of {service} {error}")));
            Ok(Database::Postgres { url: url? })
        }
    }
}
