//! Reads what the server keeps from its database, past the server: log,
//! head and request ids.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use mainstay_practice::conformance::Scratch;
use mainstay_practice::tables::{event_log, idempotency, log_head};
use mainstay_proto::mainstay::event::v1::Event;
use mainstay_proto::mainstay::incident::v1 as pb;
use prost::Message;
use rusqlite::{Connection, OpenFlags, Row};
use sea_orm::{EntityTrait, QueryOrder};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::evidence::{Head, LogRow, RequestRow};
use crate::operation::hexadecimal;

/// What the file holds.
#[derive(Debug)]
pub struct Kept {
    /// The log.
    pub log: Vec<LogRow>,
    /// Its head.
    pub head: Head,
    /// The request ids.
    pub requests: Vec<RequestRow>,
}

/// Reads the incident service's database in a folder of data.
pub fn read(data: &Path) -> Result<Kept> {
    let path = data.join("incident.db");
    let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)
        .with_context(|| format!("opening {}", path.display()))?;
    let sound: String = connection.query_row("pragma integrity_check", [], |row| row.get(0))?;
    ensure!(sound == "ok", "{} is damaged: {sound}", path.display());
    let log = connection
        .prepare(
            "select seq, org_sequence, event_id, type, subject, record_id, revision, needs, recorded_us, \
             body, body_hash, hash from event_log order by seq",
        )?
        .query_and_then([], log_row)?
        .collect::<Result<_>>()?;
    let head = connection.query_row("select seq, hash from log_head", [], |row| {
        Ok(Head {
            seq: row.get(0)?,
            hash: row.get(1)?,
        })
    })?;
    let requests = connection
        .prepare("select request_id, digest, record_id, revision from idempotency")?
        .query_and_then([], |row| {
            Ok(RequestRow {
                id: id(row, 0)?,
                digest: hexadecimal(&row.get::<_, Vec<u8>>(1)?),
                record_id: id(row, 2)?,
                revision: row.get(3)?,
            })
        })?
        .collect::<Result<_>>()?;
    Ok(Kept {
        log,
        head,
        requests,
    })
}

/// Reads the incident service's schema in a database.
pub async fn read_server(scratch: &Scratch) -> Result<Kept> {
    let connection = scratch.connect("incident").await;
    let rows = event_log::Entity::find().order_by_asc(event_log::Column::Seq);
    let log = rows.all(&connection).await?.into_iter().map(|row| {
        let event = Event::decode(&*row.body)?;
        Ok(LogRow {
            seq: row.seq,
            org_sequence: row.org_sequence,
            event_id: row.event_id,
            event_type: row.event_type,
            subject: row.subject,
            record_id: row.record_id,
            revision: row.revision,
            needs: row.needs,
            recorded_us: row.recorded_us,
            body_digest: Sha256::digest(&row.body).to_vec(),
            body_hash: row.body_hash,
            hash: row.hash,
            snapshot: snapshot(&event)?,
            correlation_id: event.correlation_id,
        })
    });
    let log = log.collect::<Result<_>>()?;
    let head = log_head::Entity::find().one(&connection).await?;
    let head = head.context("the log has a head")?;
    let requests = idempotency::Entity::find().all(&connection).await?;
    let requests = requests.into_iter().map(|row| RequestRow {
        id: row.request_id,
        digest: hexadecimal(&row.digest),
        record_id: row.record_id,
        revision: row.revision,
    });
    let kept = Kept {
        log,
        head: Head {
            seq: head.seq,
            hash: head.hash,
        },
        requests: requests.collect(),
    };
    connection.close().await?;
    Ok(kept)
}

fn log_row(row: &Row<'_>) -> Result<LogRow> {
    let body: Vec<u8> = row.get(9)?;
    let event = Event::decode(&*body)?;
    Ok(LogRow {
        seq: row.get(0)?,
        org_sequence: row.get(1)?,
        event_id: id(row, 2)?,
        event_type: row.get(3)?,
        subject: row.get(4)?,
        record_id: id(row, 5)?,
        revision: row.get(6)?,
        needs: row.get(7)?,
        recorded_us: row.get(8)?,
        body_digest: Sha256::digest(&body).to_vec(),
        body_hash: row.get(10)?,
        hash: row.get(11)?,
        snapshot: snapshot(&event)?,
        correlation_id: event.correlation_id,
    })
}

fn id(row: &Row<'_>, place: usize) -> Result<Uuid> {
    let bytes: Vec<u8> = row.get(place)?;
    Ok(Uuid::from_slice(&bytes)?)
}

/// Field 1 of every payload: the record after the event.
fn snapshot(event: &Event) -> Result<Vec<u8>> {
    let data = event.data.as_ref().context("an event has a payload")?;
    match event.r#type.as_str() {
        "mainstay.incident.v1.IncidentCommentCreated" => {
            let payload = pb::IncidentCommentCreated::decode(&*data.value)?;
            Ok(payload.comment.unwrap_or_default().encode_to_vec())
        }
        // All other payloads have the incident in field 1.
        _ => {
            let payload = pb::IncidentCreated::decode(&*data.value)?;
            Ok(incident(payload.incident.unwrap_or_default()))
        }
    }
}

/// An incident without what depends on who reads it.
pub fn incident(mut incident: pb::Incident) -> Vec<u8> {
    incident.available_verbs.clear();
    incident.encode_to_vec()
}
