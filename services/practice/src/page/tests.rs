//! What lists in pages promise.

use super::ticket::{self, Column, FIELDS, Labels, Model, TICKETS};
use super::walk::{EXAMINED, Walk};
use sea_orm::{ColumnTrait, QueryFilter};

use super::*;
use proptest::prelude::*;
use sea_orm::{ConnectionTrait, Statement};

fn tickets() -> Select<ticket::Entity> {
    ticket::Entity::find().filter(Column::Organization.eq("default"))
}

fn reader(connection: &DatabaseConnection) -> Reader<'_> {
    Reader {
        organization: "default",
        connection,
        now_us: 1_000,
    }
}

fn ticket(id: u128, state: &str, team: Option<&str>, create_us: i64) -> Model {
    Model {
        id: Uuid::from_u128(id),
        organization: "default".to_owned(),
        revision: 1,
        state: state.to_owned(),
        severity: None,
        team: team.map(str::to_owned),
        category: String::new(),
        note: None,
        parent: None,
        create_us,
        resolve_us: None,
    }
}

/// All records of a list, page by page, and the number of pages.
async fn all(connection: &DatabaseConnection, mut request: PageRequest) -> (Vec<Model>, usize) {
    let (mut records, mut pages) = (Vec::new(), 0);
    loop {
        let page = TICKETS
            .page(tickets(), reader(connection), &request)
            .await
            .unwrap();
        pages += 1;
        records.extend(page.records);
        if page.next_page_token.is_empty() {
            return (records, pages);
        }
        request.page_token = page.next_page_token;
    }
}

fn sorted(mut tickets: Vec<Model>, order: &str) -> Vec<Model> {
    tickets.sort_by(|a, b| match order {
        "create_time" => (a.create_us, a.id).cmp(&(b.create_us, b.id)),
        "state, create_time" => (&a.state, a.create_us, a.id).cmp(&(&b.state, b.create_us, b.id)),
        "state, create_time desc" => a
            .state
            .cmp(&b.state)
            .then((b.create_us, b.id).cmp(&(a.create_us, a.id))),
        _ => (b.create_us, b.id).cmp(&(a.create_us, a.id)),
    });
    tickets
}

fn rows() -> impl Strategy<Value = Vec<Model>> {
    let row = (
        any::<u128>(),
        0..4_usize,
        prop::option::of("[ab]"),
        0..6_i64,
    );
    prop::collection::vec(row, 0..60).prop_map(|rows| {
        let mut tickets: Vec<Model> = rows
            .into_iter()
            .map(|(id, state, team, us)| ticket(id, ticket::STATES[state].1, team.as_deref(), us))
            .collect();
        tickets.sort_by_key(|ticket| ticket.id);
        tickets.dedup_by_key(|ticket| ticket.id);
        tickets
    })
}

type Passes = fn(&Model) -> bool;
const FILTERS: &[(&str, Passes)] = &[
    ("", |_| true),
    ("state in [NEW, ON_HOLD, NEW]", |t| {
        matches!(t.state.as_str(), "new" | "on_hold")
    }),
    ("team in [\"a\", \"\"]", |t| t.team.as_deref() != Some("b")),
    ("team != \"a\"", |t| t.team.as_deref() != Some("a")),
    ("state != NEW && team == \"b\"", |t| {
        t.state != "new" && t.team.as_deref() == Some("b")
    }),
    ("has(team) || state == CLOSED", |t| {
        t.team.is_some() || t.state == "closed"
    }),
    (
        "create_time > timestamp(\"1970-01-01T00:00:00.000002Z\") && !(team == \"a\")",
        |t| t.create_us > 2 && t.team.as_deref() != Some("a"),
    ),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn pages_together_are_the_list(
        rows in rows(), size in 1..7_i32, order in 0..4_usize, filter in 0..FILTERS.len(),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let rows: Vec<(Model, Labels)> = rows.into_iter().map(|row| (row, Vec::new())).collect();
            let connection = ticket::database(&folder, &rows).await;
            let order = TICKETS.orders[order].name;
            let (filter, passes) = FILTERS[filter];
            let request = PageRequest {
                page_size: size,
                filter: filter.to_owned(),
                order_by: order.to_owned(),
                ..PageRequest::default()
            };
            let (listed, pages) = all(&connection, request).await;
            let expected: Vec<Model> = rows.into_iter().map(|(row, _)| row).filter(passes).collect();
            let expected = sorted(expected, order);
            assert_eq!(pages, expected.len().div_ceil(usize::try_from(size).unwrap()).max(1));
            assert_eq!(listed, expected);
        });
    }
}

#[tokio::test]
async fn a_page_ends_short_after_ten_thousand_examined_rows_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let rare = |at: u128| {
        if at == 3 || at == 10_500 {
            "rare"
        } else {
            "usual"
        }
    };
    let total = u128::try_from(EXAMINED).unwrap() + 1_000;
    let rows: Vec<(Model, Labels)> = (0..total)
        .map(|at| {
            let mut row = ticket(at, "new", Some("a"), i64::try_from(at).unwrap());
            row.note = Some(rare(at).to_owned());
            (row, Vec::new())
        })
        .collect();
    let connection = ticket::database(&folder, &rows).await;
    let request = |order: &str, filter: &str| PageRequest {
        order_by: order.to_owned(),
        filter: filter.to_owned(),
        ..PageRequest::default()
    };
    // Where directions differ, the states that are left share the ten
    // thousand.
    for (order, expected) in [
        ("create_time", 2),
        ("state, create_time", 2),
        ("state, create_time desc", 3),
    ] {
        let (found, pages) = all(
            &connection,
            request(order, "origin.note.startsWith(\"ra\")"),
        )
        .await;
        assert_eq!((found.len(), pages), (2, expected), "{order}");
        let (found, pages) = all(
            &connection,
            request(order, "team == \"a\" && !(origin.note < \"z\")"),
        )
        .await;
        assert_eq!((found.len(), pages), (0, expected), "{order}");
        // An index leads to these two.
        let (found, pages) = all(
            &connection,
            request(order, "origin.note == \"rare\" && state == NEW"),
        )
        .await;
        assert_eq!((found.len(), pages), (2, 1), "{order}");
    }
}

#[tokio::test]
async fn a_page_ends_at_two_mebibytes() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..5)
        .map(|at| (ticket(at, "new", None, 0), Vec::new()))
        .collect();
    let connection = ticket::database(&folder, &rows).await;
    let heavy = Collection::<Model> {
        weight: |_| 900 << 10,
        ..TICKETS
    };
    let page = heavy
        .page(tickets(), reader(&connection), &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(page.records.len(), 2);
    let next = PageRequest {
        page_token: page.next_page_token,
        ..PageRequest::default()
    };
    let page = heavy
        .page(tickets(), reader(&connection), &next)
        .await
        .unwrap();
    assert_eq!(
        page.records.first().map(|ticket| ticket.id),
        Some(Uuid::from_u128(2))
    );
    let giant = Collection::<Model> {
        weight: |_| 3 << 20,
        ..TICKETS
    };
    let page = giant
        .page(tickets(), reader(&connection), &PageRequest::default())
        .await
        .unwrap();
    assert_eq!(
        page.records.len(),
        1,
        "a record that is too heavy comes alone"
    );
}

#[tokio::test]
async fn now_is_the_moment_of_the_first_page() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..4)
        .map(|at| {
            (
                ticket(at, "new", None, 990 + i64::try_from(at).unwrap()),
                Vec::new(),
            )
        })
        .collect();
    let connection = ticket::database(&folder, &rows).await;
    let mut request = PageRequest {
        page_size: 2,
        filter: "create_time >= now - duration(\"10us\")".to_owned(),
        ..PageRequest::default()
    };
    let first = TICKETS
        .page(tickets(), reader(&connection), &request)
        .await
        .unwrap();
    request.page_token = first.next_page_token;
    let later = Reader {
        now_us: 1_000_000,
        ..reader(&connection)
    };
    let second = TICKETS.page(tickets(), later, &request).await.unwrap();
    assert_eq!(second.records.len(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<_> = (0..4)
        .map(|at| (ticket(at, "new", None, 0), Vec::new()))
        .collect();
    let connection = ticket::database(&folder, &rows).await;
    let ask =
        async |request: PageRequest| TICKETS.page(tickets(), reader(&connection), &request).await;
    let small = PageRequest {
        page_size: 1,
        ..PageRequest::default()
    };
    let token = ask(small.clone()).await.unwrap().next_page_token;

    let order = ask(PageRequest {
        order_by: "team".to_owned(),
        ..PageRequest::default()
    })
    .await
    .unwrap_err();
    assert_eq!(order.reason(), ErrorReason::OrderInvalid);
    assert!(
        order.message().contains("state, create_time desc"),
        "{order}"
    );
    assert!(
        ask(PageRequest {
            order_by: " state ,create_time  asc".to_owned(),
            ..PageRequest::default()
        })
        .await
        .is_ok()
    );

    let other = PageRequest {
        page_token: token.clone(),
        filter: "state == NEW".to_owned(),
        ..small.clone()
    };
    let mismatch = ask(other).await.unwrap_err();
    assert_eq!(mismatch.reason(), ErrorReason::PageTokenMismatch);
    assert!(mismatch.message().contains("filter"), "{mismatch}");
    let size = ask(PageRequest {
        page_size: -1,
        ..PageRequest::default()
    })
    .await
    .unwrap_err();
    assert_eq!(size.reason(), ErrorReason::ValidationFailed);
    // The size may change from page to page.
    assert!(
        ask(PageRequest {
            page_token: token,
            page_size: 3,
            ..PageRequest::default()
        })
        .await
        .is_ok()
    );
}

/// A token with a valid checksum whose place is not of this order.
#[tokio::test]
async fn a_forged_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let connection = ticket::database(&folder, &[]).await;
    let print = Fingerprint::of(["default", TICKETS.method, "", "", "create_time desc"]);
    let id = keyset::Sorted::Id(Uuid::nil());
    for values in [
        vec![id.clone()],
        vec![id.clone(), id.clone()],
        vec![keyset::Sorted::Text("x".into()), id.clone()],
    ] {
        let page_token = Token::first(print, 0).next(Place(values)).write();
        let request = PageRequest {
            page_token,
            ..PageRequest::default()
        };
        let refusal = TICKETS
            .page(tickets(), reader(&connection), &request)
            .await
            .unwrap_err();
        assert_eq!(refusal.reason(), ErrorReason::PageTokenInvalid);
    }
}

/// The lines of SQLite's plan for a statement.
async fn plan(
    connection: &DatabaseConnection,
    statement: &sea_orm::sea_query::SelectStatement,
) -> Vec<String> {
    let backend = connection.get_database_backend();
    let mut built: Statement = backend.build(statement);
    built.sql = format!("EXPLAIN QUERY PLAN {}", built.sql);
    let rows = connection.query_all_raw(built).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index::<String>(3).unwrap())
        .collect()
}

/// Every order, from its beginning and from a place in it, alone and with each
/// field, is a search of an index. Sorted is only what a label's own table
/// finds, and what a field's index finds when the order begins with another.
#[tokio::test]
async fn every_order_and_field_is_an_index_search() {
    let folder = tempfile::tempdir().unwrap();
    let connection = ticket::database(&folder, &[]).await;
    let ground = Ground {
        organization: "default",
        kind: "ticket",
        now_us: 0,
    };
    let id = "0190d3f2-0000-7000-8000-000000000000";
    let filters = [
        String::new(),
        "state in [NEW, CLOSED]".to_owned(),
        "state != NEW".to_owned(),
        "severity < SEV3".to_owned(),
        "team == \"a\"".to_owned(),
        "category == \"c\"".to_owned(),
        "origin.note == \"n\"".to_owned(),
        format!("parent == \"tickets/{id}\""),
        "team == \"a\" && state == NEW && origin.note.startsWith(\"x\")".to_owned(),
        "create_time > now - duration(\"1h\")".to_owned(),
        "labels.env == \"prod\"".to_owned(),
    ];
    for order in TICKETS.orders {
        for text in &filters {
            let filter = Filter::read(text, FIELDS, ground).await.unwrap();
            let mut walk = Walk::<Model>::new(FIELDS, filter, order, tickets());
            if text.starts_with("labels") {
                walk.lead_by(vec![Uuid::nil()]);
            }
            let mut values = vec![keyset::Sorted::Number(5), keyset::Sorted::Id(Uuid::nil())];
            if order.keys.len() > 1 {
                values.insert(0, keyset::Sorted::Text("new".to_owned()));
            }
            for start in [None, Some(Place(values))] {
                for statement in walk.statements(start.as_ref(), 50) {
                    let plan = plan(&connection, &statement).await;
                    let what = format!("{} where {text} from {start:?}: {plan:#?}", order.name);
                    assert!(
                        plan.iter().any(|line| line.contains("SEARCH ticket USING")),
                        "{what}"
                    );
                    let count = |part: &str| plan.iter().filter(|line| line.contains(part)).count();
                    assert_eq!(count("SCAN ticket"), count("CO-ROUTINE ticket"), "{what}");
                    let led = ["team", "category", "origin", "parent", "severity"]
                        .iter()
                        .any(|field| text.starts_with(field));
                    let sorts = text.starts_with("labels") || led && order.keys.len() > 1;
                    assert!(sorts || count("TEMP B-TREE") == 0, "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_plans_of_a_list_tell_what_has_no_index() {
    let folder = tempfile::tempdir().unwrap();
    let connection = ticket::database(&folder, &[]).await;
    let indexed = Collection::<Model> {
        fields: &FIELDS[..FIELDS.len() - 1],
        ..TICKETS
    };
    assert_eq!(
        plans::unindexed(&indexed, &tickets(), &connection).await,
        Vec::<String>::new()
    );
    connection
        .execute_unprepared("DROP INDEX t4")
        .await
        .unwrap();
    let faults = plans::unindexed(&indexed, &tickets(), &connection).await;
    assert_eq!(faults.len(), 2, "{faults:#?}");
    assert!(faults[0].starts_with("filter team == "), "{faults:#?}");
    connection
        .execute_unprepared("DROP INDEX t1")
        .await
        .unwrap();
    let faults = plans::unindexed(&indexed, &tickets(), &connection).await;
    assert!(faults[0].starts_with("order create_time"), "{faults:#?}");
}

/// Whether few or many records have a label, a list by it is complete.
#[tokio::test]
async fn a_label_of_few_leads_and_one_of_many_is_tested_along_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<(Model, Labels)> = (0..3_000)
        .map(|at| {
            let mut labels: Labels = vec![("env", "prod".to_owned())];
            if at % 1_000 == 7 {
                labels.push(("rare", "yes".to_owned()));
            }
            (ticket(at, "new", None, 0), labels)
        })
        .collect();
    let connection = ticket::database(&folder, &rows).await;
    for (filter, expected) in [
        ("labels.rare == \"yes\"", 3),
        ("labels.env == \"prod\" && state == NEW", 3_000),
        ("labels.env == \"prod\"", 3_000),
        ("labels.env.startsWith(\"pr\") && has(labels.rare)", 3),
        ("labels.env in [\"prod\"] && labels.rare != \"yes\"", 2_997),
    ] {
        let request = PageRequest {
            page_size: 500,
            filter: filter.to_owned(),
            ..PageRequest::default()
        };
        let (found, pages) = all(&connection, request).await;
        assert_eq!(found.len(), expected, "{filter}");
        assert_eq!(pages, expected.div_ceil(500), "{filter}");
    }
}
