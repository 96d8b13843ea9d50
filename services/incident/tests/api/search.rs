//! Finding incidents by words.

use mainstay_proto::mainstay::incident::v1 as pb;
use tonic::Code;

use crate::bench::{Bench, Caller, fields, reason, titled};

/// The numbers on all pages of a search, newest first.
async fn found(caller: &Caller, query: &str, filter: &str, size: i32) -> Vec<String> {
    let mut request = pb::ListIncidentsRequest {
        query: query.to_owned(),
        filter: filter.to_owned(),
        page_size: size,
        ..Default::default()
    };
    let mut numbers = Vec::new();
    loop {
        let page = caller
            .incidents()
            .list_incidents(request.clone())
            .await
            .unwrap()
            .into_inner();
        numbers.extend(page.incidents.into_iter().map(|incident| incident.number));
        if page.next_page_token.is_empty() {
            return numbers;
        }
        request.page_token = page.next_page_token;
    }
}

async fn comment(caller: &Caller, number: &str, audience: pb::CommentAudience, body: &str) {
    let request = pb::CreateIncidentCommentRequest {
        parent: number.to_owned(),
        comment: Some(pb::IncidentComment {
            audience: audience.into(),
            body: body.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    caller
        .comments()
        .create_incident_comment(request)
        .await
        .unwrap();
}

#[tokio::test]
async fn words_are_found_in_titles_and_comments_in_any_order_and_case() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    for title in [
        "Printer on floor 2: paper jam",
        "Payments fail",
        "PAPER is out",
    ] {
        agent.raise(titled(title)).await;
    }
    comment(
        &agent,
        "INC-2",
        pb::CommentAudience::Public,
        "A paper trail, no jam.",
    )
    .await;
    assert_eq!(
        found(&agent, "paper", "", 50).await,
        ["INC-3", "INC-2", "INC-1"]
    );
    assert_eq!(
        found(&agent, "paper", "", 1).await,
        ["INC-3", "INC-2", "INC-1"]
    );
    assert_eq!(found(&agent, "jam paper", "", 50).await, ["INC-2", "INC-1"]);
    assert_eq!(found(&agent, "\"paper jam\"", "", 50).await, ["INC-1"]);
    assert_eq!(found(&agent, "pay*", "", 50).await, ["INC-2"]);
    assert_eq!(found(&agent, "pay", "", 50).await, Vec::<String>::new());
    let both = found(
        &agent,
        "paper",
        "create_time > now - duration(\"1h\") && state == NEW",
        50,
    );
    assert_eq!(both.await.len(), 3);
    assert!(
        found(&agent, "paper", "state == CLOSED", 50)
            .await
            .is_empty()
    );
    assert!(found(&bench.stranger(), "paper", "", 50).await.is_empty());
    bench.close().await;
}

#[tokio::test]
async fn internal_comments_are_found_by_those_who_may_read_them() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("x")).await;
    comment(
        &agent,
        "INC-1",
        pb::CommentAudience::Internal,
        "The password leaked",
    )
    .await;
    assert_eq!(found(&agent, "leaked", "", 50).await, ["INC-1"]);
    assert!(found(&bench.viewer(), "leaked", "", 50).await.is_empty());
    bench.close().await;
}

#[tokio::test]
async fn a_new_title_is_found_and_the_old_one_is_not() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let raised = agent.raise(titled("Printer jams")).await;
    let request = pb::UpdateIncidentRequest {
        incident: Some(pb::Incident {
            name: raised.name,
            ..titled("Scanner jams")
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["title".to_owned()],
        }),
        ..Default::default()
    };
    agent.incidents().update_incident(request).await.unwrap();
    assert!(found(&agent, "printer", "", 50).await.is_empty());
    assert_eq!(found(&agent, "scanner jams", "", 50).await, ["INC-1"]);
    bench.close().await;
}

#[tokio::test]
async fn a_query_that_is_none_is_refused_by_name_and_never_reaches_the_database() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("and or not near")).await;
    for query in ["***", "\"open", "a*"] {
        let request = pb::ListIncidentsRequest {
            query: query.to_owned(),
            ..Default::default()
        };
        let refused = agent.incidents().list_incidents(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(fields(&refused), ["query"], "{query}");
    }
    for query in [
        "and OR not",
        "words:x",
        "near(a",
        "x AND",
        "{a b}",
        "'; drop",
        "^a",
        "-x",
        "a:b",
    ] {
        found(&agent, query, "", 50).await;
    }
    assert_eq!(found(&agent, "AND or NOT NEAR", "", 50).await, ["INC-1"]);
    bench.close().await;
}

#[tokio::test]
async fn a_page_of_one_search_does_not_go_on_with_another() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    for _ in 0..3 {
        agent.raise(titled("Printer jams")).await;
    }
    let ask = |query: &str, page_token: String| pb::ListIncidentsRequest {
        query: query.to_owned(),
        page_size: 1,
        page_token,
        ..Default::default()
    };
    let mut client = agent.incidents();
    let first = client.list_incidents(ask("jams", String::new()));
    let token = first.await.unwrap().into_inner().next_page_token;
    let refused = client.list_incidents(ask("printer", token));
    assert_eq!(reason(&refused.await.unwrap_err()), "PAGE_TOKEN_MISMATCH");
    bench.close().await;
}
