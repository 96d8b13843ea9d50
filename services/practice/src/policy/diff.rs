//! What one document changes against another: compared in their JSON form,
//! field by field. Entries of lists that have a word of their own (a name, a
//! verb …) are matched by it, so that an entry put in between is one change.

use prost_reflect::{DynamicMessage, SerializeOptions};
use prost_types::Any;
use serde_json::{Map, Value};

use super::version::type_name;

/// A change at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path of the field.
    pub field: String,
    /// The value before; none when there was none.
    pub before: Option<Value>,
    /// The value after; none when there is none.
    pub after: Option<Value>,
}

/// The members by which entries of a list may be told apart.
const WORDS: [&str; 6] = ["name", "verb", "status", "reason", "role", "key"];

/// What the second document changes against the first.
pub fn changes(before: &Any, after: &Any) -> Vec<Change> {
    let mut found = Vec::new();
    compare(String::new(), &json(before), &json(after), &mut found);
    found
}

/// A document in JSON, with the names of the contract. A type that the
/// contract does not have is compared by its bytes.
fn json(document: &Any) -> Value {
    let bytes = document.value.as_slice();
    let options = SerializeOptions::new().use_proto_field_name(true);
    mainstay_proto::descriptors()
        .get_message_by_name(type_name(document))
        .and_then(|kind| DynamicMessage::decode(kind, bytes).ok())
        .and_then(|message| {
            message
                .serialize_with_options(serde_json::value::Serializer, &options)
                .ok()
        })
        .unwrap_or_else(|| serde_json::json!({ "bytes": bytes }))
}

fn compare(path: String, before: &Value, after: &Value, found: &mut Vec<Change>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => objects(&path, old, new, found),
        (Value::Array(old), Value::Array(new)) => match (words(old), words(new)) {
            (Some(old), Some(new)) => entries(&path, &old, &new, found),
            _ if old == new => {}
            _ => found.push(change(path, Some(before), Some(after))),
        },
        (old, new) if old == new => {}
        (old, new) => found.push(change(path, Some(old), Some(new))),
    }
}

fn objects(
    path: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    found: &mut Vec<Change>,
) {
    let place = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    for (key, before) in old {
        match new.get(key) {
            Some(after) => compare(place(key), before, after, found),
            None => found.push(change(place(key), Some(before), None)),
        }
    }
    let added = new.iter().filter(|(key, _)| !old.contains_key(*key));
    found.extend(added.map(|(key, after)| change(place(key), None, Some(after))));
}

/// The entries of a list with their words, when each has one of its own.
fn words(list: &[Value]) -> Option<Vec<(&str, &Value)>> {
    let word = |entry: &Value, member: &str| Some(entry.get(member)?.as_str()?.to_owned());
    let member = WORDS.into_iter().find(|member| {
        let all: Option<Vec<String>> = list.iter().map(|entry| word(entry, member)).collect();
        all.is_some_and(|mut all| {
            all.sort_unstable();
            all.windows(2).all(|pair| pair[0] != pair[1])
        })
    })?;
    list.iter()
        .map(|entry| Some((entry.get(member)?.as_str()?, entry)))
        .collect()
}

fn entries(path: &str, old: &[(&str, &Value)], new: &[(&str, &Value)], found: &mut Vec<Change>) {
    let place = |word: &str| format!("{path}[{word}]");
    let of = |list: &[(&str, &Value)], word: &str| {
        let mut entries = list.iter();
        entries
            .find(|(other, _)| *other == word)
            .map(|(_, entry)| (*entry).clone())
    };
    for (word, before) in old {
        match of(new, word) {
            Some(after) => compare(place(word), before, &after, found),
            None => found.push(change(place(word), Some(before), None)),
        }
    }
    let added = new.iter().filter(|(word, _)| of(old, word).is_none());
    found.extend(added.map(|(word, after)| change(place(word), None, Some(after))));
    let order = |list: &[(&str, &Value)], other: &[(&str, &Value)]| -> Vec<String> {
        let both = list.iter().filter(|(word, _)| of(other, word).is_some());
        both.map(|(word, _)| (*word).to_owned()).collect()
    };
    let (was, is) = (order(old, new), order(new, old));
    if was != is {
        let path = format!("{path}[]");
        found.push(change(path, Some(&was.into()), Some(&is.into())));
    }
}

fn change(field: String, before: Option<&Value>, after: Option<&Value>) -> Change {
    Change {
        field,
        before: before.cloned(),
        after: after.cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(before: Value, after: Value) -> Vec<(String, Option<Value>, Option<Value>)> {
        let mut found = Vec::new();
        compare(String::new(), &before, &after, &mut found);
        let flat = |change: Change| (change.field, change.before, change.after);
        found.into_iter().map(flat).collect()
    }

    #[test]
    fn the_same_document_changes_nothing() {
        let document = json!({"window": "720h", "verbs": [{"verb": "close", "roles": ["agent"]}]});
        assert_eq!(found(document.clone(), document), []);
    }

    #[test]
    fn fields_that_come_go_and_change_are_told_by_their_paths() {
        let before = json!({"a": {"b": 1, "c": "x"}, "d": true});
        let after = json!({"a": {"b": 2}, "e": [1]});
        assert_eq!(
            found(before, after),
            [
                ("a.b".to_owned(), Some(json!(1)), Some(json!(2))),
                ("a.c".to_owned(), Some(json!("x")), None),
                ("d".to_owned(), Some(json!(true)), None),
                ("e".to_owned(), None, Some(json!([1]))),
            ]
        );
    }

    #[test]
    fn an_entry_put_before_others_is_one_change() {
        let before = json!({"verbs": [{"verb": "close", "guard": "a"}]});
        let after = json!({"verbs": [{"verb": "hold"}, {"verb": "close", "guard": "b"}]});
        assert_eq!(
            found(before, after),
            [
                (
                    "verbs[close].guard".to_owned(),
                    Some(json!("a")),
                    Some(json!("b"))
                ),
                (
                    "verbs[hold]".to_owned(),
                    None,
                    Some(json!({"verb": "hold"}))
                ),
            ]
        );
    }

    #[test]
    fn another_order_is_a_change() {
        let before = json!([{"name": "a"}, {"name": "b"}]);
        let after = json!([{"name": "b"}, {"name": "a"}]);
        assert_eq!(
            found(before, after),
            [(
                "[]".to_owned(),
                Some(json!(["a", "b"])),
                Some(json!(["b", "a"]))
            )]
        );
    }
}
