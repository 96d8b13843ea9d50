//! A token: the credential of a service account. It is made and revoked, and
//! never changes otherwise. Its secret is not in it, only the secret's hash,
//! and that leaves the database in no reply and no event: a token restored
//! from an event has none.

use mainstay_chassis::{Refusal, clock};
use mainstay_practice::{Decision, Fixed, Moment, Payload, Record, Stamp};
use mainstay_proto::mainstay::access::v1 as pb;
use prost::Message as _;
use sea_orm::entity::prelude::*;

use super::Role;
use super::secret::Digest;
use super::wire;

/// The permission that a reader of a token's events must hold.
const NEEDS: &str = "access.read";

/// Whether a token works.
#[derive(Copy, Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum State {
    /// It does, until it expires.
    Active,
    /// It was revoked.
    Revoked,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "token")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    id: Uuid,
    organization: String,
    account: String,
    role: Role,
    secret_hash: Vec<u8>,
    state: State,
    expire_us: Option<i64>,
    creator: String,
    create_us: i64,
    revoke_us: Option<i64>,
    update_us: i64,
    occur_us: i64,
    revision: i64,
}

/// No relations: an account is a name.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// What may happen to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was made.
    Created,
    /// It was revoked.
    Revoked,
}

/// What a new token is to be.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Slug of the account.
    pub(crate) account: String,
    /// Its role.
    pub(crate) role: Role,
    /// When it stops working.
    pub(crate) expire_us: Option<i64>,
}

impl Model {
    /// Makes a token of a draft, for the secret with this hash.
    pub(crate) fn create(
        organization: &str,
        draft: &Draft,
        hash: &Digest,
        moment: &Moment,
    ) -> Result<(Self, Happened), Refusal> {
        if draft
            .expire_us
            .is_some_and(|expire_us| expire_us <= moment.now_us)
        {
            return Err(Refusal::invalid(
                "token.expire_time",
                "must be in the future",
            ));
        }
        let token = Self {
            id: moment.id,
            organization: organization.to_owned(),
            account: draft.account.clone(),
            role: draft.role,
            secret_hash: hash.to_vec(),
            state: State::Active,
            expire_us: draft.expire_us,
            creator: moment.actor.clone(),
            create_us: moment.now_us,
            revoke_us: None,
            update_us: moment.now_us,
            occur_us: moment.now_us,
            revision: 0,
        };
        Ok((token, Happened::Created))
    }

    /// Revokes it for ever. A second time changes nothing.
    pub(crate) fn revoke(&mut self, moment: &Moment) -> Decision<Happened, Self> {
        if self.state == State::Revoked {
            return Decision::Unchanged;
        }
        self.state = State::Revoked;
        self.revoke_us = Some(moment.now_us);
        Decision::Changed(Happened::Revoked)
    }

    /// Whether it works at an instant.
    pub(crate) fn works_at(&self, now_us: i64) -> bool {
        self.state == State::Active && self.expire_us.is_none_or(|expire_us| now_us < expire_us)
    }

    /// Full name of the account that acts by it.
    pub(crate) fn principal(&self) -> String {
        format!(
            "organizations/{}/serviceAccounts/{}",
            self.organization, self.account
        )
    }

    /// Its role.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// When it stops working.
    pub(crate) fn expire_us(&self) -> Option<i64> {
        self.expire_us
    }

    /// The hash of its secret; none when it was restored from an event.
    pub(crate) fn secret_hash(&self) -> Option<Digest> {
        Digest::try_from(self.secret_hash.as_slice()).ok()
    }

    /// The token on the wire.
    pub(crate) fn snapshot(&self) -> pb::Token {
        pb::Token {
            name: self.name(),
            uid: self.id.to_string(),
            account: self.account.clone(),
            role: self.role.word().to_owned(),
            expire_time: self.expire_us.map(clock::timestamp),
            state: wire::state(self.state).into(),
            creator: wire::actor(&self.creator),
            create_time: Some(clock::timestamp(self.create_us)),
            revoke_time: self.revoke_us.map(clock::timestamp),
            etag: self.etag(),
            revision: self.revision,
        }
    }
}

impl Record for Model {
    type Table = Entity;
    type Active = ActiveModel;
    type Event = Happened;
    type Snapshot = pb::Token;

    const KIND: &'static str = "token";
    const COLLECTION: &'static str = "tokens";

    fn fixed() -> Fixed<Column> {
        Fixed {
            id: Column::Id,
            organization: Column::Organization,
            revision: Column::Revision,
            number: None,
        }
    }

    fn id(&self) -> Uuid {
        self.id
    }

    fn organization(&self) -> &str {
        &self.organization
    }

    fn revision(&self) -> i64 {
        self.revision
    }

    fn occur_us(&self) -> i64 {
        self.occur_us
    }

    fn stamp(&mut self, stamp: Stamp) {
        self.revision = stamp.revision;
        self.update_us = stamp.update_us;
        self.occur_us = stamp.occur_us;
    }

    fn publish(&self, event: &Happened) -> Payload {
        let token = Some(self.snapshot());
        let (type_name, bytes) = match event {
            Happened::Created => (
                "mainstay.access.v1.TokenCreated",
                pb::TokenCreated { token }.encode_to_vec(),
            ),
            Happened::Revoked => (
                "mainstay.access.v1.TokenRevoked",
                pb::TokenRevoked { token }.encode_to_vec(),
            ),
        };
        Payload {
            type_name,
            bytes,
            needs: Some(NEEDS),
            policy_version: String::new(),
        }
    }

    fn restore(snapshot: pb::Token) -> Result<Self, Refusal> {
        let restored = wire::Restored::of(&snapshot)
            .ok_or_else(|| Refusal::internal("a token's snapshot is damaged"))?;
        Ok(Self {
            id: restored.id,
            organization: restored.organization,
            account: snapshot.account,
            role: restored.role,
            secret_hash: Vec::new(),
            state: restored.state,
            expire_us: restored.expire_us,
            creator: snapshot
                .creator
                .map(|creator| creator.name)
                .unwrap_or_default(),
            create_us: restored.create_us,
            revoke_us: restored.revoke_us,
            update_us: restored.revoke_us.unwrap_or(restored.create_us),
            occur_us: restored.revoke_us.unwrap_or(restored.create_us),
            revision: snapshot.revision,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(now_us: i64) -> Moment {
        Moment {
            now_us,
            actor: "organizations/default/serviceAccounts/root".to_owned(),
            roles: std::sync::Arc::default(),
            id: Uuid::now_v7(),
        }
    }

    fn draft(expire_us: Option<i64>) -> Draft {
        Draft {
            account: "pager".to_owned(),
            role: Role::Agent,
            expire_us,
        }
    }

    fn token(expire_us: Option<i64>) -> Model {
        Model::create("default", &draft(expire_us), &[7; 32], &moment(10))
            .unwrap()
            .0
    }

    #[test]
    fn a_token_cannot_be_born_expired() {
        let refusal =
            Model::create("default", &draft(Some(10)), &[7; 32], &moment(10)).unwrap_err();
        assert!(
            refusal
                .message()
                .contains("token.expire_time must be in the future")
        );
    }

    #[test]
    fn a_token_works_until_the_instant_it_expires() {
        let token = token(Some(20));
        assert!(token.works_at(19) && !token.works_at(20));
    }

    #[test]
    fn a_revoked_token_never_works_and_is_revoked_once() {
        let mut token = token(None);
        assert!(matches!(
            token.revoke(&moment(30)),
            Decision::Changed(Happened::Revoked)
        ));
        assert!(!token.works_at(0));
        assert!(matches!(token.revoke(&moment(40)), Decision::Unchanged));
        assert_eq!(token.revoke_us, Some(30));
    }

    #[test]
    fn an_event_restores_the_token_but_not_its_hash() {
        let mut token = token(Some(20));
        token.revoke(&moment(15));
        token.stamp(Stamp {
            revision: 2,
            update_us: 15,
            occur_us: 15,
        });
        let payload = token.publish(&Happened::Revoked);
        assert_eq!(payload.needs, Some("access.read"));
        let event = pb::TokenRevoked::decode(payload.bytes.as_slice()).unwrap();
        let restored = Model::restore(event.token.unwrap()).unwrap();
        assert_eq!(restored.secret_hash(), None);
        token.secret_hash.clear();
        assert_eq!(restored, token);
    }
}
