//! Rules of lists, maps, messages and choices, and how a path leads to a field.

use super::*;

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
