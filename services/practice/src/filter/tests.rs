//! What filters promise: their errors, their limits, and that SQL agrees with a
//! plain reading of them.

use super::*;
use crate::page::ticket::{self, Column, FIELDS, Labels, Model, SEVERITIES, STATES};
use mainstay_proto::mainstay::error::v1::ErrorReason;
use proptest::prelude::*;
use sea_orm::{EntityTrait, QueryFilter};
use uuid::Uuid;

const GROUND: Ground<'static> = Ground {
    organization: "default",
    kind: "ticket",
    now_us: 5,
};

async fn refused(text: &str) -> tonic::Status {
    tonic::Status::from(Filter::read(text, FIELDS, GROUND).await.unwrap_err())
}

/// What is wrong, where, and what the remedy says.
#[tokio::test]
async fn a_wrong_filter_is_refused_with_its_place_and_a_remedy() {
    use tonic_types::StatusExt;
    let cases = [
        ("stat == NEW", "0", "stat", "did you mean state?"),
        ("state == NEWW", "9", "NEWW", "did you mean NEW?"),
        ("state = NEW", "6", "=", "=="),
        ("team == \"ä\" AND state == NEW", "12", "AND", "&&"),
        ("team == \"ä-ö\"", "8", "\"", "is no slug"),
        ("team == a", "8", "a", "quotes"),
        ("team == ", "8", "", "ends too early"),
        ("state", "0", "state", "comparison"),
        ("state == NEW && size(team) == 3", "20", "(", "field"),
        (
            "create_time > \"2026-01-01T00:00:00Z\"",
            "14",
            "\"",
            "timestamp(",
        ),
        ("create_time > timestamp(\"soon\")", "24", "\"", "RFC 3339"),
        ("create_time > now - duration(\"1d\")", "29", "\"", "hours"),
        ("parent == \"TCK-7\"", "10", "\"", "tickets/ID"),
        ("labels == \"x\"", "0", "labels", "labels[\"env\"]"),
        ("labels.env > \"x\"", "0", "labels", "== and !="),
        (
            "team == \"organizations/default/users/x\"",
            "8",
            "\"",
            "teams/",
        ),
        ("state.startsWith(\"N\")", "0", "state", "no text"),
        ("[1, 2].all(x, x > 0)", "10", "(", "can be used"),
    ];
    for (text, position, token, remedy) in cases {
        let status = refused(text).await;
        let info = status.get_details_error_info().unwrap();
        assert_eq!(info.reason, "FILTER_INVALID", "{text}");
        assert_eq!(
            info.metadata.get("position").map(String::as_str),
            Some(position),
            "{text}: {status:?}"
        );
        assert_eq!(
            info.metadata.get("token").map(String::as_str),
            Some(token),
            "{text}: {status:?}"
        );
        let request = status.get_details_bad_request().unwrap();
        assert_eq!(request.field_violations[0].field, "filter", "{text}");
        assert!(
            request.field_violations[0].description.contains(remedy),
            "{text}: {request:?}"
        );
    }
}

#[tokio::test]
async fn a_filter_that_is_too_large_is_refused() {
    let joined = |n: usize| vec!["team == \"a\""; n].join(" || ");
    assert!(Filter::read(&joined(20), FIELDS, GROUND).await.is_ok());
    assert!(
        refused(&joined(21))
            .await
            .message()
            .contains("20 comparisons")
    );
    assert!(
        refused(&format!("team == \"{}\"", "a".repeat(2_048)))
            .await
            .message()
            .contains("2048 bytes")
    );
    let nested = |n: usize| {
        format!(
            "{}team == \"a\"{}",
            "!(has(team) && ".repeat(n),
            ")".repeat(n)
        )
    };
    assert!(Filter::read(&nested(3), FIELDS, GROUND).await.is_ok());
    assert!(refused(&nested(4)).await.message().contains("8 deep"));
    assert!(
        refused(&"(".repeat(2_000))
            .await
            .message()
            .contains("brackets")
    );
}

#[tokio::test]
async fn another_organizations_name_is_refused_as_foreign() {
    for text in [
        "team == \"organizations/other/teams/x\"",
        "parent == \"organizations/other/tickets/0190d3f2-0000-7000-8000-000000000000\"",
        "team.startsWith(\"organizations/other/teams/\")",
    ] {
        assert_eq!(
            refused(text).await.code(),
            tonic::Code::PermissionDenied,
            "{text}"
        );
    }
}

/// Texts that made a parser recurse, or might.
#[tokio::test]
async fn hostile_filters_are_refused_without_harm() {
    let twice = |open: &str, middle: &str, close: &str, n: usize| {
        format!("{}{middle}{}", open.repeat(n), close.repeat(n))
    };
    let hostile = [
        "1+".repeat(1_000) + "1",
        twice("\")))(((\"+(", "1", ")", 150),
        twice("[", "1", "]", 1_000),
        twice("r\"\\\"+[", "1", "]", 250),
        "a.".repeat(1_000) + "a",
        "a".to_owned() + &"[0]".repeat(600),
        "!".repeat(2_000) + "has(team)",
        "-".repeat(2_000) + "a",
        "a<".repeat(1_000) + "a",
        "a?b:".repeat(400) + "a",
        "a(".repeat(1_000),
        "{a:".repeat(600),
        "a{a:".repeat(500),
        "now-now+".repeat(250) + "now",
        "create_time > now".to_owned() + &" - duration(\"1h\")".repeat(120) + " - 1",
        "\u{1}]}{(*&^%$#@".repeat(120),
        "\"".repeat(2_047),
    ];
    for text in hostile {
        let refusal = Filter::read(&text, FIELDS, GROUND).await.map(|_| ());
        if let Err(refusal) = refusal {
            assert_eq!(refusal.reason(), ErrorReason::FilterInvalid, "{text}");
        }
    }
}

/// A filter as a tree that is written as text, and judged without SQL.
#[derive(Clone, Debug)]
enum Wish {
    And(Box<Wish>, Box<Wish>),
    Or(Box<Wish>, Box<Wish>),
    Not(Box<Wish>),
    State(usize, usize),
    States(Vec<usize>),
    Severity(usize, usize),
    Team(usize, String),
    Teams(Vec<String>),
    Category(usize, String),
    Note(usize, String),
    NotePrefix(String),
    TeamPrefix(String),
    Parent(bool, u128),
    Created(usize, i64),
    Resolved(usize, i64),
    Has(&'static str),
    Label(bool, String, String),
    HasLabel(String),
    LabelPrefix(String, String),
}

const SIGNS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

fn holds<T: Ord>(sign: usize, a: T, b: T) -> bool {
    match SIGNS[sign] {
        "==" => a == b,
        "!=" => a != b,
        "<" => a < b,
        "<=" => a <= b,
        ">" => a > b,
        _ => a >= b,
    }
}

fn at(us: i64) -> String {
    format!("timestamp(\"1970-01-01T00:00:00.{us:06}Z\")")
}

impl Wish {
    fn write(&self) -> String {
        match self {
            Self::And(a, b) => format!("({}) && ({})", a.write(), b.write()),
            Self::Or(a, b) => format!("({}) || ({})", a.write(), b.write()),
            Self::Not(a) => format!("!({})", a.write()),
            Self::State(sign, at) => format!("state {} {}", SIGNS[*sign], STATES[*at].0),
            Self::States(all) => {
                let names: Vec<_> = all
                    .iter()
                    .map(|at| format!("\"{}\"", STATES[*at].0))
                    .collect();
                format!("state in [{}]", names.join(", "))
            }
            Self::Severity(sign, at) => format!("severity {} {}", SIGNS[*sign], SEVERITIES[*at].0),
            Self::Team(sign, text) => format!("team {} \"{text}\"", SIGNS[*sign]),
            Self::Teams(all) => format!("team in {all:?}"),
            Self::Category(sign, text) => format!("category {} \"{text}\"", SIGNS[*sign]),
            Self::Note(sign, text) => format!("origin.note {} \"{text}\"", SIGNS[*sign]),
            Self::NotePrefix(text) => format!("origin.note.startsWith(\"{text}\")"),
            Self::TeamPrefix(text) => format!("team.startsWith(\"{text}\")"),
            Self::Parent(same, id) => {
                format!(
                    "parent {} \"tickets/{}\"",
                    if *same { "==" } else { "!=" },
                    Uuid::from_u128(*id)
                )
            }
            Self::Created(sign, us) => format!("{} {} create_time", at(*us), SIGNS[*sign]),
            Self::Resolved(sign, us) => {
                format!(
                    "resolve_time {} now + duration(\"{}us\")",
                    SIGNS[*sign],
                    us - GROUND.now_us
                )
            }
            Self::Has(field) => format!("has({field})"),
            Self::Label(same, key, value) => {
                format!(
                    "labels[\"{key}\"] {} \"{value}\"",
                    if *same { "==" } else { "!=" }
                )
            }
            Self::HasLabel(key) => format!("\"{key}\" in labels"),
            Self::LabelPrefix(key, text) => format!("labels.{key}.startsWith(\"{text}\")"),
        }
    }

    fn judge(&self, (ticket, labels): &(Model, Labels)) -> bool {
        let label = |key: &str| {
            labels
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, value)| value.as_str())
        };
        let place =
            |words: &[(&str, &str)], kept: &str| words.iter().position(|(_, word)| *word == kept);
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        let both = (ticket.clone(), labels.clone());
        match self {
            Self::And(a, b) => a.judge(&both) && b.judge(&both),
            Self::Or(a, b) => a.judge(&both) || b.judge(&both),
            Self::Not(a) => !a.judge(&both),
            Self::State(sign, at) => holds(*sign, place(STATES, &ticket.state), Some(*at)),
            Self::States(all) => all.iter().any(|at| STATES[*at].1 == ticket.state),
            Self::Severity(sign, at) => match &ticket.severity {
                Some(kept) => holds(*sign, place(SEVERITIES, kept), Some(*at)),
                None => SIGNS[*sign] == "!=",
            },
            Self::Team(sign, text) => holds(*sign, or_empty(&ticket.team), text.clone()),
            Self::Teams(all) => all.contains(&or_empty(&ticket.team)),
            Self::Category(sign, text) => holds(*sign, ticket.category.clone(), text.clone()),
            Self::Note(sign, text) => holds(*sign, or_empty(&ticket.note), text.clone()),
            Self::NotePrefix(text) => or_empty(&ticket.note).starts_with(text),
            Self::TeamPrefix(text) => or_empty(&ticket.team).starts_with(text),
            Self::Parent(same, id) => (ticket.parent == Some(Uuid::from_u128(*id))) == *same,
            Self::Created(sign, us) => holds(*sign, *us, ticket.create_us),
            Self::Resolved(sign, us) => match ticket.resolve_us {
                Some(kept) => holds(*sign, kept, *us),
                None => SIGNS[*sign] == "!=",
            },
            Self::Has("team") => ticket.team.is_some(),
            Self::Has("severity") => ticket.severity.is_some(),
            Self::Has("category") => !ticket.category.is_empty(),
            Self::Has("parent") => ticket.parent.is_some(),
            Self::Has("resolve_time") => ticket.resolve_us.is_some(),
            Self::Has(_) => true,
            Self::Label(same, key, value) => (label(key) == Some(value)) == *same,
            Self::HasLabel(key) => label(key).is_some(),
            Self::LabelPrefix(key, text) => label(key).is_some_and(|value| value.starts_with(text)),
        }
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    let sign = 0..SIGNS.len();
    let fields = [
        "team",
        "severity",
        "category",
        "parent",
        "resolve_time",
        "state",
        "create_time",
    ];
    let leaf = prop_oneof![
        (sign.clone(), 0..STATES.len()).prop_map(|(sign, at)| Wish::State(sign, at)),
        prop::collection::vec(0..STATES.len(), 1..4).prop_map(Wish::States),
        (sign.clone(), 0..SEVERITIES.len()).prop_map(|(sign, at)| Wish::Severity(sign, at)),
        (sign.clone(), "[ab]{0,2}").prop_map(|(sign, text)| Wish::Team(sign, text)),
        prop::collection::vec("[ab]{0,1}", 1..3).prop_map(Wish::Teams),
        (sign.clone(), "[ab]{0,1}").prop_map(|(sign, text)| Wish::Category(sign, text)),
        (sign.clone(), "[aAä]{0,2}").prop_map(|(sign, text)| Wish::Note(sign, text)),
        "[aAä\u{10FFFF}]{0,2}".prop_map(Wish::NotePrefix),
        "[ab]{0,2}".prop_map(Wish::TeamPrefix),
        (any::<bool>(), 0..3_u128).prop_map(|(same, id)| Wish::Parent(same, id)),
        (sign.clone(), 0..9_i64).prop_map(|(sign, us)| Wish::Created(sign, us)),
        (sign, 0..9_i64).prop_map(|(sign, us)| Wish::Resolved(sign, us)),
        prop::sample::select(fields.to_vec()).prop_map(Wish::Has),
        (any::<bool>(), "[kl]", "[ab]?")
            .prop_map(|(same, key, value)| Wish::Label(same, key, value)),
        "[kl]".prop_map(Wish::HasLabel),
        ("[kl]", "[ab]?").prop_map(|(key, text)| Wish::LabelPrefix(key, text)),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Wish::And(Box::new(a), Box::new(b))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Wish::Or(Box::new(a), Box::new(b))),
            inner.prop_map(|a| Wish::Not(Box::new(a))),
        ]
    })
}

fn tickets() -> impl Strategy<Value = Vec<(Model, Labels)>> {
    type Words = (usize, Option<usize>, Option<String>, String);
    type Rest = (Option<String>, Option<u128>, i64, Option<i64>);
    type Row = (Words, Rest, (Option<String>, Option<String>));
    let row = (
        (
            0..STATES.len(),
            prop::option::of(0..SEVERITIES.len()),
            prop::option::of("[ab]{1,2}"),
            "[ab]?",
        ),
        (
            prop::option::of("[aAä\u{10FFFF}]{1,2}"),
            prop::option::of(0..3_u128),
            0..9_i64,
            prop::option::of(0..9_i64),
        ),
        (prop::option::of("[ab]{0,2}"), prop::option::of("[ab]{0,2}")),
    );
    let made = |(at, row): (usize, Row)| {
        let ((state, severity, team, category), (note, parent, create_us, resolve_us), (k, l)) =
            row;
        let ticket = Model {
            id: Uuid::from_u128(u128::try_from(at).unwrap()),
            organization: "default".to_owned(),
            revision: 1,
            state: STATES[state].1.to_owned(),
            severity: severity.map(|at| SEVERITIES[at].1.to_owned()),
            team,
            category,
            note,
            parent: parent.map(Uuid::from_u128),
            create_us,
            resolve_us,
        };
        let labels = [("k", k), ("l", l)];
        let labels: Labels = labels
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect();
        (ticket, labels)
    };
    prop::collection::vec(row, 1..40)
        .prop_map(move |rows| rows.into_iter().enumerate().map(made).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn sql_and_a_plain_reading_of_a_filter_agree(rows in tickets(), wishes in prop::collection::vec(wish(), 8)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let connection = ticket::database(&folder, &rows).await;
            for wish in &wishes {
                let text = wish.write();
                let filter = Filter::read(&text, FIELDS, GROUND).await.unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
                let found = ticket::Entity::find().filter(filter.condition());
                let mut found: Vec<Uuid> = found.all(&connection).await.unwrap().into_iter().map(|row| row.id).collect();
                found.sort();
                let expected: Vec<Uuid> = rows.iter().filter(|row| wish.judge(row)).map(|(row, _)| row.id).collect();
                assert_eq!(found, expected, "{text}");
            }
        });
    }
}

proptest! {
    #[test]
    fn any_text_is_a_filter_or_refused_as_one(
        text in prop_oneof![
            ".{0,200}".boxed(),
            "(state|team|labels|has|in|now|==|!=|&&|\\|\\||!|\\(|\\)|\\[|\\]|\"a\"|NEW|,|\\.| |-|duration|timestamp|<){0,40}".boxed(),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let result = runtime.block_on(Filter::<Column>::read(&text, FIELDS, GROUND));
        if let Err(refusal) = result {
            prop_assert_eq!(refusal.reason(), ErrorReason::FilterInvalid);
        }
    }
}
