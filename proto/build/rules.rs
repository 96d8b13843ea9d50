//! Turns the `buf.validate` rules of the contract into Rust: one `Rules`
//! implementation per message, with direct access to its fields. A rule that
//! is not known here fails the build, so that none is silently ignored.

use std::fmt::Write;

use anyhow::{Result, bail};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor,
    ReflectMessage, Value,
};

/// The source text of all implementations.
pub(crate) fn generate(image: &[u8]) -> Result<String> {
    let pool = DescriptorPool::decode(image)?;
    let mut text = String::new();
    for message in pool.all_messages() {
        if message.full_name().starts_with("mainstay.") && !message.is_map_entry() {
            implement(&message, &mut text)?;
        }
    }
    Ok(text)
}

fn implement(message: &MessageDescriptor, text: &mut String) -> Result<()> {
    if message.full_name() == "mainstay.event.v1.LoggedEvent" {
        return Ok(()); // written by hand; only ever sent
    }
    let mut body = String::new();
    for field in message.fields().filter(|field| {
        field
            .containing_oneof()
            .is_none_or(|one| one.is_synthetic())
    }) {
        let name = rust_field(field.name());
        body += &field_checks(&field, &format!("self.{name}"))?;
    }
    for oneof in message.oneofs().filter(|one| !one.is_synthetic()) {
        body += &oneof_checks(message, &oneof)?;
    }
    let path = rust_path(message.full_name());
    let unused = if body.is_empty() { "_" } else { "" };
    let request = message.name().ends_with("Request");
    writeln!(
        text,
        "impl crate::check::Rules for {path} {{\n    const REQUEST: bool = {request};\n    fn check(&self, {unused}found: &mut crate::check::Violations) {{\n{body}    }}\n}}"
    )?;
    Ok(())
}

/// The `buf.validate` rules of an element, when it has any.
fn rules_of(options: DynamicMessage, extension: &str) -> Option<DynamicMessage> {
    let pool = options.descriptor().parent_pool().clone();
    let extension = pool.get_extension_by_name(extension)?;
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_message().cloned()
}

fn oneof_checks(message: &MessageDescriptor, oneof: &OneofDescriptor) -> Result<String> {
    let mut text = String::new();
    let name = rust_field(oneof.name());
    let path = format!(
        "{}::{}",
        rust_module(message.full_name()),
        camel(oneof.name())
    );
    let required = rules_of(oneof.options(), "buf.validate.oneof")
        .is_some_and(|rules| flag(&rules, "required"));
    if required {
        writeln!(
            text,
            "        crate::check::present(found, \"{}\", self.{name}.is_some());",
            oneof.name()
        )?;
    }
    for field in oneof.fields() {
        let inner = present_checks(&field, "value")?;
        if !inner.is_empty() {
            let variant = camel(field.name());
            writeln!(
                text,
                "        if let Some({path}::{variant}(value)) = &self.{name} {{\n{inner}        }}"
            )?;
        }
    }
    Ok(text)
}

/// Checks of a field outside any oneof, given the place that holds it.
fn field_checks(field: &FieldDescriptor, place: &str) -> Result<String> {
    let rules = rules_of(field.options(), "buf.validate.field");
    let ignore = rules.as_ref().map_or(0, |rules| number(rules, "ignore"));
    if ignore == 3 {
        let required = rules.as_ref().is_some_and(|rules| flag(rules, "required"));
        return Ok(if required {
            presence(field, place)
        } else {
            String::new()
        });
    }
    let mut text = String::new();
    if rules.as_ref().is_some_and(|rules| flag(rules, "required")) {
        text += &presence(field, place);
    }
    if field.is_map() {
        return Ok(text + &map_checks(field, place, rules.as_ref())?);
    }
    if field.is_list() {
        return Ok(text + &list_checks(field, place, rules.as_ref())?);
    }
    let optional = matches!(field.kind(), Kind::Message(_)) || field.supports_presence();
    let value = if optional {
        "value".to_owned()
    } else {
        format!("(&{place})")
    };
    let inner = present_checks(field, &value)?;
    if inner.is_empty() {
        return Ok(text);
    }
    if optional {
        writeln!(
            text,
            "        if let Some(value) = &{place} {{\n{inner}        }}"
        )?;
    } else if ignore == 1 {
        writeln!(
            text,
            "        if crate::check::is_set(&{place}) {{\n{inner}        }}"
        )?;
    } else {
        text += &inner;
    }
    Ok(text)
}

fn presence(field: &FieldDescriptor, place: &str) -> String {
    let there = if field.is_list()
        || field.is_map()
        || matches!(field.kind(), Kind::String | Kind::Bytes)
    {
        format!("!{place}.is_empty()")
    } else if matches!(field.kind(), Kind::Message(_)) {
        format!("{place}.is_some()")
    } else {
        format!("crate::check::is_set(&{place})")
    };
    format!(
        "        crate::check::present(found, \"{}\", {there});\n",
        field.name()
    )
}

/// Checks of a value that is there, given a reference to it.
fn present_checks(field: &FieldDescriptor, value: &str) -> Result<String> {
    let rules = rules_of(field.options(), "buf.validate.field");
    value_checks(
        field.kind(),
        rules.as_ref(),
        &format!("\"{}\"", field.name()),
        value,
    )
}

fn value_checks(
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

fn string_checks(rules: &Value, name: &str, value: &str) -> Result<String> {
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

fn int_checks(rules: &Value, name: &str, value: &str) -> Result<String> {
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

fn enum_checks(kind: &Kind, rules: &Value, name: &str, value: &str) -> Result<String> {
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

fn duration_checks(rules: &Value, name: &str, value: &str) -> Result<String> {
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

fn list_checks(
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

fn map_checks(
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

/// The fields that are set, with their names, in the order of their numbers.
fn set_fields(message: &DynamicMessage) -> Vec<(String, Value)> {
    message
        .fields()
        .map(|(field, value)| (field.name().to_owned(), value.clone()))
        .collect()
}

fn message_of(value: &Value) -> Result<&DynamicMessage> {
    match value.as_message() {
        Some(message) => Ok(message),
        None => bail!("a rule without arguments"),
    }
}

fn flag(rules: &DynamicMessage, name: &str) -> bool {
    rules
        .get_field_by_name(name)
        .and_then(|value| value.as_bool())
        .unwrap_or(false)
}

fn number(rules: &DynamicMessage, name: &str) -> i32 {
    rules
        .get_field_by_name(name)
        .and_then(|value| value.as_enum_number())
        .unwrap_or(0)
}

/// `mainstay.incident.v1.Start.At` as the path of its Rust type.
fn rust_path(full_name: &str) -> String {
    let mut parts: Vec<String> = full_name.split('.').map(str::to_owned).collect();
    let last = parts.pop().unwrap_or_default();
    let modules: Vec<String> = parts.iter().map(|part| snake(part)).collect();
    format!("crate::{}::{last}", modules.join("::"))
}

/// The module in which the oneofs of a message live.
fn rust_module(full_name: &str) -> String {
    let modules: Vec<String> = full_name.split('.').map(snake).collect();
    format!("crate::{}", modules.join("::"))
}

fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

fn camel(name: &str) -> String {
    name.split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}

fn rust_field(name: &str) -> String {
    if matches!(name, "type" | "match" | "ref" | "in") {
        format!("r#{name}")
    } else {
        name.to_owned()
    }
}
