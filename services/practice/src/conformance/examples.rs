//! Requests out of the specimen's examples.

use std::sync::Arc;

use mainstay_chassis::{Method, Principal};
use prost_reflect::{DynamicMessage, Value};
use serde_json::Value as Json;
use uuid::Uuid;

use super::Example;
use super::answers::{Reply, has, nested, text, with};
use super::stage::Stage;

impl Stage {
    /// The methods that write.
    pub(super) fn writes(&self) -> Vec<Arc<Method>> {
        let writes = self.methods.iter().filter(|method| !method.no_side_effects);
        writes.cloned().collect()
    }

    /// The methods that write and take a request id.
    pub(super) fn keyed(&self) -> Vec<Arc<Method>> {
        let writes = self.writes().into_iter();
        writes
            .filter(|method| {
                method
                    .descriptor
                    .input()
                    .get_field_by_name("request_id")
                    .is_some()
            })
            .collect()
    }

    /// The methods whose names begin so.
    pub(super) fn beginning(&self, word: &str) -> Vec<Arc<Method>> {
        let methods = self
            .methods
            .iter()
            .filter(|method| method.descriptor.name().starts_with(word));
        methods.cloned().collect()
    }

    fn example(&self, method: &str) -> Example {
        let mut examples = self.specimen.examples.iter();
        let found = examples.find(|example| example.method == method);
        *found.unwrap_or_else(|| panic!("the specimen has no example of {method}"))
    }

    /// The method that makes the records that a method works on.
    fn maker(&self, method: &Method) -> Option<Arc<Method>> {
        let kind = record_type(method)?;
        let makers = self
            .specimen
            .examples
            .iter()
            .map(|example| self.method(example.method));
        let mut makers = makers.filter(|maker| maker.descriptor.name().starts_with("Create"));
        makers.find(|maker| record_type(maker).as_ref() == Some(&kind))
    }

    /// A new record that a method creates.
    pub(super) async fn create(&self, who: &Principal, maker: &Method) -> Reply {
        let request = Box::pin(self.ready(who, maker)).await;
        self.done(who, maker, &request).await
    }

    /// A valid request of a method, on a record that is ready for it; without
    /// etag and request id.
    pub(super) async fn ready(&self, who: &Principal, method: &Method) -> DynamicMessage {
        let example = self.example(method.descriptor.name());
        let request = self.fill(who, method, example.request).await;
        if method.descriptor.name().starts_with("Create") {
            return request;
        }
        let Some(maker) = self.maker(method) else {
            return request;
        };
        let record = self.create(who, &maker).await;
        let name = text(&record.record(), "name");
        for step in example.after {
            let method = self.method(step);
            let request = self.fill(who, &method, self.example(step).request).await;
            self.done(who, &method, &named(&request, &name)).await;
        }
        named(&request, &name)
    }

    /// A valid request of a method that reads or writes, whatever it needs.
    pub(super) async fn valid(&self, who: &Principal, method: &Method) -> DynamicMessage {
        if !method.no_side_effects {
            return self.ready(who, method).await;
        }
        let empty = DynamicMessage::new(method.descriptor.input());
        let Some(maker) = self.maker_of_read(method) else {
            return empty;
        };
        let record = self.create(who, &maker).await.record();
        let name = text(&record, "name");
        if has(&empty, "names") {
            let mut request = empty;
            request.set_field_by_name("names", Value::List(vec![Value::String(name)]));
            return request;
        }
        if has(&empty, "name") {
            return with(&empty, "name", &name);
        }
        let parent = self.parent_of(&name);
        with(&empty, "parent", &parent)
    }

    /// The maker of the records that a read answers, in a list or alone.
    pub(super) fn maker_of_read(&self, method: &Method) -> Option<Arc<Method>> {
        let makers = self
            .specimen
            .examples
            .iter()
            .map(|example| self.method(example.method));
        let mut makers = makers.filter(|maker| maker.descriptor.name().starts_with("Create"));
        let output = method.descriptor.output();
        let answered: Vec<String> = output
            .fields()
            .filter_map(|field| Some(field.kind().as_message()?.full_name().to_owned()))
            .collect();
        makers.find(|maker| record_type(maker).is_some_and(|kind| answered.contains(&kind)))
    }

    /// What a record with this name belongs to.
    pub(super) fn parent_of(&self, name: &str) -> String {
        name.rsplitn(3, '/').nth(2).unwrap_or_default().to_owned()
    }

    /// The request in an example, with what stands for names filled in.
    async fn fill(&self, who: &Principal, method: &Method, json: &str) -> DynamicMessage {
        let mut json: Json =
            serde_json::from_str(json).unwrap_or_else(|cause| panic!("{}: {cause}", method.path));
        let mut open = vec![&mut json];
        while let Some(value) = open.pop() {
            if let Json::String(text) = value {
                if text == "$unique" {
                    *text = Uuid::now_v7().to_string();
                } else if let Some(maker) = text.strip_prefix('$') {
                    let maker = self.method(maker);
                    *text = super::answers::text(&self.create(who, &maker).await.record(), "name");
                }
            } else if let Json::Array(list) = value {
                open.extend(list);
            } else if let Json::Object(map) = value {
                open.extend(map.values_mut());
            }
        }
        let message = DynamicMessage::deserialize(method.descriptor.input(), json);
        message.unwrap_or_else(|cause| panic!("{}: {cause}", method.path))
    }
}

/// The request with the name of the record it is about.
pub(super) fn named(request: &DynamicMessage, name: &str) -> DynamicMessage {
    if has(request, "name") {
        return with(request, "name", name);
    }
    put(request, "name", name)
}

/// The request with an etag; none when the method takes none.
pub(super) fn tagged(request: &DynamicMessage, etag: &str) -> Option<DynamicMessage> {
    if has(request, "etag") {
        return Some(with(request, "etag", etag));
    }
    (has(request, "update_mask") && nested(request).is_some()).then(|| put(request, "etag", etag))
}

/// The request with a text in a field of the record inside it.
fn put(request: &DynamicMessage, field: &str, text: &str) -> DynamicMessage {
    let mut request = request.clone();
    if let Some(place) = nested(&request) {
        let record = request
            .get_field_by_name(&place)
            .and_then(|value| value.as_message().cloned());
        let record = with(&record.expect("a record in the request"), field, text);
        request.set_field_by_name(&place, Value::Message(record));
    }
    request
}

/// The type of the record that a method answers.
pub(super) fn record_type(method: &Method) -> Option<String> {
    let output = method.descriptor.output();
    let mut records = output.fields().filter_map(|field| {
        let kind = field.kind();
        let message = kind.as_message()?;
        let named = message.get_field_by_name("name").is_some();
        (named && !field.is_list()).then(|| message.full_name().to_owned())
    });
    records.next()
}
