//! What all requests for a verb have in common, and their replies.

use mainstay_practice::Written;
use mainstay_proto::mainstay::incident::v1 as pb;
use tonic::Response;
use tonic::metadata::MetadataValue;

use super::{View, Viewer, incident};
use crate::incident::Incident;

/// A request to do something with one incident.
pub(crate) trait Addressed: prost::Message {
    /// Its reply.
    type Reply;
    /// The field that names the incident.
    const FIELD: &'static str = "name";
    /// Name or number of the incident.
    fn name(&self) -> &str;
    /// The etag that it must still have.
    fn etag(&self) -> &str;
    /// What makes the call safe to repeat.
    fn request_id(&self) -> &str;
    /// The status after it; empty when the policy chooses.
    fn status(&self) -> &str {
        ""
    }
    /// The reply with the incident after the call, and the log's cursor.
    fn reply(incident: pb::Incident, cursor: String) -> Self::Reply;
}

macro_rules! addressed {
    ($($request:ident => $reply:ident $(with $status:ident)?),* $(,)?) => {$(
        impl Addressed for pb::$request {
            type Reply = pb::$reply;

            fn name(&self) -> &str {
                &self.name
            }

            fn etag(&self) -> &str {
                &self.etag
            }

            fn request_id(&self) -> &str {
                &self.request_id
            }

            $(fn status(&self) -> &str {
                &self.$status
            })?

            fn reply(incident: pb::Incident, cursor: String) -> Self::Reply {
                pb::$reply { incident: Some(incident), cursor }
            }
        }
    )*};
}

addressed! {
    StartIncidentRequest => StartIncidentResponse with status,
    HoldIncidentRequest => HoldIncidentResponse with status,
    ResumeIncidentRequest => ResumeIncidentResponse with status,
    MitigateIncidentRequest => MitigateIncidentResponse with status,
    ResolveIncidentRequest => ResolveIncidentResponse with status,
    ReopenIncidentRequest => ReopenIncidentResponse with status,
    CloseIncidentRequest => CloseIncidentResponse with status,
    CancelIncidentRequest => CancelIncidentResponse with status,
    AcknowledgeIncidentRequest => AcknowledgeIncidentResponse,
    AssignIncidentRequest => AssignIncidentResponse,
    UnassignIncidentRequest => UnassignIncidentResponse,
    LinkIncidentRequest => LinkIncidentResponse,
    UnlinkIncidentRequest => UnlinkIncidentResponse,
    SetIncidentParentRequest => SetIncidentParentResponse,
    UpdateIncidentMilestonesRequest => UpdateIncidentMilestonesResponse,
    DeclareMajorIncidentRequest => DeclareMajorIncidentResponse,
    StandDownMajorIncidentRequest => StandDownMajorIncidentResponse,
    DismissMajorIncidentRequest => DismissMajorIncidentResponse,
    AssignIncidentRoleRequest => AssignIncidentRoleResponse,
}

impl Addressed for pb::UpdateIncidentRequest {
    type Reply = pb::UpdateIncidentResponse;
    const FIELD: &'static str = "incident.name";

    fn name(&self) -> &str {
        self.incident
            .as_ref()
            .map(|incident| incident.name.as_str())
            .unwrap_or_default()
    }

    fn etag(&self) -> &str {
        self.incident
            .as_ref()
            .map(|incident| incident.etag.as_str())
            .unwrap_or_default()
    }

    fn request_id(&self) -> &str {
        &self.request_id
    }

    fn reply(incident: pb::Incident, cursor: String) -> Self::Reply {
        pb::UpdateIncidentResponse {
            incident: Some(incident),
            cursor,
        }
    }
}

/// The reply to a write, as its caller may see it; a repeat says so.
pub(crate) fn reply<T>(
    written: &Written<Incident>,
    viewer: &Viewer,
    build: impl FnOnce(pb::Incident, String) -> T,
) -> Response<T> {
    let told = incident(&written.record, viewer, View::Full);
    answer(build(told, written.cursor.clone()), written.replayed)
}

/// An answer; one to a repeat carries `idempotent-replayed: true`.
pub(crate) fn answer<T>(message: T, replayed: bool) -> Response<T> {
    let mut response = Response::new(message);
    if replayed {
        response
            .metadata_mut()
            .insert("idempotent-replayed", MetadataValue::from_static("true"));
    }
    response
}
