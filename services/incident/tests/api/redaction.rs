//! Personal data that are taken out are nowhere any more, and the log is whole;
//! what is done to it without a redaction is found.

use mainstay_practice::Database;
use mainstay_practice::conformance::Scratch;
use mainstay_practice::verify::{Report, verify};
use mainstay_proto::mainstay::event::v1::Event;
use mainstay_proto::mainstay::incident::v1 as pb;
use prost::Message;
use sea_orm::ConnectionTrait;

use crate::bench::{Bench, Caller, MINUTE_US, reason, titled};
use crate::reactions::heard;

const SECRET: &str = "Kim Park";

/// An incident and comments that tell who asked for help.
async fn personal(bench: &Bench) -> pb::Incident {
    let agent = bench.agent();
    let incident = agent
        .raise(pb::Incident {
            description: format!("{SECRET} cannot log in."),
            requester: "kim-park".to_owned(),
            service: "login".to_owned(),
            ..titled("Login of Kim Park fails")
        })
        .await;
    bench.pass(MINUTE_US);
    for audience in [pb::CommentAudience::Public, pb::CommentAudience::Internal] {
        let request = pb::CreateIncidentCommentRequest {
            parent: incident.name.clone(),
            comment: Some(pb::IncidentComment {
                audience: audience.into(),
                body: format!("I called {SECRET}."),
                ..Default::default()
            }),
            ..Default::default()
        };
        agent
            .comments()
            .create_incident_comment(request)
            .await
            .unwrap();
    }
    let request = pb::HoldIncidentRequest {
        name: incident.name.clone(),
        reason: pb::HoldReason::Requester.into(),
        note: format!("{SECRET} calls back."),
        ..Default::default()
    };
    agent.incidents().hold_incident(request).await.unwrap();
    // The first answer to the requester is noted by hearing of the comment.
    heard(&agent, "IncidentMilestonesChanged", &incident.name).await;
    incident
}

async fn redact(caller: &Caller, name: &str, request_id: &str) -> pb::Incident {
    let request = pb::RedactIncidentRequest {
        name: name.to_owned(),
        reason: "The person concerned asks for it.".to_owned(),
        request_id: request_id.to_owned(),
    };
    let reply = caller.incidents().redact_incident(request).await.unwrap();
    reply.into_inner().incident.unwrap()
}

fn tells(events: &[Event], text: &str) -> usize {
    let bytes = text.as_bytes();
    let tells = |event: &&Event| {
        let body = event.encode_to_vec();
        body.windows(bytes.len()).any(|window| window == bytes)
    };
    events.iter().filter(tells).count()
}

async fn search(caller: &Caller, query: &str) -> usize {
    let request = pb::ListIncidentsRequest {
        query: query.to_owned(),
        ..Default::default()
    };
    let page = caller.incidents().list_incidents(request).await.unwrap();
    page.into_inner().incidents.len()
}

async fn proof(database: &Database) -> Report {
    verify(database, "incident").await.unwrap()
}

#[tokio::test]
async fn what_is_taken_out_is_nowhere_any_more_and_the_log_is_whole() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let incident = personal(&bench).await;
    bench.pass(MINUTE_US);
    let before = agent.events().await;
    assert!(tells(&before, SECRET) >= 4 && tells(&before, "kim-park") >= 2);
    assert_eq!(search(&agent, "\"kim park\"").await, 1);
    let id = "0198c2d4-5e6f-7a8b-9c0d-1e2f3a4b5c6d";
    let redacted = redact(&agent, &incident.name, id).await;
    assert_eq!(
        (redacted.title.as_str(), redacted.requester.as_str()),
        ("[redacted]", "")
    );
    assert_eq!(redacted.hold.clone().unwrap().note, "");
    assert_eq!(redacted.service, incident.service);
    let after = agent.events().await;
    assert_eq!((tells(&after, SECRET), tells(&after, "kim-park")), (0, 0));
    for (old, new) in before.iter().zip(&after) {
        assert_eq!(
            (&old.id, &old.r#type, &old.subject),
            (&new.id, &new.r#type, &new.subject)
        );
        assert!(new.redacted_revision > new.subject_revision);
    }
    let get = pb::GetIncidentRequest {
        name: incident.name.clone(),
        as_of: Some(pb::AsOf {
            at: Some(pb::as_of::At::Time(incident.create_time.unwrap())),
        }),
    };
    let then = agent
        .incidents()
        .get_incident(get)
        .await
        .unwrap()
        .into_inner();
    let then = then.incident.unwrap();
    assert_eq!(
        (then.state(), then.title.as_str()),
        (pb::IncidentState::New, "[redacted]")
    );
    assert_eq!(search(&agent, "\"kim park\"").await, 0);
    assert_eq!(search(&agent, "called").await, 0);
    let again = redact(&agent, &incident.name, id).await;
    assert_eq!(again.revision, redacted.revision);
    let idle = redact(&agent, &incident.name, "").await;
    assert_eq!(
        idle.revision, redacted.revision,
        "nothing is left to take out"
    );
    let report = proof(&bench.database()).await;
    assert_eq!(report.fault, None);
    let count = i64::try_from(before.len()).unwrap();
    assert_eq!(report.redacted, count);
    bench.close().await;
}

#[tokio::test]
async fn taking_out_is_not_for_everybody_and_tells_why() {
    let bench = Bench::new().await;
    let incident = personal(&bench).await;
    let request = pb::RedactIncidentRequest {
        name: incident.name.clone(),
        reason: "x".to_owned(),
        request_id: String::new(),
    };
    let refused = bench.viewer().incidents().redact_incident(request).await;
    assert_eq!(reason(&refused.unwrap_err()), "PERMISSION_DENIED");
    redact(&bench.agent(), &incident.name, "").await;
    let events = bench.agent().events().await;
    let told = events
        .iter()
        .find(|event| event.r#type.ends_with(".IncidentRedacted"));
    let data = told.unwrap().data.clone().unwrap();
    let told = pb::IncidentRedacted::decode(data.value.as_slice()).unwrap();
    assert_eq!(told.reason, "The person concerned asks for it.");
    bench.close().await;
}

/// What somebody may do to a log, in SQL, and what is found.
const TAMPERINGS: [(&str, &str, &str); 7] = [
    (
        "edit",
        "update event_log set body = cast(replace(body, x'4b696d', x'4a696d') as blob) where seq = 9",
        "its body does not match its digest",
    ),
    ("delete", "delete from event_log where seq = 2", "is missing: 3 follows 1"),
    (
        "insert",
        "insert into event_log select (select max(seq) + 1 from event_log), last_in_tx, organization,
            (select max(org_sequence) + 1 from event_log), randomblob(16), type, subject, randomblob(16), revision,
            actor, needs, imported, occurred_us, (select max(recorded_us) from event_log), body, body_hash, hash from event_log where seq = 1;
         update log_head set seq = seq + 1",
        "its hash does not continue the chain",
    ),
    (
        "reorder",
        "update event_log set seq = -2 where seq = 2; update event_log set seq = 2 where seq = 3;
         update event_log set seq = 3 where seq = -2",
        "its sequence in the organization's part is out of order",
    ),
    (
        "cut tail",
        "delete from event_log where seq > 9;
         update log_head set seq = 9, hash = (select hash from event_log where seq = 9);
         update organization_head set org_sequence = 9",
        "is cut: reactions/incident has heard event",
    ),
    (
        "swapped epoch",
        "update log_head set epoch = randomblob(16)",
        "reactions/incident has heard a log of another epoch",
    ),
    (
        "redaction without a redaction",
        // Field 18 of the event, a varint: revision 9.
        "update event_log set body = cast(body || x'900109' as blob) where seq = 9",
        "says that it was redacted by revision 9",
    ),
];

#[tokio::test]
async fn what_is_done_to_a_log_is_found() {
    let bench = Bench::on(Scratch::file()).await;
    let agent = bench.agent();
    let incident = personal(&bench).await;
    redact(&agent, &incident.name, "").await;
    personal(&bench).await;
    let kept = bench.close_and_keep().await;
    let Database::Sqlite { folder } = kept.settings().database else {
        panic!("a file was asked for");
    };
    assert_eq!(proof(&Database::files(folder.clone())).await.fault, None);
    for (what, sql, found) in TAMPERINGS {
        let copy = tempfile::tempdir().unwrap();
        let file = copy.path().join("incident.db");
        std::fs::copy(folder.join("incident.db"), &file).unwrap();
        let database = sea_orm::Database::connect(format!("sqlite://{}", file.display()))
            .await
            .unwrap();
        database.execute_unprepared(sql).await.unwrap();
        database.close().await.unwrap();
        let fault = proof(&Database::files(copy.path().to_owned())).await.fault;
        let told = fault.unwrap_or_else(|| panic!("{what} is not found")).what;
        assert!(told.contains(found), "{what}: {told}");
    }
    drop(kept);
}
