//! Reasons that come of what a caller asks for: filters, orders, pages, cursors.

use anyhow::{Context, Result};
use mainstay_proto::mainstay::event::v1 as log;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_tests::Told;

use super::{Met, World, refused};

pub(crate) async fn all(world: &World) -> Result<Vec<Met>> {
    let list = |request| async { refused(world.incidents().list_incidents(request).await) };
    let filter = pb::ListIncidentsRequest {
        filter: "colour == 1".to_owned(),
        ..Default::default()
    };
    let order_by = pb::ListIncidentsRequest {
        order_by: "title".to_owned(),
        ..Default::default()
    };
    let garbled = pb::ListIncidentsRequest {
        page_token: "garbled".to_owned(),
        ..Default::default()
    };
    Ok(vec![
        (list(filter).await?, &["position", "token"]),
        (list(order_by).await?, &[]),
        (list(garbled).await?, &[]),
        (another_list(world).await?, &["field"]),
        (garbled_cursor(world).await?, &[]),
        (
            cursor_of_another_life(world).await?,
            &["cause", "earliestCursor"],
        ),
    ])
}

/// The token of one list, given to another.
async fn another_list(world: &World) -> Result<Told> {
    world.incident().await?;
    world.incident().await?;
    let mut list = pb::ListIncidentsRequest {
        page_size: 1,
        ..Default::default()
    };
    let page = world
        .incidents()
        .list_incidents(list.clone())
        .await?
        .into_inner();
    list.page_token = page.next_page_token;
    list.filter = "state == NEW".to_owned();
    refused(world.incidents().list_incidents(list).await)
}

async fn garbled_cursor(world: &World) -> Result<Told> {
    refused(world.events().list_events(after("garbled")).await)
}

/// The cursor of a suite whose data is another's.
async fn cursor_of_another_life(world: &World) -> Result<Told> {
    let other = World::new().await?;
    let log = other
        .events()
        .get_event_log(log::GetEventLogRequest::default())
        .await?;
    let cursor = log.into_inner().log.context("the log")?.latest_cursor;
    refused(world.events().list_events(after(&cursor)).await)
}

fn after(cursor: &str) -> log::ListEventsRequest {
    let at = Some(log::start::At::Cursor(cursor.to_owned()));
    log::ListEventsRequest {
        start: Some(log::Start { at }),
        ..Default::default()
    }
}
