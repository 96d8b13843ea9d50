//! Shapes: messages, fields, enums and methods keep their names, numbers and
//! types, and methods what they say of themselves.

use prost_reflect::{EnumDescriptor, FieldDescriptor, MessageDescriptor, MethodDescriptor};

use super::{audit, cost, permission};

/// Compares a method with the one of the same name, if there still is one.
pub(super) fn compare_method(
    old: &MethodDescriptor,
    new: Option<MethodDescriptor>,
    found: &mut Vec<String>,
) {
    let name = old.full_name();
    let Some(new) = new else {
        found.push(format!("{name} is gone"));
        return;
    };
    let mut compare = |what: &str, old: String, new: String| {
        if old != new {
            found.push(format!("{name}: {what} was {old:?} and is {new:?}"));
        }
    };
    compare("permission", permission(old), permission(&new));
    compare("cost", cost(old).to_string(), cost(&new).to_string());
    compare(
        "audit class",
        audit(old).to_string(),
        audit(&new).to_string(),
    );
    compare("signature", signature(old), signature(&new));
}

/// What goes in and out, and how it streams and repeats.
fn signature(method: &MethodDescriptor) -> String {
    let level = method
        .options()
        .get_field_by_name("idempotency_level")
        .and_then(|level| level.as_enum_number());
    format!(
        "{}{} -> {}{}, idempotency level {}",
        if method.is_client_streaming() {
            "stream "
        } else {
            ""
        },
        method.input().full_name(),
        if method.is_server_streaming() {
            "stream "
        } else {
            ""
        },
        method.output().full_name(),
        level.unwrap_or_default(),
    )
}

/// Compares the fields of a message.
pub(super) fn compare_message(
    old: &MessageDescriptor,
    new: &MessageDescriptor,
    found: &mut Vec<String>,
) {
    for field in old.fields() {
        let name = field.full_name();
        let Some(now) = new.get_field_by_name(field.name()) else {
            found.push(format!("{name} is gone"));
            continue;
        };
        if now.number() != field.number() {
            found.push(format!(
                "{name} had the number {} and has {}",
                field.number(),
                now.number()
            ));
        }
        let (was, is) = (shape(&field), shape(&now));
        if was != is {
            found.push(format!("{name} was {was} and is {is}"));
        }
    }
}

/// Type, cardinality, presence and spelling of a field.
fn shape(field: &FieldDescriptor) -> String {
    let proto = field.field_descriptor_proto();
    let oneof = field.containing_oneof();
    format!(
        "type {} {}, label {}, oneof {:?}, JSON name {}",
        proto.r#type.unwrap_or_default(),
        proto.type_name(),
        proto.label.unwrap_or_default(),
        oneof.as_ref().map(|oneof| oneof.name()),
        field.json_name(),
    )
}

/// Compares the values of an enum.
pub(super) fn compare_enum(
    old: &EnumDescriptor,
    new: Option<&EnumDescriptor>,
    found: &mut Vec<String>,
) {
    let Some(new) = new else {
        found.push(format!("{} is gone", old.full_name()));
        return;
    };
    for value in old.values() {
        let now = new.get_value_by_name(value.name()).map(|now| now.number());
        if now != Some(value.number()) {
            found.push(format!(
                "{} had the number {} and has {now:?}",
                value.full_name(),
                value.number()
            ));
        }
    }
}
