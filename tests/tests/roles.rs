//! Every RPC of the contract, as each role and with tokens that are no good:
//! generated from the descriptors, so that a new RPC is covered the day it
//! enters the contract.

#[path = "roles/raw.rs"]
mod raw;
#[path = "roles/requests.rs"]
mod requests;

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use mainstay_proto::IMAGE;
use mainstay_proto::mainstay::access::v1 as access;
use mainstay_proto::mainstay::access::v1::access_service_client::AccessServiceClient;
use mainstay_tests::contract::{Contract, permission};
use mainstay_tests::{Caller, Extra, Suite, Told};
use prost_reflect::MethodDescriptor;
use tonic::Code;

const ROLES: [&str; 4] = ["viewer", "agent", "importer", "administrator"];

/// Enough failures for every RPC with every bad token.
fn patient() -> Extra {
    Extra::setting("MAINSTAY_LIMITS__FAILURES_PER_MINUTE", "1000000")
}

/// What each role may do, said again and apart from the gateway's code.
fn may(role: &str, permission: &str) -> bool {
    let everybody = [
        "clock.read",
        "event.read",
        "incident.read",
        "metric.read",
        "policy.read",
        "practice.read",
        "timer.read",
    ];
    match role {
        "administrator" => true,
        "viewer" => everybody.contains(&permission),
        "importer" => everybody.contains(&permission) || permission == "incident.import",
        "agent" => {
            let reserved = ["incident.import", "incident.redact"];
            let of_incidents = permission.starts_with("incident.");
            everybody.contains(&permission) || of_incidents && !reserved.contains(&permission)
        }
        _ => false,
    }
}

#[tokio::test]
async fn every_rpc_asks_each_role_for_its_permission() -> Result<()> {
    let suite = Suite::start_with(patient()).await?;
    let contract = Contract::decode(IMAGE)?;
    let mut wrong = Vec::new();
    for role in ROLES {
        let caller = suite.role(role).await?;
        for method in contract.methods() {
            let told = call(&caller, &method).await?;
            let needed = permission(&method);
            let right = match may(role, &needed) {
                true => was_let_in(&told),
                false => was_denied(&told, &needed),
            };
            if !right {
                wrong.push(format!("{role}, {}: {told:?}", method.full_name()));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// The record asked for need not be there; but the call came through to it.
fn was_let_in(told: &Option<Told>) -> bool {
    let beyond = [
        Code::NotFound,
        Code::InvalidArgument,
        Code::FailedPrecondition,
    ];
    told.as_ref().is_none_or(|told| beyond.contains(&told.code))
}

fn was_denied(told: &Option<Told>, permission: &str) -> bool {
    told.as_ref().is_some_and(|told| {
        told.code == Code::PermissionDenied
            && told.reason == "PERMISSION_DENIED"
            && told
                .metadata
                .get("permission")
                .is_some_and(|named| named == permission)
    })
}

#[tokio::test]
async fn every_rpc_refuses_tokens_that_are_no_good() -> Result<()> {
    let suite = Suite::start_with(patient()).await?;
    let contract = Contract::decode(IMAGE)?;
    let callers = [
        ("no token", suite.stranger()?),
        ("garbage", suite.caller("garbage")?),
        (
            "a made-up token",
            suite.caller(&format!("mst_{}", "A".repeat(43)))?,
        ),
        ("a revoked token", revoked(&suite).await?),
        ("an expired token", expired(&suite).await?),
    ];
    let mut wrong = Vec::new();
    for (what, caller) in callers {
        for method in contract.methods() {
            let told = call(&caller, &method).await?;
            let refused = told.as_ref().is_some_and(|told| {
                told.code == Code::Unauthenticated && told.reason == "CREDENTIALS_INVALID"
            });
            if !refused {
                wrong.push(format!("{what}, {}: {told:?}", method.full_name()));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn the_roles_that_are_listed_are_those_that_are_enforced() -> Result<()> {
    let suite = Suite::start().await?;
    let mut client = AccessServiceClient::new(suite.administrator()?);
    let listed = client
        .list_roles(access::ListRolesRequest {})
        .await?
        .into_inner()
        .roles;
    let names: Vec<&str> = listed.iter().map(|role| &*role.role).collect();
    assert_eq!(names, ROLES);
    let mut permissions: Vec<String> = Contract::decode(IMAGE)?
        .methods()
        .map(|method| permission(&method))
        .collect();
    permissions.push("incident.read_internal".to_owned());
    permissions.sort();
    permissions.dedup();
    for role in listed {
        let expected: Vec<String> = permissions
            .iter()
            .filter(|permission| may(&role.role, permission))
            .cloned()
            .collect();
        assert_eq!(role.permissions, expected, "{}", role.role);
    }
    Ok(())
}

async fn call(caller: &Caller, method: &MethodDescriptor) -> Result<Option<Told>> {
    let request = requests::minimal(&method.input())?;
    raw::call(caller.clone(), method, request).await
}

async fn revoked(suite: &Suite) -> Result<Caller> {
    let made = suite.create_token("administrator", None).await?;
    let name = made.token.context("the token made")?.name;
    let request = access::RevokeTokenRequest {
        name,
        ..Default::default()
    };
    AccessServiceClient::new(suite.administrator()?)
        .revoke_token(request)
        .await?;
    suite.caller(&made.secret)
}

/// A token that worked until a moment ago: asked for, until it is refused.
async fn expired(suite: &Suite) -> Result<Caller> {
    let moment = SystemTime::now() + Duration::from_millis(500);
    let made = suite
        .create_token("administrator", Some(moment.into()))
        .await?;
    let caller = suite.caller(&made.secret)?;
    let mut client = AccessServiceClient::new(caller.clone());
    client
        .list_roles(access::ListRolesRequest {})
        .await
        .context("it works until it expires")?;
    while client.list_roles(access::ListRolesRequest {}).await.is_ok() {}
    Ok(caller)
}
