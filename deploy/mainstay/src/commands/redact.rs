//! `mainstay redact`: personal data are taken out of an incident, its comments
//! and their histories.

use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::incident::v1::incident_service_client::IncidentServiceClient;

use crate::client::ServerArgs;
use crate::output;

/// Out of what, and why.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name or number of the incident, such as `INC-1042`.
    name: String,
    /// Why; it stays in the log, so it must not tell what is taken out.
    #[arg(long)]
    reason: String,
}

/// Does it.
pub(crate) async fn run(server: &ServerArgs, args: Args) -> anyhow::Result<()> {
    let request = pb::RedactIncidentRequest {
        name: args.name,
        reason: args.reason,
        request_id: uuid::Uuid::now_v7().to_string(),
    };
    let done = IncidentServiceClient::new(server.connect()?)
        .redact_incident(request)
        .await
        .map_err(|status| server.explain(&status))?
        .into_inner();
    let number = done.incident.unwrap_or_default().number;
    Ok(output::say(format!(
        "{number}: personal data are taken out of it, its comments and their events"
    ))?)
}
