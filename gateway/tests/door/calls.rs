//! Calls that are answered.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Body as _;
use serde_json::json;

use crate::echo::path;
use crate::house::{ALL, House, Protocol, TOKEN, frames, house};

/// The texts of the notes that came back.
fn texts(house: &House, protocol: Protocol, stream: bool, body: &[u8]) -> Vec<String> {
    let kind = house
        .stage
        .pool
        .get_message_by_name("mainstay.test.v1.Note")
        .unwrap();
    let messages: Vec<Vec<u8>> = match (protocol, stream) {
        (Protocol::Json | Protocol::Binary, false) => vec![body.to_vec()],
        _ => frames(body)
            .into_iter()
            .filter(|(flag, _)| *flag == 0)
            .map(|(_, message)| message)
            .collect(),
    };
    let text = |message: Vec<u8>| match protocol {
        Protocol::Json => serde_json::from_slice::<serde_json::Value>(&message).unwrap()["text"]
            .as_str()
            .unwrap()
            .to_owned(),
        _ => {
            let note =
                prost_reflect::DynamicMessage::decode(kind.clone(), message.as_slice()).unwrap();
            note.get_field_by_name("text")
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        }
    };
    messages.into_iter().map(text).collect()
}

#[tokio::test]
async fn a_call_is_answered_in_every_protocol() {
    let house = house();
    for protocol in ALL {
        let answer = house.ask(protocol, "Echo", "hello").await;
        assert_eq!(answer.status, StatusCode::OK, "{protocol:?}");
        assert_eq!(
            texts(&house, protocol, false, &answer.body),
            ["hello"],
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_is_answered_in_every_protocol() {
    let house = house();
    for protocol in ALL {
        let answer = house.ask(protocol, "Count", "").await;
        assert_eq!(
            texts(&house, protocol, true, &answer.body),
            ["1", "2", "3"],
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn what_only_reads_can_be_asked_by_get() {
    let house = house();
    let get = |method: &str| {
        let uri = format!(
            "{}?connect=v1&encoding=json&message=%7B%22text%22%3A%22hello%22%7D",
            path(method)
        );
        Request::get(uri)
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(Bytes::new())
            .unwrap()
    };
    let answer = house.call(get("Read")).await;
    assert_eq!(
        texts(&house, Protocol::Json, false, &answer.body),
        ["hello"]
    );
    assert_eq!(
        house.call(get("Echo")).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn a_whole_reply_tells_its_length() {
    let house = house();
    let request = house
        .request(Protocol::Json, "Echo")
        .body(house.body(Protocol::Json, "Echo", "hello"))
        .unwrap();
    let response = house.open(request).await;
    assert!(response.body().size_hint().exact().is_some());
}

#[tokio::test]
async fn a_service_sees_the_listed_headers_and_never_the_token() {
    let house = house();
    for protocol in ALL {
        let request = house
            .request(protocol, "Echo")
            .header("traceparent", "00-1")
            .header("x-organization", "other");
        let answer = house
            .call(request.body(house.body(protocol, "Echo", "")).unwrap())
            .await;
        let seen = |name: &str| answer.headers.contains_key(format!("seen-{name}"));
        assert!(seen("traceparent"), "{protocol:?}");
        assert!(
            !seen("x-organization") && !seen("authorization"),
            "{protocol:?}: {:?}",
            answer.headers
        );
    }
}

#[tokio::test]
async fn health_needs_no_token_and_speaks_json() {
    let house = house();
    let ask = |service: &str| {
        let body = Bytes::from(json!({ "service": service }).to_string());
        Request::post("/grpc.health.v1.Health/Check")
            .header("content-type", "application/json")
            .body(body)
            .unwrap()
    };
    let answer = house.call(ask("mainstay.test.v1.EchoService")).await;
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap(),
        json!({ "status": "SERVING" })
    );
    assert_eq!(
        house.call(ask("mainstay.test.v1.Nobody")).await.status,
        StatusCode::NOT_FOUND
    );
}
