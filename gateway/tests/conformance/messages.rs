//! Dynamic messages of the suite, by the names of their fields.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage, Value};

/// The package of the suite.
pub(crate) const PACKAGE: &str = "connectrpc.conformance.v1";

/// An empty message of the suite.
pub(crate) fn new(pool: &DescriptorPool, name: &str) -> DynamicMessage {
    let kind = pool.get_message_by_name(&format!("{PACKAGE}.{name}"));
    DynamicMessage::new(kind.unwrap_or_else(|| panic!("{name} is in the suite")))
}

/// A field that is a message and set.
pub(crate) fn part(message: &DynamicMessage, field: &str) -> Option<DynamicMessage> {
    let set = message.has_field_by_name(field);
    set.then(|| message.get_field_by_name(field)?.as_message().cloned())
        .flatten()
}

/// A field, or its default.
pub(crate) fn value(message: &DynamicMessage, field: &str) -> Value {
    let found = message.get_field_by_name(field);
    found
        .unwrap_or_else(|| panic!("{field} is in {}", message.descriptor().full_name()))
        .into_owned()
}

/// The elements of a field.
pub(crate) fn list(message: &DynamicMessage, field: &str) -> Vec<Value> {
    value(message, field)
        .as_list()
        .map(<[Value]>::to_vec)
        .unwrap_or_default()
}

/// The number in a field.
pub(crate) fn number(message: &DynamicMessage, field: &str) -> u32 {
    value(message, field).as_u32().unwrap_or_default()
}

/// The headers in a field.
pub(crate) fn headers(message: &DynamicMessage, field: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for header in list(message, field) {
        let header = header.as_message().unwrap().clone();
        let name = HeaderName::try_from(value(&header, "name").as_str().unwrap()).unwrap();
        for text in list(&header, "value") {
            headers.append(
                &name,
                HeaderValue::from_str(text.as_str().unwrap()).unwrap(),
            );
        }
    }
    headers
}

/// One entry per name, as the suite writes headers and query parameters.
pub(crate) fn entries(
    pool: &DescriptorPool,
    pairs: impl IntoIterator<Item = (String, Vec<String>)>,
) -> Value {
    let entry = |(name, values): (String, Vec<String>)| {
        let mut entry = new(pool, "Header");
        entry.set_field_by_name("name", Value::String(name));
        entry.set_field_by_name(
            "value",
            Value::List(values.into_iter().map(Value::String).collect()),
        );
        Value::Message(entry)
    };
    Value::List(pairs.into_iter().map(entry).collect())
}

/// A message in an `Any`.
pub(crate) fn any(message: &DynamicMessage) -> prost_types::Any {
    prost_types::Any {
        type_url: format!("type.googleapis.com/{}", message.descriptor().full_name()),
        value: message.encode_to_vec(),
    }
}

/// An `Any` as a dynamic value.
pub(crate) fn any_value(pool: &DescriptorPool, any: &prost_types::Any) -> Value {
    let mut message = DynamicMessage::new(pool.get_message_by_name("google.protobuf.Any").unwrap());
    message.set_field_by_name("type_url", Value::String(any.type_url.clone()));
    message.set_field_by_name("value", Value::Bytes(any.value.clone().into()));
    Value::Message(message)
}

/// An `Any` out of a dynamic value.
pub(crate) fn any_of(value: &Value) -> prost_types::Any {
    value.as_message().unwrap().transcode_to().unwrap()
}

/// The bytes in a value.
pub(crate) fn bytes(value: &Value) -> Bytes {
    value.as_bytes().cloned().unwrap_or_default()
}
