//! Reasons that come of who asks, how much, how long, and of what goes wrong
//! in the server itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use mainstay_proto::mainstay::clock::v1::clock_service_client::ClockServiceClient;
use mainstay_proto::mainstay::clock::v1::{AdvanceClockRequest, advance_clock_request};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::incident::v1::incident_service_client::IncidentServiceClient;
use mainstay_tests::{Extra, Suite, Told, told};
use rusqlite::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::client::Grpc;

use super::{Met, World, raised, refused};

pub(crate) async fn all(world: World) -> Result<Vec<Met>> {
    Ok(vec![
        (without_permission(&world).await?, &["permission"]),
        (without_token(&world).await?, &[]),
        (too_often().await?, &["limit", "scope"]),
        (too_large(&world).await?, &[]),
        (too_late(&world).await?, &[]),
        (unknown_method(&world).await?, &[]),
        (immovable_clock(&world).await?, &[]),
        (too_many_writes(&world).await?, &[]),
        (broken_store(&world).await?, &[]),
    ])
}

async fn without_permission(world: &World) -> Result<Told> {
    let viewer = world.suite.role("viewer").await?;
    refused(
        IncidentServiceClient::new(viewer)
            .create_incident(raised("x"))
            .await,
    )
}

async fn without_token(world: &World) -> Result<Told> {
    let stranger = world.suite.stranger()?;
    refused(
        IncidentServiceClient::new(stranger)
            .create_incident(raised("x"))
            .await,
    )
}

/// A move of the machine's clock.
async fn immovable_clock(world: &World) -> Result<Told> {
    let target = advance_clock_request::Target::By(prost_types::Duration::default());
    let request = AdvanceClockRequest {
        target: Some(target),
        ..Default::default()
    };
    let mut clock = ClockServiceClient::new(world.administrator.clone());
    refused(clock.advance_clock(request).await)
}

/// An address that was wrong more often than it may be.
async fn too_often() -> Result<Told> {
    let suite =
        Suite::start_with(Extra::setting("MAINSTAY_LIMITS__FAILURES_PER_MINUTE", "1")).await?;
    let mut client = IncidentServiceClient::new(suite.caller("wrong")?);
    let list = pb::ListIncidentsRequest::default();
    refused(client.list_incidents(list.clone()).await)?;
    refused(client.list_incidents(list).await)
}

async fn too_large(world: &World) -> Result<Told> {
    let mut large = raised("x");
    large.incident.get_or_insert_default().description = "x".repeat(2 << 20);
    refused(world.incidents().create_incident(large).await)
}

/// Asks by Connect, whose client sends a deadline and does not watch it itself.
async fn too_late(world: &World) -> Result<Told> {
    let body = r#"{"start": {"point": "START_POINT_LATEST"}, "wait": "30s"}"#;
    let request = format!(
        "POST /mainstay.event.v1.EventService/ListEvents HTTP/1.1\r\nhost: {}\r\n\
         authorization: Bearer {}\r\ncontent-type: application/json\r\nconnect-timeout-ms: 50\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        world.suite.address(),
        world.suite.administrator_token()?,
        body.len(),
    );
    let mut stream = TcpStream::connect(world.suite.address()).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").context("a body")?;
    let error: serde_json::Value = serde_json::from_str(body)?;
    assert_eq!(error["code"], "deadline_exceeded");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Told {
        code: Code::DeadlineExceeded,
        reason: text(&error["details"][0]["debug"]["reason"]),
        metadata: Default::default(),
        violations: Vec::new(),
        message: text(&error["message"]),
    })
}

async fn unknown_method(world: &World) -> Result<Told> {
    let mut client = Grpc::new(world.administrator.clone());
    client.ready().await?;
    let path = "/mainstay.incident.v1.IncidentService/ForgetIncident".parse()?;
    let codec =
        tonic_prost::ProstCodec::<pb::GetIncidentRequest, pb::GetIncidentResponse>::default();
    let request = tonic::Request::new(pb::GetIncidentRequest::default());
    refused(client.unary(request, path, codec).await)
}

/// Holds the lock of the database, so that no write ends, and sends more
/// writes than the server lets wait; those that wait are done once the lock is free.
async fn too_many_writes(world: &World) -> Result<Told> {
    let lock = database(world)?;
    lock.execute_batch("BEGIN IMMEDIATE")?;
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(IncidentServiceClient::new(world.suite.administrator()?));
    }
    let write = |number: usize| {
        let mut client = clients[number % clients.len()].clone();
        async move { client.create_incident(raised("One of many")).await }
    };
    let mut writes: FuturesUnordered<_> = (0..16 * 190).map(write).collect();
    let mut sent = writes.len();
    // On a busy machine the first are answered before the last arrive, so that
    // more are sent until the server has more than it lets wait.
    let first = loop {
        let answer = writes.next().await.context("an answer")?;
        let full = matches!(&answer, Err(status) if told(status).reason != "DEADLINE_EXCEEDED");
        if full || sent >= 32 * 190 {
            break answer;
        }
        writes.push(write(sent));
        sent += 1;
    };
    lock.execute_batch("ROLLBACK")?;
    let mut written = 0;
    while let Some(answer) = writes.next().await {
        match answer {
            Ok(_) => written += 1,
            // A machine with much else to do does not get to all in their time.
            Err(status) => {
                let reason = told(&status).reason;
                ensure!(
                    ["OVERLOADED", "DEADLINE_EXCEEDED"].contains(&&*reason),
                    reason
                );
            }
        }
    }
    ensure!(written > 0, "what waited was written once it could be");
    refused(first)
}

/// A table is gone from under the server: its database is away, and what the
/// database said is not told.
async fn broken_store(world: &World) -> Result<Told> {
    let name = world.incident().await?.name;
    database(world)?.execute_batch("ALTER TABLE incident RENAME TO gone")?;
    let get = pb::GetIncidentRequest {
        name,
        ..Default::default()
    };
    let told = refused(world.incidents().get_incident(get).await)?;
    ensure!(
        !told.message.contains("incident"),
        "it tells its cause: {}",
        told.message
    );
    Ok(told)
}

fn database(world: &World) -> Result<Connection> {
    let connection = Connection::open(world.suite.data().join("incident.db"))?;
    connection.busy_timeout(Duration::from_secs(10))?;
    Ok(connection)
}
