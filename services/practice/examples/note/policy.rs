//! What a team adapts about notes: how long a note may be. A document on the
//! wire, the policy made of it, and the verb that asks for it.

use mainstay_chassis::{Kind, Refusal};
use mainstay_practice::policy::{Divergence, Replay, Taken, Verdict};
use mainstay_practice::{Finding, InForce, PolicyBook, PolicyDocument, Store, Written};
use mainstay_proto::check::{Rules, Violations};
use mainstay_proto::mainstay::error::v1::ErrorReason;

use super::{Call, Happening, Model};

/// The document on the wire.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NotePolicyDocument {
    /// Characters of the longest note.
    #[prost(uint32, tag = "1")]
    pub longest: u32,
}

impl Rules for NotePolicyDocument {
    const REQUEST: bool = false;
    fn check(&self, _: &mut Violations) {}
}

/// The policy: a document that passed its checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotePolicy {
    longest: usize,
}

impl PolicyDocument for NotePolicy {
    type Wire = NotePolicyDocument;
    const KIND: &'static str = "note";
    const TYPE: &'static str = "example.v1.NotePolicy";

    fn default_wire() -> NotePolicyDocument {
        NotePolicyDocument { longest: 80 }
    }

    fn compile(wire: &NotePolicyDocument) -> Result<Self, Vec<Finding>> {
        match usize::try_from(wire.longest) {
            Ok(longest @ 1..) => Ok(Self { longest }),
            Ok(0) | Err(_) => Err(vec![Finding::at("longest", "must let notes have a text")]),
        }
    }
}

impl Replay for NotePolicy {
    type Record = Model;

    fn replay(&self, taken: &Taken<'_, Model>) -> Vec<Divergence> {
        let written = taken.before.is_none();
        let too_long = taken.after.text.chars().count() > self.longest;
        let refused = (written && too_long).then(|| Divergence {
            verb: "write".to_owned(),
            field: "longest".to_owned(),
            verdict: Verdict::Refused(format!(
                "text must have at most {} characters",
                self.longest
            )),
        });
        refused.into_iter().collect()
    }

    fn number(note: &Model) -> String {
        format!("NOTE-{}", note.number)
    }
}

impl NotePolicy {
    /// Tests the text of a note that is to be written.
    fn admits(in_force: &InForce<Self>, text: &str) -> Result<(), Refusal> {
        let longest = in_force.policy.longest;
        match text.chars().count() <= longest {
            true => Ok(()),
            false => Err(Refusal::new(
                Kind::Precondition,
                ErrorReason::ValidationFailed,
                format!("text must have at most {longest} characters"),
            )
            .with("policyVersion", in_force.version.clone())),
        }
    }
}

/// Writes a note as the policy in force allows.
pub async fn write(
    store: &Store,
    book: &PolicyBook<NotePolicy>,
    call: Call,
    text: &'static str,
) -> Result<Written<Model>, Refusal> {
    let (book, organization) = (book.clone(), call.organization().to_owned());
    store
        .create(call, move |moment| {
            NotePolicy::admits(&book.at(&organization, moment.now_us), text)?;
            Ok((
                Model::write(&organization, text, moment),
                Happening::Written,
            ))
        })
        .await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use std::time::Duration;

    use mainstay_chassis::clock::{micros, timestamp};
    use mainstay_chassis::{Permit, Principal};
    use mainstay_practice::PolicyApi;
    use mainstay_practice::conformance::Scratch;
    use mainstay_practice::policy::BUILT_IN;
    use mainstay_proto::mainstay::policy::v1 as pb;
    use pb::policy_service_server::PolicyService;
    use prost::Message;
    use prost_types::Any;
    use tokio_util::sync::CancellationToken;
    use tonic::{Code, Request};
    use tonic_types::StatusExt;

    use super::*;
    use crate::{call, open, permit};

    const SHORT: &str = "organizations/default/policies/note/versions/1";

    struct Bench {
        store: Store,
        book: PolicyBook<NotePolicy>,
        api: PolicyApi<NotePolicy>,
        scratch: Scratch,
    }

    impl Bench {
        async fn new() -> Self {
            Self::on(Scratch::new().await).await
        }

        async fn on(scratch: Scratch) -> Self {
            let store = open(scratch.database()).await.unwrap();
            let book = PolicyBook::open(&store).await.unwrap();
            let api = PolicyApi::new(store.clone(), book.clone());
            Self {
                store,
                book,
                api,
                scratch,
            }
        }

        async fn write(&self, text: &'static str) -> Result<Written<Model>, Refusal> {
            write(
                &self.store,
                &self.book,
                call(permit("default").unwrap()),
                text,
            )
            .await
        }

        async fn policy(&self) -> pb::Policy {
            let request = pb::GetPolicyRequest {
                name: "policies/note".to_owned(),
                time: None,
            };
            let reply = self.api.get_policy(asked(request)).await.unwrap();
            reply.into_inner().policy.unwrap()
        }

        async fn apply(&self, request: pb::ApplyPolicyRequest) -> pb::ApplyPolicyResponse {
            self.api
                .apply_policy(asked(request))
                .await
                .unwrap()
                .into_inner()
        }

        async fn refusal(&self, request: pb::ApplyPolicyRequest) -> tonic::Status {
            self.api.apply_policy(asked(request)).await.unwrap_err()
        }
    }

    fn admin() -> Permit {
        let permissions = Arc::new(BTreeSet::from(["policy.activate".to_owned()]));
        Principal::new("ada", "default", permissions, CancellationToken::new())
            .permit("policy.activate")
            .unwrap()
    }

    fn asked<M>(message: M) -> Request<M> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(admin());
        request
    }

    fn document(longest: u32) -> Any {
        Any {
            type_url: "type.googleapis.com/example.v1.NotePolicy".to_owned(),
            value: NotePolicyDocument { longest }.encode_to_vec(),
        }
    }

    fn applied(longest: u32) -> pb::ApplyPolicyRequest {
        pb::ApplyPolicyRequest {
            name: "note".to_owned(),
            document: Some(document(longest)),
            ..Default::default()
        }
    }

    /// A simulation of notes that may be so long, a difference a page.
    fn ask(longest: u32, token: &str) -> pb::SimulatePolicyRequest {
        let document = document(longest);
        pb::SimulatePolicyRequest {
            name: "note".to_owned(),
            candidate: Some(pb::simulate_policy_request::Candidate::Document(document)),
            page_size: 1,
            page_token: token.to_owned(),
            ..Default::default()
        }
    }

    fn reason(status: &tonic::Status) -> String {
        status
            .get_error_details()
            .error_info()
            .unwrap()
            .reason
            .clone()
    }

    #[tokio::test]
    async fn an_organization_lives_by_the_built_in_policy_until_it_applies_one() {
        let bench = Bench::new().await;
        assert_eq!(bench.policy().await.version, BUILT_IN);
        assert_eq!(bench.policy().await.document, Some(document(80)));
        bench.write("a note").await.unwrap();

        let version = bench.apply(applied(4)).await.policy_version.unwrap();
        assert_eq!(
            (version.name.as_str(), version.number, version.revision),
            (SHORT, 1, 2)
        );
        let refusal = bench.write("a note").await.unwrap_err();
        assert_eq!(refusal.message(), "text must have at most 4 characters");
        bench.write("note").await.unwrap();
        let policy = bench.policy().await;
        assert_eq!(
            (policy.version.as_str(), policy.document),
            (SHORT, Some(document(4)))
        );
        assert_eq!(bench.book.at("acme", i64::MAX).version, BUILT_IN);
        bench.store.close().await;
    }

    #[tokio::test]
    async fn an_activation_to_come_takes_effect_by_itself() {
        let bench = Bench::new().await;
        let later_us = 4_000_000_000_000_000;
        let request = pb::ApplyPolicyRequest {
            activate_time: Some(timestamp(later_us)),
            ..applied(4)
        };
        bench.apply(request).await;
        assert_eq!(bench.policy().await.version, BUILT_IN);
        let upcoming = &bench.policy().await.upcoming;
        assert_eq!(upcoming.len(), 1);
        assert_eq!(
            upcoming[0].activate_time.as_ref().and_then(micros),
            Some(later_us)
        );
        assert_eq!(bench.book.at("default", later_us - 1).version, BUILT_IN);
        assert_eq!(bench.book.at("default", later_us).version, SHORT);
        bench.store.close().await;
    }

    #[tokio::test]
    async fn versions_and_activations_survive_a_restart() {
        let bench = Bench::new().await;
        bench.apply(applied(4)).await;
        bench.apply(applied(5)).await;
        let before = bench.policy().await;
        bench.store.close().await;
        let bench = Bench::on(bench.scratch).await;
        assert_eq!(bench.policy().await, before);
        let first = bench.book.version("default", SHORT).unwrap();
        assert_eq!(first.policy, NotePolicy { longest: 4 });
        bench.store.close().await;
    }

    #[tokio::test]
    async fn an_earlier_version_is_brought_back_by_activating_it_again() {
        let bench = Bench::new().await;
        bench.apply(applied(4)).await;
        bench.apply(applied(5)).await;
        let activate = || pb::ActivatePolicyVersionRequest {
            name: "policies/note/versions/1".to_owned(),
            ..Default::default()
        };
        let again = bench
            .api
            .activate_policy_version(asked(activate()))
            .await
            .unwrap();
        let version = again.into_inner().policy_version.unwrap();
        assert_eq!((version.activations.len(), version.revision), (2, 3));
        assert_eq!(bench.policy().await.version, SHORT);
        let idle = bench
            .api
            .activate_policy_version(asked(activate()))
            .await
            .unwrap();
        assert_eq!(idle.into_inner().policy_version.unwrap().revision, 3);
        bench.store.close().await;
    }

    #[tokio::test]
    async fn a_document_that_fails_its_checks_is_refused_with_the_place() {
        let bench = Bench::new().await;
        let status = bench.refusal(applied(0)).await;
        assert_eq!(status.code(), Code::InvalidArgument);
        let expected = ErrorReason::PolicyInvalid.as_str_name();
        assert_eq!(format!("ERROR_REASON_{}", reason(&status)), expected);
        let details = status.get_error_details();
        let violation = &details.bad_request().unwrap().field_violations[0];
        assert_eq!(violation.field, "document.longest");
        assert_eq!(violation.description, "must let notes have a text");
        let foreign = pb::ApplyPolicyRequest {
            document: Some(Any {
                type_url: "type.googleapis.com/example.v1.Other".to_owned(),
                value: Vec::new(),
            }),
            ..applied(1)
        };
        assert!(
            bench
                .refusal(foreign)
                .await
                .message()
                .contains("must be a example.v1.NotePolicy")
        );
        assert_eq!(bench.policy().await.etag, "\"0\"");
        bench.store.close().await;
    }

    #[tokio::test]
    async fn the_document_in_force_is_not_written_again() {
        let bench = Bench::new().await;
        assert_eq!(
            bench.apply(applied(80)).await,
            pb::ApplyPolicyResponse::default()
        );
        let first = bench.apply(applied(4)).await;
        assert!(!first.changes.is_empty());
        let again = bench.apply(applied(4)).await;
        assert_eq!(
            (again.policy_version, again.changes),
            (first.policy_version, Vec::new())
        );
        assert_eq!(bench.policy().await.etag, "\"2\"");
        bench.store.close().await;
    }

    #[tokio::test]
    async fn a_repeat_is_answered_as_the_first_call() {
        let bench = Bench::new().await;
        let request = pb::ApplyPolicyRequest {
            request_id: "0198c2d4-5e6f-7a8b-9c0d-1e2f3a4b5c6d".to_owned(),
            ..applied(4)
        };
        let first = bench.apply(request.clone()).await;
        bench.apply(applied(5)).await;
        let reply = bench.api.apply_policy(asked(request)).await.unwrap();
        assert!(reply.metadata().contains_key("idempotent-replayed"));
        let again = reply.into_inner();
        assert_eq!(
            (again.policy_version, again.cursor),
            (first.policy_version, first.cursor)
        );
        bench.store.close().await;
    }

    #[tokio::test]
    async fn of_two_who_have_read_the_same_policy_one_must_read_again() {
        let bench = Bench::new().await;
        let with_etag = |longest| pb::ApplyPolicyRequest {
            etag: "\"0\"".to_owned(),
            ..applied(longest)
        };
        let (one, other) = tokio::join!(
            bench.api.apply_policy(asked(with_etag(4))),
            bench.api.apply_policy(asked(with_etag(5)))
        );
        let refused = [one.err(), other.err()];
        let refused: Vec<_> = refused.into_iter().flatten().collect();
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].code(), Code::Aborted);
        bench.store.close().await;
    }

    #[tokio::test]
    async fn who_writes_at_the_same_time_gets_the_next_number() {
        let bench = Bench::new().await;
        let all = (1..=12).map(|longest| bench.apply(applied(longest)));
        let replies = futures::future::join_all(all).await;
        let numbers = replies
            .into_iter()
            .map(|reply| reply.policy_version.unwrap().number);
        let mut numbers: Vec<i64> = numbers.collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
        bench.store.close().await;
    }

    #[tokio::test]
    async fn two_processes_on_one_database_number_together_and_hear_of_each_other() {
        let bench = Bench::new().await;
        if bench.scratch.url().is_none() {
            // Files have one process only.
            return;
        }
        let store = open(bench.scratch.database()).await.unwrap();
        let book = PolicyBook::<NotePolicy>::open(&store).await.unwrap();
        let api = PolicyApi::new(store.clone(), book.clone());
        let all = (1..=8).map(|longest| {
            let api = if longest % 2 == 0 { &api } else { &bench.api };
            api.apply_policy(asked(applied(longest)))
        });
        let replies = futures::future::join_all(all).await;
        let number = |reply: Result<tonic::Response<pb::ApplyPolicyResponse>, tonic::Status>| {
            reply.unwrap().into_inner().policy_version.unwrap().number
        };
        let mut numbers: Vec<i64> = replies.into_iter().map(number).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
        let heard = async {
            let name = |number| format!("organizations/default/policies/note/versions/{number}");
            let knows_all = |book: &PolicyBook<NotePolicy>| {
                (1..=8).all(|number| book.version("default", &name(number)).is_some())
            };
            while !knows_all(&book) || !knows_all(&bench.book) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), heard)
            .await
            .unwrap();
        let at = i64::MAX;
        assert_eq!(book.at("default", at), bench.book.at("default", at));
        store.close().await;
        bench.store.close().await;
    }

    #[tokio::test]
    async fn another_replica_hears_of_a_version_by_the_log() {
        let bench = Bench::new().await;
        let other = PolicyBook::<NotePolicy>::open(&bench.store).await.unwrap();
        bench.apply(applied(4)).await;
        let heard = async {
            while other.at("default", i64::MAX).version != SHORT {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), heard)
            .await
            .unwrap();
        bench.store.close().await;
    }

    #[tokio::test]
    async fn names_of_others_are_refused() {
        let bench = Bench::new().await;
        for (name, code) in [
            ("organizations/acme/policies/note", Code::PermissionDenied),
            ("policies/incident", Code::NotFound),
            ("policies/note/versions/9", Code::NotFound),
            ("policies/note/versions/x", Code::InvalidArgument),
            ("policies/note", Code::InvalidArgument),
        ] {
            let request = pb::GetPolicyVersionRequest {
                name: name.to_owned(),
            };
            let status = bench
                .api
                .get_policy_version(asked(request))
                .await
                .unwrap_err();
            assert_eq!(status.code(), code, "{name}");
        }
        bench.store.close().await;
    }

    #[tokio::test]
    async fn a_simulation_tells_what_another_policy_would_have_refused() {
        let bench = Bench::new().await;
        for text in ["long note", "note", "another note"] {
            bench.write(text).await.unwrap();
        }
        let first = bench
            .api
            .simulate_policy(asked(ask(4, "")))
            .await
            .unwrap()
            .into_inner();
        let told = first.simulation.unwrap();
        assert_eq!(
            (
                told.decision_count,
                told.refused_count,
                told.otherwise_count
            ),
            (3, 2, 0)
        );
        assert_eq!((told.counts.len(), told.counts[0].count), (1, 2));
        let difference = &first.differences[0];
        assert_eq!(
            (difference.number.as_str(), difference.refused),
            ("NOTE-1", true)
        );
        assert_eq!(
            difference.explanation,
            "text must have at most 4 characters"
        );

        let request = ask(4, &first.next_page_token);
        let second = bench
            .api
            .simulate_policy(asked(request))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(second.differences[0].number, "NOTE-3");
        assert_eq!(second.simulation, None);
        let other = bench
            .api
            .simulate_policy(asked(ask(5, &first.next_page_token)))
            .await;
        assert_eq!(other.unwrap_err().code(), Code::InvalidArgument);
        let same = bench
            .api
            .simulate_policy(asked(ask(80, "")))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(
            (same.differences.len(), same.next_page_token.as_str()),
            (0, "")
        );
        bench.store.close().await;
    }

    #[tokio::test]
    async fn versions_are_listed_the_newest_first_in_pages() {
        let bench = Bench::new().await;
        for longest in 1..=5 {
            bench.apply(applied(longest)).await;
        }
        let (mut numbers, mut token) = (Vec::new(), String::new());
        loop {
            let request = pb::ListPolicyVersionsRequest {
                parent: "note".to_owned(),
                page_size: 2,
                page_token: token,
            };
            let page = bench
                .api
                .list_policy_versions(asked(request))
                .await
                .unwrap()
                .into_inner();
            numbers.extend(page.policy_versions.iter().map(|version| version.number));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(numbers, [5, 4, 3, 2, 1]);
        bench.store.close().await;
    }
}
