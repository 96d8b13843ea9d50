//! Every kind of rule that the contract uses, by a message that breaks it: which
//! field is named, and with which remedy.

use mainstay_proto::check::{Rules, Violations};
use mainstay_proto::mainstay::access::v1 as access;
use mainstay_proto::mainstay::event::v1 as event;
use mainstay_proto::mainstay::incident::v1 as pb;
use mainstay_proto::mainstay::metrics::v1 as metrics;
use mainstay_proto::mainstay::record::v1 as record;
use prost_types::{Duration, FieldMask};

/// Asserts that a message breaks one rule, and how that is told.
#[track_caller]
fn breaks(message: &impl Rules, field: &str, remedy: &str) {
    let told = Violations::of(message);
    assert_eq!(told, [(field.to_owned(), remedy.to_owned())]);
}

#[track_caller]
fn holds(message: &impl Rules) {
    assert_eq!(Violations::of(message), []);
}

fn get(name: &str) -> pb::GetIncidentRequest {
    pb::GetIncidentRequest {
        name: name.to_owned(),
        ..Default::default()
    }
}

fn incident() -> pb::Incident {
    pb::Incident {
        title: "Mail is down".to_owned(),
        ..Default::default()
    }
}

fn create(incident: pb::Incident) -> pb::CreateIncidentRequest {
    pb::CreateIncidentRequest {
        incident: Some(incident),
        ..Default::default()
    }
}

fn link(uri: &str) -> pb::LinkIncidentRequest {
    pb::LinkIncidentRequest {
        name: "INC-1".to_owned(),
        link: Some(record::Link {
            uri: uri.to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn resolve(resolution: pb::Resolution) -> pb::ResolveIncidentRequest {
    pb::ResolveIncidentRequest {
        name: "INC-1".to_owned(),
        resolution: Some(resolution),
        ..Default::default()
    }
}

fn fixed() -> pb::Resolution {
    pb::Resolution {
        code: pb::ResolutionCode::Fixed.into(),
        summary: "Restarted".to_owned(),
        ..Default::default()
    }
}

fn watch(at: Option<event::start::At>) -> event::WatchEventsRequest {
    event::WatchEventsRequest {
        start: Some(event::Start { at }),
        ..Default::default()
    }
}

#[test]
fn a_text_has_a_least_and_a_greatest_length_in_characters() {
    breaks(&get(""), "name", "must not be empty");
    holds(&get("I"));
    holds(&get(&"ä".repeat(200)));
    breaks(
        &get(&"ä".repeat(201)),
        "name",
        "must have at most 200 characters",
    );
}

#[test]
fn a_text_has_a_greatest_length_in_bytes() {
    let list = |filter: String| pb::ListIncidentsRequest {
        filter,
        ..Default::default()
    };
    holds(&list("x".repeat(2048)));
    holds(&list("ä".repeat(1024)));
    breaks(
        &list("ä".repeat(1025)),
        "filter",
        "must have at most 2048 bytes",
    );
}

#[test]
fn a_text_matches_its_pattern() {
    let origin = |source: &str| {
        create(pb::Incident {
            origin: Some(record::Origin {
                source: source.to_owned(),
                key: "1".to_owned(),
                ..Default::default()
            }),
            ..incident()
        })
    };
    for slug in ["a", "0", "alert-manager", "a--b"] {
        holds(&origin(slug));
    }
    for wrong in ["", "-a", "a-", "A", "a b", "a\n", "ä", "a_b"] {
        breaks(
            &origin(wrong),
            "incident.origin.source",
            "must match ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        );
    }
    breaks(
        &origin(&"a".repeat(64)),
        "incident.origin.source",
        "must have at most 63 characters",
    );
}

#[test]
fn a_uuid_is_one_or_absent() {
    let create = |id: &str| pb::CreateIncidentRequest {
        request_id: id.to_owned(),
        ..create(incident())
    };
    holds(&create(""));
    holds(&create("0198c2d4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"));
    holds(&create("0198C2D4-5E6F-7A8B-9C0D-1E2F3A4B5C6D"));
    for wrong in [
        "0198c2d45e6f7a8b9c0d1e2f3a4b5c6d",
        "0198c2d4-5e6f-7a8b-9c0d-1e2f3a4b5c6",
        "g198c2d4-5e6f-7a8b-9c0d-1e2f3a4b5c6d",
        " ",
    ] {
        breaks(&create(wrong), "request_id", "must be a UUID");
    }
}

#[test]
fn a_uri_has_a_scheme_and_no_blanks() {
    for uri in [
        "https://example.org/a?b=c#d",
        "mailto:ada@example.org",
        "urn:x:1",
        "http://[::1]/",
    ] {
        holds(&link(uri));
    }
    for wrong in [
        "",
        "example.org",
        "://x",
        "1http://x",
        "https:",
        "https://a b",
        "https://ä",
        "x:<>",
    ] {
        breaks(
            &link(wrong),
            "link.uri",
            "must be a URI with a scheme, such as https://…",
        );
    }
}

#[test]
fn an_enum_has_a_defined_value() {
    let impact = |impact| {
        create(pb::Incident {
            impact,
            ..incident()
        })
    };
    holds(&impact(0));
    holds(&impact(4));
    breaks(
        &impact(5),
        "incident.impact",
        "must be one of the defined values",
    );
    breaks(
        &impact(-1),
        "incident.impact",
        "must be one of the defined values",
    );
}

#[test]
fn an_enum_has_none_of_the_banned_values() {
    let code = |code| resolve(pb::Resolution { code, ..fixed() });
    holds(&code(1));
    breaks(&code(0), "resolution.code", "is required");
    breaks(&code(7), "resolution.code", "must not have this value");
    breaks(
        &code(8),
        "resolution.code",
        "must be one of the defined values",
    );
}

#[test]
fn a_number_lies_between_its_bounds() {
    let page = |page_size| pb::ListIncidentsRequest {
        page_size,
        ..Default::default()
    };
    holds(&page(0));
    holds(&page(500));
    breaks(&page(-1), "page_size", "must be at least 0");
    breaks(&page(501), "page_size", "must be at most 500");
}

#[test]
fn a_duration_lies_between_its_bounds() {
    let wait = |seconds, nanos| event::ListEventsRequest {
        wait: Some(Duration { seconds, nanos }),
        ..Default::default()
    };
    holds(&event::ListEventsRequest::default());
    holds(&wait(0, 0));
    holds(&wait(30, 0));
    breaks(&wait(30, 1), "wait", "must be at most 30 s");
    breaks(&wait(0, -1), "wait", "must be at least 0 s");
}

#[test]
fn a_list_has_bounds_and_names_nothing_twice() {
    let batch = |count: usize| pb::BatchGetIncidentsRequest {
        names: (0..count).map(|number| format!("INC-{number}")).collect(),
        ..Default::default()
    };
    holds(&batch(100));
    breaks(&batch(0), "names", "must have at least 1 entries");
    breaks(&batch(101), "names", "must have at most 100 entries");

    let group = |keys: &[&str]| metrics::QueryMetricsRequest {
        metric: "backlog_age".to_owned(),
        group_by: keys.iter().map(|key| (*key).to_owned()).collect(),
        ..Default::default()
    };
    holds(&group(&["service", "team"]));
    breaks(
        &group(&["team", "team"]),
        "group_by",
        "must not name anything twice",
    );
}

#[test]
fn an_entry_of_a_list_is_named_by_its_place() {
    let batch = |names: &[&str]| pb::BatchGetIncidentsRequest {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    };
    breaks(
        &batch(&["INC-1", "INC-2", ""]),
        "names[2]",
        "must not be empty",
    );
}

#[test]
fn a_map_has_bounds_and_so_have_its_keys_and_values() {
    let labels = |labels: &[(String, String)]| {
        create(pb::Incident {
            labels: labels.iter().cloned().collect(),
            ..incident()
        })
    };
    let many = |count: usize| {
        (0..count)
            .map(|number| (number.to_string(), String::new()))
            .collect::<Vec<_>>()
    };
    holds(&labels(&many(64)));
    breaks(
        &labels(&many(65)),
        "incident.labels",
        "must have at most 64 entries",
    );
    breaks(
        &labels(&[(String::new(), "x".to_owned())]),
        "incident.labels[] (key)",
        "must not be empty",
    );
    breaks(
        &labels(&[("site".to_owned(), "x".repeat(201))]),
        "incident.labels[site] (value)",
        "must have at most 200 characters",
    );
}

#[test]
fn a_required_message_is_there() {
    breaks(
        &pb::CreateIncidentRequest::default(),
        "incident",
        "is required",
    );
    holds(&create(incident()));
    breaks(
        &event::WatchEventsRequest::default(),
        "start",
        "is required",
    );
    breaks(
        &access::CreateTokenRequest::default(),
        "token",
        "is required",
    );
}

#[test]
fn a_required_choice_is_made_and_what_is_chosen_keeps_its_rules() {
    use event::start::At;
    breaks(&watch(None), "start.at", "is required");
    holds(&watch(Some(At::Cursor(String::new()))));
    breaks(
        &watch(Some(At::Cursor("x".repeat(513)))),
        "start.cursor",
        "must have at most 512 characters",
    );
    breaks(&watch(Some(At::Point(0))), "start.point", "is required");
    breaks(
        &watch(Some(At::Point(9))),
        "start.point",
        "must be one of the defined values",
    );
}

#[test]
fn an_empty_text_that_may_be_absent_keeps_no_other_rule() {
    let category = |category: &str| {
        create(pb::Incident {
            category: category.to_owned(),
            ..incident()
        })
    };
    holds(&category(""));
    breaks(
        &category("Net work"),
        "incident.category",
        "must match ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
    );
}

#[test]
fn a_record_in_an_update_is_not_checked_as_a_whole() {
    holds(&pb::UpdateIncidentRequest {
        incident: Some(pb::Incident {
            impact: 99,
            ..Default::default()
        }),
        update_mask: Some(FieldMask::default()),
        ..Default::default()
    });
    breaks(
        &pb::UpdateIncidentRequest::default(),
        "update_mask",
        "is required",
    );
}

#[test]
fn what_is_output_only_is_not_checked_on_the_way_in() {
    holds(&create(pb::Incident {
        resolution: Some(pb::Resolution::default()),
        ..incident()
    }));
}

#[test]
fn a_path_leads_through_lists_to_the_field() {
    let history = pb::IncidentHistory {
        origin: Some(record::Origin {
            source: "volvo".to_owned(),
            key: "1".to_owned(),
            ..Default::default()
        }),
        title: "Mail is down".to_owned(),
        facts: vec![
            pb::Fact {
                time: Some(prost_types::Timestamp::default()),
                ..Default::default()
            },
            pb::Fact {
                time: Some(prost_types::Timestamp::default()),
                hold_reason: 42,
                ..Default::default()
            },
        ],
        ..Default::default()
    };
    let import = pb::ImportIncidentsRequest {
        histories: vec![history],
        ..Default::default()
    };
    breaks(
        &import,
        "histories[0].facts[1].hold_reason",
        "must be one of the defined values",
    );
}

#[test]
fn all_violations_are_told_but_no_more_than_sixteen() {
    let two = resolve(pb::Resolution {
        code: 0,
        summary: String::new(),
        ..Default::default()
    });
    let fields: Vec<String> = Violations::of(&two)
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(fields, ["resolution.code", "resolution.summary"]);

    let many = pb::BatchGetIncidentsRequest {
        names: vec![String::new(); 40],
        ..Default::default()
    };
    assert_eq!(Violations::of(&many).len(), 16);
}

#[test]
fn every_pattern_of_the_contract_compiles() {
    let pool = mainstay_proto::descriptors();
    let rules = pool
        .get_extension_by_name("buf.validate.field")
        .expect("the rules are in the image");
    let mut seen = 0;
    for field in pool
        .all_messages()
        .flat_map(|message| message.fields().collect::<Vec<_>>())
    {
        let value = field.options().get_extension(&rules).into_owned();
        let texts = value
            .as_message()
            .and_then(|rules| rules.get_field_by_name("string"))
            .map(std::borrow::Cow::into_owned);
        let pattern = texts
            .as_ref()
            .and_then(|texts| texts.as_message())
            .and_then(|texts| texts.get_field_by_name("pattern"));
        let pattern = pattern
            .and_then(|pattern| pattern.as_str().map(str::to_owned))
            .unwrap_or_default();
        if !pattern.is_empty() {
            regex::Regex::new(&pattern)
                .unwrap_or_else(|error| panic!("{}: {error}", field.full_name()));
            seen += 1;
        }
    }
    assert!(seen > 0, "there are patterns to try");
}
