//! How the suite ends.

use mainstay_proto::mainstay::event::v1 as event;
use mainstay_proto::mainstay::event::v1::watch_events_response::Content;

use super::process::Server;

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_and_silent_connections_are_drained_and_do_not_keep_the_process() {
    let server = Server::start();
    let token = server.administrator();
    let silent: Vec<_> = (0..10).map(|_| server.silent_connection()).collect();
    let mut streams = Vec::new();
    for _ in 0..100 {
        let start = Some(event::Start {
            at: Some(event::start::At::Point(event::StartPoint::Latest.into())),
        });
        let request = event::WatchEventsRequest {
            start,
            ..Default::default()
        };
        streams.push(
            server
                .events(&token)
                .watch_events(request)
                .await
                .unwrap()
                .into_inner(),
        );
    }
    let ended = tokio::task::spawn_blocking(move || server.stop());
    for mut stream in streams {
        let mut last = (String::new(), None);
        while let Some(response) = stream.message().await.unwrap() {
            last = (response.cursor, response.content);
        }
        assert!(!last.0.is_empty());
        assert!(matches!(last.1, Some(Content::Drain(drain)) if drain.reason == "shutdown"));
    }
    let (status, log) = ended.await.unwrap();
    assert!(status.success());
    assert!(!log.contains("WARN"), "it did not end in order:\n{log}");
    drop(silent);
}
