//! Lists: filters, orders, pages and views.

use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::record::v1 as record_pb;

use crate::bench::{Bench, MINUTE_US, reason, titled};

/// INC-1 to INC-5, a minute apart.
async fn five(bench: &Bench) {
    let agent = bench.agent();
    let said = [
        (pb::Impact::Low, "payments", "net", "prod"),
        (pb::Impact::Critical, "payments", "db", "prod"),
        (pb::Impact::Medium, "checkout", "net", "test"),
        (pb::Impact::Critical, "", "", ""),
        (pb::Impact::Low, "checkout", "db", ""),
    ];
    for (index, (impact, service, team, env)) in said.into_iter().enumerate() {
        let labels = [("env".to_owned(), env.to_owned())]
            .into_iter()
            .filter(|(_, env)| !env.is_empty());
        let incident = pb::Incident {
            impact: impact.into(),
            service: service.to_owned(),
            team: team.to_owned(),
            labels: labels.collect(),
            description: "at length".to_owned(),
            origin: (index > 2).then(|| record_pb::Origin {
                source: "pager".to_owned(),
                key: index.to_string(),
                ..Default::default()
            }),
            ..titled("x")
        };
        agent.raise(incident).await;
        bench.pass(MINUTE_US);
    }
    let name = "INC-2".to_owned();
    agent
        .incidents()
        .start_incident(pb::StartIncidentRequest {
            name,
            ..Default::default()
        })
        .await
        .unwrap();
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let bench = Bench::new().await;
    five(&bench).await;
    let parent = bench.agent().get("INC-1").await;
    let child = pb::SetIncidentParentRequest {
        name: "INC-5".to_owned(),
        parent: "INC-1".to_owned(),
        ..Default::default()
    };
    bench
        .agent()
        .incidents()
        .set_incident_parent(child)
        .await
        .unwrap();
    let cases = [
        ("", vec![1, 2, 3, 4, 5]),
        ("state == IN_PROGRESS", vec![2]),
        (
            "state in [NEW, IN_PROGRESS] && service == \"payments\"",
            vec![1, 2],
        ),
        ("priority == P1", vec![2, 4]),
        ("impact == IMPACT_LOW", vec![1, 5]),
        ("team == \"organizations/default/teams/net\"", vec![1, 3]),
        ("!has(team)", vec![4]),
        ("labels.env == \"prod\"", vec![1, 2]),
        ("origin.key == \"4\"", vec![5]),
        (
            "origin.source == \"pager\" || service == \"payments\"",
            vec![1, 2, 4, 5],
        ),
        (
            "create_time >= timestamp(\"2026-01-01T00:03:00Z\")",
            vec![4, 5],
        ),
        ("create_time > now - duration(\"150s\")", vec![4, 5]),
    ];
    let agent = bench.agent();
    for (filter, expected) in cases {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|number| format!("INC-{number}"))
            .collect();
        assert_eq!(
            agent.list(filter, "create_time", 0).await,
            expected,
            "{filter}"
        );
        assert_eq!(
            agent.list(filter, "create_time", 1).await,
            expected,
            "{filter} one by one"
        );
    }
    assert_eq!(
        agent
            .list(&format!("parent == \"{}\"", parent.name), "", 0)
            .await,
        ["INC-5"]
    );
}

#[tokio::test]
async fn orders_are_total_on_every_page_size() {
    let bench = Bench::new().await;
    five(&bench).await;
    let agent = bench.agent();
    let cases = [
        ("", [5, 4, 3, 2, 1]),
        ("create_time desc", [5, 4, 3, 2, 1]),
        ("create_time", [1, 2, 3, 4, 5]),
        ("priority, create_time", [2, 4, 3, 1, 5]),
        ("priority, create_time desc", [4, 2, 3, 5, 1]),
    ];
    for (order, expected) in cases {
        let expected = expected.map(|number| format!("INC-{number}"));
        for size in 1..=5 {
            assert_eq!(
                agent.list("", order, size).await,
                expected,
                "{order} by {size}"
            );
        }
    }
}

#[tokio::test]
async fn a_list_tells_less_unless_asked_for_all() {
    let bench = Bench::new().await;
    five(&bench).await;
    let list = async |view: pb::IncidentView| {
        let request = pb::ListIncidentsRequest {
            view: view.into(),
            page_size: 1,
            ..Default::default()
        };
        let page = bench
            .agent()
            .incidents()
            .list_incidents(request)
            .await
            .unwrap()
            .into_inner();
        page.incidents.into_iter().next().unwrap()
    };
    let full = list(pb::IncidentView::Full).await;
    assert_eq!(full, bench.agent().get("INC-5").await);
    for view in [pb::IncidentView::Unspecified, pb::IncidentView::Basic] {
        let basic = list(view).await;
        assert_eq!((basic.description.as_str(), basic.milestones), ("", None));
        assert_eq!(basic.available_verbs, full.available_verbs);
    }
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_misses_none() {
    let bench = Bench::new().await;
    five(&bench).await;
    let batch = async |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let request = pb::BatchGetIncidentsRequest {
            names,
            ..Default::default()
        };
        bench
            .viewer()
            .incidents()
            .batch_get_incidents(request)
            .await
    };
    let told = batch(&["INC-3", "incidents/INC-1", "INC-3"])
        .await
        .unwrap()
        .into_inner()
        .incidents;
    let numbers: Vec<_> = told
        .iter()
        .map(|incident| incident.number.as_str())
        .collect();
    assert_eq!(numbers, ["INC-3", "INC-1", "INC-3"]);
    let status = batch(&["INC-1", "INC-9"]).await.unwrap_err();
    assert_eq!(reason(&status), "RESOURCE_NOT_FOUND");
    let status = batch(&["incidents/0190d3f2-0000-7000-8000-000000000000"])
        .await
        .unwrap_err();
    assert_eq!(reason(&status), "RESOURCE_NOT_FOUND");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_reason() {
    let bench = Bench::new().await;
    five(&bench).await;
    let list = async |filter: &str, order_by: &str, page_token: &str| {
        let request = pb::ListIncidentsRequest {
            filter: filter.to_owned(),
            order_by: order_by.to_owned(),
            page_token: page_token.to_owned(),
            page_size: 1,
            ..Default::default()
        };
        bench.viewer().incidents().list_incidents(request).await
    };
    assert_eq!(
        reason(&list("title == \"x\"", "", "").await.unwrap_err()),
        "FILTER_INVALID"
    );
    assert_eq!(
        reason(&list("", "update_time", "").await.unwrap_err()),
        "ORDER_INVALID"
    );
    assert_eq!(
        reason(&list("", "", "abc").await.unwrap_err()),
        "PAGE_TOKEN_INVALID"
    );
    let token = list("", "", "").await.unwrap().into_inner().next_page_token;
    assert_eq!(
        reason(&list("state == NEW", "", &token).await.unwrap_err()),
        "PAGE_TOKEN_MISMATCH"
    );
}
