//! The smallest requests that keep the contract's rules, made from the rules.

use std::borrow::Cow;

use anyhow::Result;
use bytes::Bytes;
use mainstay_tests::contract::extension;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// A record that is well-named and nowhere to be found.
const NOWHERE: &str = "0198c2d4-5e6f-7a8b-9c0d-1e2f3a4b5c6d";

/// The encoded request.
pub(crate) fn minimal(message: &MessageDescriptor) -> Result<Bytes> {
    Ok(filled(message).encode_to_vec().into())
}

fn filled(message: &MessageDescriptor) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    match message.full_name() {
        "google.protobuf.FieldMask" => filled.set_field_by_name(
            "paths",
            Value::List(vec![Value::String("title".to_owned())]),
        ),
        "google.protobuf.Timestamp" => {}
        _ => {
            for field in message.fields().filter(is_needed) {
                let value = match field.is_list() {
                    true => Value::List(vec![value(&field)]),
                    false => value(&field),
                };
                filled.set_field(&field, value);
            }
        }
    }
    filled
}

/// Whether a request without the field is refused, or is pointless. Of a choice
/// that must be made, its last member is made.
fn is_needed(field: &FieldDescriptor) -> bool {
    if let Some(choice) = field.containing_oneof() {
        let required = set(
            extension(&choice.options(), "buf.validate.oneof"),
            &["required"],
        );
        return required.is_some() && choice.fields().last().as_ref() == Some(field);
    }
    let rule = |path: &[&str]| set(rules(field), path).is_some();
    let optional = rule(&["ignore"]) && !rule(&["required"]);
    let refuses_empty = [
        rule(&["required"]),
        rule(&["string", "min_len"]),
        rule(&["string", "pattern"]),
        rule(&["string", "uri"]),
        rule(&["repeated", "min_items"]),
        rule(&["enum", "not_in"]),
    ];
    !optional && refuses_empty.contains(&true)
        || field
            .full_name()
            .ends_with("UpdateIncidentRequest.incident")
}

fn value(field: &FieldDescriptor) -> Value {
    let kind = field.kind();
    if let Some(message) = kind.as_message() {
        return Value::Message(filled(message));
    }
    if let Some(each) = kind.as_enum() {
        let banned = set(rules(field), &["enum", "not_in"]);
        let banned = banned.as_ref().and_then(Value::as_list).unwrap_or_default();
        let numbers = each.values().map(|value| value.number());
        let allowed = numbers.filter(|number| !banned.contains(&Value::I32(*number)));
        // The last one: a stream from LATEST answers at once.
        return Value::EnumNumber(allowed.last().unwrap_or_default());
    }
    match kind == Kind::String {
        true => Value::String(text(field).into_owned()),
        false => kind.default_value(),
    }
}

fn text(field: &FieldDescriptor) -> Cow<'static, str> {
    match (field.name(), field.parent_message().name()) {
        ("name", "RevokeTokenRequest") => format!("tokens/{NOWHERE}").into(),
        ("name" | "parent" | "names", _) => format!("incidents/{NOWHERE}").into(),
        ("uri", _) => "https://example.org/".into(),
        ("role", _) => "viewer".into(),
        ("metric", _) => "backlog_age".into(),
        _ => "x".into(),
    }
}

fn rules(field: &FieldDescriptor) -> Option<Value> {
    extension(&field.options(), "buf.validate.field")
}

/// The value at a path inside of rules, when it is set.
fn set(rules: Option<Value>, path: &[&str]) -> Option<Value> {
    let mut value = rules?;
    for name in path {
        let message = value.as_message()?;
        if !message.has_field_by_name(name) {
            return None;
        }
        value = message.get_field_by_name(name)?.into_owned();
    }
    Some(value)
}
