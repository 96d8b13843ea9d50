//! The kernel's promises, tried on notes.

use std::time::Duration;

use mainstay_chassis::Kind;
use mainstay_practice::conformance::Scratch;
use mainstay_practice::log::Position;
use mainstay_practice::{AsOf, RequestKey, Step, Targets};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use prost::Message;

use super::*;

struct Bench {
    store: Store,
    permit: Permit,
    scratch: Scratch,
}

impl Bench {
    async fn new() -> Self {
        let scratch = Scratch::new().await;
        Self {
            store: open(scratch.database()).await.unwrap(),
            permit: permit("default").unwrap(),
            scratch,
        }
    }

    fn call(&self) -> Call {
        call(self.permit.clone())
    }

    fn repeatable(&self, id: u128, digest: u8) -> Call {
        Call {
            request: Some(RequestKey {
                id: Uuid::from_u128(id),
                digest: [digest; 32],
            }),
            ..self.call()
        }
    }

    async fn write(&self, text: &'static str) -> Model {
        write(&self.store, self.call(), text).await.unwrap().record
    }

    async fn edit(
        &self,
        call: Call,
        id: Uuid,
        text: &'static str,
    ) -> Result<mainstay_practice::Written<Model>, Refusal> {
        self.store
            .act::<Model>(call, id, move |note, _| note.edit(text))
            .await
    }

    async fn events(&self) -> usize {
        self.store
            .log()
            .after("default", Position::default())
            .await
            .unwrap()
            .entries
            .len()
    }

    async fn verified(self) -> i64 {
        self.store.close().await;
        let report = mainstay_practice::verify(&self.scratch.database(), "note")
            .await
            .unwrap();
        assert_eq!(report.fault, None);
        report.events
    }
}

#[tokio::test]
async fn a_note_is_written_edited_and_archived_with_an_event_each() {
    let bench = Bench::new().await;
    let note = bench.write("one").await;
    assert_eq!((note.number, note.revision), (1, 1));
    let edited = bench.edit(bench.call(), note.id, "two").await.unwrap();
    assert_eq!(
        (edited.record.text.as_str(), edited.record.revision),
        ("two", 2)
    );
    bench
        .store
        .act::<Model>(bench.call(), note.id, |note, _| note.archive())
        .await
        .unwrap();
    let read: Model = bench.store.scope(&bench.permit).get(note.id).await.unwrap();
    assert_eq!((read.state, read.revision), (State::Archived, 3));
    assert_eq!(bench.verified().await, 3);
}

#[tokio::test]
async fn a_closed_verb_is_refused_and_leaves_nothing() {
    let bench = Bench::new().await;
    let note = bench.write("one").await;
    bench
        .store
        .act::<Model>(bench.call(), note.id, |note, _| note.archive())
        .await
        .unwrap();
    let refusal = bench.edit(bench.call(), note.id, "two").await.unwrap_err();
    assert_eq!(
        (refusal.kind(), refusal.reason()),
        (Kind::Precondition, ErrorReason::VerbNotAllowed)
    );
    assert_eq!(bench.verified().await, 2);
}

#[tokio::test]
async fn what_changes_nothing_writes_nothing() {
    let bench = Bench::new().await;
    let note = bench.write("one").await;
    let same = bench
        .edit(bench.repeatable(1, 1), note.id, "one")
        .await
        .unwrap();
    assert_eq!((same.record.revision, same.replayed), (1, false));
    let again = bench
        .edit(bench.repeatable(1, 1), note.id, "one")
        .await
        .unwrap();
    assert_eq!((again.record.revision, again.replayed), (1, true));
    assert_eq!(bench.verified().await, 1);
}

#[tokio::test]
async fn a_repeat_is_answered_from_what_the_first_call_came_to() {
    let bench = Bench::new().await;
    let first = write(&bench.store, bench.repeatable(7, 1), "one")
        .await
        .unwrap();
    bench
        .edit(bench.call(), first.record.id, "two")
        .await
        .unwrap();
    let again = write(&bench.store, bench.repeatable(7, 1), "one")
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!(
        (&again.record, &again.cursor),
        (&first.record, &first.cursor)
    );
    let other = write(&bench.store, bench.repeatable(7, 2), "three")
        .await
        .unwrap_err();
    assert_eq!(other.reason(), ErrorReason::RequestIdReused);
    assert_eq!(bench.verified().await, 2);
}

#[tokio::test]
async fn twins_in_flight_are_written_once() {
    let bench = Bench::new().await;
    let calls = (0..64).map(|_| write(&bench.store, bench.repeatable(9, 1), "one"));
    let written = futures::future::join_all(calls).await;
    let fresh = written
        .iter()
        .filter(|one| !one.as_ref().unwrap().replayed)
        .count();
    assert_eq!(fresh, 1);
    assert_eq!(bench.verified().await, 1);
}

#[tokio::test]
async fn a_stale_etag_is_refused_with_the_current_one() {
    let bench = Bench::new().await;
    let note = bench.write("one").await;
    let stale = Call {
        etag: Some(note.etag()),
        ..bench.call()
    };
    bench.edit(stale.clone(), note.id, "two").await.unwrap();
    let refusal = bench.edit(stale, note.id, "three").await.unwrap_err();
    assert_eq!(
        (refusal.kind(), refusal.reason()),
        (Kind::Stale, ErrorReason::EtagMismatch)
    );
}

#[tokio::test]
async fn another_organization_sees_and_changes_nothing() {
    let bench = Bench::new().await;
    let note = bench.write("one").await;
    let stranger = permit("acme").unwrap();
    let read = bench
        .store
        .scope(&stranger)
        .get::<Model>(note.id)
        .await
        .unwrap_err();
    assert_eq!(read.reason(), ErrorReason::ResourceNotFound);
    let edit = bench
        .edit(call(stranger.clone()), note.id, "two")
        .await
        .unwrap_err();
    assert_eq!(edit.reason(), ErrorReason::ResourceNotFound);
    write(&bench.store, call(stranger), "theirs").await.unwrap();
    assert_eq!(bench.events().await, 1);
    assert_eq!(bench.verified().await, 2);
}

#[tokio::test]
async fn a_panicking_rule_refuses_only_its_own_call() {
    let bench = Bench::new().await;
    let note = bench.write("one").await;
    let bad = bench
        .store
        .act::<Model>(bench.call(), note.id, |_, _| panic!("a defect"));
    let good = bench.edit(bench.call(), note.id, "two");
    let (bad, good) = futures::join!(bad, good);
    assert_eq!(bad.unwrap_err().reason(), ErrorReason::Internal);
    assert_eq!(good.unwrap().record.text, "two");
    assert_eq!(bench.verified().await, 2);
}

#[tokio::test]
async fn a_taken_key_fails_alone_among_many() {
    let bench = Bench::new().await;
    let note = bench.write("one").await;
    let twice = note.clone();
    let taken = bench.store.create::<Model>(bench.call(), move |_| {
        Ok((twice.clone(), Happening::Written))
    });
    let others = (0..40).map(|_| write(&bench.store, bench.call(), "another"));
    let (taken, others) = futures::join!(taken, futures::future::join_all(others));
    assert_eq!(taken.unwrap_err().reason(), ErrorReason::ResourceExists);
    assert!(others.iter().all(Result::is_ok));
    assert_eq!(bench.verified().await, 41);
}

#[tokio::test]
async fn a_record_can_be_read_as_of_a_place_of_the_log() {
    let bench = Bench::new().await;
    let first = write(&bench.store, bench.call(), "one").await.unwrap();
    let id = first.record.id;
    bench.edit(bench.call(), id, "two").await.unwrap();
    let scope = bench.store.scope(&bench.permit);
    let then: Model = scope.as_of(id, AsOf::Cursor(first.cursor)).await.unwrap();
    assert_eq!(then.text, "one");
    let now: Model = scope.as_of(id, AsOf::Time(i64::MAX)).await.unwrap();
    assert_eq!(now.text, "two");
    let before = scope.as_of::<Model>(id, AsOf::Time(0)).await.unwrap_err();
    assert_eq!(before.reason(), ErrorReason::ResourceNotFound);
}

#[tokio::test]
async fn records_are_looked_up_by_their_ids_and_only_in_the_organization() {
    use sea_orm::{ConnectionTrait, DbBackend, QueryTrait, Statement};
    let bench = Bench::new().await;
    let notes = [bench.write("one").await.id, bench.write("two").await.id];
    let scope = bench.store.scope(&bench.permit);
    let query = scope.these::<Model>(notes);
    assert_eq!(
        query.clone().all(scope.connection()).await.unwrap().len(),
        2
    );
    let stranger = bench.store.scope(&permit("acme").unwrap());
    let theirs = stranger.these::<Model>(notes).all(scope.connection()).await;
    assert_eq!(theirs.unwrap(), []);
    if bench.scratch.url().is_some() {
        return; // The plan is SQLite's.
    }
    let plan = query.build(DbBackend::Sqlite);
    let plan = Statement {
        sql: format!("explain query plan {}", plan.sql),
        ..plan
    };
    let plan = scope.connection().query_all_raw(plan).await.unwrap();
    let plan: String = plan[0].try_get("", "detail").unwrap();
    assert!(plan.contains("(id=?)"), "{plan}");
}

#[tokio::test]
async fn numbers_and_log_go_on_after_a_restart() {
    let bench = Bench::new().await;
    bench.write("one").await;
    bench.store.close().await;
    let store = open(bench.scratch.database()).await.unwrap();
    let second = write(&store, call(bench.permit.clone()), "two")
        .await
        .unwrap();
    assert_eq!(second.record.number, 2);
    assert_eq!(Bench { store, ..bench }.verified().await, 2);
}

#[tokio::test]
async fn reads_that_their_callers_give_up_leave_nothing_behind() {
    use sea_orm::ConnectionTrait;
    let bench = Bench::new().await;
    let note = bench.write("one").await;
    for steps in 0..200 {
        let scope = bench.store.scope(&bench.permit);
        let read = async {
            scope.find::<Model>().all(scope.connection()).await.unwrap();
            scope.get::<Model>(note.id).await.unwrap();
        };
        let mut read = std::pin::pin!(read);
        for _ in 0..steps % 20 {
            if futures::poll!(read.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let read: Model = bench.store.scope(&bench.permit).get(note.id).await.unwrap();
    assert_eq!(read.text, "one");
    if bench.scratch.url().is_some() {
        let tables = bench.scratch.connect("note").await;
        let poisoned = "select 1 from pg_stat_activity where datname = current_database() \
                        and application_name like 'mainstay % read' and state like 'idle in %'";
        let poisoned = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, poisoned);
        assert!(tables.query_one_raw(poisoned).await.unwrap().is_none());
        tables.close().await.unwrap();
    }
    assert_eq!(bench.verified().await, 1);
}

#[tokio::test]
async fn a_closed_store_refuses_writes() {
    let bench = Bench::new().await;
    bench.store.close().await;
    let refusal = write(&bench.store, bench.call(), "one").await.unwrap_err();
    assert_eq!(refusal.reason(), ErrorReason::Unavailable);
}

#[tokio::test]
async fn a_log_reads_the_same_from_memory_and_from_the_file() {
    let bench = Bench::new().await;
    let mut written = Vec::new();
    for _ in 0..10 {
        written.extend(
            futures::future::join_all((0..80).map(|_| write(&bench.store, bench.call(), "one")))
                .await,
        );
    }
    assert!(written.iter().all(Result::is_ok));
    let read = async |store: &Store, organization: &str| {
        let (mut position, mut bodies) = (Position::default(), Vec::new());
        loop {
            let page = store.log().after(organization, position).await.unwrap();
            bodies.extend(page.entries.iter().map(|entry| entry.body.clone()));
            position = page.position;
            if page.at_head {
                return bodies;
            }
        }
    };
    let warm = (
        read(&bench.store, "default").await,
        read(&bench.store, "-").await,
    );
    bench.store.close().await;
    let store = open(bench.scratch.database()).await.unwrap();
    let cold = (read(&store, "default").await, read(&store, "-").await);
    assert_eq!(warm.0.len(), 800);
    assert!(warm == cold);
}

/// Lets a follower in, as a practice's routes would.
#[derive(Clone)]
pub(crate) struct Entrance<S>(pub(crate) S);

impl<S, B> tonic::codegen::Service<tonic::codegen::http::Request<B>> for Entrance<S>
where
    S: tonic::codegen::Service<tonic::codegen::http::Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(
        &mut self,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: tonic::codegen::http::Request<B>) -> S::Future {
        if let Some(principal) = request.extensions().get::<Principal>().cloned() {
            request
                .extensions_mut()
                .insert(principal.permit("event.read").unwrap());
        }
        self.0.call(request)
    }
}

#[tokio::test]
async fn tampering_with_the_file_is_found() {
    use sea_orm::ConnectionTrait;
    for (text, place) in [
        ("update event_log set body = body_hash where seq = 2", 2),
        ("delete from event_log where seq = 2", 2),
        ("delete from event_log where seq = 3", 3),
        ("update event_log set recorded_us = 0 where seq = 2", 2),
        ("update event_log set actor = 'nobody' where seq = 3", 3),
        (
            "update log_head set hash = (select body_hash from event_log where seq = 3)",
            3,
        ),
    ] {
        let bench = Bench::new().await;
        for _ in 0..3 {
            bench.write("one").await;
        }
        bench.store.close().await;
        let tables = bench.scratch.connect("note").await;
        tables.execute_unprepared(text).await.unwrap();
        tables.close().await.unwrap();
        let report = mainstay_practice::verify(&bench.scratch.database(), "note")
            .await
            .unwrap();
        assert_eq!(report.fault.map(|fault| fault.seq), Some(place), "{text}");
    }
}

#[tokio::test]
async fn a_deadline_that_has_passed_writes_nothing() {
    let bench = Bench::new().await;
    let late = Call {
        deadline: Some(mainstay_chassis::Deadline::after(Duration::ZERO)),
        ..bench.call()
    };
    let refusal = write(&bench.store, late, "one").await.unwrap_err();
    assert_eq!(refusal.reason(), ErrorReason::DeadlineExceeded);
    assert_eq!(bench.verified().await, 0);
}

#[test]
fn a_payload_without_a_snapshot_is_no_note() {
    let snapshot = NotePayload::decode(&[][..])
        .unwrap()
        .note
        .unwrap_or_default();
    assert!(Model::restore(snapshot).is_err());
}

#[tokio::test]
async fn several_records_change_together_and_a_repeat_tells_all_of_them() {
    let bench = Bench::new().await;
    let (one, two) = (bench.write("one").await, bench.write("two").await);
    let swap = || {
        let targets = Targets::<Model>::of([one.id, two.id]).making(1);
        let ids = [one.id, two.id];
        bench
            .store
            .act_all(bench.repeatable(7, 7), targets, move |seen, moment| {
                let mut steps = Vec::new();
                for id in ids {
                    let mut after = seen.get(id).unwrap().clone();
                    after.archive()?;
                    steps.push(step(after, Happening::Archived));
                }
                let third = Model::write("default", "three", moment);
                steps.push(step(third.clone(), Happening::Written));
                steps.push(step(third, Happening::Edited));
                Ok(steps)
            })
    };
    let written = swap().await.unwrap();
    let told: Vec<_> = written.iter().map(|note| note.record.clone()).collect();
    let numbers: Vec<_> = told
        .iter()
        .map(|note| (note.number, note.revision))
        .collect();
    assert_eq!(numbers, [(1, 2), (2, 2), (3, 2)]);
    assert!(written.iter().all(|note| note.cursor == written[0].cursor));
    let again = swap().await.unwrap();
    assert!(again.iter().all(|note| note.replayed));
    let repeated: Vec<_> = again.iter().map(|note| note.record.clone()).collect();
    assert_eq!((repeated, &again[0].cursor), (told, &written[0].cursor));
    assert_eq!(bench.verified().await, 6);
}

#[tokio::test]
async fn one_refusal_among_several_records_leaves_all_as_they_were() {
    let bench = Bench::new().await;
    let (one, two) = (bench.write("one").await, bench.write("two").await);
    let absent = Targets::<Model>::of([one.id, Uuid::from_u128(9)]);
    let refused = bench
        .store
        .act_all(bench.call(), absent, |_, _| Ok(Vec::new()))
        .await;
    assert_eq!(refused.unwrap_err().kind(), Kind::NotFound);
    let both = Targets::<Model>::of([one.id, two.id]);
    let refused = bench
        .store
        .act_all(bench.call(), both, move |seen, _| {
            let mut after = seen.get(one.id).unwrap().clone();
            after.archive()?;
            let taken = step(after.clone(), Happening::Archived);
            after.archive()?;
            Ok(vec![taken])
        })
        .await;
    assert_eq!(refused.unwrap_err().kind(), Kind::Precondition);
    assert_eq!(bench.verified().await, 2);
}

#[tokio::test]
async fn a_decision_sees_what_else_it_looks_at_also_what_waits_in_its_own_batch() {
    let bench = Bench::new().await;
    let (one, two) = (bench.write("same").await, bench.write("other").await);
    let edit = bench.edit(bench.call(), two.id, "same");
    let looking = Targets::<Model>::of([one.id]).looking_at(Column::Text, "same");
    let count = bench
        .store
        .act_looking(bench.call(), one.id, looking, |note, seen, _| {
            note.edit(&format!(
                "{} alike",
                seen.with(Column::Text, "same").count()
            ))
        });
    let (edited, counted) = futures::join!(edit, count);
    edited.unwrap();
    assert_eq!(counted.unwrap().record.text, "2 alike");
}

fn step(after: Model, event: Happening) -> Step<Happening, Model> {
    let occur_us = 0;
    Step {
        after,
        event,
        occur_us,
    }
}
