//! Turns the `buf.validate` rules of the contract into Rust: one `Rules`
//! implementation per message, with direct access to its fields. A rule that
//! is not known here fails the build, so that none is silently ignored.

mod kinds;
mod names;
mod options;

use std::fmt::Write;

use anyhow::Result;
use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};

use kinds::{list_checks, map_checks, value_checks};
use names::{camel, rust_field, rust_module, rust_path};
use options::{flag, number, rules_of};

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
        return Ok(String::new());
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
