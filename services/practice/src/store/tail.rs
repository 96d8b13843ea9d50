//! Hearing of what other processes write to the same log. A notification is
//! the doorbell, a look every second makes sure that none is missed; what was
//! written is always read from the database.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::database::DatabaseUrl;
use super::postgres;
use crate::log::Log;

/// A log is looked at this often, give or take a tenth.
const LOOK: Duration = Duration::from_secs(1);
/// After a doorbell broke, it is hung up again after so long.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows the log until the store is closed.
pub(super) fn start(url: &DatabaseUrl, service: &'static str, log: Log, closed: CancellationToken) {
    let rung = Arc::new(Notify::new());
    let doorbell = listen(url.clone(), service, log.clone(), rung.clone());
    tokio::spawn(closed.clone().run_until_cancelled_owned(doorbell));
    tokio::spawn(closed.run_until_cancelled_owned(follow(service, log, rung)));
}

async fn follow(service: &'static str, log: Log, rung: Arc<Notify>) {
    loop {
        tokio::select! {
            () = rung.notified() => {}
            () = log.behind() => {}
            () = tokio::time::sleep(jittered()) => {}
        }
        if let Err(refusal) = log.catch_up().await {
            tracing::debug!(service, cause = %refusal, "the log could not be looked at");
        }
    }
}

async fn listen(url: DatabaseUrl, service: &'static str, log: Log, rung: Arc<Notify>) {
    loop {
        if let Err(error) = hear(&url, service, &log, &rung).await {
            tracing::debug!(service, cause = %error, "the doorbell of the log is broken");
        }
        rung.notify_one();
        tokio::time::sleep(PAUSE).await;
    }
}

async fn hear(
    url: &DatabaseUrl,
    service: &str,
    log: &Log,
    rung: &Notify,
) -> Result<(), sqlx::Error> {
    let pool = postgres::listener(url, service).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(&postgres::channel(service)).await?;
    loop {
        // Whatever was written between two connections is not announced.
        let told = listener.try_recv().await?;
        let told = told.and_then(|told| told.payload().parse::<i64>().ok());
        // What this process has written itself it knows already.
        if told.is_none_or(|seq| seq > *log.head().borrow()) {
            rung.notify_one();
        }
    }
}

/// Processes that started together do not look together.
fn jittered() -> Duration {
    let random = u32::from(uuid::Uuid::now_v7().as_bytes()[15]);
    LOOK * (900 + random * 200 / 255) / 1_000
}
