//! The checks of one value, by the kind of its rules.

use std::fmt::Write;

use anyhow::{Result, bail};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};

use super::names::rust_path;
use super::options::{message_of, set_fields};

pub(super) fn value_checks(
    kind: Kind,
    rules: Option<&DynamicMessage>,
    name: &str,
    value: &str,
) -> Result<String> {
    let mut text = String::new();
    if let Kind::Message(message) = &kind
        && message.full_name().starts_with("mainstay.")
    {
        writeln!(text, "        found.inside({name}, {value});")?;
    }
    let Some(rules) = rules else { return Ok(text) };
    for (rule, arguments) in set_fields(rules) {
        match rule.as_str() {
            "required" | "ignore" => {}
            "string" => text += &string_checks(&arguments, name, value)?,
            "int32" => text += &int_checks(&arguments, name, value)?,
            "enum" => text += &enum_checks(&kind, &arguments, name, value)?,
            "duration" => text += &duration_checks(&arguments, name, value)?,
            other => bail!("{name}: the rule {other} is not known to proto/build/rules.rs"),
        }
    }
    Ok(text)
}

pub(super) fn string_checks(rules: &Value, name: &str, value: &str) -> Result<String> {
    let mut text = String::new();
    for (rule, argument) in set_fields(message_of(rules)?) {
        let call = match (rule.as_str(), &argument) {
            ("min_len" | "max_len" | "max_bytes", Value::U64(limit)) => {
                format!("{rule}(found, {name}, {value}, {limit})")
            }
            ("pattern", Value::String(pattern)) => format!(
                "pattern(found, {name}, {value}, {{ static PATTERN: std::sync::LazyLock<regex::Regex> = crate::check::compiled!({pattern:?}); &PATTERN }}, {pattern:?})"
            ),
            ("uuid" | "uri", Value::Bool(true)) => format!("{rule}(found, {name}, {value})"),
            _ => bail!("{name}: the rule string.{rule} is not known to proto/build/rules.rs"),
        };
        writeln!(text, "        crate::check::{call};")?;
    }
    Ok(text)
}

pub(super) fn int_checks(rules: &Value, name: &str, value: &str) -> Result<String> {
    let mut text = String::new();
    for (rule, argument) in set_fields(message_of(rules)?) {
        let Some(limit) = argument.as_i32() else {
            bail!("{name}: int32.{rule}")
        };
        match rule.as_str() {
            "gte" => writeln!(
                text,
                "        crate::check::gte(found, {name}, *{value}, {limit});"
            )?,
            "lte" => writeln!(
                text,
                "        crate::check::lte(found, {name}, *{value}, {limit});"
            )?,
            other => bail!("{name}: the rule int32.{other} is not known to proto/build/rules.rs"),
        }
    }
    Ok(text)
}

pub(super) fn enum_checks(kind: &Kind, rules: &Value, name: &str, value: &str) -> Result<String> {
    let Kind::Enum(enumeration) = kind else {
        bail!("{name}: rules of an enum on something else")
    };
    let path = rust_path(enumeration.full_name());
    let mut text = String::new();
    for (rule, argument) in set_fields(message_of(rules)?) {
        match rule.as_str() {
            "defined_only" => writeln!(
                text,
                "        crate::check::defined(found, {name}, {path}::try_from(*{value}).is_ok());"
            )?,
            "not_in" => {
                let banned: Vec<i32> = argument
                    .as_list()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_i32)
                    .collect();
                writeln!(
                    text,
                    "        crate::check::not_in(found, {name}, *{value}, &{banned:?});"
                )?;
            }
            other => bail!("{name}: the rule enum.{other} is not known to proto/build/rules.rs"),
        }
    }
    Ok(text)
}

pub(super) fn duration_checks(rules: &Value, name: &str, value: &str) -> Result<String> {
    let mut text = String::new();
    for (rule, argument) in set_fields(message_of(rules)?) {
        let limit = message_of(&argument)?
            .get_field_by_name("seconds")
            .and_then(|seconds| seconds.as_i64())
            .unwrap_or(0);
        match rule.as_str() {
            "gte" | "lte" => writeln!(
                text,
                "        crate::check::duration_{rule}(found, {name}, {value}, {limit});"
            )?,
            other => {
                bail!("{name}: the rule duration.{other} is not known to proto/build/rules.rs")
            }
        }
    }
    Ok(text)
}

pub(super) fn list_checks(
    field: &FieldDescriptor,
    place: &str,
    rules: Option<&DynamicMessage>,
) -> Result<String> {
    let name = field.name();
    let mut text = String::new();
    let mut items = None;
    for (rule, arguments) in rules.into_iter().flat_map(set_fields) {
        match rule.as_str() {
            "required" | "ignore" => continue,
            "repeated" => {}
            other => {
                bail!("{name}: the rule {other} on a list is not known to proto/build/rules.rs")
            }
        }
        for (rule, argument) in set_fields(message_of(&arguments)?) {
            match (rule.as_str(), &argument) {
                ("min_items" | "max_items", Value::U64(limit)) => writeln!(
                    text,
                    "        crate::check::{rule}(found, \"{name}\", {place}.len(), {limit});"
                )?,
                ("unique", Value::Bool(true)) => writeln!(
                    text,
                    "        crate::check::unique(found, \"{name}\", &{place});"
                )?,
                ("items", Value::Message(inner)) => items = Some(inner.clone()),
                _ => bail!("{name}: the rule repeated.{rule} is not known to proto/build/rules.rs"),
            }
        }
    }
    let inner = value_checks(
        field.kind(),
        items.as_ref(),
        &format!("&format!(\"{name}[{{index}}]\")"),
        "value",
    )?;
    if !inner.is_empty() {
        writeln!(
            text,
            "        for (index, value) in {place}.iter().enumerate() {{\n{inner}        }}"
        )?;
    }
    Ok(text)
}

pub(super) fn map_checks(
    field: &FieldDescriptor,
    place: &str,
    rules: Option<&DynamicMessage>,
) -> Result<String> {
    let name = field.name();
    let mut text = String::new();
    for (rule, arguments) in rules.into_iter().flat_map(set_fields) {
        if rule != "map" {
            bail!("{name}: the rule {rule} on a map is not known to proto/build/rules.rs");
        }
        for (rule, argument) in set_fields(message_of(&arguments)?) {
            match (rule.as_str(), &argument) {
                ("max_pairs", Value::U64(limit)) => writeln!(
                    text,
                    "        crate::check::max_items(found, \"{name}\", {place}.len(), {limit});"
                )?,
                ("keys" | "values", Value::Message(inner)) => {
                    let (bound, path) = if rule == "keys" {
                        ("(value, _)", "key")
                    } else {
                        ("(key, value)", "value")
                    };
                    let label = if rule == "keys" { "value" } else { "key" };
                    let inner = value_checks(
                        Kind::String,
                        Some(inner),
                        &format!("&format!(\"{name}[{{{label}}}] ({path})\")"),
                        "value",
                    )?;
                    writeln!(
                        text,
                        "        for {bound} in &{place} {{\n{inner}        }}"
                    )?;
                }
                _ => bail!("{name}: the rule map.{rule} is not known to proto/build/rules.rs"),
            }
        }
    }
    Ok(text)
}
