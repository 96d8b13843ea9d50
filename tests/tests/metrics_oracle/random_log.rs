//! Logs made through the API: histories imported, and work done by verbs.

use anyhow::{Context, Result, ensure};
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1::Origin;
use mainstay_tests::Caller;
use pb::IncidentState::{Cancelled, Closed, InProgress, Mitigated, New, OnHold, Resolved};
use pb::incident_service_client::IncidentServiceClient;
use prost_types::{FieldMask, Timestamp};

use crate::dice::Dice;

const SERVICES: [&str; 4] = ["", "mail", "web", "web-2"];
const TEAMS: [&str; 4] = ["", "red", "blue", "blue-2nd"];
const IMPACTS: [pb::Impact; 4] = [
    pb::Impact::Low,
    pb::Impact::Medium,
    pb::Impact::High,
    pb::Impact::Critical,
];

/// Imports random histories, in which anything follows on anything.
pub(crate) async fn import(caller: &Caller, dice: &mut Dice) -> Result<()> {
    let histories: Vec<_> = (0..60).map(|number| history(dice, number)).collect();
    let request = pb::ImportIncidentsRequest {
        histories,
        ..pb::ImportIncidentsRequest::default()
    };
    let response = IncidentServiceClient::new(caller.clone())
        .import_incidents(request)
        .await?
        .into_inner();
    let refused = |result: &&pb::ImportResult| result.outcome() != pb::ImportOutcome::Created;
    let refused: Vec<_> = response.results.iter().filter(refused).collect();
    ensure!(refused.is_empty(), "{refused:?}");
    Ok(())
}

fn history(dice: &mut Dice, number: usize) -> pb::IncidentHistory {
    let mut seconds = 1_700_000_000 + i64::try_from(dice.below(90 * 86_400)).unwrap_or_default();
    let mut facts = Vec::new();
    let nanos = dice.pick(&[0, 0, 1_000, 499_500_000]);
    for _ in 0..=dice.below(14) {
        facts.push(fact(dice, Timestamp { seconds, nanos }));
        seconds += dice.pick(&[0, 1, 59, 3_600, 86_400, 29 * 86_400]) + dice.pick(&[0, 7, 1_234]);
    }
    let key = number.to_string();
    pb::IncidentHistory {
        origin: Some(Origin {
            source: "dice".to_owned(),
            key,
            ..Origin::default()
        }),
        title: format!("Number {number}"),
        facts,
        ..pb::IncidentHistory::default()
    }
}

fn fact(dice: &mut Dice, time: Timestamp) -> pb::Fact {
    let state = dice.pick(&[
        New, InProgress, InProgress, OnHold, OnHold, Mitigated, Resolved, Resolved, Closed,
        Cancelled,
    ]);
    let reason = match state == OnHold {
        true => dice.pick(&[pb::HoldReason::Vendor, pb::HoldReason::Requester]),
        false => pb::HoldReason::Unspecified,
    };
    pb::Fact {
        time: Some(time),
        state: state.into(),
        hold_reason: reason.into(),
        impact: dice.pick(&IMPACTS).into(),
        service: dice.pick(&SERVICES).to_owned(),
        team: dice.pick(&TEAMS).to_owned(),
        ..pb::Fact::default()
    }
}

/// Creates incidents and does whatever is open to do with them.
pub(crate) async fn work(caller: &Caller, dice: &mut Dice) -> Result<()> {
    let mut client = IncidentServiceClient::new(caller.clone());
    let mut incidents = Vec::new();
    for number in 0..24 {
        let incident = pb::Incident {
            title: format!("Number {number}"),
            service: dice.pick(&SERVICES).to_owned(),
            team: dice.pick(&TEAMS).to_owned(),
            impact: dice.pick(&IMPACTS).into(),
            ..pb::Incident::default()
        };
        let request = pb::CreateIncidentRequest {
            incident: Some(incident),
            ..pb::CreateIncidentRequest::default()
        };
        incidents.push(
            client
                .create_incident(request)
                .await?
                .into_inner()
                .incident
                .context("an incident")?,
        );
    }
    for _ in 0..200 {
        let place = dice.below(incidents.len());
        let verbs = incidents[place].available_verbs.clone();
        if !verbs.is_empty() {
            let verb = verbs[dice.below(verbs.len())].clone();
            incidents[place] = act(&mut client, dice, incidents[place].clone(), &verb).await?;
        }
    }
    let resolved = incidents
        .iter()
        .filter(|incident| [Resolved, Closed].map(i32::from).contains(&incident.state))
        .count();
    ensure!(
        resolved > 2,
        "the dice have resolved {resolved} incidents only"
    );
    Ok(())
}

/// Calls a verb's method, and takes the incident out of its response.
macro_rules! call {
    ($client:ident.$method:ident($request:ident, $($fields:tt)*)) => {{
        let request = pb::$request { $($fields)*, ..Default::default() };
        $client.$method(request).await?.into_inner().incident
    }};
}

/// Does a verb; those that no metric cares about are left out.
async fn act(
    client: &mut IncidentServiceClient<Caller>,
    dice: &mut Dice,
    incident: pb::Incident,
    verb: &str,
) -> Result<pb::Incident> {
    let name = incident.name.clone();
    match verb {
        "cancel" if dice.below(4) > 0 => Ok(incident),
        "assign" => {
            let team = dice.pick(&TEAMS[1..]).to_owned();
            call!(client.assign_incident(AssignIncidentRequest, name, team)).context("an incident")
        }
        "update" => update(client, dice, incident).await,
        _ => step(client, name, verb)
            .await
            .map(|after| after.unwrap_or(incident)),
    }
}

/// Does a verb that leads to another state.
async fn step(
    client: &mut IncidentServiceClient<Caller>,
    name: String,
    verb: &str,
) -> Result<Option<pb::Incident>> {
    let reason = "the dice say so".to_owned();
    let vendor = pb::HoldReason::Vendor.into();
    let resolution = Some(pb::Resolution {
        code: pb::ResolutionCode::Fixed.into(),
        summary: reason.clone(),
        ..pb::Resolution::default()
    });
    Ok(match verb {
        "start" => call!(client.start_incident(StartIncidentRequest, name)),
        "hold" => call!(client.hold_incident(HoldIncidentRequest, name, reason: vendor)),
        "resume" => call!(client.resume_incident(ResumeIncidentRequest, name)),
        "mitigate" => call!(client.mitigate_incident(MitigateIncidentRequest, name)),
        "resolve" => {
            call!(client.resolve_incident(ResolveIncidentRequest, name, resolution))
        }
        "reopen" => {
            call!(client.reopen_incident(ReopenIncidentRequest, name, reason))
        }
        "close" => call!(client.close_incident(CloseIncidentRequest, name)),
        "cancel" => {
            call!(client.cancel_incident(CancelIncidentRequest, name, reason))
        }
        _ => None,
    })
}

/// Gives it another impact or service.
async fn update(
    client: &mut IncidentServiceClient<Caller>,
    dice: &mut Dice,
    incident: pb::Incident,
) -> Result<pb::Incident> {
    let changed = pb::Incident {
        name: incident.name,
        impact: dice.pick(&IMPACTS).into(),
        service: dice.pick(&SERVICES).to_owned(),
        ..pb::Incident::default()
    };
    let request = pb::UpdateIncidentRequest {
        incident: Some(changed),
        update_mask: Some(FieldMask {
            paths: vec![dice.pick(&["impact", "service"]).to_owned()],
        }),
        ..pb::UpdateIncidentRequest::default()
    };
    client
        .update_incident(request)
        .await?
        .into_inner()
        .incident
        .context("an incident")
}
