//! The tokens that work, in memory, by the hash of their secret: what every
//! call is checked against. Loaded at the start and told of each write after
//! its commit, so that it never knows more than the store.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use mainstay_chassis::{Clock, Principal};
use mainstay_practice::Record as _;
use sea_orm::prelude::Uuid;
use tokio_util::sync::CancellationToken;

use super::secret::{self, Digest};
use super::{Roles, token};
use crate::front::Authenticator;

/// The tokens that work.
#[derive(Clone, Debug)]
pub struct Keyring(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    roles: Roles,
    clock: Clock,
    keys: RwLock<Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    by_secret: HashMap<Digest, Key>,
    by_token: HashMap<Uuid, Digest>,
    /// The newest revision of each token that was learnt.
    learnt: HashMap<Uuid, i64>,
}

#[derive(Debug)]
struct Key {
    principal: Principal,
    expire_us: Option<i64>,
}

impl Keyring {
    /// A ring without keys.
    pub(crate) fn new(roles: Roles, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            roles,
            clock,
            keys: RwLock::default(),
        }))
    }

    /// The roles that its tokens have.
    pub(crate) fn roles(&self) -> &Roles {
        &self.0.roles
    }

    /// Who acts by a secret. An unknown, an expired and a revoked one are told
    /// apart in no way: whoever tries secrets learns nothing.
    pub fn principal(&self, secret: &str) -> Option<Principal> {
        let digest = secret::digest(secret);
        let keys = self.read();
        let key = keys.by_secret.get(&digest)?;
        let expired = key
            .expire_us
            .is_some_and(|expire_us| expire_us <= self.0.clock.now_us());
        (!expired).then(|| key.principal.clone())
    }

    /// Takes in a token as it is now: one that works is added, any other goes,
    /// and what was opened with it ends. Called after the commit.
    pub(crate) fn learn(&self, token: &token::Model) {
        if self.knows_better(token) {
            return;
        }
        if !token.works_at(self.0.clock.now_us()) {
            return self.forget(token.id());
        }
        // A repeat of a creation is answered from its event, which holds no
        // hash; the creation itself was learnt.
        let Some(digest) = token.secret_hash() else {
            return;
        };
        let ended = CancellationToken::new();
        let principal = Principal::new(
            token.principal(),
            token.organization(),
            self.0.roles.permissions(token.role()),
            ended.clone(),
        )
        .with_roles([token.role().word()]);
        let key = Key {
            principal,
            expire_us: token.expire_us(),
        };
        let mut keys = self.write();
        if keys.by_token.insert(token.id(), digest).is_none() {
            keys.by_secret.insert(digest, key);
            drop(keys);
            self.expire(token, ended);
        }
    }

    /// Whether a newer revision of a token was learnt: what was read before a
    /// revocation must not bring the token back.
    fn knows_better(&self, token: &token::Model) -> bool {
        let mut keys = self.write();
        let learnt = keys.learnt.entry(token.id()).or_insert(0);
        let better = *learnt > token.revision();
        *learnt = token.revision().max(*learnt);
        better
    }

    /// Whether a token of this role works now, in any organization.
    pub(crate) fn holds(&self, permission: &str) -> bool {
        let now_us = self.0.clock.now_us();
        let works = |key: &Key| key.expire_us.is_none_or(|expire_us| now_us < expire_us);
        self.read()
            .by_secret
            .values()
            .any(|key| works(key) && key.principal.may(permission))
    }

    fn forget(&self, token: Uuid) {
        let mut keys = self.write();
        let digest = keys.by_token.remove(&token);
        let key = digest.and_then(|digest| keys.by_secret.remove(&digest));
        drop(keys);
        if let Some(key) = key {
            key.principal.ended().cancel();
        }
    }

    /// Ends what was opened with a token when it expires. That no call is
    /// accepted after it does not depend on this: `principal` looks itself.
    fn expire(&self, token: &token::Model, ended: CancellationToken) {
        let (Some(expire_us), id) = (token.expire_us(), token.id()) else {
            return;
        };
        let ring = Arc::downgrade(&self.0);
        let clock = self.0.clock.clone();
        tokio::spawn(async move {
            // In steps: a clock may be set, and a timer has a longest time.
            while let Some(left) = left(expire_us, clock.now_us()) {
                let step = tokio::time::sleep(left.min(Duration::from_secs(60)));
                if ended.run_until_cancelled(step).await.is_none() || ring.strong_count() == 0 {
                    return;
                }
            }
            if let Some(inner) = ring.upgrade() {
                Self(inner).forget(id);
            }
        });
    }

    fn read(&self) -> RwLockReadGuard<'_, Keys> {
        self.0.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Keys> {
        self.0.keys.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authenticator for Keyring {
    fn authenticate(&self, secret: &str) -> Option<Principal> {
        self.principal(secret)
    }
}

/// The time until an instant; none when it has come.
fn left(until_us: i64, now_us: i64) -> Option<Duration> {
    u64::try_from(until_us.saturating_sub(now_us))
        .ok()
        .filter(|left| *left > 0)
        .map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use mainstay_chassis::Methods;
    use mainstay_practice::{Moment, Stamp};

    use super::super::{Role, Secret};
    use super::*;

    struct Stage {
        ring: Keyring,
        now: Arc<AtomicI64>,
    }

    fn stage() -> Stage {
        let now = Arc::new(AtomicI64::new(1_000));
        let told = now.clone();
        let roles = Roles::over(&Methods::of(mainstay_proto::descriptors()));
        Stage {
            ring: Keyring::new(roles, Clock::from_fn(move || told.load(Ordering::SeqCst))),
            now,
        }
    }

    fn moment() -> Moment {
        Moment {
            now_us: 1_000,
            actor: "services/gateway".to_owned(),
            roles: Arc::default(),
            id: Uuid::now_v7(),
        }
    }

    fn token(secret: &Secret, expire_us: Option<i64>) -> token::Model {
        let draft = token::Draft {
            account: "pager".to_owned(),
            role: Role::Viewer,
            expire_us,
        };
        token::Model::create("default", &draft, &secret.digest(), &moment())
            .unwrap()
            .0
    }

    #[tokio::test]
    async fn a_secret_stands_for_the_account_and_role_of_its_token() {
        let (Stage { ring, .. }, secret) = (stage(), Secret::generate().unwrap());
        ring.learn(&token(&secret, None));
        let principal = ring.principal(secret.reveal()).unwrap();
        assert_eq!(
            principal.name(),
            "organizations/default/serviceAccounts/pager"
        );
        assert!(principal.may("incident.read") && !principal.may("incident.create"));
        assert_eq!(principal.roles().as_ref(), ["viewer"]);
    }

    #[tokio::test]
    async fn garbage_is_refused() {
        let Stage { ring, .. } = stage();
        assert!(ring.principal("mst_garbage").is_none());
    }

    #[tokio::test]
    async fn revocation_ends_what_the_token_opened_and_refuses_more() {
        let (Stage { ring, .. }, secret) = (stage(), Secret::generate().unwrap());
        let mut token = token(&secret, None);
        ring.learn(&token);
        let principal = ring.principal(secret.reveal()).unwrap();
        token.revoke(&moment());
        ring.learn(&token);
        assert!(principal.ended().is_cancelled());
        assert!(ring.principal(secret.reveal()).is_none());
    }

    #[tokio::test]
    async fn a_token_read_before_its_revocation_does_not_come_back() {
        let (Stage { ring, .. }, secret) = (stage(), Secret::generate().unwrap());
        let mut token = token(&secret, None);
        token.stamp(Stamp {
            revision: 1,
            update_us: 1_000,
            occur_us: 1_000,
        });
        let before = token.clone();
        token.revoke(&moment());
        token.stamp(Stamp {
            revision: 2,
            update_us: 1_000,
            occur_us: 1_000,
        });
        ring.learn(&token);
        ring.learn(&before);
        assert!(ring.principal(secret.reveal()).is_none());
    }

    #[tokio::test]
    async fn expiry_refuses_at_once_by_the_clock() {
        let (Stage { ring, now }, secret) = (stage(), Secret::generate().unwrap());
        ring.learn(&token(&secret, Some(60_000_000)));
        assert!(ring.principal(secret.reveal()).is_some() && ring.holds("incident.read"));
        now.store(60_000_000, Ordering::SeqCst);
        assert!(ring.principal(secret.reveal()).is_none() && !ring.holds("incident.read"));
    }

    #[tokio::test(start_paused = true)]
    async fn expiry_ends_what_the_token_opened() {
        let (Stage { ring, now }, secret) = (stage(), Secret::generate().unwrap());
        ring.learn(&token(&secret, Some(90_000_000)));
        let principal = ring.principal(secret.reveal()).unwrap();
        now.store(90_000_000, Ordering::SeqCst);
        principal.ended().cancelled().await;
    }

    #[tokio::test]
    async fn a_token_learnt_again_keeps_its_principal() {
        let (Stage { ring, .. }, secret) = (stage(), Secret::generate().unwrap());
        let token = token(&secret, None);
        ring.learn(&token);
        let ended = ring.principal(secret.reveal()).unwrap().ended().clone();
        ring.learn(&token);
        ended.cancel();
        assert!(
            ring.principal(secret.reveal())
                .unwrap()
                .ended()
                .is_cancelled()
        );
    }
}
