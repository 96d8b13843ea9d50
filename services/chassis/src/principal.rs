//! Who calls, and the permit that a call holds once it may be made.
//!
//! A [`Principal`] is put into a request's extensions by the gateway's front,
//! or behind a socket by what verifies the gateway's token (`identity`); no
//! other header can make one. A [`Permit`] is made by [`Principal::permit`] only.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use crate::Refusal;

/// The organization that stands for all of them; only followers have it.
pub const ALL_ORGANIZATIONS: &str = "-";

/// All that a follower may do.
pub const FOLLOWER_PERMISSIONS: [&str; 3] = ["event.read", "follower.read", "practice.read"];

/// Counts principals, so that two are never taken for each other.
static MADE: AtomicU64 = AtomicU64::new(0);

/// Who calls.
#[derive(Clone, Debug)]
pub struct Principal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    serial: u64,
    name: String,
    organization: String,
    permissions: Arc<BTreeSet<String>>,
    roles: Arc<[String]>,
    ended: CancellationToken,
}

impl Principal {
    /// A principal with its full name, the slug of its organization, what it
    /// may do, and a token that is cancelled when its rights end.
    pub fn new(
        name: impl Into<String>,
        organization: impl Into<String>,
        permissions: Arc<BTreeSet<String>>,
        ended: CancellationToken,
    ) -> Self {
        Self(Arc::new(Inner {
            serial: MADE.fetch_add(1, Ordering::Relaxed),
            name: name.into(),
            organization: organization.into(),
            permissions,
            roles: Arc::default(),
            ended,
        }))
    }

    /// The same principal, with the roles by which it may what it may. Rights
    /// are the permissions; a policy may ask for a role beside them.
    #[must_use]
    pub fn with_roles(self, roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(Arc::new(Inner {
            serial: MADE.fetch_add(1, Ordering::Relaxed),
            name: self.0.name.clone(),
            organization: self.0.organization.clone(),
            permissions: self.0.permissions.clone(),
            roles: roles.into_iter().map(Into::into).collect(),
            ended: self.0.ended.clone(),
        }))
    }

    /// A service of the suite that follows the logs of all organizations.
    pub fn follower(service: &str) -> Self {
        let permissions = FOLLOWER_PERMISSIONS.map(str::to_owned).into();
        Self::new(
            format!("services/{service}"),
            ALL_ORGANIZATIONS,
            Arc::new(permissions),
            CancellationToken::new(),
        )
    }

    /// A service of the suite that acts by a rule of its own in an
    /// organization, with the permissions of that rule only.
    pub fn service(
        service: &str,
        organization: &str,
        permissions: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let permissions = permissions.into_iter().map(str::to_owned);
        Self::new(
            format!("services/{service}"),
            organization,
            Arc::new(permissions.collect()),
            CancellationToken::new(),
        )
    }

    /// Full name, such as `organizations/default/serviceAccounts/pager`.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Slug of the organization.
    pub fn organization(&self) -> &str {
        &self.0.organization
    }

    /// What it may do.
    pub fn permissions(&self) -> &BTreeSet<String> {
        &self.0.permissions
    }

    /// A number that no other principal of this process has or had.
    pub(crate) fn serial(&self) -> u64 {
        self.0.serial
    }

    /// Whether it holds the permission.
    pub fn may(&self, permission: &str) -> bool {
        self.0.permissions.contains(permission)
    }

    /// The names of its roles, such as `agent`.
    pub fn roles(&self) -> &Arc<[String]> {
        &self.0.roles
    }

    /// Cancelled when the rights of this principal end or change.
    pub fn ended(&self) -> &CancellationToken {
        &self.0.ended
    }

    /// The permit to use a permission, or the refusal.
    pub fn permit(&self, permission: &str) -> Result<Permit, Refusal> {
        match self.may(permission) {
            true => Ok(Permit(self.clone())),
            false => Err(Refusal::forbidden(permission)),
        }
    }
}

/// Proof that the caller may make the call it makes.
#[derive(Clone, Debug)]
pub struct Permit(Principal);

impl Permit {
    /// Who holds it.
    pub fn principal(&self) -> &Principal {
        &self.0
    }

    /// The organization whose records it covers.
    pub fn organization(&self) -> &str {
        self.0.organization()
    }
}
