//! Promises on records and their names.

use prost_reflect::{DynamicMessage, Value};
use tonic::Code;
use uuid::Uuid;

use super::Specimen;
use super::answers::{has, json, names, number, text, with};
use super::examples::record_type;
use super::stage::Stage;

/// A record that was created is read as the answer said, with a full name, an
/// etag and the first revision.
pub async fn what_is_created_can_be_read(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    for maker in stage.beginning("Create") {
        let created = stage.create(&stage.home, &maker).await.record();
        let name = text(&created, "name");
        assert!(
            name.starts_with("organizations/default/"),
            "{name} is a full name"
        );
        assert!(!text(&created, "etag").is_empty(), "{name} has an etag");
        assert_eq!(number(&created, "revision"), 1, "{name} is new");
        let kind = record_type(&maker);
        for reader in stage
            .beginning("Get")
            .iter()
            .filter(|reader| record_type(reader) == kind)
        {
            let request = DynamicMessage::new(reader.descriptor.input());
            let mut given = vec![
                name.clone(),
                name.trim_start_matches("organizations/default/").to_owned(),
            ];
            if has(&created, "number") {
                given.push(text(&created, "number"));
            }
            for given in given {
                let read = stage
                    .done(&stage.home, reader, &with(&request, "name", &given))
                    .await;
                assert_eq!(json(&read.record()), json(&created), "{given}");
            }
        }
        for reader in stage.beginning("BatchGet") {
            if stage
                .maker_of_read(&reader)
                .is_none_or(|of| of.path != maker.path)
            {
                continue;
            }
            let other = stage.create(&stage.home, &maker).await.record();
            let mut request = DynamicMessage::new(reader.descriptor.input());
            let asked = [&other, &created].map(|record| Value::String(text(record, "name")));
            request.set_field_by_name("names", Value::List(asked.to_vec()));
            let (read, _) = stage.done(&stage.home, &reader, &request).await.page();
            let read: Vec<_> = read.iter().map(json).collect();
            assert_eq!(
                read,
                [json(&other), json(&created)],
                "in the order asked for"
            );
        }
    }
    stage.close().await;
}

/// An unknown id in one's own organization is NOT_FOUND, wherever it stands.
pub async fn what_is_not_there_is_not_found(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    let unknown = |name: &str| {
        let (collection, _) = name.rsplit_once('/').unwrap_or_default();
        format!("{collection}/{}", Uuid::now_v7())
    };
    for method in &stage.methods {
        let valid = stage.valid(&stage.home, method).await;
        for (path, request) in names(&valid, &unknown) {
            if is_organization(&valid, &path) {
                continue;
            }
            let failure = stage
                .refusal(&stage.home, method, &request, "it is not there")
                .await;
            assert_eq!(
                failure.code,
                Code::NotFound,
                "{} {path}: {failure:?}",
                method.path
            );
            assert_eq!(
                failure.reason, "RESOURCE_NOT_FOUND",
                "{} {path}",
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

/// What is no name, no id and no key is refused by the name of its field.
pub async fn names_that_are_none_are_refused_by_their_field(specimen: Specimen) {
    let stage = Stage::open(specimen).await;
    let garbled = |name: &str| {
        let (collection, _) = name.rsplit_once('/').unwrap_or_default();
        format!("{collection}/not-an-id")
    };
    for method in &stage.methods {
        let valid = stage.valid(&stage.home, method).await;
        let mut wrong = names(&valid, &garbled);
        wrong.retain(|(path, _)| !is_organization(&valid, path));
        if has(&valid, "request_id") {
            wrong.push((
                "request_id".to_owned(),
                with(&valid, "request_id", "not-a-uuid"),
            ));
        }
        for (path, request) in wrong {
            let failure = stage
                .refusal(&stage.home, method, &request, "it is no name")
                .await;
            assert_eq!(
                failure.reason, "VALIDATION_FAILED",
                "{} {path}: {failure:?}",
                method.path
            );
            assert_eq!(failure.fields, [path], "{}: {failure:?}", method.path);
        }
    }
    stage.close().await;
}

/// Whether the text at a path names an organization, not a record.
pub(super) fn is_organization(message: &DynamicMessage, path: &str) -> bool {
    let name = message
        .get_field_by_name(path)
        .and_then(|value| value.as_str().map(str::to_owned));
    name.is_some_and(|name| name.split('/').count() == 2)
}
