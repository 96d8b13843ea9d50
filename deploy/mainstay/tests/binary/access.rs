//! Tokens, by command and by RPC.

use mainstay_proto::mainstay::access::v1 as access;
use mainstay_proto::mainstay::event::v1 as event;
use mainstay_proto::mainstay::event::v1::watch_events_response::Content;
use mainstay_proto::mainstay::incident::v1::ListIncidentsRequest;
use tonic::Code;
use tonic_types::StatusExt as _;

use super::process::Server;

fn request(
    request_id: &str,
    expire_time: Option<prost_types::Timestamp>,
) -> access::CreateTokenRequest {
    let token = access::Token {
        account: "pager".to_owned(),
        role: "viewer".to_owned(),
        expire_time,
        ..Default::default()
    };
    access::CreateTokenRequest {
        parent: String::new(),
        token: Some(token),
        request_id: request_id.to_owned(),
    }
}

async fn code_of_a_read(server: &Server, token: &str) -> Code {
    match server
        .incidents(token)
        .list_incidents(ListIncidentsRequest::default())
        .await
    {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lives_from_its_creation_to_its_revocation() {
    let server = Server::start();
    let secret = server.says([
        "token",
        "create",
        "--name",
        "pager",
        "--role",
        "viewer",
        "--expires",
        "30d",
    ]);
    let secret = secret.trim();
    assert_eq!(code_of_a_read(&server, secret).await, Code::Ok);
    let refusal = server
        .access(secret)
        .list_tokens(access::ListTokensRequest::default())
        .await
        .unwrap_err();
    assert_eq!(refusal.code(), Code::PermissionDenied);
    assert_eq!(
        refusal.get_details_error_info().unwrap().metadata["permission"],
        "access.read"
    );
    let listed = server.says(["token", "list"]);
    let line = listed.lines().find(|line| line.contains("pager")).unwrap();
    assert!(
        !listed.contains(secret) && line.contains("active"),
        "{listed}"
    );
    let name = line.split_whitespace().next().unwrap();
    assert!(server.says(["token", "revoke", name]).contains("revoked"));
    assert_eq!(code_of_a_read(&server, secret).await, Code::Unauthenticated);
    assert!(server.says(["token", "revoke", name]).contains("revoked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_a_creation_does_not_show_the_secret_again() {
    let server = Server::start();
    let mut client = server.access(&server.administrator());
    let id = uuid::Uuid::now_v7().to_string();
    let first = client
        .create_token(request(&id, None))
        .await
        .unwrap()
        .into_inner();
    let repeat = client.create_token(request(&id, None)).await.unwrap();
    assert_eq!(
        repeat.metadata().get("idempotent-replayed").unwrap(),
        "true"
    );
    let repeat = repeat.into_inner();
    assert_eq!((repeat.token, repeat.cursor), (first.token, first.cursor));
    assert!(repeat.secret.is_empty() && first.secret.starts_with("mst_"));
    assert_eq!(code_of_a_read(&server, &first.secret).await, Code::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_stays_revoked_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_on(&folder.path().join("data"), "127.0.0.1:0");
    let mut client = server.access(&server.administrator());
    let kept = client
        .create_token(request("", None))
        .await
        .unwrap()
        .into_inner();
    let gone = client
        .create_token(request("", None))
        .await
        .unwrap()
        .into_inner();
    let name = gone.token.unwrap().name;
    client
        .revoke_token(access::RevokeTokenRequest {
            name,
            ..Default::default()
        })
        .await
        .unwrap();
    server.stop();
    let server = Server::start_on(&folder.path().join("data"), "127.0.0.1:0");
    assert_eq!(code_of_a_read(&server, &kept.secret).await, Code::Ok);
    assert_eq!(
        code_of_a_read(&server, &gone.secret).await,
        Code::Unauthenticated
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_their_token_is_revoked_or_expires() {
    let server = Server::start();
    let mut client = server.access(&server.administrator());
    let revoked = client
        .create_token(request("", None))
        .await
        .unwrap()
        .into_inner();
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let soon = mainstay_chassis::clock::timestamp(soon.as_microsecond());
    let expiring = client
        .create_token(request("", Some(soon)))
        .await
        .unwrap()
        .into_inner();
    let mut streams = Vec::new();
    for secret in [&revoked.secret, &expiring.secret] {
        let start = Some(event::Start {
            at: Some(event::start::At::Point(event::StartPoint::Latest.into())),
        });
        let request = event::WatchEventsRequest {
            start,
            ..Default::default()
        };
        streams.push(
            server
                .events(secret)
                .watch_events(request)
                .await
                .unwrap()
                .into_inner(),
        );
    }
    let name = revoked.token.unwrap().name;
    client
        .revoke_token(access::RevokeTokenRequest {
            name,
            ..Default::default()
        })
        .await
        .unwrap();
    for mut stream in streams {
        let mut last = None;
        while let Some(response) = stream.message().await.unwrap() {
            last = response.content;
        }
        assert!(matches!(last, Some(Content::Drain(drain)) if drain.reason == "rights"));
    }
    assert_eq!(
        code_of_a_read(&server, &expiring.secret).await,
        Code::Unauthenticated
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_token_is_refused_by_field() {
    let server = Server::start();
    let mut client = server.access(&server.administrator());
    let mut refused = async |change: &dyn Fn(&mut access::CreateTokenRequest)| {
        let mut request = request("", None);
        change(&mut request);
        let status = client.create_token(request).await.unwrap_err();
        let violation = status
            .get_details_bad_request()
            .map(|request| request.field_violations[0].field.clone());
        (status.code(), violation.unwrap_or_default())
    };
    let field = |name: &str| (Code::InvalidArgument, name.to_owned());
    assert_eq!(
        refused(&|request| request.token = None).await,
        field("token")
    );
    assert_eq!(
        refused(&|request| request.token.as_mut().unwrap().role = "root".into()).await,
        field("token.role")
    );
    assert_eq!(
        refused(&|request| request.token.as_mut().unwrap().account = "No Slug".into()).await,
        field("token.account")
    );
    assert_eq!(
        refused(&|request| request.token.as_mut().unwrap().uid = "1".into()).await,
        field("token.uid")
    );
    let past = Some(prost_types::Timestamp {
        seconds: 1,
        nanos: 0,
    });
    assert_eq!(
        refused(&|request| request.token.as_mut().unwrap().expire_time = past).await,
        field("token.expire_time")
    );
    assert_eq!(
        refused(&|request| request.parent = "organizations/other".into())
            .await
            .0,
        Code::PermissionDenied
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_listed_in_pages_newest_first() {
    let server = Server::start();
    let mut client = server.access(&server.administrator());
    for _ in 0..4 {
        client.create_token(request("", None)).await.unwrap();
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = access::ListTokensRequest {
            page_size: 2,
            page_token,
            ..Default::default()
        };
        let page = client.list_tokens(request).await.unwrap().into_inner();
        seen.extend(page.tokens.into_iter().map(|token| token.uid));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|newer, older| newer > older));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_those_who_read_access_see_its_events() {
    let server = Server::start();
    let viewer = server.says(["token", "create", "--name", "eye", "--role", "viewer"]);
    let seen = async |token: &str| {
        let page = server
            .events(token)
            .list_events(event::ListEventsRequest::default())
            .await
            .unwrap();
        page.into_inner()
            .events
            .into_iter()
            .map(|event| event.decode().unwrap().r#type)
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(viewer.trim()).await, Vec::<String>::new());
    assert_eq!(
        seen(&server.administrator()).await,
        ["mainstay.access.v1.TokenCreated"; 2]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_roles_are_those_of_the_contract() {
    let server = Server::start();
    let roles = server
        .access(&server.administrator())
        .list_roles(access::ListRolesRequest {})
        .await
        .unwrap();
    let roles = roles.into_inner().roles;
    let names: Vec<_> = roles.iter().map(|role| role.role.as_str()).collect();
    assert_eq!(names, ["viewer", "agent", "importer", "administrator"]);
    assert!(roles.iter().all(|role| role.permissions.is_sorted()
        && role.permissions.contains(&"incident.read".to_owned())));
}
