//! The accept loop, over sockets.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mainstay_chassis::serve::{ServeSettings, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::house::{House, Protocol, house};

/// A house behind an open port.
struct Open {
    house: House,
    address: std::net::SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

async fn open(settings: ServeSettings) -> Open {
    let house = house();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, house.front.clone(), settings, stop.clone()));
    Open {
        house,
        address,
        stop,
        served,
    }
}

impl Open {
    async fn http2(&self) -> SendRequest<Full<Bytes>> {
        let io = TokioIo::new(self.connect().await);
        let (send, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        send
    }

    async fn connect(&self) -> TcpStream {
        let io = TcpStream::connect(self.address).await.unwrap();
        io.set_nodelay(true).unwrap();
        io
    }

    fn request(&self, method: &str) -> Request<Full<Bytes>> {
        let body = self.house.body(Protocol::Grpc, method, "hello");
        let mut request = self
            .house
            .request(Protocol::Grpc, method)
            .body(Full::new(body))
            .unwrap();
        *request.uri_mut() = format!("http://{}{}", self.address, request.uri().path())
            .parse()
            .unwrap();
        request
    }
}

/// Everything until the server closes.
async fn rest(mut io: TcpStream) -> String {
    let mut text = Vec::new();
    // A server that closes while the client still writes resets.
    let _ = io.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn a_hundred_streams_and_ten_silent_connections_end_at_the_stop() {
    let open = open(ServeSettings {
        drain: Duration::from_secs(60),
        ..ServeSettings::default()
    })
    .await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(open.connect().await);
    }
    let mut half_a_head = open.connect().await;
    half_a_head
        .write_all(b"POST /x HTTP/1.1\r\nhost: ")
        .await
        .unwrap();
    let mut send = open.http2().await;
    let mut streams = Vec::new();
    for _ in 0..100 {
        let mut body = send
            .send_request(open.request("Follow"))
            .await
            .unwrap()
            .into_body();
        body.frame().await.unwrap().unwrap();
        streams.push(body);
    }
    open.stop.cancel();
    open.house.stage.drain.cancel();
    for body in streams {
        let end = body.collect().await.unwrap();
        assert_eq!(end.trailers().unwrap()["grpc-status"], "0");
        assert!(String::from_utf8_lossy(&end.to_bytes()).contains("drained"));
    }
    open.served.await.unwrap();
    for io in silent {
        assert_eq!(rest(io).await, "");
    }
}

#[tokio::test]
async fn what_does_not_end_is_cut() {
    let open = open(ServeSettings {
        drain: Duration::from_millis(50),
        ..ServeSettings::default()
    })
    .await;
    let mut send = open.http2().await;
    let mut body = send
        .send_request(open.request("Follow"))
        .await
        .unwrap()
        .into_body();
    body.frame().await.unwrap().unwrap();
    open.stop.cancel();
    open.served.await.unwrap();
    assert!(body.collect().await.is_err());
}

#[tokio::test]
async fn three_hundred_slow_calls_on_one_connection_wait_their_turn() {
    let open = open(ServeSettings::default()).await;
    let send = open.http2().await;
    let calls: Vec<_> = (0..300)
        .map(|_| {
            let (mut send, request) = (send.clone(), open.request("Wait"));
            tokio::spawn(async move {
                send.ready().await.unwrap();
                send.send_request(request)
                    .await
                    .unwrap()
                    .into_body()
                    .collect()
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut waiting = open.house.stage.waiting.subscribe();
    waiting.wait_for(|(now, _)| *now == 200).await.unwrap();
    open.house.stage.gate.add_permits(300);
    for call in calls {
        assert_eq!(call.await.unwrap().trailers().unwrap()["grpc-status"], "0");
    }
    assert_eq!(*open.house.stage.waiting.borrow(), (0, 200));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let open = open(ServeSettings::default()).await;
    let mut io = open.connect().await;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n",
        "x".repeat(100 << 10)
    );
    let _ = io.write_all(head.as_bytes()).await;
    assert!(rest(io).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_connection_that_makes_no_call_is_closed() {
    let wait = Duration::from_millis(20);
    let open = open(ServeSettings {
        first_call: wait,
        head: wait,
        ..ServeSettings::default()
    })
    .await;
    for said in [
        "",
        "PRI",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nhost:",
    ] {
        let mut io = open.connect().await;
        io.write_all(said.as_bytes()).await.unwrap();
        rest(io).await;
    }
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_a_later_one_is_served() {
    let open = open(ServeSettings {
        connections: 1,
        ..ServeSettings::default()
    })
    .await;
    let mut send = open.http2().await;
    send.send_request(open.request("Echo")).await.unwrap();
    assert_eq!(rest(open.connect().await).await, "");
    drop(send);
    loop {
        let io = TokioIo::new(open.connect().await);
        let Ok((mut send, connection)) = http2::handshake(TokioExecutor::new(), io).await else {
            continue;
        };
        tokio::spawn(connection);
        if send.send_request(open.request("Echo")).await.is_ok() {
            break;
        }
    }
}

#[tokio::test]
async fn an_old_connection_is_asked_to_end_and_its_streams_live_on() {
    let age = Duration::from_millis(1);
    let open = open(ServeSettings {
        age: age..age,
        ..ServeSettings::default()
    })
    .await;
    let mut send = open.http2().await;
    let mut body = send
        .send_request(open.request("Follow"))
        .await
        .unwrap()
        .into_body();
    body.frame().await.unwrap().unwrap();
    // GOAWAY makes the client's side refuse new calls.
    while send.ready().await.is_ok() && send.send_request(open.request("Echo")).await.is_ok() {}
    open.house.stage.drain.cancel();
    assert_eq!(
        body.collect().await.unwrap().trailers().unwrap()["grpc-status"],
        "0"
    );
}

#[tokio::test]
async fn a_client_that_still_sends_over_http1_hears_the_refusal() {
    let open = open(ServeSettings::default()).await;
    let mut io = open.connect().await;
    let body = "x".repeat(60 << 10);
    let head = format!(
        "POST /nobody.Knows/It HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    io.write_all(head.as_bytes()).await.unwrap();
    for part in body.as_bytes().chunks(1 << 10) {
        io.write_all(part).await.unwrap();
    }
    let answer = rest(io).await;
    assert!(
        answer.starts_with("HTTP/1.1 404 ") && answer.contains("METHOD_UNKNOWN"),
        "{answer}"
    );
}
