//! Deadlines and stalled readers, on a clock that runs when all wait.

use std::time::Duration;

use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::house::{ALL, House, Protocol, house_near, refused};

/// A call with a deadline of 250 ms.
fn hurried(house: &House, protocol: Protocol, method: &str) -> http::Request<bytes::Bytes> {
    let (name, value) = match protocol {
        Protocol::Grpc | Protocol::GrpcWeb => ("grpc-timeout", "250m"),
        Protocol::Json | Protocol::Binary => ("connect-timeout-ms", "250"),
    };
    house
        .request(protocol, method)
        .header(name, value)
        .body(house.body(protocol, method, ""))
        .unwrap()
}

/// Runs each protocol on a clock of its own: connectrpc's backstop mixes the
/// machine's clock with tokio's, and does not like one that was turned far.
fn in_every_protocol<F: Future<Output = ()>>(test: impl Fn(House, Protocol) -> F) {
    for protocol in ALL {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async { test(house_near(), protocol).await });
    }
}

#[test]
fn a_clients_deadline_ends_a_call_and_a_stream() {
    in_every_protocol(|house, protocol| async move {
        for method in ["Hang", "Follow"] {
            let begun = Instant::now();
            let answer = house.call(hurried(&house, protocol, method)).await;
            let told = answer.refused(protocol, method).told();
            assert_eq!(
                told,
                refused("deadline_exceeded", "DEADLINE_EXCEEDED"),
                "{protocol:?} {method}"
            );
            assert_eq!(
                begun.elapsed().as_millis() / 10,
                25,
                "{protocol:?} {method}"
            );
        }
    });
}

#[test]
fn a_call_without_a_deadline_ends_at_the_ceiling() {
    in_every_protocol(|house, protocol| async move {
        for (method, ceiling) in [("HangRead", 5), ("Hang", 10)] {
            let begun = Instant::now();
            let told = house
                .ask(protocol, method, "")
                .await
                .refused(protocol, method)
                .told();
            assert_eq!(
                told,
                refused("deadline_exceeded", "DEADLINE_EXCEEDED"),
                "{protocol:?} {method}"
            );
            assert_eq!(begun.elapsed().as_secs(), ceiling, "{protocol:?} {method}");
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_cannot_be_read_is_refused() {
    let house = house_near();
    let mut request = hurried(&house, Protocol::Grpc, "Echo");
    request
        .headers_mut()
        .insert("grpc-timeout", "soon".parse().unwrap());
    assert_eq!(
        house
            .call(request)
            .await
            .refused(Protocol::Grpc, "Echo")
            .told(),
        refused("invalid_argument", "VALIDATION_FAILED")
    );
}

#[test]
fn a_reader_that_takes_nothing_loses_its_stream() {
    in_every_protocol(|house, protocol| async move {
        let mut dropped = house.stage.dropped.subscribe();
        let request = house
            .request(protocol, "Flood")
            .body(house.body(protocol, "Flood", ""));
        let mut body = house.open(request.unwrap()).await.into_body();
        body.frame().await.unwrap().unwrap();
        let begun = Instant::now();
        dropped.wait_for(|count| *count > 0).await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), 60, "{protocol:?}");
        let rest = body.collect().await.unwrap();
        let trailers = rest.trailers().cloned().unwrap_or_default();
        let rest = rest.to_bytes();
        let end = String::from_utf8_lossy(&rest);
        let said = match protocol {
            Protocol::Grpc => trailers["grpc-status"] == "14",
            Protocol::GrpcWeb => end.contains("grpc-status: 14") || end.contains("grpc-status:14"),
            Protocol::Json | Protocol::Binary => end.contains("\"unavailable\""),
        };
        assert!(said, "{protocol:?}: {trailers:?}, {} bytes", rest.len());
    });
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_read_lives_on() {
    let house = house_near();
    let request = house
        .request(Protocol::Grpc, "Follow")
        .body(house.body(Protocol::Grpc, "Follow", ""))
        .unwrap();
    let mut body = house.open(request).await.into_body();
    body.frame().await.unwrap().unwrap();
    let next = tokio::spawn(async move { body.collect().await.unwrap() });
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(600)).await;
    house.stage.drain.cancel();
    let end = next.await.unwrap();
    assert_eq!(end.trailers().unwrap()["grpc-status"], "0");
    assert!(String::from_utf8_lossy(&end.to_bytes()).contains("drained"));
}
