//! Calls with a token, and reading what a refusal tells.

use std::collections::HashMap;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

/// What generated clients are built on: `IncidentServiceClient::new(caller)`.
pub type Caller = InterceptedService<Channel, Bearer>;

/// Adds a token to every call; without one, calls go out bare.
#[derive(Clone, Debug)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// Calls with this token.
    pub fn token(token: &str) -> anyhow::Result<Self> {
        Ok(Self(Some(format!("Bearer {token}").parse()?)))
    }

    /// Calls without any.
    pub fn none() -> Self {
        Self(None)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// What a refusal tells a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The code.
    pub code: Code,
    /// The reason of its `ErrorInfo`; empty when it has none.
    pub reason: String,
    /// The metadata of its `ErrorInfo`.
    pub metadata: HashMap<String, String>,
    /// Field and remedy of each violation in its `BadRequest`.
    pub violations: Vec<(String, String)>,
    /// The message.
    pub message: String,
}

/// Reads a refusal.
pub fn told(status: &Status) -> Told {
    let details = status.get_error_details();
    let info = details.error_info();
    Told {
        code: status.code(),
        reason: info.map(|info| info.reason.clone()).unwrap_or_default(),
        metadata: info.map(|info| info.metadata.clone()).unwrap_or_default(),
        violations: details
            .bad_request()
            .into_iter()
            .flat_map(|request| &request.field_violations)
            .map(|violation| (violation.field.clone(), violation.description.clone()))
            .collect(),
        message: status.message().to_owned(),
    }
}
