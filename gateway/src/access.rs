//! Who may call, and what: tokens are records in the gateway's own store, with
//! its own log; roles are computed from the contract; the keyring is what
//! every call is checked against.
//!
//! What is absent: any way to read a secret again.

use std::collections::BTreeSet;
use std::sync::Arc;

use mainstay_chassis::principal::ALL_ORGANIZATIONS;
use mainstay_chassis::{Methods, Permit, Principal, Refusal};
use mainstay_practice::page::{Page, PageRequest, Reader};
use mainstay_practice::{Call, Store, Written};
use sea_orm::prelude::Uuid;
use tokio_util::sync::CancellationToken;

mod api;
mod elsewhere;
mod keyring;
mod pages;
mod roles;
mod secret;
pub mod token;
mod wire;

pub use api::AccessApi;
pub use keyring::Keyring;
use pages::TOKENS;
pub use roles::{Role, Roles};
pub use secret::Secret;

/// What may make and revoke tokens.
const MANAGE: &str = "access.manage";

/// Tokens, and the keyring that follows them.
#[derive(Clone, Debug)]
pub struct Access {
    store: Store,
    keyring: Keyring,
}

impl Access {
    /// The access kept in a store, with all its tokens on the ring.
    pub async fn open(store: Store, methods: &Methods) -> Result<Self, Refusal> {
        let keyring = Keyring::new(Roles::over(methods), store.clock().clone());
        // From before the tokens are read: what changes in between is heard.
        let from = store.log().latest(ALL_ORGANIZATIONS).await?;
        store
            .each::<token::Entity>(|token| {
                keyring.learn(&token);
                Ok(())
            })
            .await?;
        if store.is_shared() {
            elsewhere::follow(store.clone(), keyring.clone(), from);
        }
        Ok(Self { store, keyring })
    }

    /// Who acts by which secret.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Whether some token still allows to make others.
    pub fn is_managed(&self) -> bool {
        self.keyring.holds(MANAGE)
    }

    /// Makes an administrator's token for a secret that the owner of the data
    /// has put where only he can read it.
    pub async fn install(&self, organization: &str, secret: &Secret) -> Result<(), Refusal> {
        let draft = token::Draft {
            account: "administrator".to_owned(),
            role: Role::Administrator,
            expire_us: None,
        };
        let call = Call::by(own_permit(organization)?);
        self.create(call, draft, secret.clone()).await.map(drop)
    }

    /// Makes a token, and lets it in once it is committed.
    pub(crate) async fn create(
        &self,
        call: Call,
        draft: token::Draft,
        secret: Secret,
    ) -> Result<Written<token::Model>, Refusal> {
        let digest = secret.digest();
        let organization = call.organization().to_owned();
        let build = move |moment: &_| token::Model::create(&organization, &draft, &digest, moment);
        let access = self.clone();
        settled(async move {
            access
                .store
                .create(call, build)
                .await
                .inspect(|made| access.keyring.learn(&made.record))
        })
        .await
    }

    /// A page of an organization's tokens, newest first.
    pub(crate) async fn page(
        &self,
        permit: &Permit,
        page_size: i32,
        page_token: String,
    ) -> Result<Page<token::Model>, Refusal> {
        let scope = self.store.scope(permit);
        let reader = Reader {
            organization: scope.organization(),
            connection: scope.connection(),
            now_us: self.store.clock().now_us(),
        };
        let parent = format!("organizations/{}", scope.organization());
        let request = PageRequest {
            page_size,
            page_token,
            parent,
            ..PageRequest::default()
        };
        TOKENS
            .page(scope.find::<token::Model>(), reader, &request)
            .await
    }

    /// Revokes a token; whoever uses it is out once it is committed.
    pub(crate) async fn revoke(
        &self,
        call: Call,
        id: Uuid,
    ) -> Result<Written<token::Model>, Refusal> {
        let access = self.clone();
        let decide = |token: &mut token::Model, moment: &_| Ok(token.revoke(moment));
        settled(async move {
            access
                .store
                .act(call, id, decide)
                .await
                .inspect(|done| access.keyring.learn(&done.record))
        })
        .await
    }
}

/// Sees a write and what it means for the keyring through to the end, also
/// when the caller hangs up in between: a committed revocation must hold.
async fn settled<T: Send + 'static>(
    write: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::spawn(write).await.map_err(Refusal::internal)?
}

/// The gateway's own right to make the first token of an organization.
fn own_permit(organization: &str) -> Result<Permit, Refusal> {
    let permissions = Arc::new(BTreeSet::from([MANAGE.to_owned()]));
    Principal::new(
        "services/gateway",
        organization,
        permissions,
        CancellationToken::new(),
    )
    .permit(MANAGE)
}
