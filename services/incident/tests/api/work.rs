//! Whose work an incident is, and what comes first.

use mainstay_chassis::clock::timestamp;
use mainstay_proto::mainstay::incident::v1 as pb;

use crate::bench::{Bench, Caller, DAY_US, MINUTE_US, START_US, reason, titled};

/// The numbers and due times on all pages of somebody's work.
async fn work(caller: &Caller, assignee: &str, teams: &[&str], size: i32) -> Vec<String> {
    let mut request = pb::ListWorkRequest {
        assignee: assignee.to_owned(),
        teams: teams.iter().map(|team| (*team).to_owned()).collect(),
        page_size: size,
        ..Default::default()
    };
    let mut numbers = Vec::new();
    loop {
        let page = caller.incidents().list_work(request.clone()).await.unwrap();
        let page = page.into_inner();
        let number = |item: pb::WorkItem| item.incident.unwrap_or_default().number;
        numbers.extend(page.items.into_iter().map(number));
        if page.next_page_token.is_empty() {
            return numbers;
        }
        request.page_token = page.next_page_token;
    }
}

async fn hold(caller: &Caller, number: &str, resume_us: i64) {
    let request = pb::HoldIncidentRequest {
        name: number.to_owned(),
        reason: pb::HoldReason::Vendor.into(),
        resume_time: Some(timestamp(resume_us)),
        ..Default::default()
    };
    caller.incidents().hold_incident(request).await.unwrap();
}

fn of(assignee: &str, team: &str, urgency: pb::Urgency) -> pb::Incident {
    pb::Incident {
        assignee: assignee.to_owned(),
        team: team.to_owned(),
        urgency: urgency.into(),
        ..titled("x")
    }
}

#[tokio::test]
async fn what_is_due_comes_first_then_by_priority_then_by_age() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    for (assignee, team, urgency) in [
        ("ada", "", pb::Urgency::Low),
        ("ada", "net", pb::Urgency::High),
        ("", "net", pb::Urgency::High),
        ("ada", "", pb::Urgency::Low),
        ("grace", "net", pb::Urgency::Low),
        ("grace", "desk", pb::Urgency::High),
    ] {
        agent.raise(of(assignee, team, urgency)).await;
        bench.pass(MINUTE_US);
    }
    hold(&agent, "INC-5", START_US + 2 * DAY_US).await;
    hold(&agent, "INC-4", START_US + DAY_US).await;
    let expected = ["INC-4", "INC-5", "INC-2", "INC-3", "INC-1"];
    for size in [50, 2, 1] {
        assert_eq!(
            work(&agent, "ada", &["net"], size).await,
            expected,
            "{size}"
        );
    }
    assert_eq!(
        work(&agent, "users/ada", &[], 50).await,
        ["INC-4", "INC-2", "INC-1"]
    );
    let request = pb::ListWorkRequest {
        assignee: "ada".to_owned(),
        ..Default::default()
    };
    let page = agent
        .incidents()
        .list_work(request)
        .await
        .unwrap()
        .into_inner();
    let due: Vec<_> = page.items.iter().map(|item| item.due_time).collect();
    assert_eq!(due, [Some(timestamp(START_US + DAY_US)), None, None]);
    bench.close().await;
}

#[tokio::test]
async fn what_is_resolved_is_no_work_until_it_is_reopened() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(of("agent", "", pb::Urgency::Low)).await;
    assert_eq!(
        work(&agent, "", &[], 50).await,
        ["INC-1"],
        "the caller's own"
    );
    let request = pb::ResolveIncidentRequest {
        name: "INC-1".to_owned(),
        resolution: Some(pb::Resolution {
            code: pb::ResolutionCode::Fixed.into(),
            summary: "Done.".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    agent.incidents().resolve_incident(request).await.unwrap();
    assert!(work(&agent, "", &[], 50).await.is_empty());
    let request = pb::ReopenIncidentRequest {
        name: "INC-1".to_owned(),
        reason: "Again.".to_owned(),
        ..Default::default()
    };
    agent.incidents().reopen_incident(request).await.unwrap();
    assert_eq!(work(&agent, "", &[], 50).await, ["INC-1"]);
    bench.close().await;
}

#[tokio::test]
async fn a_page_of_one_persons_work_does_not_go_on_with_anothers() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    for _ in 0..3 {
        agent.raise(of("ada", "", pb::Urgency::Low)).await;
    }
    let ask = |assignee: &str, page_token: String| pb::ListWorkRequest {
        assignee: assignee.to_owned(),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let mut client = agent.incidents();
    let first = client.list_work(ask("ada", String::new()));
    let token = first.await.unwrap().into_inner().next_page_token;
    let refused = agent.incidents().list_work(ask("grace", token)).await;
    assert_eq!(reason(&refused.unwrap_err()), "PAGE_TOKEN_MISMATCH");
    assert!(work(&bench.stranger(), "ada", &[], 50).await.is_empty());
    bench.close().await;
}
