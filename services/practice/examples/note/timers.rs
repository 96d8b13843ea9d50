//! What the kernel promises on timers, tried on notes that are archived when
//! they are left alone.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use mainstay_chassis::clock::{Turn, micros, timestamp};
use mainstay_practice::TimerApi;
use mainstay_practice::conformance::Scratch;
use mainstay_practice::log::Position;
use mainstay_proto::mainstay::event::v1::Event;
use mainstay_proto::mainstay::practice::v1 as pb;
use pb::timer_service_server::TimerService;
use prost::Message;

use super::*;

#[path = "clock.rs"]
mod clock;

const START_US: i64 = 1_767_225_600_000_000;
const DAY_US: i64 = 24 * 3_600 * 1_000_000;

/// Notes by a clock that the test moves, while nothing fires unless started.
struct Desk {
    store: Store,
    permit: Permit,
    now: Arc<AtomicI64>,
    scratch: Arc<Scratch>,
}

impl Desk {
    async fn new() -> Self {
        let (now, scratch) = (AtomicI64::new(START_US), Scratch::new().await);
        Self::on(Arc::new(scratch), Arc::new(now)).await
    }

    async fn on(scratch: Arc<Scratch>, now: Arc<AtomicI64>) -> Self {
        let told = now.clone();
        let clock = Clock::from_fn(move || told.load(Ordering::SeqCst));
        Self {
            store: open_by(scratch.database(), clock).await.unwrap(),
            permit: permit("default").unwrap(),
            now,
            scratch,
        }
    }

    async fn reopened(self) -> Self {
        self.store.close().await;
        Self::on(self.scratch, self.now).await
    }

    fn later(&self, us: i64) {
        self.now.fetch_add(us, Ordering::SeqCst);
    }

    async fn write(&self, text: &'static str) -> Model {
        let call = call(self.permit.clone());
        write(&self.store, call, text).await.unwrap().record
    }

    fn start(&self) -> Timers {
        let rules = TimerRules::default().on::<Model>(|note, _, _| note.archive());
        Timers::start(self.store.clone(), rules)
    }

    /// Waits until the log has so many events, and reads them.
    async fn events(&self, count: i64) -> Vec<Event> {
        let mut head = self.store.log().head();
        head.wait_for(|head| *head >= count).await.unwrap();
        events(&self.store).await
    }

    async fn verified(self) -> i64 {
        self.store.close().await;
        let database = self.scratch.database();
        let report = mainstay_practice::verify(&database, "note").await.unwrap();
        assert_eq!(report.fault, None);
        report.events
    }
}

async fn events(store: &Store) -> Vec<Event> {
    let (mut position, mut events) = (Position::default(), Vec::new());
    loop {
        let page = store.log().after("default", position).await.unwrap();
        let bodies = page.entries.iter().map(|entry| entry.body.clone());
        events.extend(bodies.map(|body| Event::decode(body).unwrap()));
        position = page.position;
        if page.at_head {
            return events;
        }
    }
}

async fn listed(
    timers: &Timers,
    permit: &Permit,
    asked: pb::ListTimersRequest,
) -> pb::ListTimersResponse {
    let mut request = tonic::Request::new(asked);
    request.extensions_mut().insert(permit.clone());
    let api = TimerApi::new(timers.clone());
    api.list_timers(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn a_note_left_alone_is_archived_once_and_the_event_tells_the_timer() {
    let desk = Desk::new().await;
    let note = desk.write("one").await;
    desk.start();
    desk.later(LEFT_ALONE_US + 3 * DAY_US);
    let events = desk.events(2).await;
    let fired = &events[1];
    assert_eq!(fired.r#type, "example.v1.NoteArchived");
    assert_eq!(fired.actor.as_ref().unwrap().name, "services/note");
    let due_us = START_US + LEFT_ALONE_US;
    assert_eq!(fired.occur_time, Some(timestamp(due_us)));
    let firing = fired.firing.as_ref().unwrap();
    assert_eq!(
        (&*firing.timer, firing.due_time),
        ("archive", Some(timestamp(due_us)))
    );
    assert_eq!(firing.late_by.unwrap().seconds, 3 * 24 * 3_600);
    let read: Model = desk.store.scope(&desk.permit).get(note.id).await.unwrap();
    assert_eq!((read.state, read.revision), (State::Archived, 2));
    assert_eq!(desk.verified().await, 2);
}

#[tokio::test]
async fn a_change_moves_the_timer_and_the_end_disarms_it() {
    let desk = Desk::new().await;
    let note = desk.write("one").await;
    let timers = Timers::start(
        desk.store.clone(),
        TimerRules::default().on::<Model>(|_, _, _| panic!("not due")),
    );
    let all = pb::ListTimersRequest::default;
    let due = |page: pb::ListTimersResponse| {
        page.timers
            .iter()
            .map(|timer| (timer.due_time.unwrap(), timer.record_revision))
            .collect::<Vec<_>>()
    };
    let page = listed(&timers, &desk.permit, all()).await;
    assert_eq!(
        page.timers[0].name,
        format!("{}/timers/archive", note.name())
    );
    assert_eq!(due(page), [(timestamp(START_US + LEFT_ALONE_US), 1)]);
    desk.later(DAY_US);
    let edit = |note: &mut Model, _: &Moment| note.edit("two");
    desk.store
        .act::<Model>(call(desk.permit.clone()), note.id, edit)
        .await
        .unwrap();
    let page = listed(&timers, &desk.permit, all()).await;
    assert_eq!(
        due(page),
        [(timestamp(START_US + DAY_US + LEFT_ALONE_US), 2)]
    );
    let stranger = permit("acme").unwrap();
    assert_eq!(listed(&timers, &stranger, all()).await.timers, []);
    let archive = |note: &mut Model, _: &Moment| note.archive();
    desk.store
        .act::<Model>(call(desk.permit.clone()), note.id, archive)
        .await
        .unwrap();
    assert_eq!(listed(&timers, &desk.permit, all()).await.timers, []);
    assert_eq!(desk.verified().await, 3);
}

#[tokio::test]
async fn what_came_due_while_nobody_ran_fires_in_the_order_of_due() {
    let desk = Desk::new().await;
    for text in ["one", "two", "three"] {
        desk.write(text).await;
        desk.later(DAY_US);
    }
    let desk = desk.reopened().await;
    desk.later(2 * LEFT_ALONE_US);
    desk.start();
    let events = desk.events(6).await;
    let late = |event: &Event| {
        event
            .firing
            .as_ref()
            .map(|firing| firing.late_by.unwrap().seconds)
    };
    let late: Vec<i64> = events.iter().filter_map(late).collect();
    let days = [33, 32, 31].map(|days| days * 24 * 3_600);
    assert_eq!(late, days);
    let occurred: Vec<i64> = events[3..]
        .iter()
        .map(|event| micros(&event.occur_time.unwrap()).unwrap())
        .collect();
    assert_eq!(
        occurred,
        [0, 1, 2].map(|day| START_US + LEFT_ALONE_US + day * DAY_US)
    );
    assert_eq!(desk.verified().await, 6);
}

#[tokio::test]
async fn a_herd_of_timers_fires_each_once_while_callers_write() {
    let desk = Desk::new().await;
    let herd = futures::future::join_all((0..500).map(|_| desk.write("one"))).await;
    let twice = [desk.start(), desk.start()];
    desk.later(LEFT_ALONE_US);
    let others = futures::future::join_all((0..200).map(|_| desk.write("another")));
    let (events, _) = futures::join!(desk.events(1_200), others);
    let mut archived: Vec<&str> = events
        .iter()
        .filter(|event| event.firing.is_some())
        .map(|event| &*event.subject)
        .collect();
    archived.sort_unstable();
    archived.dedup();
    assert_eq!((archived.len(), events.len()), (herd.len(), 1_200));
    drop(twice);
    assert_eq!(desk.verified().await, 1_200);
}

#[tokio::test]
async fn a_timer_whose_rule_fails_is_tried_again_later_and_later_and_shown_as_stuck() {
    let scratch = Scratch::new().await;
    let clock = Clock::virtual_at(START_US);
    let hand = clock.as_virtual().unwrap().clone();
    let store = open_by(scratch.database(), clock.clone()).await.unwrap();
    let permit = permit("default").unwrap();
    let mended = Arc::new(AtomicBool::new(false));
    let works = mended.clone();
    let rules =
        TimerRules::default().on::<Model>(move |note, _, _| match works.load(Ordering::SeqCst) {
            true => note.archive(),
            false => Err(Refusal::not_found("notes/nowhere")),
        });
    let timers = Timers::start(store.clone(), rules);
    write(&store, call(permit.clone()), "one").await.unwrap();
    let stuck = pb::ListTimersRequest {
        state: pb::TimerState::Stuck.into(),
        ..Default::default()
    };
    let late = pb::ListTimersRequest {
        state: pb::TimerState::Late.into(),
        ..Default::default()
    };
    assert_eq!(
        hand.turn(Turn::By(LEFT_ALONE_US + 3_000_000))
            .await
            .unwrap()
            .woken,
        2
    );
    let page = listed(&timers, &permit, late.clone()).await;
    assert_eq!(
        (page.timers[0].attempts, &*page.timers[0].error),
        (2, "notes/nowhere does not exist")
    );
    assert_eq!(
        page.timers[0].next_try_time,
        Some(timestamp(START_US + LEFT_ALONE_US + 6_000_000))
    );
    assert_eq!(listed(&timers, &permit, stuck.clone()).await.timers, []);
    hand.turn(Turn::By(3_600_000_000)).await.unwrap();
    let page = listed(&timers, &permit, stuck).await;
    assert!(page.timers[0].attempts > 10, "{page:?}");
    assert_eq!(listed(&timers, &permit, late).await.timers, []);
    mended.store(true, Ordering::SeqCst);
    assert_eq!(hand.turn(Turn::By(300_000_000)).await.unwrap().woken, 1);
    assert_eq!(
        listed(&timers, &permit, Default::default()).await.timers,
        []
    );
    assert_eq!(events(&store).await.len(), 2);
}

#[tokio::test]
async fn a_rule_that_leaves_its_timer_as_it_was_has_failed() {
    let scratch = Scratch::new().await;
    let clock = Clock::virtual_at(START_US);
    let hand = clock.as_virtual().unwrap().clone();
    let store = open_by(scratch.database(), clock.clone()).await.unwrap();
    let rules = TimerRules::default().on::<Model>(|_, _, _| Ok(Decision::Unchanged));
    Timers::start(store.clone(), rules);
    write(&store, call(permit("default").unwrap()), "one")
        .await
        .unwrap();
    let turned = hand
        .turn(Turn::By(LEFT_ALONE_US + 60_000_000))
        .await
        .unwrap();
    assert!((2..10).contains(&turned.woken), "{turned:?}");
    assert_eq!(events(&store).await.len(), 1);
}

#[tokio::test]
async fn timers_are_listed_in_pages_each_once() {
    let desk = Desk::new().await;
    let rules = TimerRules::default().on::<Model>(|note, _, _| note.archive());
    let timers = Timers::start(desk.store.clone(), rules);
    for _ in 0..3 {
        futures::future::join_all((0..3).map(|_| desk.write("one"))).await;
        desk.later(DAY_US);
    }
    let mut asked = pb::ListTimersRequest {
        page_size: 2,
        ..Default::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = listed(&timers, &desk.permit, asked.clone()).await;
        assert!(page.timers.len() <= 2);
        seen.extend(
            page.timers
                .into_iter()
                .map(|timer| (timer.due_time.unwrap().seconds, timer.name)),
        );
        if page.next_page_token.is_empty() {
            break;
        }
        asked.page_token = page.next_page_token;
    }
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!((once.len(), &once), (9, &seen));
    let record = seen[4].1.trim_end_matches("/timers/archive").to_owned();
    let of_record = pb::ListTimersRequest {
        record,
        timer: "archive".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        listed(&timers, &desk.permit, of_record).await.timers.len(),
        1
    );
    let elsewhere = pb::ListTimersRequest {
        record: "changes/0198c2d4-5e6f-7a8b-9c0d-1e2f3a4b5c6d".to_owned(),
        ..Default::default()
    };
    assert_eq!(listed(&timers, &desk.permit, elsewhere).await.timers, []);
}
