//! Promises on writes.

use prost_reflect::{DynamicMessage, Value};
use tonic::Code;
use uuid::Uuid;

use super::Specimen;
use super::answers::{has, json, text, with};
use super::examples::tagged;
use super::stage::Stage;

/// The same call again is answered as it was, says so, and writes nothing.
pub async fn a_repeat_is_answered_as_the_first_call(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    for method in stage.keyed() {
        let request = stage.ready(&stage.home, &method).await;
        let request = with(&request, "request_id", &Uuid::now_v7().to_string());
        let first = stage.done(&stage.home, &method, &request).await;
        assert!(
            !first.replayed,
            "{} was made for the first time",
            method.path
        );
        let written = stage.events().await.len();
        let again = stage.done(&stage.home, &method, &request).await;
        assert!(again.replayed, "{} says that it is a repeat", method.path);
        assert_eq!(
            json(&again.message),
            json(&first.message),
            "{}",
            method.path
        );
        assert_eq!(
            stage.events().await.len(),
            written,
            "{} wrote once",
            method.path
        );
        let other = stage.ready(&stage.away, &method).await;
        let other = with(&other, "request_id", &text(&request, "request_id"));
        let other = stage.done(&stage.away, &method, &other).await;
        assert!(
            !other.replayed,
            "{}: each organization has its own keys",
            method.path
        );
    }
    stage.close().await;
}

/// A request id that was used for one request is refused for another.
pub async fn a_request_id_belongs_to_one_request(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    let methods = stage.keyed();
    assert!(methods.len() > 1, "there are methods to confuse");
    for (first, second) in methods.iter().zip(methods.iter().cycle().skip(1)) {
        let id = Uuid::now_v7().to_string();
        let request = with(&stage.ready(&stage.home, first).await, "request_id", &id);
        stage.done(&stage.home, first, &request).await;
        let request = with(&stage.ready(&stage.home, second).await, "request_id", &id);
        let failure = stage
            .refusal(&stage.home, second, &request, "the id is taken")
            .await;
        assert_eq!(
            failure.reason, "REQUEST_ID_REUSED",
            "{}: {failure:?}",
            second.path
        );
        assert_eq!(
            failure.metadata.get("requestId"),
            Some(&id),
            "{}",
            second.path
        );
    }
    stage.close().await;
}

/// A stale etag is refused with the one in force, which then is taken.
pub async fn a_stale_etag_is_refused(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    let mut tried = 0;
    for method in stage.writes() {
        let request = stage.ready(&stage.home, &method).await;
        let Some(stale) = tagged(&request, "\"987654321\"") else {
            continue;
        };
        tried += 1;
        let failure = stage
            .refusal(&stage.home, &method, &stale, "the etag is stale")
            .await;
        assert_eq!(failure.code, Code::Aborted, "{}: {failure:?}", method.path);
        assert_eq!(failure.reason, "ETAG_MISMATCH", "{}", method.path);
        let current = failure
            .metadata
            .get("currentEtag")
            .cloned()
            .unwrap_or_default();
        let request = tagged(&request, &current).expect("an etag");
        let done = stage.done(&stage.home, &method, &request).await;
        assert_ne!(
            text(&done.record(), "etag"),
            current,
            "{} changes the etag",
            method.path
        );
        let failure = stage
            .refusal(&stage.home, &method, &request, "the etag is stale now")
            .await;
        assert_eq!(failure.reason, "ETAG_MISMATCH", "{}", method.path);
    }
    assert!(tried > 0, "there are methods with an etag");
    stage.close().await;
}

/// `validate_only` checks and writes nothing.
pub async fn what_is_only_validated_is_not_written(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    for method in stage.writes() {
        let mut request = stage.ready(&stage.home, &method).await;
        if !has(&request, "validate_only") {
            continue;
        }
        let before = stage.events().await;
        request.set_field_by_name("validate_only", Value::Bool(true));
        stage.done(&stage.home, &method, &request).await;
        assert_eq!(
            stage.events().await,
            before,
            "{} wrote nothing",
            method.path
        );
        request.clear_field_by_name("validate_only");
        stage.done(&stage.home, &method, &request).await;
        assert_ne!(stage.events().await, before, "{} wrote", method.path);
    }
    stage.close().await;
}

/// A write without a request id has a natural key: a repeat writes nothing.
pub async fn an_import_may_be_repeated(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    let keyed = stage.keyed();
    for method in stage.writes() {
        if keyed.iter().any(|keyed| keyed.path == method.path) {
            continue;
        }
        let request: DynamicMessage = stage.ready(&stage.home, &method).await;
        stage.done(&stage.home, &method, &request).await;
        let before = stage.events().await;
        stage.done(&stage.home, &method, &request).await;
        assert_eq!(stage.events().await, before, "{} wrote once", method.path);
    }
    stage.close().await;
}
