//! Promises on lists.

use std::sync::Arc;

use mainstay_chassis::Method;
use prost_reflect::{DynamicMessage, Value};

use super::Specimen;
use super::answers::{Failure, has, text, with};
use super::stage::Stage;

/// So many records are listed.
const RECORDS: usize = 7;

/// A list method with records to list, which all belong to the same.
struct List {
    method: Arc<Method>,
    maker: Arc<Method>,
    /// Asks for the list.
    request: DynamicMessage,
    /// What the creation of another record of it says of its parent.
    parent: String,
}

impl List {
    /// The lists of a practice, each filled.
    async fn all(stage: &Stage) -> Vec<Self> {
        let mut lists = Vec::new();
        for method in stage.beginning("List") {
            let Some(maker) = stage.maker_of_read(&method) else {
                continue;
            };
            let create = stage.ready(&stage.home, &maker).await;
            let mut list = Self {
                request: DynamicMessage::new(method.descriptor.input()),
                parent: match has(&create, "parent") {
                    true => text(&create, "parent"),
                    false => String::new(),
                },
                method,
                maker,
            };
            let mut of = String::new();
            for _ in 0..RECORDS {
                of = stage.parent_of(&list.another(stage).await);
            }
            list.request = with(&list.request, "parent", &of);
            lists.push(list);
        }
        assert!(!lists.is_empty(), "there are lists");
        lists
    }

    /// Creates another record of the list and tells its name.
    async fn another(&self, stage: &Stage) -> String {
        let request = stage.ready(&stage.home, &self.maker).await;
        let request = match has(&request, "parent") {
            true => with(&request, "parent", &self.parent),
            false => request,
        };
        text(
            &stage
                .done(&stage.home, &self.maker, &request)
                .await
                .record(),
            "name",
        )
    }

    /// The request of a page.
    fn asking(&self, size: i32, token: &str) -> DynamicMessage {
        let mut request = with(&self.request, "page_token", token);
        request.set_field_by_name("page_size", Value::I32(size));
        request
    }

    /// The names on a page, and the token of the next.
    async fn page(&self, stage: &Stage, size: i32, token: &str) -> (Vec<String>, String) {
        let page = stage
            .done(&stage.home, &self.method, &self.asking(size, token))
            .await;
        let (records, next) = page.page();
        (
            records.iter().map(|record| text(record, "name")).collect(),
            next,
        )
    }

    async fn refusal(&self, stage: &Stage, request: &DynamicMessage) -> Failure {
        stage
            .refusal(&stage.home, &self.method, request, "a list cannot do that")
            .await
    }
}

/// All pages are the whole list, each record once, also while others come.
pub async fn a_list_is_paged_completely_and_stays_stable(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    for list in List::all(&stage).await {
        let path = &list.method.path;
        let (whole, last) = list.page(&stage, 500, "").await;
        assert!(whole.len() >= RECORDS, "{path} lists what was made");
        assert_eq!(last, "", "{path} has one page");
        let (mut paged, mut token) = (Vec::new(), String::new());
        loop {
            let (names, next) = list.page(&stage, 3, &token).await;
            paged.extend(names.iter().cloned());
            if next.is_empty() {
                assert!(
                    names.len() <= 3,
                    "{path}: a page is not larger than asked for"
                );
                break;
            }
            assert_eq!(names.len(), 3, "{path}: only the last page is short");
            token = next;
            // Fewer come than are shown, or a list that is oldest first would not end.
            list.another(&stage).await;
        }
        let mut once = paged.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), paged.len(), "{path} lists each record once");
        assert!(
            whole.iter().all(|name| paged.contains(name)),
            "{path} leaves nothing out"
        );
    }
    stage.close().await;
}

/// Tokens, sizes, filters and orders that are wrong are refused with their
/// reasons.
pub async fn a_list_refuses_what_it_cannot_do(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    for list in List::all(&stage).await {
        let path = &list.method.path;
        let garbage = list.refusal(&stage, &list.asking(3, "garbage")).await;
        assert_eq!(garbage.reason, "PAGE_TOKEN_INVALID", "{path}: {garbage:?}");
        for size in [-1, 501] {
            let failure = list.refusal(&stage, &list.asking(size, "")).await;
            assert_eq!(failure.reason, "VALIDATION_FAILED", "{path}: {failure:?}");
            assert_eq!(failure.fields, ["page_size"], "{path}");
        }
        let (_, token) = list.page(&stage, 3, "").await;
        let theirs = with(&list.asking(3, &token), "parent", "");
        stage
            .refusal(&stage.away, &list.method, &theirs, "the token is another's")
            .await;
        if has(&list.request, "order_by") {
            refuses_orders(&stage, &list, &token).await;
        }
        if has(&list.request, "filter") {
            refuses_filters(&stage, &list, &token).await;
        }
    }
    stage.close().await;
}

async fn refuses_orders(stage: &Stage, list: &List, token: &str) {
    let path = &list.method.path;
    let failure = list
        .refusal(stage, &with(&list.request, "order_by", "nonsense"))
        .await;
    assert_eq!(failure.reason, "ORDER_INVALID", "{path}: {failure:?}");
    // The remedy lists the orders; the first is the usual one.
    let orders = failure.remedies.concat();
    let other = orders.split("; ").nth(1).expect("a second order");
    let failure = list
        .refusal(stage, &with(&list.asking(3, token), "order_by", other))
        .await;
    mismatches(path, &failure, "order_by");
}

async fn refuses_filters(stage: &Stage, list: &List, token: &str) {
    let path = &list.method.path;
    let nonsense = with(&list.request, "filter", "nonsense == \"x\"");
    let failure = list.refusal(stage, &nonsense).await;
    assert_eq!(failure.reason, "FILTER_INVALID", "{path}: {failure:?}");
    assert_eq!(
        failure.metadata.get("position").map(String::as_str),
        Some("0"),
        "{path}"
    );
    assert_eq!(
        failure.metadata.get("token").map(String::as_str),
        Some("nonsense"),
        "{path}"
    );
    assert_eq!(failure.fields, ["filter"], "{path}");
    let failure = list
        .refusal(stage, &with(&list.asking(3, token), "filter", "another"))
        .await;
    mismatches(path, &failure, "filter");
}

fn mismatches(path: &str, failure: &Failure, field: &str) {
    assert_eq!(failure.reason, "PAGE_TOKEN_MISMATCH", "{path}: {failure:?}");
    assert_eq!(
        failure.metadata.get("field").map(String::as_str),
        Some(field),
        "{path}"
    );
}
