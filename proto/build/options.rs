//! Reading the rules out of the options of the descriptors.

use anyhow::{Result, bail};
use prost_reflect::{DynamicMessage, ReflectMessage, Value};

/// The `buf.validate` rules of an element, when it has any.
pub(super) fn rules_of(options: DynamicMessage, extension: &str) -> Option<DynamicMessage> {
    let pool = options.descriptor().parent_pool().clone();
    let extension = pool.get_extension_by_name(extension)?;
    if !options.has_extension(&extension) {
        return None;
    }
    options.get_extension(&extension).as_message().cloned()
}

/// The fields that are set, with their names, in the order of their numbers.
pub(super) fn set_fields(message: &DynamicMessage) -> Vec<(String, Value)> {
    message
        .fields()
        .map(|(field, value)| (field.name().to_owned(), value.clone()))
        .collect()
}

pub(super) fn message_of(value: &Value) -> Result<&DynamicMessage> {
    match value.as_message() {
        Some(message) => Ok(message),
        None => bail!("a rule without arguments"),
    }
}

pub(super) fn flag(rules: &DynamicMessage, name: &str) -> bool {
    rules
        .get_field_by_name(name)
        .and_then(|value| value.as_bool())
        .unwrap_or(false)
}

pub(super) fn number(rules: &DynamicMessage, name: &str) -> i32 {
    rules
        .get_field_by_name(name)
        .and_then(|value| value.as_enum_number())
        .unwrap_or(0)
}
