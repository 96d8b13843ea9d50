//! `PolicyService` of one practice: parse, act, reply.

use std::sync::Arc;

use mainstay_chassis::clock::{micros, timestamp};
use mainstay_chassis::{Permit, Refusal};
use mainstay_proto::mainstay::policy::v1 as pb;
use pb::policy_service_server::PolicyService;
use prost::Message as _;
use prost_types::{Any, Timestamp};
use sea_orm::{ColumnTrait, QueryFilter};
use sha2::{Digest, Sha256};
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use super::book::PolicyBook;
use super::document::{check, refused};
use super::place::Place;
use super::simulate::{self, Question, Replay};
use super::version::{Column, Version};
use super::write::Change;
use super::{BUILT_IN, Finding, InForce, PolicyDocument, diff};
use crate::call::permit;
use crate::page::{Collection, Key, Order};
use crate::{Call, PageRequest, Reader, Record, Store};

/// The answer of a handler.
type Answer<T> = Result<Response<T>, Status>;

/// The versions of a policy.
const VERSIONS: Collection<Version> = Collection {
    method: "mainstay.policy.v1.PolicyService/ListPolicyVersions",
    fields: &[],
    orders: &[Order {
        name: "number desc",
        keys: &[Key {
            column: Column::Number,
            descending: true,
        }],
    }],
    weight: |version| version.snapshot().encoded_len(),
};

/// Serves the policy of a practice.
#[derive(Clone, Debug)]
pub struct PolicyApi<P> {
    pub(super) store: Store,
    pub(super) book: PolicyBook<P>,
}

impl<P: PolicyDocument> PolicyApi<P> {
    /// Serves the policies that a store holds, through its book.
    pub fn new(store: Store, book: PolicyBook<P>) -> Self {
        Self { store, book }
    }

    fn now_us(&self) -> i64 {
        self.store.clock().now_us()
    }

    /// The policy at an instant, as its readers see it.
    fn policy(&self, organization: &str, at_us: i64) -> pb::Policy {
        let standing = self.book.standing(organization, at_us);
        pb::Policy {
            name: Place::policy::<P>(organization),
            version: standing.policy.version.clone(),
            document: Some(standing.document),
            activate_time: standing.since_us.map(timestamp),
            upcoming: standing.upcoming,
            etag: standing.etag,
        }
    }

    fn lint(&self, permit: &Permit, document: &Any) -> pb::LintPolicyResponse {
        let standing = self.book.standing(permit.organization(), self.now_us());
        let (findings, changes) = match check::<P>(document) {
            Ok(checked) => (
                Vec::new(),
                diff::changes(&standing.document, &checked.document),
            ),
            Err(findings) => (findings, diff::changes(&standing.document, document)),
        };
        pb::LintPolicyResponse {
            findings: findings.into_iter().map(found).collect(),
            changes: changes.into_iter().map(changed).collect(),
            version: standing.policy.version.clone(),
            etag: standing.etag,
        }
    }

    async fn page(
        &self,
        permit: &Permit,
        asked: pb::ListPolicyVersionsRequest,
    ) -> Result<pb::ListPolicyVersionsResponse, Refusal> {
        let parent = Place::read::<P>("parent", &asked.parent, permit)?.whole()?;
        let scope = self.store.scope(permit);
        let select = scope.find::<Version>().filter(Column::Practice.eq(P::KIND));
        let request = PageRequest {
            page_size: asked.page_size,
            page_token: asked.page_token,
            parent,
            ..PageRequest::default()
        };
        let reader = Reader {
            organization: scope.organization(),
            connection: scope.connection(),
            now_us: self.now_us(),
        };
        let page = VERSIONS.page(select, reader, &request).await?;
        Ok(pb::ListPolicyVersionsResponse {
            policy_versions: page.records.iter().map(Version::snapshot).collect(),
            next_page_token: page.next_page_token,
        })
    }

    /// The version that a request names.
    async fn named(
        &self,
        field: &'static str,
        permit: &Permit,
        text: &str,
    ) -> Result<Version, Refusal> {
        let (name, number) = Place::read::<P>(field, text, permit)?.version()?;
        let scope = self.store.scope(permit);
        let found = scope
            .find::<Version>()
            .filter(Column::Practice.eq(P::KIND))
            .filter(Column::Number.eq(number));
        let found = sea_orm::Select::one(found, scope.connection()).await;
        found
            .map_err(crate::scope::away)?
            .ok_or_else(|| Refusal::not_found(name))
    }
}

impl<P: Replay> PolicyApi<P> {
    async fn simulate(
        &self,
        permit: &Permit,
        asked: pb::SimulatePolicyRequest,
    ) -> Result<pb::SimulatePolicyResponse, Refusal> {
        let policy = Place::read::<P>("name", &asked.name, permit)?.whole()?;
        let candidate = asked.candidate.as_ref();
        let (policy, identity) = match given("candidate", candidate)? {
            pb::simulate_policy_request::Candidate::Document(document) => {
                let checked = check::<P>(document)
                    .map_err(|findings| refused(policy, "document", findings))?;
                let digest = hex(&Sha256::digest(&checked.document.value));
                (checked.policy, digest)
            }
            pb::simulate_policy_request::Candidate::Version(version) => {
                let kept = self.kept(permit, version).await?;
                (kept.policy.clone(), kept.version.clone())
            }
        };
        let start_us = instant("start_time", asked.start_time.as_ref())?.unwrap_or(i64::MIN);
        let end_us = instant("end_time", asked.end_time.as_ref())?.unwrap_or(i64::MAX);
        let question = Question {
            policy: &policy,
            fingerprint: format!("{identity} {start_us} {end_us}"),
            start_us,
            end_us,
            page_size: asked.page_size,
            page_token: &asked.page_token,
        };
        simulate::simulate(&self.store, permit, question).await
    }

    /// The policy of a version that a request names.
    async fn kept(&self, permit: &Permit, text: &str) -> Result<Arc<InForce<P>>, Refusal> {
        let organization = permit.organization();
        let name = match text {
            BUILT_IN => text.to_owned(),
            _ => {
                let version = self.named("version", permit, text).await?;
                let name = version.name();
                self.book.take(version)?;
                name
            }
        };
        let kept = self.book.version(organization, &name);
        kept.ok_or_else(|| Refusal::not_found(name))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tonic::async_trait]
impl<P: Replay> PolicyService for PolicyApi<P> {
    async fn get_policy(
        &self,
        request: Request<pb::GetPolicyRequest>,
    ) -> Answer<pb::GetPolicyResponse> {
        let (permit, asked) = (permit(&request)?, request.get_ref());
        Place::read::<P>("name", &asked.name, &permit)?.whole()?;
        let at_us = instant("time", asked.time.as_ref())?.unwrap_or_else(|| self.now_us());
        let policy = Some(self.policy(permit.organization(), at_us));
        Ok(Response::new(pb::GetPolicyResponse { policy }))
    }

    async fn get_policy_version(
        &self,
        request: Request<pb::GetPolicyVersionRequest>,
    ) -> Answer<pb::GetPolicyVersionResponse> {
        let (permit, asked) = (permit(&request)?, request.get_ref());
        let version = self.named("name", &permit, &asked.name).await?;
        let policy_version = Some(version.snapshot());
        Ok(Response::new(pb::GetPolicyVersionResponse {
            policy_version,
        }))
    }

    async fn list_policy_versions(
        &self,
        request: Request<pb::ListPolicyVersionsRequest>,
    ) -> Answer<pb::ListPolicyVersionsResponse> {
        let permit = permit(&request)?;
        Ok(Response::new(
            self.page(&permit, request.into_inner()).await?,
        ))
    }

    async fn lint_policy(
        &self,
        request: Request<pb::LintPolicyRequest>,
    ) -> Answer<pb::LintPolicyResponse> {
        let (permit, asked) = (permit(&request)?, request.get_ref());
        Place::read::<P>("name", &asked.name, &permit)?.whole()?;
        let document = given("document", asked.document.as_ref())?;
        Ok(Response::new(self.lint(&permit, document)))
    }

    async fn create_policy_version(
        &self,
        request: Request<pb::CreatePolicyVersionRequest>,
    ) -> Answer<pb::CreatePolicyVersionResponse> {
        let asked = request.get_ref();
        let call = Call::of(&request, "", &asked.request_id)?;
        let policy = Place::read::<P>("parent", &asked.parent, &call.permit)?.whole()?;
        let said = said(asked.policy_version.as_ref())?;
        let document = given("policy_version.document", said.document.as_ref())?;
        let checked = check::<P>(document)
            .map_err(|findings| refused(policy, "policy_version.document", findings))?;
        let change = Change::new(checked.document, &said.note, &asked.etag);
        let (version, cursor, replayed) = self.write(call, change).await?;
        let policy_version = Some(version);
        let reply = pb::CreatePolicyVersionResponse {
            policy_version,
            cursor,
        };
        Ok(answer(reply, replayed))
    }

    async fn activate_policy_version(
        &self,
        request: Request<pb::ActivatePolicyVersionRequest>,
    ) -> Answer<pb::ActivatePolicyVersionResponse> {
        let asked = request.get_ref();
        let call = Call::of(&request, &asked.etag, &asked.request_id)?;
        let version = self.named("name", &call.permit, &asked.name).await?;
        let activate_us = instant("activate_time", asked.activate_time.as_ref())?;
        let (version, cursor, replayed) = self.activate(call, version.id(), activate_us).await?;
        let policy_version = Some(version);
        let reply = pb::ActivatePolicyVersionResponse {
            policy_version,
            cursor,
        };
        Ok(answer(reply, replayed))
    }

    async fn apply_policy(
        &self,
        request: Request<pb::ApplyPolicyRequest>,
    ) -> Answer<pb::ApplyPolicyResponse> {
        let asked = request.get_ref();
        let call = Call::of(&request, "", &asked.request_id)?;
        let policy = Place::read::<P>("name", &asked.name, &call.permit)?.whole()?;
        let document = given("document", asked.document.as_ref())?;
        let checked =
            check::<P>(document).map_err(|findings| refused(policy, "document", findings))?;
        let activate_us = instant("activate_time", asked.activate_time.as_ref())?;
        let change = Change::new(checked.document, &asked.note, &asked.etag).active(activate_us);
        let (reply, replayed) = self.apply(call, change).await?;
        Ok(answer(reply, replayed))
    }

    async fn simulate_policy(
        &self,
        request: Request<pb::SimulatePolicyRequest>,
    ) -> Answer<pb::SimulatePolicyResponse> {
        let permit = permit(&request)?;
        let reply = self.simulate(&permit, request.into_inner()).await?;
        Ok(Response::new(reply))
    }
}

/// An answer; one to a repeat carries `idempotent-replayed: true`.
fn answer<T>(message: T, replayed: bool) -> Response<T> {
    let mut response = Response::new(message);
    if replayed {
        let yes = MetadataValue::from_static("true");
        response.metadata_mut().insert("idempotent-replayed", yes);
    }
    response
}

fn instant(field: &str, time: Option<&Timestamp>) -> Result<Option<i64>, Refusal> {
    let remedy = "must lie in the years 1 to 9999";
    let read = |time| micros(time).ok_or_else(|| Refusal::invalid(field, remedy));
    time.map(read).transpose()
}

fn given<'m, T>(field: &str, message: Option<&'m T>) -> Result<&'m T, Refusal> {
    message.ok_or_else(|| Refusal::invalid(field, "is required"))
}

/// What is said of a new version: nothing but its document and its note.
fn said(version: Option<&pb::PolicyVersion>) -> Result<&pb::PolicyVersion, Refusal> {
    let version = given("policy_version", version)?;
    let fields = [
        ("name", !version.name.is_empty()),
        ("uid", !version.uid.is_empty()),
        ("number", version.number != 0),
        ("creator", version.creator.is_some()),
        ("create_time", version.create_time.is_some()),
        ("activations", !version.activations.is_empty()),
        ("etag", !version.etag.is_empty()),
        ("revision", version.revision != 0),
    ];
    match fields.iter().find(|(_, said)| *said) {
        Some((field, _)) => Err(Refusal::invalid(
            format!("policy_version.{field}"),
            "is output only: leave it empty",
        )),
        None => Ok(version),
    }
}

fn found(finding: Finding) -> pb::PolicyFinding {
    pb::PolicyFinding {
        field: finding.field,
        remedy: finding.message,
    }
}

/// A change on the wire.
pub(super) fn changed(change: diff::Change) -> pb::PolicyChange {
    let text = |value: Option<serde_json::Value>| value.map(|value| value.to_string());
    pb::PolicyChange {
        field: change.field,
        before: text(change.before).unwrap_or_default(),
        after: text(change.after).unwrap_or_default(),
    }
}
