//! What one document changes against another: compared in their JSON form,
//! field by field. Entries of a list that one member tells apart (an id, a verb
//! …), or two of them together, are matched by that, so that an entry put in
//! between is one change.

use std::collections::HashSet;

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

/// What entries are told apart by before anything else.
const WORDS: [&str; 5] = ["id", "name", "verb", "reason", "key"];
/// At most so many members of entries are looked at, to tell entries apart.
const MEMBERS: usize = 8;

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
        (old, new) if old == new => {}
        (Value::Array(old), Value::Array(new)) => match worded(old, new) {
            Some((old, new)) => entries(&path, &old, &new, found),
            None => found.push(change(path, Some(before), Some(after))),
        },
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

/// Entries of a list with the words that tell them apart.
type Worded<'a> = Vec<(String, &'a Value)>;

/// The entries of two lists with their words, by the first member of all of
/// them, or the first two, whose words are nowhere the same.
fn worded<'a>(old: &'a [Value], new: &'a [Value]) -> Option<(Worded<'a>, Worded<'a>)> {
    let first = old.iter().chain(new).next()?.as_object()?;
    let mut members: Vec<&str> = first.keys().map(String::as_str).take(MEMBERS).collect();
    members.sort_by_key(|member| !WORDS.contains(member));
    let alone = members.iter().map(|member| vec![*member]);
    let pairs = members.iter().enumerate().flat_map(|(place, one)| {
        let others = members.iter().skip(place + 1);
        others.map(move |other| vec![*one, *other])
    });
    alone
        .chain(pairs)
        .find_map(|members| Some((words(old, &members)?, words(new, &members)?)))
}

/// The entries of a list with the words in these members, if each has its own.
fn words<'a>(list: &'a [Value], members: &[&str]) -> Option<Worded<'a>> {
    let text = |entry: &Value, member: &&str| entry.get(member)?.as_str().map(str::to_owned);
    let word = |entry: &Value| {
        let texts: Option<Vec<String>> = members.iter().map(|member| text(entry, member)).collect();
        texts.map(|texts| texts.join(" "))
    };
    let found: Worded<'a> = list
        .iter()
        .map(|entry| Some((word(entry)?, entry)))
        .collect::<Option<_>>()?;
    let own: HashSet<&str> = found.iter().map(|(word, _)| word.as_str()).collect();
    (own.len() == found.len()).then_some(found)
}

fn entries(path: &str, old: &Worded<'_>, new: &Worded<'_>, found: &mut Vec<Change>) {
    let place = |word: &str| format!("{path}[{word}]");
    let of = |list: &Worded<'_>, word: &str| {
        let entry = list.iter().find(|(other, _)| other == word);
        entry.map(|(_, entry)| (*entry).clone())
    };
    for (word, before) in old {
        match of(new, word) {
            Some(after) => compare(place(word), before, &after, found),
            None => found.push(change(place(word), Some(before), None)),
        }
    }
    let added = new.iter().filter(|(word, _)| of(old, word).is_none());
    found.extend(added.map(|(word, after)| change(place(word), None, Some(after))));
    let order = |list: &Worded<'_>, other: &Worded<'_>| -> Vec<String> {
        let both = list.iter().filter(|(word, _)| of(other, word).is_some());
        both.map(|(word, _)| word.clone()).collect()
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
    fn entries_are_told_apart_by_two_members_where_one_is_not_enough() {
        let cell =
            |row: &str, column: &str, value: &str| json!({"row": row, "col": column, "v": value});
        let matrix = |last| {
            json!([
                cell("a", "x", "1"),
                cell("a", "y", "1"),
                cell("b", "x", "1"),
                last
            ])
        };
        let (before, after) = (matrix(cell("b", "y", "1")), matrix(cell("b", "y", "2")));
        let one = found(before, after);
        assert_eq!(one.len(), 1);
        let (field, was, is) = &one[0];
        assert!(["[b y].v", "[y b].v"].contains(&field.as_str()), "{field}");
        assert_eq!((was, is), (&Some(json!("1")), &Some(json!("2"))));
    }

    #[test]
    fn what_cannot_be_told_apart_is_one_change() {
        let (before, after) = (json!(["a", "b"]), json!(["a"]));
        let whole = (String::new(), Some(before.clone()), Some(after.clone()));
        assert_eq!(found(before, after), [whole]);
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
