//! `mainstay apply` and `mainstay export`: policies from files and into them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mainstay_proto::mainstay::policy::v1 as pb;
use mainstay_proto::mainstay::practice::v1 as practice;
use pb::policy_service_client::PolicyServiceClient;
use practice::practice_service_client::PracticeServiceClient;
use prost_types::{Any, Timestamp};
use tonic::{Code, Status};

use crate::bundle::{self, Entry};
use crate::client::{Connection, ServerArgs};
use crate::{output, time};

/// What to apply.
#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    /// YAML or JSON file with policies, as `mainstay export` prints them; `-`
    /// reads standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Only say what would change.
    #[arg(long)]
    dry_run: bool,
    /// When it comes into force, such as 2026-01-31T08:00:00Z; at once without.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// What to export.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// The practice, such as `incident`; all of them without.
    practice: Option<String>,
    /// As it was, or will be, in force then.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

/// A policy that passed its checks, and what it would change.
struct Plan {
    entry: Entry,
    document: Any,
    lint: pb::LintPolicyResponse,
}

/// Plans all policies of a file, says what would change, and applies them.
pub(crate) async fn apply(server: &ServerArgs, args: ApplyArgs) -> anyhow::Result<()> {
    let at = args.at.as_deref();
    let activate_time = at.map(|text| time::instant("--at", text)).transpose()?;
    let mut client = PolicyServiceClient::new(server.connect()?);
    for plan in plans(server, &mut client, &args.file).await? {
        output::say(plan.text())?;
        if !args.dry_run {
            output::say(enact(server, &mut client, plan, activate_time).await?)?;
        }
    }
    Ok(())
}

/// The policies of a file that pass their checks, with the practices they are of.
pub(crate) async fn planned(
    server: &ServerArgs,
    client: &mut PolicyServiceClient<Connection>,
    file: &Path,
) -> anyhow::Result<Vec<(String, Any)>> {
    let plans = plans(server, client, file).await?;
    Ok(plans
        .into_iter()
        .map(|plan| (plan.entry.policy, plan.document))
        .collect())
}

async fn plans(
    server: &ServerArgs,
    client: &mut PolicyServiceClient<Connection>,
    file: &Path,
) -> anyhow::Result<Vec<Plan>> {
    let whence = file.display().to_string();
    let mut plans = Vec::new();
    for entry in bundle::read(&whence, &content(file)?)? {
        plans.push(plan(server, client, &whence, entry).await?);
    }
    Ok(plans)
}

/// Prints policies in force as files have them.
pub(crate) async fn export(server: &ServerArgs, args: ExportArgs) -> anyhow::Result<()> {
    let at = args.at.as_deref();
    let time = at.map(|text| time::instant("--at", text)).transpose()?;
    let names = match &args.practice {
        Some(practice) => vec![practice.clone()],
        None => practices(server).await?,
    };
    let mut client = PolicyServiceClient::new(server.connect()?);
    let mut documents = Vec::new();
    for name in names {
        let request = pb::GetPolicyRequest {
            name: name.clone(),
            time,
        };
        let policy = match client.get_policy(request).await {
            Ok(reply) => reply.into_inner().policy.unwrap_or_default(),
            // A practice need not have a policy.
            Err(status) if passed_over(&args, &status) => continue,
            Err(status) => return Err(server.explain(&status)),
        };
        let document = policy.document.context("a policy without a document")?;
        let text = bundle::write(&name, &document)?;
        documents.push(format!("# {}\n{}", policy.version, text.trim_end()));
    }
    output::say(documents.join("\n---\n"))?;
    Ok(())
}

fn passed_over(args: &ExportArgs, status: &Status) -> bool {
    args.practice.is_none() && matches!(status.code(), Code::NotFound | Code::Unimplemented)
}

async fn practices(server: &ServerArgs) -> anyhow::Result<Vec<String>> {
    let mut client = PracticeServiceClient::new(server.connect()?);
    let reply = client
        .list_practices(practice::ListPracticesRequest {})
        .await;
    let reply = reply.map_err(|status| server.explain(&status))?;
    let word = |practice: practice::Practice| {
        let name = practice.name.strip_prefix("practices/");
        name.map_or_else(|| practice.name.clone(), str::to_owned)
    };
    Ok(reply.into_inner().practices.into_iter().map(word).collect())
}

fn content(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => std::io::stdin().read_to_string(&mut text).map(|_| ()),
        false => std::fs::read_to_string(file).map(|content| text = content),
    };
    read.with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(text)
}

/// Checks a policy here and at the server.
async fn plan(
    server: &ServerArgs,
    client: &mut PolicyServiceClient<Connection>,
    whence: &str,
    entry: Entry,
) -> anyhow::Result<Plan> {
    let name = entry.policy.clone();
    let request = pb::GetPolicyRequest {
        name: name.clone(),
        time: None,
    };
    let reply = client.get_policy(request).await;
    let policy = reply
        .map_err(|status| server.explain(&status))?
        .into_inner();
    let current = policy.policy.and_then(|policy| policy.document);
    let kind = bundle::kind_of(&current.context("a policy without a document")?)?;
    let document = entry
        .message(&kind)
        .with_context(|| format!("{whence}, policy {name}"))?;
    let request = pb::LintPolicyRequest {
        name: name.clone(),
        document: Some(document.clone()),
    };
    let reply = client.lint_policy(request).await;
    let lint = reply
        .map_err(|status| server.explain(&status))?
        .into_inner();
    if !lint.findings.is_empty() {
        let told = lint.findings.iter().map(|finding| {
            let dot = if finding.field.is_empty() { "" } else { "." };
            format!("\n  document{dot}{} {}", finding.field, finding.remedy)
        });
        let told: String = told.collect();
        anyhow::bail!("POLICY_INVALID: {whence}, policy {name}:{told}");
    }
    Ok(Plan {
        entry,
        document,
        lint,
    })
}

/// Applies a planned policy; says what has become of it.
async fn enact(
    server: &ServerArgs,
    client: &mut PolicyServiceClient<Connection>,
    plan: Plan,
    activate_time: Option<Timestamp>,
) -> anyhow::Result<String> {
    let request = pb::ApplyPolicyRequest {
        name: plan.entry.policy,
        document: Some(plan.document),
        note: plan.entry.note,
        activate_time,
        etag: plan.lint.etag,
        request_id: uuid::Uuid::now_v7().to_string(),
    };
    let reply = client.apply_policy(request).await;
    let reply = reply
        .map_err(|status| server.explain(&status))?
        .into_inner();
    let Some(version) = reply.policy_version.filter(|_| !reply.changes.is_empty()) else {
        return Ok("  nothing to apply".to_owned());
    };
    let when = match activate_time {
        Some(time) => format!("from {} on", output::instant(Some(&time))),
        None => "now".to_owned(),
    };
    Ok(format!("  applied: {} is in force {when}", version.name))
}

impl Plan {
    /// What would change, for people.
    fn text(&self) -> String {
        let (name, version) = (&self.entry.policy, &self.lint.version);
        if self.lint.changes.is_empty() {
            return format!("policy {name}: no changes against {version}");
        }
        let changes = self.lint.changes.iter().map(|change| {
            match (change.before.as_str(), change.after.as_str()) {
                ("", after) => format!("\n  + {}: {after}", change.field),
                (before, "") => format!("\n  - {}: {before}", change.field),
                (before, after) => format!("\n  ~ {}: {before} → {after}", change.field),
            }
        });
        let changes: String = changes.collect();
        format!("policy {name}: changes against {version}{changes}")
    }
}
