//! One operation of a client: a request whose every byte follows from its id,
//! its verb and its target, so that a repeat is the same request.

use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::incident::v1::incident_comment_service_client::IncidentCommentServiceClient;
use mainstay_proto::mainstay::incident::v1::incident_service_client::IncidentServiceClient;
use prost::Message;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// The time within which a call comes back, or counts as unknown.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verb {
    /// Opens an incident.
    Create,
    /// Resolves it.
    Resolve,
    /// Reopens it.
    Reopen,
    /// Assigns it to somebody new.
    Assign,
    /// Puts it on hold.
    Hold,
    /// Ends the hold.
    Resume,
    /// Writes a comment on it.
    Comment,
}

impl Verb {
    /// Type of the event that it leads to.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::Create => "mainstay.incident.v1.IncidentCreated",
            Self::Resolve | Self::Reopen | Self::Hold | Self::Resume => {
                "mainstay.incident.v1.IncidentStateChanged"
            }
            Self::Assign => "mainstay.incident.v1.IncidentAssigned",
            Self::Comment => "mainstay.incident.v1.IncidentCommentCreated",
        }
    }
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The request id; also the correlation id.
    pub id: Uuid,
    /// What is asked for.
    pub verb: Verb,
    /// Name of the incident; empty when one is created.
    pub target: String,
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Name of the record written.
    pub name: String,
    /// Its revision then.
    pub revision: i64,
    /// The incident's state then; none for a comment.
    pub state: Option<pb::IncidentState>,
    /// Whether an earlier call did it.
    pub replayed: bool,
}

/// The clients on one connection, with their token.
#[derive(Clone, Debug)]
pub struct Caller {
    incidents: IncidentServiceClient<Channel>,
    comments: IncidentCommentServiceClient<Channel>,
    token: MetadataValue<Ascii>,
}

impl Caller {
    /// Clients on a connection.
    pub fn new(channel: &Channel, token: MetadataValue<Ascii>) -> Self {
        Self {
            incidents: IncidentServiceClient::new(channel.clone()),
            comments: IncidentCommentServiceClient::new(channel.clone()),
            token,
        }
    }

    /// A request with token, time-out and correlation id.
    fn request<M>(&self, message: M, id: Uuid) -> Request<M> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.token.clone());
        if let Ok(value) = id.to_string().parse() {
            request.metadata_mut().insert("x-correlation-id", value);
        }
        request.set_timeout(PATIENCE);
        request
    }
}

impl Operation {
    /// SHA-256 over the request's type and bytes, in hexadecimal: what the
    /// server keeps beside the request id.
    pub fn digest(&self) -> String {
        match self.verb {
            Verb::Create => digest(&self.create()),
            Verb::Resolve => digest(&self.resolve()),
            Verb::Reopen => digest(&self.reopen()),
            Verb::Assign => digest(&self.assign()),
            Verb::Hold => digest(&self.hold()),
            Verb::Resume => digest(&self.resume()),
            Verb::Comment => digest(&self.comment()),
        }
    }

    /// Sends it once.
    pub async fn send(&self, caller: &Caller) -> Result<Answer, Status> {
        let mut caller = caller.clone();
        macro_rules! incident {
            ($method:ident, $message:expr) => {{
                let request = caller.request($message, self.id);
                let response = caller.incidents.$method(request).await?;
                let replayed = replayed(&response);
                answer(response.into_inner().incident, replayed)
            }};
        }
        match self.verb {
            Verb::Create => incident!(create_incident, self.create()),
            Verb::Resolve => incident!(resolve_incident, self.resolve()),
            Verb::Reopen => incident!(reopen_incident, self.reopen()),
            Verb::Assign => incident!(assign_incident, self.assign()),
            Verb::Hold => incident!(hold_incident, self.hold()),
            Verb::Resume => incident!(resume_incident, self.resume()),
            Verb::Comment => {
                let request = caller.request(self.comment(), self.id);
                let response = caller.comments.create_incident_comment(request).await?;
                let replayed = replayed(&response);
                let comment = response.into_inner().comment.unwrap_or_default();
                Ok(Answer {
                    name: comment.name,
                    revision: comment.revision,
                    state: None,
                    replayed,
                })
            }
        }
    }

    fn create(&self) -> pb::CreateIncidentRequest {
        let bits = self.id.as_u128();
        let pick =
            |from: u128, shift: u32| i32::try_from((bits >> shift) % from).unwrap_or_default();
        let incident = pb::Incident {
            title: format!("Ledger {}", self.id),
            impact: 1 + pick(4, 8),
            urgency: 1 + pick(3, 16),
            service: format!("service-{}", pick(20, 24)),
            team: format!("team-{}", pick(5, 32)),
            ..Default::default()
        };
        pb::CreateIncidentRequest {
            incident: Some(incident),
            request_id: self.id.to_string(),
            ..Default::default()
        }
    }

    fn resolve(&self) -> pb::ResolveIncidentRequest {
        let resolution = pb::Resolution {
            code: pb::ResolutionCode::Fixed.into(),
            summary: format!("Ledger {}", self.id),
            ..Default::default()
        };
        pb::ResolveIncidentRequest {
            name: self.target.clone(),
            resolution: Some(resolution),
            request_id: self.id.to_string(),
            ..Default::default()
        }
    }

    fn reopen(&self) -> pb::ReopenIncidentRequest {
        pb::ReopenIncidentRequest {
            name: self.target.clone(),
            reason: format!("Ledger {}", self.id),
            request_id: self.id.to_string(),
            ..Default::default()
        }
    }

    fn assign(&self) -> pb::AssignIncidentRequest {
        pb::AssignIncidentRequest {
            name: self.target.clone(),
            assignee: format!("user-{}", self.id.simple()),
            request_id: self.id.to_string(),
            ..Default::default()
        }
    }

    fn hold(&self) -> pb::HoldIncidentRequest {
        pb::HoldIncidentRequest {
            name: self.target.clone(),
            reason: pb::HoldReason::Vendor.into(),
            note: format!("Ledger {}", self.id),
            request_id: self.id.to_string(),
            ..Default::default()
        }
    }

    fn resume(&self) -> pb::ResumeIncidentRequest {
        pb::ResumeIncidentRequest {
            name: self.target.clone(),
            request_id: self.id.to_string(),
            ..Default::default()
        }
    }

    fn comment(&self) -> pb::CreateIncidentCommentRequest {
        let audience = match self.id.as_u128() & 1 {
            0 => pb::CommentAudience::Public,
            _ => pb::CommentAudience::Internal,
        };
        let comment = pb::IncidentComment {
            audience: audience.into(),
            body: format!("Ledger {}", self.id),
            ..Default::default()
        };
        pb::CreateIncidentCommentRequest {
            parent: self.target.clone(),
            comment: Some(comment),
            request_id: self.id.to_string(),
        }
    }
}

fn digest<M: Message>(message: &M) -> String {
    let mut hash = Sha256::new();
    hash.update(std::any::type_name::<M>());
    hash.update(message.encode_to_vec());
    hexadecimal(&hash.finalize())
}

/// Bytes as people write them.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn replayed<M>(response: &Response<M>) -> bool {
    response
        .metadata()
        .get("idempotent-replayed")
        .is_some_and(|value| value == "true")
}

fn answer(incident: Option<pb::Incident>, replayed: bool) -> Result<Answer, Status> {
    let incident = incident.unwrap_or_default();
    let state = Some(incident.state());
    Ok(Answer {
        name: incident.name,
        revision: incident.revision,
        state,
        replayed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_the_same_request_and_another_operation_is_not() {
        let one = Operation {
            id: Uuid::from_u128(1),
            verb: Verb::Assign,
            target: "INC-1".to_owned(),
        };
        assert_eq!(one.digest(), one.clone().digest());
        let verbs = [
            Verb::Create,
            Verb::Resolve,
            Verb::Reopen,
            Verb::Hold,
            Verb::Resume,
            Verb::Comment,
        ];
        for verb in verbs {
            assert_ne!(
                one.digest(),
                Operation {
                    verb,
                    ..one.clone()
                }
                .digest()
            );
        }
    }
}
