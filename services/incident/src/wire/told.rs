//! Records out of the events that tell of them.

use mainstay_chassis::Refusal;
use mainstay_practice::Record;
use mainstay_proto::mainstay::event::v1::Event;
use mainstay_proto::mainstay::incident::v1 as pb;
use prost::Message;

use crate::comment::Comment;
use crate::incident::Incident;

/// The incident after an event.
pub(crate) fn told(event: &Event) -> Result<Incident, Refusal> {
    let payload: pb::IncidentCreated = payload(event)?;
    Incident::restore(payload.incident.unwrap_or_default())
}

/// The comment of an event.
pub(crate) fn told_comment(event: &Event) -> Result<Comment, Refusal> {
    let payload: pb::IncidentCommentCreated = payload(event)?;
    Comment::restore(payload.comment.unwrap_or_default())
}

/// Whether a change of state says that somebody resolved the incident.
pub(crate) fn is_resolved_by_verb(event: &Event) -> bool {
    let payload: Result<pb::IncidentStateChanged, _> = payload(event);
    payload.is_ok_and(|told| told.verb == "resolve")
}

/// The payload of an event; every one has its record in field 1.
fn payload<M: Message + Default>(event: &Event) -> Result<M, Refusal> {
    let data = event.data.as_ref();
    let bytes = data.map(|data| data.value.as_slice()).unwrap_or_default();
    M::decode(bytes).map_err(Refusal::internal)
}
