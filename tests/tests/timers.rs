//! Timers through the running suite, by a clock that only the test moves.

#[path = "timers/desk.rs"]
mod desk;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use clock::advance_clock_request::Target;
use clock::clock_service_client::ClockServiceClient;
use desk::Desk;
use mainstay_proto::mainstay::clock::v1 as clock;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::practice::v1 as practice;
use mainstay_tests::{Extra, Suite, Topology, told};
use prost::Message;
use tonic::Code;

const DAY: i64 = 24 * 3_600;
/// Where a virtual clock begins: 2026-01-01T00:00:00Z.
const DAWN: i64 = 1_767_225_600;

fn by_hand() -> Extra {
    Extra {
        arguments: vec!["--clock".to_owned(), "virtual".to_owned()],
        ..Extra::default()
    }
}

#[tokio::test]
async fn a_resolved_incident_closes_by_itself_after_a_week() -> Result<()> {
    let suite = Suite::start_as(Topology::Together, by_hand()).await?;
    let desk = Desk::of(&suite)?;
    let name = desk.raise().await?;
    let resolved = desk.resolve(&name).await?;
    let due = resolved.auto_close_time.context("it is told")?.seconds;
    assert_eq!(due, DAWN + 7 * DAY);
    assert_eq!(desk.days(30).await?.fired, 1);
    let closed = desk.get(&name).await?;
    assert_eq!(
        (closed.state(), closed.auto_close_time),
        (pb::IncidentState::Closed, None)
    );
    let milestones = closed.milestones.context("milestones")?;
    assert_eq!(milestones.close_time.context("it is closed")?.seconds, due);
    let events = desk.events().await?;
    let fired = events.iter().find(|(_, event)| event.firing.is_some());
    let (recorded, event) = fired.context("it fired")?;
    assert_eq!(*recorded, due);
    let actor = event.actor.as_ref().context("an actor")?;
    assert_eq!(actor.name, "services/incident");
    let firing = event.firing.as_ref().context("it fired")?;
    let late = firing.late_by.map(|late| late.seconds);
    assert_eq!((&*firing.timer, late), ("auto_close", Some(0)));
    let data = event.data.as_ref().context("a payload")?;
    let payload = pb::IncidentStateChanged::decode(&*data.value)?;
    let reason = "It stayed resolved until its auto-close time.";
    assert_eq!((&*payload.verb, &*payload.reason), ("close", reason));
    Ok(())
}

#[tokio::test]
async fn an_incident_that_is_reopened_does_not_close_by_itself() -> Result<()> {
    let suite = Suite::start_as(Topology::Together, by_hand()).await?;
    let desk = Desk::of(&suite)?;
    let name = desk.raise().await?;
    desk.resolve(&name).await?;
    let armed = desk.timers(practice::ListTimersRequest::default()).await?;
    let told = armed
        .iter()
        .map(|timer| (&*timer.timer, &*timer.record, timer.state()));
    let expected = [("auto_close", &*name, practice::TimerState::Armed)];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    desk.days(6).await?;
    let request = pb::ReopenIncidentRequest {
        name: name.clone(),
        reason: "Again.".to_owned(),
        ..Default::default()
    };
    desk.incidents().reopen_incident(request).await?;
    let armed = desk.timers(practice::ListTimersRequest::default()).await?;
    assert_eq!(armed, []);
    assert_eq!(desk.days(24).await?.fired, 0);
    let state = desk.get(&name).await?.state();
    assert_eq!(state, pb::IncidentState::InProgress);
    Ok(())
}

#[tokio::test]
async fn a_hold_ends_at_its_resume_time_and_the_command_line_lists_it() -> Result<()> {
    let suite = Suite::start_as(Topology::Together, by_hand()).await?;
    let desk = Desk::of(&suite)?;
    let name = desk.raise().await?;
    let request = pb::HoldIncidentRequest {
        name: name.clone(),
        reason: pb::HoldReason::Vendor.into(),
        resume_time: Some(prost_types::Timestamp {
            seconds: DAWN + DAY,
            nanos: 0,
        }),
        ..Default::default()
    };
    desk.incidents().hold_incident(request).await?;
    let said = suite
        .command(["timers", "--record", &name])?
        .output()
        .await?;
    let said = String::from_utf8(said.stdout)?;
    assert_eq!(
        said,
        format!("2026-01-02T00:00:00Z  armed  resume  {name}\n")
    );
    let moved = suite
        .command(["clock", "advance", "--by", "1d"])?
        .output()
        .await?;
    assert_eq!(
        String::from_utf8(moved.stdout)?,
        "2026-01-02T00:00:00Z  virtual\n"
    );
    let resumed = desk.get(&name).await?;
    assert_eq!(
        (resumed.state(), resumed.hold),
        (pb::IncidentState::InProgress, None)
    );
    Ok(())
}

/// A month with a resolution every day; what all logs say of it, ids aside.
async fn month() -> Result<Vec<(i64, String, String)>> {
    let suite = Suite::start_as(Topology::Together, by_hand()).await?;
    let desk = Desk::of(&suite)?;
    for _ in 0..30 {
        let name = desk.raise().await?;
        desk.resolve(&name).await?;
        desk.days(1).await?;
    }
    let told = desk.events().await?.into_iter().map(|(recorded, event)| {
        let data = event.data.unwrap_or_default();
        let number = match event.source == "incident" {
            true => {
                pb::IncidentStateChanged::decode(&*data.value)?
                    .incident
                    .unwrap_or_default()
                    .number
            }
            false => String::new(),
        };
        Ok((recorded, event.r#type, number))
    });
    told.collect()
}

#[tokio::test]
async fn the_same_month_is_lived_through_twice_and_told_the_same() -> Result<()> {
    let (first, second) = tokio::try_join!(month(), month())?;
    assert_eq!(first, second);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, event, _) in &first {
        *counts
            .entry(event.rsplit('.').next().unwrap_or_default())
            .or_default() += 1;
    }
    // 30 were resolved, and the first 24 of them have closed by the 30th day.
    assert_eq!(counts.get("IncidentStateChanged"), Some(&54));
    assert_eq!(counts.get("ClockAdvanced"), Some(&30));
    Ok(())
}

#[tokio::test]
async fn timers_fire_once_though_the_process_is_killed_between_them() -> Result<()> {
    let mut suite = Suite::start_as(Topology::Together, by_hand()).await?;
    let desk = Desk::of(&suite)?;
    let mut names = Vec::new();
    for _ in 0..40 {
        let name = desk.raise().await?;
        desk.resolve(&name).await?;
        desk.advance(Target::By(prost_types::Duration {
            seconds: 60,
            nanos: 0,
        }))
        .await?;
        names.push(name);
    }
    let began = desk.time().await?;
    let request = clock::AdvanceClockRequest {
        target: Some(Target::By(prost_types::Duration {
            seconds: 8 * DAY,
            nanos: 0,
        })),
        request_id: "0198c2d4-5e6f-7a8b-9c0d-1e2f3a4b5c6d".to_owned(),
    };
    let mut mover = ClockServiceClient::new(desk.caller.clone());
    let moved = tokio::spawn({
        let request = request.clone();
        async move { mover.advance_clock(request).await }
    });
    desk.fired(5).await?;
    suite.kill().await?;
    let _ = moved.await?;
    suite.restart().await?;
    let time = desk.time().await?;
    ensure!(
        (began..=began + 8 * DAY).contains(&time),
        "{time} is not after {began}"
    );
    ClockServiceClient::new(desk.caller.clone())
        .advance_clock(request)
        .await?;
    assert_eq!(desk.time().await?, began + 8 * DAY);
    let mut closings: BTreeMap<String, usize> = BTreeMap::new();
    for (_, event) in desk.events().await? {
        if event.firing.is_some() {
            *closings.entry(event.subject).or_default() += 1;
        }
    }
    names.sort();
    assert_eq!(closings.keys().cloned().collect::<Vec<_>>(), names);
    ensure!(closings.values().all(|count| *count == 1), "{closings:?}");
    Ok(())
}

#[tokio::test]
async fn the_data_stays_with_the_clock_that_it_was_made_under() -> Result<()> {
    for (first, second) in [("virtual", "wall"), ("wall", "virtual")] {
        let extra = Extra {
            arguments: vec!["--clock".to_owned(), first.to_owned()],
            ..Extra::default()
        };
        let mut suite = Suite::start_as(Topology::Together, extra).await?;
        Desk::of(&suite)?.raise().await?;
        suite.stop().await?;
        let arguments = ["--listen", "127.0.0.1:0", "--clock", second, "--data"];
        let mut command = suite.command(arguments)?;
        let refused = command.arg(suite.data()).output().await?;
        let said = String::from_utf8(refused.stderr)?;
        assert_eq!(refused.status.code(), Some(2), "{said}");
        ensure!(
            said.contains("--clock virtual") && said.contains("empty folder"),
            "{said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn only_an_administrator_moves_the_clock_and_never_back() -> Result<()> {
    let suite = Suite::start_as(Topology::Together, by_hand()).await?;
    let desk = Desk::of(&suite)?;
    desk.days(3).await?;
    let back = desk
        .advance(Target::To(prost_types::Timestamp {
            seconds: DAWN + DAY,
            nanos: 0,
        }))
        .await;
    let status = back
        .err()
        .context("it is refused")?
        .downcast::<tonic::Status>()?;
    assert_eq!(
        (status.code(), told(&status).reason.as_str()),
        (Code::InvalidArgument, "VALIDATION_FAILED")
    );
    assert_eq!(desk.time().await?, DAWN + 3 * DAY);
    let agent = Desk::by(suite.role("agent").await?);
    let refused = agent.days(1).await.err().context("it is refused")?;
    assert_eq!(
        refused.downcast::<tonic::Status>()?.code(),
        Code::PermissionDenied
    );
    Ok(())
}
