//! Comments, in public and among agents.

use mainstay_proto::mainstay::incident::v1 as pb;

use crate::bench::{Bench, Caller, fields, reason, titled};

async fn comment(
    caller: &Caller,
    audience: pb::CommentAudience,
    body: &str,
) -> pb::IncidentComment {
    let comment = pb::IncidentComment {
        audience: audience.into(),
        body: body.to_owned(),
        ..Default::default()
    };
    let request = pb::CreateIncidentCommentRequest {
        parent: "INC-1".to_owned(),
        comment: Some(comment),
        ..Default::default()
    };
    caller
        .comments()
        .create_incident_comment(request)
        .await
        .unwrap()
        .into_inner()
        .comment
        .unwrap()
}

async fn bodies(caller: &Caller, page_size: i32) -> Vec<String> {
    let mut request = pb::ListIncidentCommentsRequest {
        parent: "INC-1".to_owned(),
        page_size,
        ..Default::default()
    };
    let mut bodies = Vec::new();
    loop {
        let page = caller
            .comments()
            .list_incident_comments(request.clone())
            .await
            .unwrap()
            .into_inner();
        bodies.extend(page.comments.into_iter().map(|comment| comment.body));
        if page.next_page_token.is_empty() {
            return bodies;
        }
        request.page_token = page.next_page_token;
    }
}

#[tokio::test]
async fn internal_comments_are_for_those_who_may_read_them() {
    let bench = Bench::new().await;
    let (agent, viewer) = (bench.agent(), bench.viewer());
    let incident = agent.raise(titled("x")).await;
    let public = comment(&agent, pb::CommentAudience::Public, "We are on it.").await;
    bench.pass(1);
    comment(&agent, pb::CommentAudience::Internal, "It is DNS.").await;
    bench.pass(1);
    comment(&agent, pb::CommentAudience::Public, "Solved.").await;
    assert_eq!(
        public.name,
        format!("{}/comments/{}", incident.name, public.uid)
    );
    assert_eq!(
        public.author.unwrap().name,
        "organizations/default/serviceAccounts/agent"
    );
    for size in [1, 50] {
        assert_eq!(
            bodies(&agent, size).await,
            ["We are on it.", "It is DNS.", "Solved."]
        );
        assert_eq!(bodies(&viewer, size).await, ["We are on it.", "Solved."]);
    }
    let told = [
        "IncidentCreated",
        "IncidentCommentCreated",
        "IncidentCommentCreated",
        "IncidentCommentCreated",
    ];
    assert_eq!(agent.event_types().await, told);
    assert_eq!(viewer.event_types().await, told[..3]);
    assert_eq!(
        agent.get("INC-1").await.revision,
        1,
        "a comment is a record of its own"
    );
}

#[tokio::test]
async fn a_comment_needs_an_incident_a_text_and_an_audience() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    let create = async |parent: &str, comment: pb::IncidentComment| {
        let request = pb::CreateIncidentCommentRequest {
            parent: parent.to_owned(),
            comment: Some(comment),
            ..Default::default()
        };
        agent
            .comments()
            .create_incident_comment(request)
            .await
            .unwrap_err()
    };
    let right = pb::IncidentComment {
        audience: 1,
        body: "x".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        reason(&create("INC-1", right.clone()).await),
        "RESOURCE_NOT_FOUND"
    );
    let unknown = "incidents/0190d3f2-0000-7000-8000-000000000000";
    assert_eq!(
        reason(&create(unknown, right.clone()).await),
        "RESOURCE_NOT_FOUND"
    );
    let silent = pb::IncidentComment {
        body: String::new(),
        ..right.clone()
    };
    assert_eq!(fields(&create("INC-1", silent).await), ["comment.body"]);
    let to_nobody = pb::IncidentComment {
        audience: 0,
        ..right.clone()
    };
    assert_eq!(
        fields(&create("INC-1", to_nobody).await),
        ["comment.audience"]
    );
    let signed = pb::IncidentComment {
        revision: 1,
        ..right
    };
    assert_eq!(fields(&create("INC-1", signed).await), ["comment.revision"]);
}

#[tokio::test]
async fn a_page_token_belongs_to_its_incident() {
    let bench = Bench::new().await;
    let agent = bench.agent();
    agent.raise(titled("x")).await;
    agent.raise(titled("y")).await;
    comment(&agent, pb::CommentAudience::Public, "one").await;
    comment(&agent, pb::CommentAudience::Public, "two").await;
    let mut request = pb::ListIncidentCommentsRequest {
        parent: "INC-1".to_owned(),
        page_size: 1,
        ..Default::default()
    };
    let page = agent
        .comments()
        .list_incident_comments(request.clone())
        .await
        .unwrap()
        .into_inner();
    request.page_token = page.next_page_token;
    request.parent = "INC-2".to_owned();
    let status = agent
        .comments()
        .list_incident_comments(request)
        .await
        .unwrap_err();
    assert_eq!(reason(&status), "PAGE_TOKEN_MISMATCH");
}
