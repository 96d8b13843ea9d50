//! The roles: named sets of the permissions that the contract's methods ask
//! for. Nothing is listed here, so a new RPC is covered the day it enters the
//! contract: permissions are sorted by their words, `practice.verb`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mainstay_chassis::{Methods, role};
use mainstay_proto::mainstay::access::v1 as pb;
use sea_orm::entity::prelude::*;

/// What a token may be used for.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, EnumIter, DeriveActiveEnum)]
#[sea_orm(
    rs_type = "String",
    db_type = "String(StringLen::N(16))",
    rename_all = "snake_case"
)]
pub enum Role {
    /// Reads what everyone may know.
    Viewer,
    /// Works on records.
    Agent,
    /// Brings in history.
    Importer,
    /// May do everything.
    Administrator,
}

impl Role {
    /// All roles, from the least to the most.
    pub const ALL: [Self; 4] = [
        Self::Viewer,
        Self::Agent,
        Self::Importer,
        Self::Administrator,
    ];

    /// Its name on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Agent => "agent",
            Self::Importer => "importer",
            Self::Administrator => "administrator",
        }
    }

    /// The role of a name.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// Permissions that no method asks for, since they say how much of a reply
/// the caller sees.
const BEYOND_METHODS: [&str; 1] = ["incident.read_internal"];

/// Which role holds which permissions.
#[derive(Clone, Debug)]
pub struct Roles(Arc<BTreeMap<Role, Arc<BTreeSet<String>>>>);

impl Roles {
    /// The roles over the permissions of a contract.
    pub fn over(methods: &Methods) -> Self {
        let asked = methods.iter().map(|method| method.permission.clone());
        let all: BTreeSet<_> = asked.chain(BEYOND_METHODS.map(str::to_owned)).collect();
        let held = |role: Role| {
            all.iter()
                .filter(|permission| role::holds(role.word(), permission))
                .cloned()
                .collect()
        };
        Self(Arc::new(
            Role::ALL
                .into_iter()
                .map(|role| (role, Arc::new(held(role))))
                .collect(),
        ))
    }

    /// A role on the wire.
    pub(crate) fn told(&self, role: Role) -> pb::Role {
        let permissions = self.permissions(role).iter().cloned().collect();
        pb::Role {
            role: role.word().to_owned(),
            permissions,
        }
    }

    /// The permissions of a role.
    pub fn permissions(&self, role: Role) -> Arc<BTreeSet<String>> {
        self.0.get(&role).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles() -> Roles {
        Roles::over(&Methods::of(mainstay_proto::descriptors()))
    }

    fn of(role: Role) -> Vec<String> {
        roles().permissions(role).iter().cloned().collect()
    }

    #[test]
    fn a_viewer_reads_what_everyone_may_know() {
        assert_eq!(
            of(Role::Viewer),
            [
                "clock.read",
                "event.read",
                "incident.read",
                "metric.read",
                "policy.read",
                "practice.read",
                "timer.read"
            ]
        );
    }

    #[test]
    fn an_importer_is_a_viewer_that_imports() {
        let expected = [
            "clock.read",
            "event.read",
            "incident.import",
            "incident.read",
            "metric.read",
            "policy.read",
            "practice.read",
            "timer.read",
        ];
        assert_eq!(of(Role::Importer), expected);
    }

    #[test]
    fn an_agent_does_all_work_on_records_but_import() {
        let (agent, all) = (
            roles().permissions(Role::Agent),
            roles().permissions(Role::Administrator),
        );
        let missing: Vec<_> = all.difference(&agent).cloned().collect();
        let reserved = [
            "access.manage",
            "access.read",
            "clock.advance",
            "follower.manage",
            "follower.read",
            "incident.import",
            "incident.redact",
            "policy.activate",
            "policy.simulate",
            "policy.write",
        ];
        assert_eq!(missing, reserved);
        assert!(agent.contains("incident.read_internal"));
    }

    #[test]
    fn an_administrator_holds_the_permission_of_every_method() {
        let all = roles().permissions(Role::Administrator);
        assert!(
            Methods::of(mainstay_proto::descriptors())
                .iter()
                .all(|method| all.contains(&method.permission))
        );
    }

    #[test]
    fn all_permissions_fit_into_a_token_between_processes() {
        let all = roles().permissions(Role::Administrator);
        let length: usize = all.iter().map(|permission| permission.len() + 1).sum();
        assert!(
            length < 4 << 10,
            "{length} bytes of the 8 KiB that a token may have"
        );
    }

    #[test]
    fn roles_are_found_by_their_names() {
        assert!(
            Role::ALL
                .into_iter()
                .all(|role| Role::of(role.word()) == Some(role))
        );
        assert_eq!(Role::of("root"), None);
    }
}
