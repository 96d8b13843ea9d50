//! Comments: the contract's messages and the record, both ways.

use mainstay_chassis::Refusal;
use mainstay_chassis::clock::{micros, timestamp};
use mainstay_practice::{Fixed, Payload, Record, Stamp, Written};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1::Actor;
use prost::Message;
use tonic::Response;
use uuid::Uuid;

use super::verbs::answer;
use super::words::OnWire;
use crate::comment::{ActiveModel, Column, Comment, Entity, Event, Place, Said};
use crate::incident::Incident;

impl Record for Comment {
    type Table = Entity;
    type Active = ActiveModel;
    type Event = Event;
    type Snapshot = pb::IncidentComment;

    const KIND: &'static str = "incident_comment";
    const COLLECTION: &'static str = "comments";

    fn fixed() -> Fixed<Column> {
        Fixed {
            id: Column::Id,
            organization: Column::Organization,
            revision: Column::Revision,
            number: None,
        }
    }

    fn id(&self) -> Uuid {
        self.id()
    }

    fn organization(&self) -> &str {
        self.organization()
    }

    fn revision(&self) -> i64 {
        self.revision()
    }

    fn occur_us(&self) -> i64 {
        self.occur_us()
    }

    fn stamp(&mut self, stamp: Stamp) {
        self.take_stamp(stamp.revision, stamp.occur_us);
    }

    fn name(&self) -> String {
        let (organization, incident) = (self.organization(), self.incident());
        format!(
            "organizations/{organization}/{}/{incident}/comments/{}",
            Incident::COLLECTION,
            self.id()
        )
    }

    fn publish(&self, event: &Event) -> Payload {
        let comment = Some(comment(self));
        let (type_name, bytes) = match event {
            Event::Created => (
                "mainstay.incident.v1.IncidentCommentCreated",
                pb::IncidentCommentCreated { comment }.encode_to_vec(),
            ),
            Event::Redacted => (
                "mainstay.incident.v1.IncidentCommentRedacted",
                pb::IncidentCommentRedacted { comment }.encode_to_vec(),
            ),
        };
        Payload {
            type_name,
            bytes,
            needs: self.audience().needs(),
            policy_version: String::new(),
        }
    }

    fn restore(snapshot: pb::IncidentComment) -> Result<Self, Refusal> {
        let defect =
            || Refusal::internal(format!("the snapshot of {} cannot be read", snapshot.name));
        let id = |text: &str| Uuid::parse_str(text).map_err(|_| defect());
        let parts: Vec<&str> = snapshot.name.split('/').collect();
        let [_, organization, _, incident, _, _] = parts.as_slice() else {
            return Err(defect());
        };
        let place = Place {
            id: id(&snapshot.uid)?,
            organization: (*organization).to_owned(),
            incident: id(incident)?,
            revision: snapshot.revision,
            create_us: snapshot
                .create_time
                .as_ref()
                .and_then(micros)
                .ok_or_else(defect)?,
            author: snapshot.author.clone().unwrap_or_default().name,
        };
        let audience = OnWire::of(snapshot.audience).ok_or_else(defect)?;
        Ok(Self::standing(
            Said {
                audience,
                body: snapshot.body.clone(),
            },
            place,
        ))
    }
}

/// The comment as everybody who may read it sees it.
pub(crate) fn comment(comment: &Comment) -> pb::IncidentComment {
    pb::IncidentComment {
        name: comment.name(),
        uid: comment.id().to_string(),
        audience: comment.audience().number(),
        body: comment.body().to_owned(),
        author: Some(Actor {
            name: comment.author().to_owned(),
        }),
        create_time: Some(timestamp(comment.create_us())),
        etag: comment.etag(),
        revision: comment.revision(),
    }
}

/// What CreateIncidentComment says.
pub(crate) fn said(message: Option<pb::IncidentComment>) -> Result<Said, Refusal> {
    let said = message.ok_or_else(|| Refusal::invalid("comment", "is required"))?;
    let fields = [
        ("name", !said.name.is_empty()),
        ("uid", !said.uid.is_empty()),
        ("author", said.author.is_some()),
        ("create_time", said.create_time.is_some()),
        ("etag", !said.etag.is_empty()),
        ("revision", said.revision != 0),
    ];
    if let Some((field, _)) = fields.iter().find(|(_, said)| *said) {
        return Err(Refusal::invalid(
            format!("comment.{field}"),
            "is output only: leave it empty",
        ));
    }
    match OnWire::of(said.audience) {
        Some(audience) => Ok(Said {
            audience,
            body: said.body,
        }),
        None => Err(Refusal::invalid("comment.audience", "is required")),
    }
}

/// The reply to a comment that was written.
pub(crate) fn commented(written: &Written<Comment>) -> Response<pb::CreateIncidentCommentResponse> {
    let (told, cursor) = (comment(&written.record), written.cursor.clone());
    answer(
        pb::CreateIncidentCommentResponse {
            comment: Some(told),
            cursor,
        },
        written.replayed,
    )
}
