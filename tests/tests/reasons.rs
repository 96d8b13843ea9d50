//! The error catalogue is true: every reason in it is met here on the running
//! suite, with the code and the metadata that its comment promises.

#[path = "reasons/incidents.rs"]
mod incidents;
#[path = "reasons/process.rs"]
mod process;
#[path = "reasons/reads.rs"]
mod reads;

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use mainstay_proto::mainstay::event::v1::event_service_client::EventServiceClient;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::incident::v1::incident_service_client::IncidentServiceClient;
use mainstay_proto::mainstay::policy::v1::ApplyPolicyRequest;
use mainstay_proto::mainstay::policy::v1::policy_service_client::PolicyServiceClient;
use mainstay_tests::{Caller, Suite, Told, repository, told};
use prost::Message;
use tonic::Status;

/// What a client cannot bring about at will: where it is met instead, by the
/// test that asserts it.
const ELSEWHERE: [(&str, &str, &str); 1] = [(
    "INTERNAL",
    "services/practice/examples/note/tests.rs",
    "a_panicking_rule_refuses_only_its_own_call",
)];

/// A suite, and the clients that provoke it.
struct World {
    suite: Suite,
    administrator: Caller,
}

impl World {
    async fn new() -> Result<Self> {
        let suite = Suite::start().await?;
        let administrator = suite.administrator()?;
        Ok(Self {
            suite,
            administrator,
        })
    }

    fn incidents(&self) -> IncidentServiceClient<Caller> {
        IncidentServiceClient::new(self.administrator.clone())
    }

    fn events(&self) -> EventServiceClient<Caller> {
        EventServiceClient::new(self.administrator.clone())
    }

    /// Brings a policy of incidents into force.
    async fn apply(&self, policy: &pb::IncidentPolicy) -> Result<(), Status> {
        let document = prost_types::Any {
            type_url: "type.googleapis.com/mainstay.incident.v1.IncidentPolicy".to_owned(),
            value: policy.encode_to_vec(),
        };
        let request = ApplyPolicyRequest {
            name: "policies/incident".to_owned(),
            document: Some(document),
            ..Default::default()
        };
        let mut policies = PolicyServiceClient::new(self.administrator.clone());
        policies.apply_policy(request).await.map(drop)
    }

    /// A new incident.
    async fn incident(&self) -> Result<pb::Incident> {
        let made = self
            .incidents()
            .create_incident(raised("Mail is down"))
            .await?;
        made.into_inner().incident.context("the incident")
    }
}

fn raised(title: &str) -> pb::CreateIncidentRequest {
    let incident = pb::Incident {
        title: title.to_owned(),
        ..Default::default()
    };
    pb::CreateIncidentRequest {
        incident: Some(incident),
        ..Default::default()
    }
}

/// What was told instead of an answer.
fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> Result<Told> {
    match answer {
        Ok(answer) => anyhow::bail!("it was not refused: {answer:?}"),
        Err(status) => Ok(told(&status)),
    }
}

/// A refusal and the keys that its metadata must have.
type Met = (Told, &'static [&'static str]);

#[tokio::test]
async fn every_reason_of_the_catalogue_is_met() -> Result<()> {
    // It holds and breaks the file of the records, as only SQLite has one.
    if std::env::var_os("MAINSTAY_TEST_DATABASE").is_some() {
        return Ok(());
    }
    let world = World::new().await?;
    let mut met = Vec::new();
    met.extend(incidents::all(&world).await?);
    met.extend(reads::all(&world).await?);
    met.extend(process::all(world).await?);
    let mut wrong = Vec::new();
    for (told, keys) in &met {
        let promised = promised(&told.reason)?;
        let code = code_name(told.code);
        let missing: Vec<&&str> = keys
            .iter()
            .filter(|key| !told.metadata.contains_key(**key))
            .collect();
        if !promised.starts_with(&format!("{code}."))
            || !missing.is_empty()
            || told.message.is_empty()
        {
            wrong.push(format!(
                "{told:?} lacks {missing:?}; the catalogue says: {promised}"
            ));
        }
        for key in keys
            .iter()
            .filter(|key| !promised.contains(&format!("`{key}`")))
        {
            wrong.push(format!(
                "the catalogue does not say that {} has {key}",
                told.reason
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    let mut reasons: BTreeSet<String> = met.into_iter().map(|(told, _)| told.reason).collect();
    for (reason, path, test) in ELSEWHERE {
        ensure!(
            asserts(path, test, reason)?,
            "{path} has no test {test} that asserts {reason}"
        );
        reasons.insert(reason.to_owned());
    }
    assert_eq!(reasons, catalogue()?);
    Ok(())
}

/// The reasons of the catalogue.
fn catalogue() -> Result<BTreeSet<String>> {
    let reasons = mainstay_proto::descriptors()
        .get_enum_by_name("mainstay.error.v1.ErrorReason")
        .context("the catalogue")?;
    let sent = reasons.values().filter(|value| value.number() != 0);
    Ok(sent
        .map(|value| value.name().trim_start_matches("ERROR_REASON_").to_owned())
        .collect())
}

/// What the catalogue's comment says of a reason.
fn promised(reason: &str) -> Result<String> {
    let reasons = mainstay_proto::descriptors()
        .get_enum_by_name("mainstay.error.v1.ErrorReason")
        .context("the catalogue")?;
    let value = reasons
        .get_value_by_name(&format!("ERROR_REASON_{reason}"))
        .with_context(|| format!("{reason:?} is not in the catalogue"))?;
    let file = reasons.parent_file();
    let locations = &file
        .file_descriptor_proto()
        .source_code_info
        .as_ref()
        .context("comments")?
        .location;
    let location = locations
        .iter()
        .find(|location| location.path == value.path())
        .context("a comment")?;
    let lines = location.leading_comments().lines().map(str::trim);
    Ok(lines.collect::<Vec<_>>().join(" ").trim().to_owned())
}

/// The code as the catalogue writes it.
fn code_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_uppercase());
    }
    name
}

/// Whether the test of that name is there and speaks of the reason.
fn asserts(path: &str, test: &str, reason: &str) -> Result<bool> {
    let text = std::fs::read_to_string(repository().join(path))?;
    let Some((_, rest)) = text.split_once(&format!("fn {test}()")) else {
        return Ok(false);
    };
    let body = rest.split("\n}\n").next().unwrap_or_default();
    let variant = reason.replace('_', "");
    Ok(body
        .to_uppercase()
        .contains(&format!("ERRORREASON::{variant}")))
}
