//! Several processes of the whole suite on one PostgreSQL database: they write
//! the same log, and each serves what the others have written.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use mainstay_practice::conformance::Scratch;
use mainstay_proto::mainstay::access::v1 as access;
use mainstay_proto::mainstay::access::v1::access_service_client::AccessServiceClient;
use mainstay_proto::mainstay::event::v1 as event;
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::incident::v1::incident_service_client::IncidentServiceClient;
use mainstay_tests::{Caller, Extra, Postgres, Suite};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tempfile::TempDir;
use tonic::Code;

/// Two processes on one database.
struct Pair {
    one: Suite,
    other: Suite,
    scratch: Scratch,
    _server: Postgres,
    _folder: TempDir,
}

impl Pair {
    /// Starts them, the first one with more in its environment; none where the
    /// machine has no PostgreSQL.
    async fn start(more: &[(&str, &str)]) -> Result<Option<Self>> {
        let Some(server) = Postgres::at_hand().await? else {
            return Ok(None);
        };
        let (scratch, folder) = (server.scratch().await, tempfile::tempdir()?);
        let url = scratch.url().context("it is on a server")?;
        let extra = |more: &[(&str, &str)]| Extra {
            environment: [("MAINSTAY_DATABASE", url)]
                .iter()
                .chain(more)
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect(),
            ..Extra::default()
        };
        let (first, second) = (folder.path().join("one"), folder.path().join("other"));
        let (one, other) = futures::try_join!(
            Suite::start_on(&first, extra(more)),
            Suite::start_on(&second, extra(&[]))
        )?;
        Ok(Some(Self {
            one,
            other,
            scratch,
            _server: server,
            _folder: folder,
        }))
    }

    fn incidents(&self) -> Result<[IncidentServiceClient<Caller>; 2]> {
        let callers = [self.one.administrator()?, self.other.administrator()?];
        Ok(callers.map(IncidentServiceClient::new))
    }

    /// Lets the product check the logs.
    async fn verify(&self) -> Result<()> {
        let url = self.scratch.url().context("it is on a server")?;
        let mut command = self.one.command(["verify", "--database", url])?;
        let output = command.output().await?;
        ensure!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }
}

async fn create(
    client: &IncidentServiceClient<Caller>,
    title: &str,
    request_id: &str,
) -> Result<pb::Incident> {
    let request = pb::CreateIncidentRequest {
        incident: Some(pb::Incident {
            title: title.to_owned(),
            ..Default::default()
        }),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    let answer = client.clone().create_incident(request).await?;
    answer.into_inner().incident.context("it answers with it")
}

async fn rename(
    client: &IncidentServiceClient<Caller>,
    name: &str,
    title: String,
) -> Result<pb::Incident> {
    let request = pb::UpdateIncidentRequest {
        incident: Some(pb::Incident {
            name: name.to_owned(),
            title,
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["title".to_owned()],
        }),
        ..Default::default()
    };
    let answer = client.clone().update_incident(request).await?;
    answer.into_inner().incident.context("it answers with it")
}

#[tokio::test]
async fn a_watcher_of_one_process_sees_what_the_other_commits() -> Result<()> {
    let Some(pair) = Pair::start(&[]).await? else {
        return Ok(());
    };
    let [_, writer] = pair.incidents()?;
    let mut events = EventServiceClient::new(pair.one.administrator()?);
    let request = event::WatchEventsRequest {
        start: Some(event::Start {
            at: Some(event::start::At::Point(event::StartPoint::Latest.into())),
        }),
        filter: Some(event::EventFilter {
            types: vec!["mainstay.incident.v1.*".to_owned()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut stream = events.watch_events(request).await?.into_inner();
    // The first word says where the stream begins.
    stream.message().await?.context("it greets")?;
    let mut expected = Vec::new();
    for title in ["one", "two", "three"] {
        expected.push(create(&writer, title, "").await?.name);
    }
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        let message = stream.message().await?.context("the stream goes on")?;
        if let Some(event::watch_events_response::Content::Events(batch)) = message.content {
            for logged in batch.events {
                seen.push(logged.decode()?.subject);
            }
        }
    }
    assert_eq!(seen, expected);
    pair.verify().await
}

#[tokio::test]
async fn twins_in_flight_in_two_processes_are_written_once() -> Result<()> {
    let Some(pair) = Pair::start(&[]).await? else {
        return Ok(());
    };
    let [one, other] = pair.incidents()?;
    let twins =
        (0..40_u128).map(|number| {
            let id = uuid(number);
            let (one, other) = (&one, &other);
            async move {
                futures::try_join!(create(one, "the same", &id), create(other, "the same", &id))
            }
        });
    for (first, second) in try_join_all(twins).await? {
        assert_eq!(first, second);
    }
    pair.verify().await
}

/// A request id for a number.
fn uuid(number: u128) -> String {
    let text = format!("{:032x}", number + 1);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    parts.map(|part| text[part].to_owned()).join("-")
}

#[tokio::test]
async fn two_processes_change_the_same_records_one_after_the_other() -> Result<()> {
    let Some(pair) = Pair::start(&[]).await? else {
        return Ok(());
    };
    let clients = pair.incidents()?;
    let first = create(&clients[0], "the first", "").await?;
    let second = create(&clients[1], "the second", "").await?;
    let changes = (0..80).map(|number: usize| {
        let client = &clients[number % 2];
        let name = if number % 4 < 2 {
            &first.name
        } else {
            &second.name
        };
        rename(client, name, format!("title {number}"))
    });
    let etags: BTreeSet<String> = try_join_all(changes)
        .await?
        .into_iter()
        .map(|incident| format!("{} {}", incident.name, incident.etag))
        .collect();
    assert_eq!(etags.len(), 80, "each change has a revision of its own");
    pair.verify().await
}

#[tokio::test]
async fn numbers_are_unique_over_all_processes() -> Result<()> {
    let Some(pair) = Pair::start(&[]).await? else {
        return Ok(());
    };
    let clients = pair.incidents()?;
    let made = (0..160).map(|number: usize| create(&clients[number % 2], "numbered", ""));
    let numbers: BTreeSet<String> = try_join_all(made)
        .await?
        .into_iter()
        .map(|incident| incident.number)
        .collect();
    assert_eq!(numbers.len(), 160);
    pair.verify().await
}

#[tokio::test]
async fn a_token_made_by_one_process_is_known_to_the_other_until_it_is_revoked() -> Result<()> {
    let Some(pair) = Pair::start(&[]).await? else {
        return Ok(());
    };
    let made = pair.one.create_token("viewer", None).await?;
    let viewer = IncidentServiceClient::new(pair.other.caller(&made.secret)?);
    let list = || async {
        let request = pb::ListIncidentsRequest::default();
        viewer.clone().list_incidents(request).await
    };
    while let Err(status) = list().await {
        ensure!(status.code() == Code::Unauthenticated, "{status:?}");
    }
    let request = access::RevokeTokenRequest {
        name: made.token.context("it is there")?.name,
        ..Default::default()
    };
    let mut tokens = AccessServiceClient::new(pair.one.administrator()?);
    tokens.revoke_token(request).await?;
    while list().await.is_ok() {}
    assert_eq!(
        list().await.err().map(|status| status.code()),
        Some(Code::Unauthenticated)
    );
    Ok(())
}

#[tokio::test]
async fn a_process_that_stops_under_the_logs_head_is_cut_off() -> Result<()> {
    let planted = [("MAINSTAY_PLANT", "stall_at_head:incident")];
    let Some(pair) = Pair::start(&planted).await? else {
        return Ok(());
    };
    let [stopped, other] = pair.incidents()?;
    let never = tokio::spawn(async move { create(&stopped, "never written", "").await });
    let database = pair.scratch.connect("incident").await;
    let holds = Statement::from_string(
        DbBackend::Postgres,
        "select 1 from pg_locks l join pg_stat_activity a using (pid) \
         where l.relation = 'log_head'::regclass and a.state = 'idle in transaction'",
    );
    while database.query_one_raw(holds.clone()).await?.is_none() {}
    // It waits for the lock no longer than the server suffers the other one.
    create(&other, "written", "").await?;
    let request = pb::ListIncidentsRequest::default();
    let listed = other.clone().list_incidents(request).await?.into_inner();
    let titles: Vec<&str> = listed
        .incidents
        .iter()
        .map(|incident| incident.title.as_str())
        .collect();
    assert_eq!(titles, ["written"]);
    never.abort();
    database.close().await?;
    pair.verify().await
}
