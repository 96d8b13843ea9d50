//! The one way to say no: thirteen kinds, a reason from the catalogue, what is
//! wrong and how to mend it. The cause inside is logged, never told.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_proto::mainstay::error::v1::ErrorReason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt};

/// The error domain of all reasons.
pub const DOMAIN: &str = "mainstay";

/// What kind of refusal it is; decides the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// NOT_FOUND
    NotFound,
    /// ALREADY_EXISTS
    AlreadyExists,
    /// INVALID_ARGUMENT
    Invalid,
    /// FAILED_PRECONDITION
    Precondition,
    /// ABORTED
    Stale,
    /// OUT_OF_RANGE
    Expired,
    /// PERMISSION_DENIED
    Forbidden,
    /// UNAUTHENTICATED
    Unauthenticated,
    /// RESOURCE_EXHAUSTED
    Exhausted,
    /// DEADLINE_EXCEEDED
    Deadline,
    /// UNAVAILABLE
    Unavailable,
    /// UNIMPLEMENTED
    Unimplemented,
    /// INTERNAL
    Internal,
}

/// A refusal. Built by the constructors below, refined by `with`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    kind: Kind,
    reason: ErrorReason,
    message: String,
    metadata: BTreeMap<&'static str, String>,
    violations: Vec<(String, String)>,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal of a kind, with its reason and what is wrong in a sentence.
    pub fn new(kind: Kind, reason: ErrorReason, message: impl Into<String>) -> Self {
        Self {
            kind,
            reason,
            message: message.into(),
            metadata: BTreeMap::new(),
            violations: Vec::new(),
            retry_after: None,
        }
    }

    /// Adds an entry to the metadata.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.metadata.insert(key, value.into());
        self
    }

    /// Says when to come again.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Names a field that is to blame, with the remedy as a sentence of its own.
    #[must_use]
    pub fn because(mut self, field: impl Into<String>, remedy: impl Into<String>) -> Self {
        self.violations.push((field.into(), remedy.into()));
        self
    }

    /// The same refusal of a part of a request, where fields have other names.
    #[must_use]
    pub fn renamed(mut self, name: impl Fn(&str) -> String) -> Self {
        for (place, (field, remedy)) in self.violations.iter_mut().enumerate() {
            let said = format!("{field} {remedy}");
            *field = name(field);
            if place == 0 && self.message == said {
                self.message = format!("{field} {remedy}");
            }
        }
        self
    }

    /// A field breaks a rule; the remedy completes "FIELD …".
    pub fn invalid(field: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::invalid_all(vec![(field.into(), remedy.into())])
    }

    /// Fields break rules (field, remedy).
    pub fn invalid_all(violations: Vec<(String, String)>) -> Self {
        let message = match violations.first() {
            Some((field, remedy)) => format!("{field} {remedy}"),
            None => String::new(),
        };
        let mut refusal = Self::new(Kind::Invalid, ErrorReason::ValidationFailed, message);
        refusal.violations = violations;
        refusal
    }

    /// There is no such record.
    pub fn not_found(resource: impl Into<String>) -> Self {
        let resource = resource.into();
        Self::new(
            Kind::NotFound,
            ErrorReason::ResourceNotFound,
            format!("{resource} does not exist"),
        )
        .with("resource", resource)
    }

    /// Another record has the same natural key.
    pub fn exists(resource: impl Into<String>) -> Self {
        let resource = resource.into();
        Self::new(
            Kind::AlreadyExists,
            ErrorReason::ResourceExists,
            format!("{resource} exists already"),
        )
        .with("resource", resource)
    }

    /// The record has changed since it was read.
    pub fn stale(resource: impl Into<String>, current_etag: impl Into<String>) -> Self {
        let resource = resource.into();
        Self::new(
            Kind::Stale,
            ErrorReason::EtagMismatch,
            format!("{resource} has changed since it was read: read it again"),
        )
        .with("resource", resource)
        .with("currentEtag", current_etag)
    }

    /// The caller lacks a permission.
    pub fn forbidden(permission: &str) -> Self {
        Self::new(
            Kind::Forbidden,
            ErrorReason::PermissionDenied,
            format!("the permission {permission} is missing: ask an administrator for a role that holds it"),
        )
        .with("permission", permission)
    }

    /// The name is another organization's.
    pub fn foreign(resource: impl Into<String>) -> Self {
        let resource = resource.into();
        Self::new(
            Kind::Forbidden,
            ErrorReason::PermissionDenied,
            format!("{resource} is not in the caller's organization"),
        )
        .with("resource", resource)
    }

    /// The credentials are missing or of no use.
    pub fn unauthenticated() -> Self {
        Self::new(
            Kind::Unauthenticated,
            ErrorReason::CredentialsInvalid,
            "send a valid token as `authorization: Bearer TOKEN`",
        )
    }

    /// More waits than the server takes.
    pub fn overloaded() -> Self {
        Self::new(
            Kind::Exhausted,
            ErrorReason::Overloaded,
            "the server is busy: come again after the delay",
        )
        .retry_after(Duration::from_millis(100))
    }

    /// Nobody waits any more.
    pub fn deadline() -> Self {
        Self::new(
            Kind::Deadline,
            ErrorReason::DeadlineExceeded,
            "the deadline has passed",
        )
    }

    /// The server or its database is away.
    pub fn unavailable() -> Self {
        Self::new(
            Kind::Unavailable,
            ErrorReason::Unavailable,
            "the server is not available: come again after the delay",
        )
        .retry_after(Duration::from_secs(1))
    }

    /// The path names no method.
    pub fn unknown_method(path: &str) -> Self {
        Self::new(
            Kind::Unimplemented,
            ErrorReason::MethodUnknown,
            format!("{path} is no method of the contract"),
        )
    }

    /// A defect: the cause goes to the log under an id that is told.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let id = uuid::Uuid::now_v7().to_string();
        tracing::error!(error_id = %id, cause = %cause, "internal error");
        Self::new(
            Kind::Internal,
            ErrorReason::Internal,
            "an internal error, logged under the id given",
        )
        .with("errorId", id)
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its reason.
    pub fn reason(&self) -> ErrorReason {
        self.reason
    }

    /// What is wrong, in a sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The reason as it stands in `ErrorInfo`.
    pub fn reason_name(&self) -> &'static str {
        reason_name(self.reason)
    }
}

/// The name of a reason without the enum's prefix.
pub fn reason_name(reason: ErrorReason) -> &'static str {
    reason.as_str_name().trim_start_matches("ERROR_REASON_")
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.reason_name(), self.message)
    }
}

impl std::error::Error for Refusal {}

impl From<Kind> for Code {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::NotFound => Self::NotFound,
            Kind::AlreadyExists => Self::AlreadyExists,
            Kind::Invalid => Self::InvalidArgument,
            Kind::Precondition => Self::FailedPrecondition,
            Kind::Stale => Self::Aborted,
            Kind::Expired => Self::OutOfRange,
            Kind::Forbidden => Self::PermissionDenied,
            Kind::Unauthenticated => Self::Unauthenticated,
            Kind::Exhausted => Self::ResourceExhausted,
            Kind::Deadline => Self::DeadlineExceeded,
            Kind::Unavailable => Self::Unavailable,
            Kind::Unimplemented => Self::Unimplemented,
            Kind::Internal => Self::Internal,
        }
    }
}

/// At most so many characters of a violation or a metadata value are told, so
/// that the status fits into the trailers of every client.
const LONGEST: usize = 120;
/// At most so many violations are told.
const MOST: usize = 16;

fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => text[..end].to_owned() + "…",
        None => text,
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut details = ErrorDetails::new();
        let resource = refusal.metadata.get("resource").cloned();
        details.set_error_info(
            refusal.reason_name(),
            DOMAIN,
            refusal
                .metadata
                .into_iter()
                .map(|(key, value)| (key.to_owned(), cut_metadata(value)))
                .collect::<std::collections::HashMap<_, _>>(),
        );
        if refusal.kind == Kind::Precondition {
            details.set_precondition_failure(vec![PreconditionViolation::new(
                reason_name(refusal.reason),
                resource.clone().unwrap_or_default(),
                cut(refusal.message.clone()),
            )]);
        }
        if matches!(refusal.kind, Kind::NotFound | Kind::AlreadyExists) {
            details.set_resource_info("", resource.unwrap_or_default(), "", "");
        }
        if !refusal.violations.is_empty() {
            let violations = refusal.violations.into_iter().take(MOST);
            details.set_bad_request(
                violations
                    .map(|(field, remedy)| FieldViolation::new(cut(field), cut(remedy)))
                    .collect::<Vec<_>>(),
            );
        }
        if let Some(delay) = refusal.retry_after {
            details.set_retry_info(Some(delay));
        }
        Status::with_error_details(refusal.kind.into(), refusal.message, details)
    }
}

/// Cursors, lists of verbs and names may be longer than a sentence.
fn cut_metadata(mut value: String) -> String {
    let end = value
        .char_indices()
        .nth(512)
        .map_or(value.len(), |(end, _)| end);
    value.truncate(end);
    value
}
