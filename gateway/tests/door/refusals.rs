//! Calls that are refused: alike in every protocol.

use bytes::Bytes;
use http::{Request, StatusCode};
use mainstay_gateway::front::Limits;

use crate::echo::path;
use crate::house::{ALL, House, Protocol, framed, house, house_with, refused};

/// What is told of a call with another token, or none.
async fn with_token(house: &House, protocol: Protocol, token: Option<&str>) -> (String, String) {
    let mut request = house
        .request(protocol, "Echo")
        .body(house.body(protocol, "Echo", ""))
        .unwrap();
    request.headers_mut().remove("authorization");
    if let Some(token) = token {
        request
            .headers_mut()
            .insert("authorization", token.parse().unwrap());
    }
    house.call(request).await.refused(protocol, "Echo").told()
}

#[tokio::test]
async fn a_refusal_is_the_same_in_every_protocol() {
    let house = house();
    let mut told = Vec::new();
    for protocol in ALL {
        let answer = house.ask(protocol, "Refuse", "").await;
        assert_eq!(
            answer.status == StatusCode::NOT_FOUND,
            matches!(protocol, Protocol::Json | Protocol::Binary)
        );
        told.push(answer.refused(protocol, "Refuse"));
    }
    assert_eq!(told[0].told(), refused("not_found", "RESOURCE_NOT_FOUND"));
    assert_eq!(told[0].details, 2);
    assert!(told.iter().all(|other| *other == told[0]), "{told:?}");
}

#[tokio::test]
async fn who_has_no_token_a_wrong_one_or_too_few_rights_is_refused() {
    let house = house();
    for protocol in ALL {
        for token in [
            None,
            Some("Bearer wrong"),
            Some("Bearer"),
            Some("Basic good"),
            Some("good"),
        ] {
            assert_eq!(
                with_token(&house, protocol, token).await,
                refused("unauthenticated", "CREDENTIALS_INVALID"),
                "{protocol:?} {token:?}"
            );
        }
        assert_eq!(
            with_token(&house, protocol, Some("Bearer poor")).await,
            refused("permission_denied", "PERMISSION_DENIED")
        );
    }
}

#[tokio::test]
async fn an_unknown_method_is_named_as_such_whoever_asks() {
    let house = house();
    for unknown in [
        "/mainstay.test.v1.EchoService/Nothing",
        "/mainstay.test.v1.EchoService",
        "/",
        "//mainstay.test.v1.EchoService/Echo",
        "/mainstay.test.v1.EchoService/Echo/",
    ] {
        for protocol in ALL {
            let (mut head, body) = house
                .request(protocol, "Echo")
                .body(house.body(protocol, "Echo", ""))
                .unwrap()
                .into_parts();
            head.uri = unknown.parse().unwrap();
            head.headers.remove("authorization");
            let answer = house.call(Request::from_parts(head, body)).await;
            assert_eq!(
                answer.refused(protocol, "Echo").told(),
                refused("unimplemented", "METHOD_UNKNOWN"),
                "{unknown} {protocol:?}"
            );
            assert_eq!(
                answer.status == StatusCode::NOT_FOUND,
                matches!(protocol, Protocol::Json | Protocol::Binary)
            );
        }
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_too_large_in_every_protocol() {
    let house = house();
    let text = "x".repeat((1 << 20) + 1);
    for protocol in [Protocol::Grpc, Protocol::Json, Protocol::Binary] {
        let told = house
            .ask(protocol, "Echo", &text)
            .await
            .refused(protocol, "Echo")
            .told();
        assert_eq!(
            told,
            refused("resource_exhausted", "MESSAGE_TOO_LARGE"),
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn bytes_that_are_no_message_are_the_callers_fault() {
    let house = house();
    for protocol in [Protocol::Grpc, Protocol::GrpcWeb, Protocol::Binary] {
        let garbage: &[u8] = b"\xff\xff\xff";
        let body = if protocol == Protocol::Binary {
            Bytes::from_static(garbage)
        } else {
            framed(garbage)
        };
        let request = house.request(protocol, "Echo").body(body).unwrap();
        assert_eq!(
            house.call(request).await.refused(protocol, "Echo").told(),
            refused("invalid_argument", "VALIDATION_FAILED"),
            "{protocol:?}"
        );
    }
    let empty = house
        .request(Protocol::Grpc, "Echo")
        .body(Bytes::new())
        .unwrap();
    assert_eq!(
        house
            .call(empty)
            .await
            .refused(Protocol::Grpc, "Echo")
            .told(),
        refused("invalid_argument", "VALIDATION_FAILED")
    );
}

#[tokio::test]
async fn a_panic_is_an_internal_error_and_the_next_call_is_answered() {
    let house = house();
    for protocol in ALL {
        for method in ["Panic", "PanicLater"] {
            let answer = house.ask(protocol, method, "").await;
            assert_eq!(
                answer.refused(protocol, method).told(),
                refused("internal", "INTERNAL"),
                "{protocol:?} {method}"
            );
            assert!(
                !String::from_utf8_lossy(&answer.body).contains("as asked"),
                "the cause is not told"
            );
        }
        assert_eq!(house.ask(protocol, "Echo", "").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn who_asks_too_much_is_told_when_to_come_again() {
    let house = house_with(Limits {
        units_per_second: 2,
        ..Limits::default()
    });
    for protocol in ALL {
        let mut last = None;
        for _ in 0..3 {
            last = Some(house.ask(protocol, "Echo", "").await);
        }
        let told = last.unwrap().refused(protocol, "Echo");
        assert_eq!(
            told.told(),
            refused("resource_exhausted", "QUOTA_EXCEEDED"),
            "{protocol:?}"
        );
        assert_eq!(told.details, 2, "with RetryInfo");
    }
    assert_ne!(
        with_token(&house, Protocol::Grpc, Some("Bearer poor")).await,
        refused("resource_exhausted", "QUOTA_EXCEEDED")
    );
}

#[tokio::test]
async fn wrong_tokens_use_up_a_quota_and_right_ones_are_heard_all_the_same() {
    let house = house_with(Limits {
        failures_per_minute: 3,
        ..Limits::default()
    });
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(with_token(&house, Protocol::Json, Some("Bearer wrong")).await);
    }
    assert_eq!(told[2], refused("unauthenticated", "CREDENTIALS_INVALID"));
    assert_eq!(told[3], refused("resource_exhausted", "QUOTA_EXCEEDED"));
    assert_eq!(
        house.ask(Protocol::Json, "Echo", "").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn streams_are_counted_until_they_end() {
    let house = house_with(Limits {
        streams_per_principal: 2,
        ..Limits::default()
    });
    let open = || {
        house.open(
            house
                .request(Protocol::Grpc, "Follow")
                .body(house.body(Protocol::Grpc, "Follow", ""))
                .unwrap(),
        )
    };
    let (first, _second) = (open().await, open().await);
    let told = house
        .ask(Protocol::Json, "Follow", "")
        .await
        .refused(Protocol::Json, "Follow")
        .told();
    assert_eq!(told, refused("resource_exhausted", "QUOTA_EXCEEDED"));
    assert_eq!(
        house.ask(Protocol::Json, "Echo", "").await.status,
        StatusCode::OK,
        "calls are not streams"
    );
    drop(first);
    assert!(
        !open().await.headers().contains_key("grpc-status"),
        "the seat came back"
    );
}

#[tokio::test]
async fn a_query_in_the_path_of_a_call_gives_no_rights() {
    let house = house();
    let uri = format!("{}?x=1", path("Echo"));
    let mut request = house
        .request(Protocol::Grpc, "Echo")
        .uri(uri)
        .body(house.body(Protocol::Grpc, "Echo", ""))
        .unwrap();
    request
        .headers_mut()
        .insert("authorization", "Bearer poor".parse().unwrap());
    assert_eq!(
        house
            .call(request)
            .await
            .refused(Protocol::Grpc, "Echo")
            .told(),
        refused("permission_denied", "PERMISSION_DENIED")
    );
}
