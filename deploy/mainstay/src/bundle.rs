//! Policies in a file: YAML or JSON documents, each with the practice, the
//! document that is to be in force there, and why. What cannot be understood
//! is refused with its place; a field that nobody knows is never skipped.

use anyhow::Context as _;
use prost::Message as _;
use prost_reflect::{
    DynamicMessage, FieldDescriptor, MessageDescriptor, ReflectMessage as _, SerializeOptions,
};
use prost_types::Any;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::Usage;

/// A policy in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// The practice.
    pub(crate) policy: String,
    /// Why it is as it is.
    #[serde(default)]
    pub(crate) note: String,
    document: Value,
}

/// A policy as it is written to a file.
#[derive(Serialize)]
struct Written<'a> {
    policy: &'a str,
    document: Plain,
}

/// A message with the names of the contract, as files have them.
struct Plain(DynamicMessage);

impl Serialize for Plain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let options = SerializeOptions::new().use_proto_field_name(true);
        self.0.serialize_with_options(serializer, &options)
    }
}

/// The policies in a text; `whence` names it in a complaint.
pub(crate) fn read(whence: &str, text: &str) -> anyhow::Result<Vec<Entry>> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_nodes: 50_000, max_aliases: 0 }
    };
    let entries: Vec<Entry> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|error| Usage::new(format!("{whence}: {error}")))?;
    match entries.is_empty() {
        true => Err(Usage::new(format!("{whence} holds no policy")).into()),
        false => Ok(entries),
    }
}

/// A policy as a document of a file.
pub(crate) fn write(practice: &str, document: &Any) -> anyhow::Result<String> {
    let message = DynamicMessage::decode(kind_of(document)?, document.value.as_slice())?;
    let written = Written {
        policy: practice,
        document: Plain(message),
    };
    Ok(serde_saphyr::to_string(&written)?)
}

/// The message that a document is.
pub(crate) fn kind_of(document: &Any) -> anyhow::Result<MessageDescriptor> {
    let name = document.type_url.rsplit('/').next().unwrap_or_default();
    mainstay_proto::descriptors()
        .get_message_by_name(name)
        .with_context(|| format!("{name} is not in this program's contract: use a newer one"))
}

impl Entry {
    /// The document as a message of a kind.
    pub(crate) fn message(&self, kind: &MessageDescriptor) -> anyhow::Result<Any> {
        let message = DynamicMessage::deserialize(kind.clone(), self.document.clone());
        let message = message.map_err(|error| {
            let place = fault(kind, &self.document, "document");
            Usage::new(place.unwrap_or_else(|| format!("document: {error}")))
        })?;
        Ok(Any {
            type_url: format!("type.googleapis.com/{}", message.descriptor().full_name()),
            value: message.encode_to_vec(),
        })
    }
}

/// What is wrong with a value that is no such message, and where.
fn fault(kind: &MessageDescriptor, value: &Value, path: &str) -> Option<String> {
    let members = value.as_object()?;
    let mut alone = members.iter().map(|(key, value)| {
        let alone = serde_json::json!({ key: value });
        (key, value, DynamicMessage::deserialize(kind.clone(), alone))
    });
    let (key, value, error) =
        alone.find_map(|(key, value, read)| Some((key, value, read.err()?)))?;
    let path = format!("{path}.{key}");
    let field = kind
        .get_field_by_name(key)
        .or_else(|| kind.get_field_by_json_name(key));
    let Some(field) = field else {
        let names: Vec<String> = kind.fields().map(|field| field.name().to_owned()).collect();
        return Some(format!("{path} is unknown: use {}", names.join(", ")));
    };
    Some(deeper(&field, value, &path).unwrap_or_else(|| format!("{path}: {error}")))
}

/// The same inside of a field.
fn deeper(field: &FieldDescriptor, value: &Value, path: &str) -> Option<String> {
    let kind = field.kind();
    let kind = kind.as_message()?;
    if field.is_map() {
        let value_kind = kind.map_entry_value_field().kind();
        let value_kind = value_kind.as_message()?;
        let mut entries = value.as_object()?.iter();
        return entries
            .find_map(|(key, value)| fault(value_kind, value, &format!("{path}[{key}]")));
    }
    if field.is_list() {
        let mut entries = value.as_array()?.iter().enumerate();
        return entries.find_map(|(place, value)| fault(kind, value, &format!("{path}[{place}]")));
    }
    fault(kind, value, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any message with lists and messages inside serves as a document.
    fn kind() -> MessageDescriptor {
        let name = "mainstay.incident.v1.Incident";
        mainstay_proto::descriptors()
            .get_message_by_name(name)
            .unwrap()
    }

    fn entry(text: &str) -> Entry {
        read("FILE", text).unwrap().remove(0)
    }

    fn complaint(text: &str) -> String {
        entry(text).message(&kind()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_again_as_it_was() {
        let text = "policy: incident\nnote: why\ndocument:\n  title: 'no: surprise'\n  \
                    impact: IMPACT_HIGH\n  links:\n    - uri: https://example.org/\n      title: \"1\"\n  \
                    labels: {tier: \"1\"}\n";
        let message = entry(text).message(&kind()).unwrap();
        let written = write("incident", &message).unwrap();
        assert_eq!(
            entry(&written).message(&kind()).unwrap(),
            message,
            "{written}"
        );
        let json = r#"{"policy": "incident", "document": {"title": "no: surprise"}}"#;
        assert!(entry(json).message(&kind()).is_ok());
    }

    #[test]
    fn a_file_may_hold_several_policies() {
        let text = "policy: incident\ndocument: {}\n---\npolicy: change\ndocument: {}\n";
        let entries = read("FILE", text).unwrap();
        let names: Vec<&str> = entries.iter().map(|entry| entry.policy.as_str()).collect();
        assert_eq!(names, ["incident", "change"]);
        assert!(
            read("FILE", "")
                .unwrap_err()
                .to_string()
                .contains("holds no policy")
        );
    }

    #[test]
    fn what_cannot_be_understood_is_named_by_its_place() {
        for (document, place) in [
            ("{colour: red}", "document.colour is unknown: use name, uid"),
            (
                "{links: [{uri: \"a:b\"}, {url: c}]}",
                "document.links[1].url is unknown",
            ),
            ("{hold: {note: 7}}", "document.hold.note: "),
            ("{impact: IMPACT_HUGE}", "document.impact: "),
            ("[1]", "document: "),
        ] {
            let told = complaint(&format!("policy: incident\ndocument: {document}\n"));
            assert!(told.starts_with(place), "{document}: {told}");
        }
        for text in [
            "polcy: x\ndocument: {}",
            "policy: x",
            "policy: [x]\ndocument: {}",
            "a: *b",
        ] {
            assert!(
                read("FILE", text)
                    .unwrap_err()
                    .to_string()
                    .starts_with("FILE: "),
                "{text}"
            );
        }
    }
}
