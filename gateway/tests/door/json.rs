//! What of JSON is taken, and what is not.

use std::sync::LazyLock;

use bytes::Bytes;
use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::house::{House, Protocol, house, house_near};

#[tokio::test]
async fn the_json_of_the_protocol_is_taken() {
    let house = house();
    let note = json!({
        "text": "hello", "count": "9007199254740993", "labels": { "a": "1", "A": "2" }, "notes": { "1": { "text": "x" } },
        "parts": [{ "text": "y" }, {}], "innerNote": { "colour": "COLOUR_RED" },
        "any": { "@type": "type.googleapis.com/mainstay.test.v1.Note", "updateMask": "text,count" },
        "at": "2026-01-02T03:04:05.000006Z", "wait": "1.500s", "updateMask": "innerNote.text", "free": { "a_b": 1, "aB": [null, { "x": true }] },
        "left": "l", "raw": "AQI=", "ratio": 0.5
    });
    let answer = house.json(note.to_string()).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let back: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(back["free"]["aB"][1]["x"], json!(true));
    assert_eq!(
        (&back["count"], &back["at"], &back["any"]["updateMask"]),
        (&note["count"], &note["at"], &note["any"]["updateMask"])
    );
    let by_proto_names = house
        .json(r#"{"inner_note":{"update_mask":"text"},"text":null}"#)
        .await;
    assert_eq!(
        serde_json::from_slice::<Value>(&by_proto_names.body).unwrap(),
        json!({ "innerNote": { "updateMask": "text" } })
    );
}

/// JSON that is refused, and what is said of it.
const REFUSED: [(&str, &str); 23] = [
    (r#"{"txet":"x"}"#, "txet is not known: did you mean text?"),
    (r#"{"Text":"x"}"#, "Text is not known: did you mean text?"),
    (
        r#"{"innerNote":{"utterlyUnknown":1}}"#,
        "innerNote.utterlyUnknown is not known in mainstay.test.v1.Note",
    ),
    (
        r#"{"parts":[{},{"nothing at all":1}]}"#,
        "parts.1.nothing at all is not known",
    ),
    (
        r#"{"any":{"@type":"type.googleapis.com/mainstay.test.v1.Note","xyz":1}}"#,
        "request cannot be read",
    ),
    (r#"{"text":"a","text":"b"}"#, "text is given twice"),
    (r#"{"text":"a","te\u0078t":"b"}"#, "text is given twice"),
    (
        r#"{"innerNote":{},"inner_note":{}}"#,
        "inner_note is given twice",
    ),
    (r#"{"labels":{"a":"1","a":"2"}}"#, "labels.a is given twice"),
    (
        r#"{"notes":{"1":{"count":1,"count":2}}}"#,
        "notes.1.count is given twice",
    ),
    (r#"{"free":{"a":1,"a":2}}"#, "free.a is given twice"),
    (
        r#"{"any":{"@type":"type.googleapis.com/mainstay.test.v1.Note","updateMask":"a","update_mask":"b"}}"#,
        "any.update_mask is given twice",
    ),
    (r#"{"left":"a","right":1}"#, "request cannot be read"),
    (
        r#"{"any":{"@type":"type.googleapis.com/nobody.Knows"}}"#,
        "request cannot be read",
    ),
    (r#"{"colour":"COLOUR_BLUE"}"#, "request cannot be read"),
    (
        r#"{"count":"9223372036854775808"}"#,
        "request cannot be read",
    ),
    (r#"{"count":1.5}"#, "request cannot be read"),
    (r#"{"at":"yesterday"}"#, "request cannot be read"),
    (r#"{"wait":"1 second"}"#, "request cannot be read"),
    (r#"{"text":"a"} {"text":"b"}"#, "request cannot be read"),
    (r#"[{"text":"a"}]"#, "request must be a JSON object"),
    ("", "request must be a JSON object"),
    ("{\"text\":\"\u{1}\"}", "request must be a JSON object"),
];

#[tokio::test]
async fn what_another_reader_might_take_otherwise_is_refused_and_named() {
    let house = house();
    let deep = format!(
        "{}{}{}",
        r#"{"innerNote":"#.repeat(40),
        "{}",
        "}".repeat(40)
    );
    let deep = [(deep.as_str(), "is nested deeper than 32 levels")];
    for (body, told) in REFUSED.into_iter().chain(deep) {
        let answer = house.json(body.to_owned()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}: {answer:?}");
        let refused = answer.refused(Protocol::Json, "Echo");
        assert_eq!(refused.reason, "VALIDATION_FAILED", "{body}");
        assert!(
            refused.message.contains(told),
            "{body}: {}",
            refused.message
        );
    }
}

/// JSON that often has the contract's names, and often wrong values.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop_oneof![
            "2026-01-02T03:04:05Z",
            "1.5s",
            "text,count",
            "COLOUR_RED",
            "AQI=",
            "NaN",
            "type.googleapis.com/mainstay.test.v1.Note"
        ]
        .prop_map(Value::from),
    ];
    let name = prop_oneof![
        4 => proptest::sample::select(vec!["text", "count", "labels", "notes", "parts", "innerNote", "inner_note", "any", "at", "wait", "updateMask", "free", "colour", "left", "right", "raw", "ratio", "@type", "value"]).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map(name.clone(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Compiling its contract takes longer than a call.
static HOUSE: LazyLock<House> = LazyLock::new(house_near);

/// Sends bodies; none may be more than refused.
fn only_taken_or_refused(body: Bytes) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(HOUSE.json(body));
    if answer.status != StatusCode::OK {
        let refused = answer.refused(Protocol::Json, "Echo");
        assert_eq!(
            (answer.status, refused.reason.as_str()),
            (StatusCode::BAD_REQUEST, "VALIDATION_FAILED")
        );
    }
}

proptest! {
    #[test]
    fn any_json_is_taken_or_refused(value in values()) {
        only_taken_or_refused(value.to_string().into());
    }

    #[test]
    fn any_bytes_are_taken_or_refused(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        only_taken_or_refused(body.into());
    }

    #[test]
    fn any_cut_or_turned_json_is_taken_or_refused(value in values(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut body = value.to_string().into_bytes();
        let at = at.index(body.len());
        if byte % 2 == 0 { body.truncate(at) } else { body[at] = byte }
        only_taken_or_refused(body.into());
    }
}
