//! Rules of one value.

use super::*;

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
