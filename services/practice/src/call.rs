//! What a write carries beside its decision, what it may know of the moment,
//! and what comes of it.

use std::sync::Arc;

use mainstay_chassis::{Deadline, Permit, Refusal};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Due, Record};

/// A write call: who makes it, how it is told from its repeats, and what it
/// expects to find.
#[derive(Clone, Debug)]
pub struct Call {
    /// Proof that the caller may make it.
    pub permit: Permit,
    /// What makes the call safe to repeat.
    pub request: Option<RequestKey>,
    /// The etag that the record must still have.
    pub etag: Option<String>,
    /// Until when somebody waits for the answer.
    pub deadline: Option<Deadline>,
    /// The caller's `x-correlation-id`.
    pub correlation_id: String,
    /// The caller's W3C trace context.
    pub traceparent: String,
    /// Whether it is imported history.
    pub imported: bool,
    /// The event that led to it; none when a caller did.
    pub cause: Option<Cause>,
    /// The timer that led to it; none when somebody did.
    pub firing: Option<Due>,
}

/// The event that led to a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Its id.
    pub event_id: String,
    /// How many events led to it.
    pub hops: i32,
    /// The rules that led to it, and last the one that it has set off.
    pub rules: Vec<String>,
}

/// The request id and the digest of the request that it was first used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The caller's request id.
    pub id: Uuid,
    /// SHA-256 over method and message.
    pub digest: [u8; 32],
}

impl Call {
    /// The call of a request: permit, deadline and trace from its extensions
    /// and metadata; etag and request id from its message.
    pub fn of<M: prost::Message>(
        request: &tonic::Request<M>,
        etag: &str,
        request_id: &str,
    ) -> Result<Self, Refusal> {
        let extensions = request.extensions();
        let permit = extensions
            .get::<Permit>()
            .cloned()
            .ok_or_else(Refusal::unauthenticated)?;
        let text = |key: &str| {
            let value = request
                .metadata()
                .get(key)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            value.chars().take(200).collect::<String>()
        };
        Ok(Self {
            permit,
            request: RequestKey::of(request.get_ref(), request_id)?,
            etag: Some(etag)
                .filter(|etag| !etag.is_empty())
                .map(str::to_owned),
            deadline: extensions.get::<Deadline>().copied(),
            correlation_id: text("x-correlation-id"),
            traceparent: text("traceparent"),
            imported: false,
            cause: None,
            firing: None,
        })
    }

    /// A call that nobody waits for.
    pub fn by(permit: Permit) -> Self {
        Self {
            permit,
            request: None,
            etag: None,
            deadline: None,
            correlation_id: String::new(),
            traceparent: String::new(),
            imported: false,
            cause: None,
            firing: None,
        }
    }

    /// The organization whose records the call is about.
    pub fn organization(&self) -> &str {
        self.permit.organization()
    }
}

impl RequestKey {
    /// The key of a request, when it has an id.
    pub fn of<M: prost::Message>(message: &M, request_id: &str) -> Result<Option<Self>, Refusal> {
        if request_id.is_empty() {
            return Ok(None);
        }
        let id = Uuid::parse_str(request_id)
            .map_err(|_| Refusal::invalid("request_id", "must be a UUID"))?;
        let mut hash = Sha256::new();
        hash.update(std::any::type_name::<M>());
        hash.update(message.encode_to_vec());
        Ok(Some(Self {
            id,
            digest: hash.finalize().into(),
        }))
    }
}

/// The permit of a request, for reads.
pub fn permit<M>(request: &tonic::Request<M>) -> Result<Permit, Refusal> {
    request
        .extensions()
        .get::<Permit>()
        .cloned()
        .ok_or_else(Refusal::unauthenticated)
}

/// What a decision may know of the moment in which it is taken.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The time, in microseconds since the epoch.
    pub now_us: i64,
    /// Full name of who acts.
    pub actor: String,
    /// The names of the roles of who acts.
    pub roles: Arc<[String]>,
    /// An id for a record that is made.
    pub id: Uuid,
}

/// What a verb decided.
#[derive(Clone, Debug)]
pub enum Decision<E, R> {
    /// The record has changed; this happened.
    Changed(E),
    /// The record has changed in several steps; the last is how it is now.
    History(Vec<Step<E, R>>),
    /// The record is already as asked: nothing is written.
    Unchanged,
}

impl<E, R> Decision<E, R> {
    /// The steps that it comes to: the record after it, and when it occurred.
    pub(crate) fn steps(self, after: R, occur_us: i64) -> Vec<Step<E, R>> {
        match self {
            Self::Changed(event) => vec![Step {
                after,
                event,
                occur_us,
            }],
            Self::History(steps) => steps,
            Self::Unchanged => Vec::new(),
        }
    }
}

/// One step of a history: the record after it, what happened, and when.
#[derive(Clone, Debug)]
pub struct Step<E, R> {
    /// The record after it.
    pub after: R,
    /// What happened.
    pub event: E,
    /// When it occurred.
    pub occur_us: i64,
}

/// What came of a write.
#[derive(Clone, Debug)]
pub struct Written<R: Record> {
    /// The record after it.
    pub record: R,
    /// The log's cursor right after it.
    pub cursor: String,
    /// Whether an earlier call with the same request id did it.
    pub replayed: bool,
}
