//! What commands say: results on standard output, remarks on standard error,
//! so that a result can be piped into the next command.

use std::fmt::Display;
use std::io::{self, Write as _};

use prost_reflect::{DynamicMessage, ReflectMessage as _};

/// Writes a line of a result.
pub(crate) fn say(line: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Writes bytes of a result.
pub(crate) fn emit(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes a remark. That nobody reads remarks is no failure.
pub(crate) fn remark(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A message of the contract as canonical proto3 JSON, on one line.
pub(crate) fn json<M: prost::Message>(type_name: &str, message: &M) -> anyhow::Result<String> {
    Ok(serde_json::to_string(&dynamic(
        type_name,
        &message.encode_to_vec(),
    )?)?)
}

/// A message of the contract by its full name, from its bytes.
pub(crate) fn dynamic(type_name: &str, bytes: &[u8]) -> anyhow::Result<DynamicMessage> {
    let descriptor = mainstay_proto::descriptors()
        .get_message_by_name(type_name)
        .ok_or_else(|| anyhow::anyhow!("{type_name} is not in this contract"))?;
    Ok(DynamicMessage::decode(descriptor, bytes)?)
}

/// A text field of a message, when it has it.
pub(crate) fn text(message: &DynamicMessage, field: &str) -> Option<String> {
    message.descriptor().get_field_by_name(field)?;
    let value = message.get_field_by_name(field)?;
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// An instant for people, or a dash.
pub(crate) fn instant(time: Option<&prost_types::Timestamp>) -> String {
    let us = time.and_then(mainstay_chassis::clock::micros);
    us.map_or_else(|| "-".to_owned(), mainstay_chassis::clock::rfc3339)
}
