//! What the kernel promises on the virtual clock, tried on notes that are
//! archived when they are left alone.

use mainstay_chassis::clock::OtherClock;
use mainstay_practice::follow::follow_own;

use super::super::follow::Librarian;
use super::*;

/// A month in which notes are written each day; what the log tells of it.
async fn month() -> Vec<(String, i64, i64, i64)> {
    let scratch = Scratch::new().await;
    let clock = Clock::virtual_at(START_US);
    let hand = clock.as_virtual().unwrap().clone();
    let store = open_by(scratch.database(), clock.clone()).await.unwrap();
    let rules = TimerRules::default().on::<Model>(|note, _, _| note.archive());
    Timers::start(store.clone(), rules);
    let permit = permit("default").unwrap();
    for _ in 0..60 {
        write(&store, call(permit.clone()), "one").await.unwrap();
        write(&store, call(permit.clone()), "two").await.unwrap();
        hand.turn(Turn::By(DAY_US)).await.unwrap();
    }
    let page = store
        .log()
        .after("default", Position::default())
        .await
        .unwrap();
    assert!(page.at_head);
    let told = page.entries.iter().map(|entry| {
        let event = Event::decode(entry.body.clone()).unwrap();
        let note = NotePayload::decode(event.data.unwrap().value.as_slice())
            .unwrap()
            .note
            .unwrap();
        (
            event.r#type,
            note.number,
            entry.occurred_us,
            entry.recorded_us,
        )
    });
    told.collect()
}

#[tokio::test]
async fn two_months_by_the_virtual_clock_are_the_same_each_time() {
    let (first, second) = (month().await, month().await);
    assert_eq!(first, second);
    let late = first
        .iter()
        .filter(|(_, _, occurred_us, recorded_us)| occurred_us != recorded_us);
    assert_eq!((first.len(), late.count()), (120 + 62, 0));
}

#[tokio::test]
async fn a_log_stays_by_the_clock_that_it_was_made_under() {
    let scratch = Scratch::new().await;
    let clock = Clock::virtual_at(START_US);
    let store = open_by(scratch.database(), clock.clone()).await.unwrap();
    write(&store, call(permit("default").unwrap()), "one")
        .await
        .unwrap();
    clock
        .as_virtual()
        .unwrap()
        .turn(Turn::By(DAY_US))
        .await
        .unwrap();
    store.close().await;
    let refused = open_by(scratch.database(), Clock::wall())
        .await
        .unwrap_err();
    assert!(
        refused.other_clock == Some(OtherClock::Virtual),
        "{refused}"
    );
    let clock = Clock::virtual_at(0);
    open_by(scratch.database(), clock.clone())
        .await
        .unwrap()
        .close()
        .await;
    assert_eq!(clock.now_us(), START_US + DAY_US);

    let scratch = Scratch::new().await;
    let store = open_by(scratch.database(), Clock::wall()).await.unwrap();
    write(&store, call(permit("default").unwrap()), "one")
        .await
        .unwrap();
    store.close().await;
    let refused = open_by(scratch.database(), Clock::virtual_at(0))
        .await
        .unwrap_err();
    assert_eq!(refused.other_clock, Some(OtherClock::OfTheMachine));
}

#[tokio::test]
async fn time_goes_on_when_followers_have_heard_of_what_came_due() {
    let scratch = Scratch::new().await;
    let clock = Clock::virtual_at(START_US);
    let store = open_by(scratch.database(), clock.clone()).await.unwrap();
    let rules = TimerRules::default().on::<Model>(|note, _, _| note.archive());
    Timers::start(store.clone(), rules);
    let following = tokio::spawn(follow_own(store.clone(), Arc::new(Librarian)));
    write(&store, call(permit("default").unwrap()), "one")
        .await
        .unwrap();
    let hand = clock.as_virtual().unwrap();
    let turned = hand.turn(Turn::By(3 * LEFT_ALONE_US)).await.unwrap();
    assert_eq!(turned.woken, 3);
    // Every archived note has its sequel at once, not when the move has ended.
    let page = store.log().after("default", Position::default()).await;
    let entries = page.unwrap().entries;
    let months = entries
        .iter()
        .map(|entry| (entry.recorded_us - START_US) / LEFT_ALONE_US);
    assert_eq!(months.collect::<Vec<_>>(), [0, 1, 1, 2, 2, 3, 3]);
    following.abort();
}
