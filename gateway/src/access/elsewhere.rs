//! Tokens that other processes of the gateway make and revoke: heard of by the
//! log that all of them write, and learnt like one's own.

use std::time::Duration;

use mainstay_chassis::Refusal;
use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_practice::Store;
use mainstay_practice::log::Position;

use super::{Keyring, own_permit, token};

/// After a failure it is tried again after so long.
const PAUSE: Duration = Duration::from_secs(1);
/// What all events of tokens begin with.
const EVENTS: &str = "mainstay.access.v1.";

/// Learns what follows a position, until the store drains.
pub(super) fn follow(store: Store, keyring: Keyring, mut position: Position) {
    let drain = store.drain().clone();
    let following = async move {
        let mut head = store.log().head();
        loop {
            head.mark_unchanged();
            match catch_up(&store, &keyring, position).await {
                Ok(reached) => {
                    position = reached;
                    if head.changed().await.is_err() {
                        return;
                    }
                }
                Err(refusal) => {
                    tracing::warn!(cause = %refusal, "the log of tokens cannot be read");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    };
    tokio::spawn(drain.run_until_cancelled_owned(following));
}

async fn catch_up(
    store: &Store,
    keyring: &Keyring,
    mut position: Position,
) -> Result<Position, Refusal> {
    loop {
        let page = store.log().after(ALL_ORGANIZATIONS, position).await?;
        let tokens = page.entries.iter();
        for entry in tokens.filter(|entry| entry.event_type.starts_with(EVENTS)) {
            let scope = store.scope(&own_permit(&entry.organization)?);
            keyring.learn(&scope.get::<token::Model>(entry.record_id).await?);
        }
        position = page.position;
        if page.at_head {
            return Ok(position);
        }
    }
}
