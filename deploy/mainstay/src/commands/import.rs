//! `mainstay import`: hands the connection to the import, and prints its report.

use std::process::ExitCode;

use mainstay_proto::mainstay::incident::v1::incident_service_client::IncidentServiceClient;

use crate::client::ServerArgs;
use crate::import::{self, ImportArgs};
use crate::output;

/// Imports a log.
pub(crate) async fn run(server: &ServerArgs, args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let client = IncidentServiceClient::new(server.connect()?);
    let call = |request| {
        let mut client = client.clone();
        async move { client.import_incidents(request).await }
    };
    let report = import::run(args, call, |status| server.explain(status).to_string()).await?;
    match args.json {
        true => output::say(serde_json::to_string(&report)?)?,
        false => output::say(report.to_string().trim_end())?,
    }
    Ok(report.exit_code())
}
