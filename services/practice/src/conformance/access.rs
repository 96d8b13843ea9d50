//! Promises on who may what.

use prost_reflect::DynamicMessage;
use tonic::Code;

use super::Specimen;
use super::answers::{has, names, text, with};
use super::stage::{AWAY, HOME, Stage};

/// Every method refuses nobody, and who lacks its permission.
pub async fn without_its_permission_nothing_may_be_called(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    for method in stage.every_method() {
        let empty = DynamicMessage::new(method.descriptor.input());
        let nobody = stage.call_as(None, &method, &empty).await;
        let nobody = nobody
            .err()
            .unwrap_or_else(|| panic!("nobody may call {}", method.path));
        assert_eq!(
            nobody.code,
            Code::Unauthenticated,
            "{}: {nobody:?}",
            method.path
        );
        let weak = stage.without(&method.permission);
        let failure = stage
            .refusal(&weak, &method, &empty, "the permission is missing")
            .await;
        assert_eq!(
            failure.code,
            Code::PermissionDenied,
            "{}: {failure:?}",
            method.path
        );
        assert_eq!(
            failure.metadata.get("permission"),
            Some(&method.permission),
            "{}",
            method.path
        );
    }
    stage.close().await;
}

/// Another organization's name is PERMISSION_DENIED in every place of every
/// request, whether there is such a record or not.
pub async fn another_organizations_names_are_refused_without_a_look(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    let prefix = |organization| format!("organizations/{organization}");
    for method in &stage.methods {
        let valid = stage.valid(&stage.home, method).await;
        // Names of records that are there, but elsewhere.
        let mut foreign = names(&stage.valid(&stage.away, method).await, &str::to_owned);
        // Names of records that are nowhere.
        foreign.extend(names(&valid, &|name| {
            name.replacen(&prefix(HOME), &prefix(AWAY), 1)
        }));
        if has(&valid, "parent") && text(&valid, "parent").split('/').count() <= 2 {
            foreign.push((
                "parent".to_owned(),
                with(&valid, "parent", "organizations/acme"),
            ));
        }
        assert!(!foreign.is_empty(), "{} has a place for names", method.path);
        for (path, request) in foreign {
            let failure = stage
                .refusal(&stage.home, method, &request, "it is another's")
                .await;
            assert_eq!(
                failure.code,
                Code::PermissionDenied,
                "{} {path}: {failure:?}",
                method.path
            );
            assert!(
                failure.metadata.contains_key("resource"),
                "{} {path}",
                method.path
            );
        }
    }
    stage.close().await;
}

/// By a short name another organization's record is not found; lists and the
/// log show one's own only.
pub async fn organizations_see_nothing_of_each_other(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    for method in &stage.methods {
        let theirs = stage.valid(&stage.away, method).await;
        let short = |name: &str| name.replacen("organizations/acme/", "", 1);
        for (path, request) in names(&theirs, &short) {
            if text_at(&theirs, &path).split('/').count() == 2 {
                continue;
            }
            // Other names in it are made the caller's own by the same cut.
            let request = names(&request, &short)
                .into_iter()
                .fold(request, |_, (_, request)| request);
            let failure = stage
                .refusal(&stage.home, method, &request, "it is not here")
                .await;
            assert_eq!(
                failure.code,
                Code::NotFound,
                "{} {path}: {failure:?}",
                method.path
            );
        }
        if method.descriptor.name().starts_with("List") && !has(&theirs, "name") {
            let mine = stage
                .call(&stage.home, method, &with(&theirs, "parent", ""))
                .await;
            let (records, _) = mine.map(|mine| mine.page()).unwrap_or_default();
            let mut names = records.iter().map(|record| text(record, "name"));
            assert!(
                names.all(|name| name.starts_with("organizations/default/")),
                "{}",
                method.path
            );
        }
    }
    for logged in stage.events().await {
        let event = logged.decode().expect("an event");
        assert!(
            event.subject.starts_with("organizations/default/"),
            "{}",
            event.subject
        );
    }
    stage.close().await;
}

fn text_at(message: &DynamicMessage, path: &str) -> String {
    let value = message.get_field_by_name(path);
    value
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
