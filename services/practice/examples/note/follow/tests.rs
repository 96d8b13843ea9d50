//! A follower's promises, tried on notes: each event once and in order, what
//! cannot be applied put aside, and no way round in circles.

#[path = "owner.rs"]
mod owner;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use mainstay_practice::conformance::Scratch;
use mainstay_practice::follow::{self, FollowerApi, Pace, Replicas, Standing};
use mainstay_practice::log::{Entry, Position};
use mainstay_practice::{Cause, Store, StoreSettings};
use mainstay_proto::mainstay::practice::v1 as pb;
use pb::follower_service_server::FollowerService;
use sea_orm::entity::prelude::*;
use tokio_util::sync::CancellationToken;
use tonic::Request;

use super::super::{Permit, Principal, call, permit, write};
use super::*;
use owner::{Mangled, Owner, every_part};

/// Everything at once, so that no test waits for long.
fn pace() -> Pace {
    let moment = std::time::Duration::from_millis(2);
    Pace {
        first_pause: moment,
        longest_pause: moment,
        compare: moment * 10,
        patience: moment,
        tries: 3,
        first_retry: moment,
        longest_retry: moment,
        ..Pace::default()
    }
}

/// A store whose log is followed, one that follows, and followers at work.
struct Bench {
    theirs: Store,
    ours: Store,
    scratches: Vec<Scratch>,
    drain: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
}

impl Bench {
    async fn new() -> Self {
        let scratches = vec![Scratch::new().await, Scratch::new().await];
        let drain = CancellationToken::new();
        Self {
            theirs: super::super::open_by(scratches[0].database(), mainstay_chassis::Clock::wall())
                .await
                .unwrap(),
            ours: open(&scratches[1], &drain).await,
            scratches,
            drain,
            tasks: tokio::task::JoinSet::new(),
        }
    }

    /// Sets a follower to work on their log, as the owner delivers it.
    fn follow<F: Follower>(&mut self, follower: Arc<F>, owner: Owner) {
        let following = follow::follow_at(
            self.ours.clone(),
            "note",
            owner.entrance(),
            follower,
            pace(),
        );
        self.tasks.spawn(following);
    }

    fn owner(&self) -> Owner {
        Owner::new(self.theirs.clone(), every_part)
    }

    /// Writes a note in their log and archives it.
    async fn archived(&self, text: &'static str) -> Uuid {
        let note = write(&self.theirs, everything(), text)
            .await
            .unwrap()
            .record;
        let archive = |note: &mut Model, _: &_| note.archive();
        self.theirs
            .act::<Model>(everything(), note.id, archive)
            .await
            .unwrap();
        note.id
    }

    /// Waits until the only follower stands as asked for.
    async fn until(&self, asked: impl Fn(&Standing) -> bool) -> Standing {
        let mut bell = self.ours.followers().bell();
        loop {
            bell.mark_unchanged();
            let all = self.ours.followers().all();
            if let Some((_, standing)) = all.into_iter().find(|(_, standing)| asked(standing)) {
                return standing;
            }
            bell.changed().await.unwrap();
        }
    }

    /// Waits until everything in their log is applied.
    async fn caught_up(&self) -> Standing {
        let head = *self.theirs.log().head().borrow();
        self.until(|standing| standing.sequence >= head).await
    }

    /// The events of our log.
    async fn events(&self) -> Vec<Event> {
        let page = self.ours.log().after("default", Position::default()).await;
        let entries = page.unwrap().entries;
        let event = |entry: &Arc<Entry>| Event::decode(entry.body.clone()).unwrap();
        entries.iter().map(event).collect()
    }

    /// The texts of the notes in our log, in its order.
    async fn texts(&self) -> Vec<String> {
        let events = self.events().await;
        let text = |event: &Event| note_of(event).map(|note| note.text).ok();
        events.iter().filter_map(text).collect()
    }

    fn operator(&self) -> FollowerApi {
        FollowerApi::new(self.ours.clone())
    }

    async fn parked(&self, follower: &str) -> Vec<pb::ParkedEvent> {
        let request = pb::ListParkedEventsRequest {
            parent: format!("services/note/followers/{follower}"),
            ..Default::default()
        };
        let operator = self.operator();
        let reply = operator.list_parked_events(by_operator(request)).await;
        reply.unwrap().into_inner().parked_events
    }

    /// Ends the followers.
    async fn rest(&mut self) {
        self.drain.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }

    /// Ends the followers and opens our store anew.
    async fn restart(&mut self) {
        self.rest().await;
        self.ours.close().await;
        self.drain = CancellationToken::new();
        self.ours = open(&self.scratches[1], &self.drain).await;
    }
}

async fn open(scratch: &Scratch, drain: &CancellationToken) -> Store {
    let settings = StoreSettings {
        drain: drain.clone(),
        ..scratch.settings()
    };
    Store::open::<Tables>("note", settings).await.unwrap()
}

fn everything() -> super::super::Call {
    call(permit("default").unwrap())
}

fn by_operator<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(operator_permit());
    request
}

fn operator_permit() -> Permit {
    let may = Arc::new(["follower.manage".to_owned()].into());
    let name = "organizations/default/users/olga";
    let operator = Principal::new(name, "default", may, CancellationToken::new());
    operator.permit("follower.manage").unwrap()
}

fn named(follower: &str) -> String {
    format!("services/note/followers/{follower}")
}

/// Hears texts in memory and keeps them in a table; cannot stand `poison`
/// unless it has an antidote.
#[derive(Debug, Default)]
struct Reader {
    heard: Mutex<BTreeMap<i64, String>>,
    antidote: AtomicBool,
}

impl Reader {
    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().values().cloned().collect()
    }
}

impl Follower for Reader {
    type Change = Vec<(i64, String)>;
    const NAME: &'static str = "reader";
    const IMPORTED: bool = true;

    fn replicas(&self) -> Option<Replicas> {
        Some(Replicas::default().with::<heard::Entity>())
    }

    fn apply(
        &self,
        events: &[(i64, Event)],
        effects: &mut Effects,
    ) -> Result<Self::Change, Refusal> {
        let mut change = Vec::new();
        for (sequence, event) in events {
            let text = note_of(event)?.text;
            if text.contains("poison") && !self.antidote.load(Ordering::SeqCst) {
                return Err(Refusal::invalid("text", "must not be poison"));
            }
            effects.put::<heard::ActiveModel>(heard::Model {
                sequence: *sequence,
                text: text.clone(),
            });
            change.push((*sequence, text));
        }
        Ok(change)
    }

    fn applied(&self, change: Self::Change, _: &str) {
        self.heard.lock().unwrap().extend(change);
    }

    fn rewound(&self) {
        self.heard.lock().unwrap().clear();
    }
}

/// What the reader keeps.
#[expect(unreachable_pub, reason = "what the derive makes is public")]
mod heard {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "heard")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub sequence: i64,
        pub text: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The notes' tables and the reader's.
#[derive(Debug)]
struct Tables;

impl sea_orm_migration::MigratorTrait for Tables {
    fn migrations() -> Vec<Box<dyn sea_orm_migration::MigrationTrait>> {
        vec![Box::new(super::super::CreateNote), Box::new(CreateHeard)]
    }
}

struct CreateHeard;

impl sea_orm_migration::MigrationName for CreateHeard {
    fn name(&self) -> &str {
        "create_heard"
    }
}

#[async_trait::async_trait]
impl sea_orm_migration::MigrationTrait for CreateHeard {
    async fn up(&self, manager: &sea_orm_migration::SchemaManager) -> Result<(), DbErr> {
        use sea_orm_migration::prelude::Table;
        use sea_orm_migration::schema::{big_integer, string};
        let table = Table::create()
            .table("heard")
            .col(big_integer("sequence").primary_key())
            .col(string("text"))
            .to_owned();
        manager.create_table(table).await
    }
}

async fn kept(store: &Store) -> Vec<(i64, String)> {
    let mut kept = Vec::new();
    let take = |row: heard::Model| {
        kept.push((row.sequence, row.text));
        Ok(())
    };
    store.each::<heard::Entity>(take).await.unwrap();
    kept
}

#[tokio::test]
async fn an_event_has_its_effect_once_over_restarts_and_says_who_led_to_it() {
    let mut bench = Bench::new().await;
    let mut expected = Vec::new();
    for _ in 0..3 {
        for _ in 0..4 {
            expected.push(format!("after {}", bench.archived("one").await));
        }
        bench.follow(Arc::new(Librarian), bench.owner());
        bench.caught_up().await;
        bench.restart().await;
    }
    assert_eq!(bench.texts().await, expected);
    let first = bench.events().await.remove(0);
    assert_eq!(first.actor.unwrap().name, "services/note");
    assert_eq!(
        (first.hops, first.rules),
        (1, vec!["note/librarian".to_owned()])
    );
    assert!(!first.cause.is_empty() && first.organization == "default");
}

#[tokio::test]
async fn lost_repeated_and_reordered_deliveries_change_nothing() {
    for mangled in Mangled::ALL {
        let mut bench = Bench::new().await;
        let reader = Arc::new(Reader::default());
        let owner = Owner::new(bench.theirs.clone(), move |part| mangled.mangle(part));
        bench.follow(reader.clone(), owner);
        for _ in 0..30 {
            write(&bench.theirs, everything(), "one").await.unwrap();
        }
        bench.caught_up().await;
        let sequences: Vec<i64> = kept(&bench.ours)
            .await
            .into_iter()
            .map(|row| row.0)
            .collect();
        assert_eq!(sequences, (1..=30).collect::<Vec<i64>>(), "{mangled:?}");
        assert_eq!(reader.heard().len(), 30, "{mangled:?}");
        bench.rest().await;
    }
}

#[tokio::test]
async fn two_that_follow_for_one_purpose_apply_once_and_both_hear_all() {
    let mut bench = Bench::new().await;
    let readers = [Arc::new(Reader::default()), Arc::new(Reader::default())];
    for reader in &readers {
        bench.follow(reader.clone(), bench.owner());
    }
    bench.follow(Arc::new(Librarian), bench.owner());
    bench.follow(Arc::new(Librarian), bench.owner());
    for _ in 0..20 {
        bench.archived("one").await;
    }
    while readers.iter().any(|reader| reader.heard().len() < 40) || bench.texts().await.len() < 20 {
        tokio::task::yield_now().await;
    }
    assert_eq!(kept(&bench.ours).await.len(), 40);
    bench.rest().await;
    let texts: std::collections::BTreeSet<String> = bench.texts().await.into_iter().collect();
    assert_eq!((texts.len(), bench.texts().await.len()), (20, 20));
}

#[tokio::test]
async fn what_cannot_be_applied_is_parked_with_all_of_its_record_until_it_is_retried() {
    let mut bench = Bench::new().await;
    let reader = Arc::new(Reader::default());
    bench.follow(reader.clone(), bench.owner());
    let bad = bench.archived("poison").await;
    bench.archived("well").await;
    let standing = bench.caught_up().await;
    assert_eq!(standing.parked, 2);
    assert!(!standing.is_well(0), "somebody has to look after it");
    assert_eq!(reader.heard(), ["well", "well"]);
    let parked = bench.parked("reader.note").await;
    let told: Vec<_> = parked
        .iter()
        .map(|event| (event.attempts, event.subject.clone()))
        .collect();
    let subject = format!("organizations/default/notes/{bad}");
    assert_eq!(told, [(3, subject.clone()), (0, subject.clone())]);
    assert!(
        parked[0].error.contains("must not be poison"),
        "{}",
        parked[0].error
    );

    let retry = || {
        by_operator(pb::RetryParkedEventsRequest {
            name: named("reader.note"),
            subject: subject.clone(),
            ..Default::default()
        })
    };
    let still = bench
        .operator()
        .retry_parked_events(retry())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((still.applied, still.parked), (0, 2));
    assert!(
        still.error.contains("must not be poison"),
        "{}",
        still.error
    );
    reader.antidote.store(true, Ordering::SeqCst);
    let done = bench
        .operator()
        .retry_parked_events(retry())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((done.applied, done.parked, done.error.as_str()), (2, 0, ""));
    assert_eq!(bench.parked("reader.note").await, []);
    assert_eq!(kept(&bench.ours).await.len(), 4);
    assert!(
        bench
            .until(|standing| standing.parked == 0)
            .await
            .is_well(0)
    );
    bench.rest().await;
}

#[tokio::test]
async fn a_parked_event_is_left_out_when_an_operator_says_so() {
    let mut bench = Bench::new().await;
    let reader = Arc::new(Reader::default());
    bench.follow(reader.clone(), bench.owner());
    let id = bench.archived("poison").await;
    bench.caught_up().await;
    let first = bench.parked("reader.note").await.remove(0);
    let skip = |id: String| {
        by_operator(pb::SkipParkedEventsRequest {
            name: named("reader.note"),
            event_ids: vec![id],
            ..Default::default()
        })
    };
    let unknown = bench
        .operator()
        .skip_parked_events(skip(Uuid::nil().to_string()))
        .await;
    assert_eq!(unknown.unwrap_err().code(), tonic::Code::NotFound);
    let skipped = bench
        .operator()
        .skip_parked_events(skip(first.event_id))
        .await
        .unwrap();
    assert_eq!(skipped.into_inner().skipped, 1);
    let left = bench.parked("reader.note").await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].subject, format!("organizations/default/notes/{id}"));
    let noted = bench.events().await.pop().unwrap();
    assert_eq!(noted.r#type, "mainstay.practice.v1.FollowerIntervened");
    assert_eq!(
        noted.actor.unwrap().name,
        "organizations/default/users/olga"
    );
    bench.rest().await;
}

#[tokio::test]
async fn a_rule_does_not_react_to_itself_and_long_chains_are_parked() {
    let mut bench = Bench::new().await;
    let own = follow::follow_own(bench.ours.clone(), Arc::new(Librarian));
    bench.tasks.spawn(own);
    let note = write(&bench.ours, everything(), "one")
        .await
        .unwrap()
        .record;
    let finis = |note: &mut Model, _: &_| note.edit("one finis");
    bench
        .ours
        .act::<Model>(everything(), note.id, finis)
        .await
        .unwrap();
    let far = super::super::Call {
        cause: Some(Cause {
            hops: 7,
            ..Cause::default()
        }),
        ..everything()
    };
    let other = write(&bench.ours, far, "another").await.unwrap().record;
    bench
        .until(|standing| standing.sequence == 4 && standing.parked == 1)
        .await;
    let events = bench.events().await;
    let types: Vec<&str> = events.iter().map(|event| event.r#type.as_str()).collect();
    let archived = "example.v1.NoteArchived";
    assert!(types.contains(&archived) && types.len() == 4, "{types:?}");
    let parked = bench.parked("librarian.note").await.remove(0);
    assert!(parked.error.contains("chain"), "{}", parked.error);
    assert_eq!(
        parked.subject,
        format!("organizations/default/notes/{}", other.id)
    );
    bench.rest().await;
}

#[tokio::test]
async fn imported_history_leads_to_nothing_but_analysis() {
    let mut bench = Bench::new().await;
    let imported = || super::super::Call {
        imported: true,
        ..everything()
    };
    let note = write(&bench.theirs, imported(), "old")
        .await
        .unwrap()
        .record;
    let archive = |note: &mut Model, _: &_| note.archive();
    bench
        .theirs
        .act::<Model>(imported(), note.id, archive)
        .await
        .unwrap();
    let reader = Arc::new(Reader::default());
    bench.follow(Arc::new(Librarian), bench.owner());
    bench.follow(reader.clone(), bench.owner());
    while bench
        .ours
        .followers()
        .all()
        .iter()
        .any(|(_, standing)| standing.sequence < 2)
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.events().await, []);
    assert_eq!(reader.heard(), ["old", "old"]);
    bench.rest().await;
}

#[tokio::test]
async fn a_rewound_follower_builds_the_same_again() {
    let mut bench = Bench::new().await;
    let reader = Arc::new(Reader::default());
    bench.follow(reader.clone(), bench.owner());
    for text in ["one", "poison", "three"] {
        bench.archived(text).await;
    }
    bench.caught_up().await;
    reader.antidote.store(true, Ordering::SeqCst);
    let rewind = |follower: &str| {
        by_operator(pb::RewindFollowerRequest {
            name: named(follower),
            ..Default::default()
        })
    };
    bench
        .operator()
        .rewind_follower(rewind("reader.note"))
        .await
        .unwrap();
    bench
        .until(|standing| standing.sequence == 6 && standing.parked == 0)
        .await;
    let mut rebuilt = kept(&bench.ours).await;
    while rebuilt.len() < 6 {
        tokio::task::yield_now().await;
        rebuilt = kept(&bench.ours).await;
    }
    bench
        .operator()
        .rewind_follower(rewind("reader.note"))
        .await
        .unwrap();
    while kept(&bench.ours).await != rebuilt || reader.heard().len() < 6 {
        tokio::task::yield_now().await;
    }
    bench.follow(Arc::new(Librarian), bench.owner());
    let refused = bench
        .operator()
        .rewind_follower(rewind("librarian.note"))
        .await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::InvalidArgument);
    bench.rest().await;
}

#[tokio::test]
async fn a_replaced_log_is_followed_on_where_it_is_the_same_and_else_anew() {
    let mut bench = Bench::new().await;
    let reader = Arc::new(Reader::default());
    for text in ["one", "two"] {
        write(&bench.theirs, everything(), text).await.unwrap();
    }
    bench.follow(reader.clone(), bench.owner());
    bench.caught_up().await;
    bench.restart().await;
    // Restored from a copy: the same events under another epoch, and one more.
    bench.theirs = owner::restored(&bench.theirs, &bench.scratches[0]).await;
    write(&bench.theirs, everything(), "three").await.unwrap();
    bench.follow(reader.clone(), bench.owner());
    let standing = bench.caught_up().await;
    assert_eq!((standing.resyncs, reader.heard().len()), (1, 3));
    bench.restart().await;
    // Another log altogether.
    bench.scratches.push(Scratch::new().await);
    bench.theirs = super::super::open_by(
        bench.scratches[2].database(),
        mainstay_chassis::Clock::wall(),
    )
    .await
    .unwrap();
    write(&bench.theirs, everything(), "elsewhere")
        .await
        .unwrap();
    bench.follow(reader.clone(), bench.owner());
    bench
        .until(|standing| standing.resyncs == 1 && standing.sequence == 1)
        .await;
    assert_eq!(kept(&bench.ours).await, [(1, "elsewhere".to_owned())]);
    assert_eq!(reader.heard(), ["elsewhere"]);
    bench.rest().await;
}
