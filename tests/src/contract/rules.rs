//! Validation rules may become looser, never tighter, and no new field may be
//! required.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{
    DynamicMessage, FieldDescriptor, MessageDescriptor, OneofDescriptor, ReflectMessage, Value,
};

use super::extension;

/// The value of `ignore` that switches all rules of a field off.
const IGNORE_ALWAYS: i128 = 3;

/// What a rule is set to.
#[derive(Debug, PartialEq, Eq)]
enum Limit {
    Number(i128),
    Text(String),
    Set(BTreeSet<String>),
}

/// Rules by their path, such as `repeated.items.string.max_len`.
type Rules = BTreeMap<String, Limit>;

/// Compares the rules of a message's fields and oneofs.
pub(super) fn compare(old: &MessageDescriptor, new: &MessageDescriptor, found: &mut Vec<String>) {
    for field in new.fields() {
        let now = of_field(&field);
        if number(&now, "ignore") == Some(IGNORE_ALWAYS) {
            continue;
        }
        match old.get_field_by_name(field.name()) {
            Some(before) => tightened(field.full_name(), &of_field(&before), &now, found),
            None if refuses_absence(&field, &now) => {
                found.push(format!("{} is new and required", field.full_name()));
            }
            None => {}
        }
    }
    for oneof in new.oneofs().filter(is_required) {
        let before = old.oneofs().find(|before| before.name() == oneof.name());
        if !before.as_ref().is_some_and(is_required) {
            found.push(format!("{} has become required", oneof.full_name()));
        }
    }
}

fn tightened(name: &str, old: &Rules, new: &Rules, found: &mut Vec<String>) {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let (before, now) = (old.get(path), new.get(path));
        if is_tighter(path, before, now) {
            found.push(format!(
                "{name}: the rule {path} was {before:?} and is {now:?}"
            ));
        }
    }
}

/// Whether a rule refuses what it let through before.
fn is_tighter(path: &str, old: Option<&Limit>, new: Option<&Limit>) -> bool {
    let rule = path.rsplit('.').next().unwrap_or(path);
    if rule == "ignore" {
        return value(new).unwrap_or_default() < value(old).unwrap_or_default();
    }
    match (rule, old, new) {
        (_, _, None) => false,
        (_, None, Some(Limit::Number(0))) if !is_bound(rule) => false,
        ("max_len" | "max_bytes" | "max_items" | "max_pairs" | "lte" | "lt", _, _) => {
            value(old).is_none_or(|old| value(new).is_some_and(|new| new < old))
        }
        ("min_len" | "min_bytes" | "min_items" | "min_pairs", _, _) => {
            value(new).unwrap_or_default() > value(old).unwrap_or_default()
        }
        ("gte" | "gt", _, _) => {
            value(old).is_none_or(|old| value(new).is_some_and(|new| new > old))
        }
        ("not_in", Some(Limit::Set(old)), Some(Limit::Set(new))) => !new.is_subset(old),
        ("in", Some(Limit::Set(old)), Some(Limit::Set(new))) => !new.is_superset(old),
        (_, old, new) => old != new,
    }
}

/// Whether 0 is a limit for this rule, rather than "off".
fn is_bound(rule: &str) -> bool {
    rule.starts_with("max_") || matches!(rule, "gte" | "gt" | "lte" | "lt" | "const" | "len")
}

fn value(limit: Option<&Limit>) -> Option<i128> {
    match limit {
        Some(Limit::Number(number)) => Some(*number),
        Some(Limit::Text(_) | Limit::Set(_)) | None => None,
    }
}

fn number(rules: &Rules, path: &str) -> Option<i128> {
    value(rules.get(path))
}

/// Whether a request without the field is refused.
fn refuses_absence(field: &FieldDescriptor, rules: &Rules) -> bool {
    if number(rules, "required") == Some(1) {
        return true;
    }
    if field.supports_presence() || number(rules, "ignore").is_some_and(|ignore| ignore != 0) {
        return false;
    }
    rules
        .iter()
        .any(|(path, limit)| match (path.as_str(), limit) {
            (
                "string.min_len" | "string.min_bytes" | "repeated.min_items" | "map.min_pairs"
                | "string.uuid" | "string.uri",
                limit,
            ) => value(Some(limit)).is_some_and(|limit| limit > 0),
            ("string.pattern", _) => true,
            ("int32.gte" | "int64.gte" | "uint32.gte" | "uint64.gte", limit) => {
                value(Some(limit)).is_some_and(|limit| limit > 0)
            }
            ("enum.not_in", Limit::Set(banned)) => banned.contains("0"),
            _ => false,
        })
}

fn is_required(oneof: &OneofDescriptor) -> bool {
    let rules = extension(&oneof.options(), "buf.validate.oneof");
    let required = rules
        .as_ref()
        .and_then(Value::as_message)
        .and_then(|rules| rules.get_field_by_name("required")?.as_bool());
    required == Some(true)
}

fn of_field(field: &FieldDescriptor) -> Rules {
    let mut rules = Rules::new();
    if let Some(Value::Message(message)) = extension(&field.options(), "buf.validate.field") {
        flatten(&message, "", &mut rules);
    }
    rules
}

fn flatten(message: &DynamicMessage, path: &str, rules: &mut Rules) {
    for (field, value) in message.fields() {
        let path = format!("{path}{}", field.name());
        match value {
            Value::Message(inner)
                if inner.descriptor().full_name() == "google.protobuf.Duration" =>
            {
                rules.insert(path, Limit::Number(nanoseconds(inner)));
            }
            Value::Message(inner) => flatten(inner, &format!("{path}."), rules),
            Value::List(values) => {
                rules.insert(path, Limit::Set(values.iter().map(text).collect()));
            }
            Value::String(_) | Value::F32(_) | Value::F64(_) | Value::Bytes(_) | Value::Map(_) => {
                rules.insert(path, Limit::Text(text(value)));
            }
            Value::Bool(_)
            | Value::I32(_)
            | Value::I64(_)
            | Value::U32(_)
            | Value::U64(_)
            | Value::EnumNumber(_) => {
                rules.insert(path, Limit::Number(integer(value).unwrap_or_default()));
            }
        }
    }
}

fn nanoseconds(duration: &DynamicMessage) -> i128 {
    let part = |name| {
        duration
            .get_field_by_name(name)
            .and_then(|part| integer(&part))
            .unwrap_or_default()
    };
    part("seconds") * 1_000_000_000 + part("nanos")
}

fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Bool(flag) => Some(i128::from(*flag)),
        Value::I32(number) | Value::EnumNumber(number) => Some(i128::from(*number)),
        Value::I64(number) => Some(i128::from(*number)),
        Value::U32(number) => Some(i128::from(*number)),
        Value::U64(number) => Some(i128::from(*number)),
        Value::F32(_)
        | Value::F64(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Message(_)
        | Value::List(_)
        | Value::Map(_) => None,
    }
}

fn text(value: &Value) -> String {
    match (integer(value), value) {
        (Some(number), _) => number.to_string(),
        (None, Value::String(text)) => text.clone(),
        (None, other) => other.to_string(),
    }
}
