//! What comes back, and how messages without a type are read and changed.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, Kind, ReflectMessage, Value};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// An answer.
#[derive(Clone)]
pub(super) struct Reply {
    pub(super) message: DynamicMessage,
    pub(super) replayed: bool,
}

/// A refusal, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) reason: String,
    pub(super) metadata: HashMap<String, String>,
    /// The fields that are to blame.
    pub(super) fields: Vec<String>,
    /// What to do about each.
    pub(super) remedies: Vec<String>,
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details
            .error_info()
            .unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
        assert_eq!(info.domain, "mainstay", "{status:?}");
        let violations = details
            .bad_request()
            .map(|request| request.field_violations.clone());
        let violations = violations.unwrap_or_default();
        Self {
            code: status.code(),
            reason: info.reason.clone(),
            metadata: info.metadata.clone(),
            fields: violations
                .iter()
                .map(|violation| violation.field.clone())
                .collect(),
            remedies: violations
                .into_iter()
                .map(|violation| violation.description)
                .collect(),
        }
    }
}

impl Reply {
    /// The record that a write or a read answers.
    pub(super) fn record(&self) -> DynamicMessage {
        let records = self
            .message
            .fields()
            .filter_map(|(_, value)| value.as_message().cloned());
        let mut records =
            records.filter(|message| message.descriptor().get_field_by_name("name").is_some());
        records
            .next()
            .unwrap_or_else(|| panic!("no record in {}", json(&self.message)))
    }

    /// The record with a name, of those that a write answers.
    pub(super) fn named(&self, name: &str) -> DynamicMessage {
        let alone = self.message.fields();
        let alone = alone.filter_map(|(_, value)| value.as_message().cloned());
        let mut records = alone.chain(self.page().0);
        records
            .find(|record| has(record, "name") && text(record, "name") == name)
            .unwrap_or_else(|| panic!("no {name} in {}", json(&self.message)))
    }

    /// The cursor after a write.
    pub(super) fn cursor(&self) -> String {
        text(&self.message, "cursor")
    }

    /// The records of a list, and the token of its next page.
    pub(super) fn page(&self) -> (Vec<DynamicMessage>, String) {
        let lists = self
            .message
            .fields()
            .filter_map(|(_, value)| value.as_list().map(<[Value]>::to_vec));
        let records = lists
            .flatten()
            .filter_map(|value| value.as_message().cloned());
        let token =
            has(&self.message, "next_page_token").then(|| text(&self.message, "next_page_token"));
        (records.collect(), token.unwrap_or_default())
    }
}

/// The message as people read it.
pub(super) fn json(message: &DynamicMessage) -> serde_json::Value {
    serde_json::to_value(message).unwrap_or_default()
}

/// The text of a field.
pub(super) fn text(message: &DynamicMessage, field: &str) -> String {
    let value = message.get_field_by_name(field);
    let value =
        value.unwrap_or_else(|| panic!("{} has no {field}", message.descriptor().full_name()));
    value.as_str().unwrap_or_default().to_owned()
}

/// The number in a field.
pub(super) fn number(message: &DynamicMessage, field: &str) -> i64 {
    let value = message.get_field_by_name(field);
    value.and_then(|value| value.as_i64()).unwrap_or_default()
}

/// Whether the message has the field.
pub(super) fn has(message: &DynamicMessage, field: &str) -> bool {
    message.descriptor().get_field_by_name(field).is_some()
}

/// The message with a text in a field.
pub(super) fn with(message: &DynamicMessage, field: &str, text: &str) -> DynamicMessage {
    let mut message = message.clone();
    message.set_field_by_name(field, Value::String(text.to_owned()));
    message
}

/// The texts in a message that are names of records of an organization, by
/// their paths, and the message with each of them changed.
pub(super) fn names(
    message: &DynamicMessage,
    change: &dyn Fn(&str) -> String,
) -> Vec<(String, DynamicMessage)> {
    let mut changed = Vec::new();
    let fields: Vec<_> = message
        .fields()
        .map(|(field, value)| (field, value.clone()))
        .collect();
    for (field, value) in fields {
        let path = field.name().to_owned();
        let mut put = |path: String, value: Value| {
            let mut message = message.clone();
            message.set_field(&field, value);
            changed.push((path, message));
        };
        if let Some(text) = value
            .as_str()
            .filter(|text| text.starts_with("organizations/"))
        {
            put(path, Value::String(change(text)));
        } else if let Some(inner) = value.as_message() {
            for (below, inner) in names(inner, change) {
                put(format!("{path}.{below}"), Value::Message(inner));
            }
        } else if let Some(list) = value.as_list() {
            for (at, one) in list.iter().enumerate() {
                let name = one
                    .as_str()
                    .filter(|text| text.starts_with("organizations/"));
                if let Some(name) = name {
                    let mut list = list.to_vec();
                    if let Some(one) = list.get_mut(at) {
                        *one = Value::String(change(name));
                    }
                    put(format!("{path}[{at}]"), Value::List(list));
                }
            }
        }
    }
    changed
}

/// The field of a request that holds the record itself, when it has a name
/// there rather than beside it.
pub(super) fn nested(message: &DynamicMessage) -> Option<String> {
    let descriptor = message.descriptor();
    let mut fields = descriptor.fields().filter(|field| match field.kind() {
        Kind::Message(inner) => {
            let named = |name| inner.get_field_by_name(name).is_some();
            !field.is_list() && named("name") && named("etag")
        }
        Kind::Double
        | Kind::Float
        | Kind::Int32
        | Kind::Int64
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Fixed32
        | Kind::Fixed64
        | Kind::Sfixed32
        | Kind::Sfixed64
        | Kind::Bool
        | Kind::String
        | Kind::Bytes
        | Kind::Enum(_) => false,
    });
    fields.next().map(|field| field.name().to_owned())
}
