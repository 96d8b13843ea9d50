//! What every practice promises, tried on this one.

use mainstay_practice::conformance::{Example, Specimen};

mainstay_practice::conformance!(specimen);

/// The practice, and a valid call of every method that writes.
fn specimen() -> Specimen {
    Specimen {
        open: |settings| Box::pin(mainstay_incident::open(settings)),
        examples: EXAMPLES,
    }
}

const fn example(
    method: &'static str,
    request: &'static str,
    after: &'static [&'static str],
) -> Example {
    Example {
        method,
        request,
        after,
    }
}

const RESOLUTION: &str =
    r#"{"resolution": {"code": "RESOLUTION_CODE_FIXED", "summary": "Restarted the pool."}}"#;

const DECLARATION: &str = r#"{
    "reason": "Nobody can pay.", "bridgeUri": "https://meet.example.org/7", "commander": "users/ada"
}"#;

const EXAMPLES: &[Example] = &[
    example(
        "CreateIncident",
        r#"{"incident": {
            "title": "Checkout is slow", "description": "Since the morning.", "impact": "IMPACT_HIGH",
            "service": "services/payments", "team": "payments", "labels": {"env": "prod"},
            "origin": {"source": "alertmanager", "key": "$unique"}
        }}"#,
        &[],
    ),
    example(
        "UpdateIncident",
        r#"{"incident": {
            "title": "Checkout is down", "impact": "IMPACT_CRITICAL",
            "affectedServices": ["services/shop", "services/mail"]
        }, "updateMask": "title,impact,affectedServices"}"#,
        &[],
    ),
    example("StartIncident", "{}", &[]),
    example(
        "HoldIncident",
        r#"{"reason": "HOLD_REASON_VENDOR", "note": "Ticket 4711"}"#,
        &[],
    ),
    example("ResumeIncident", "{}", &["HoldIncident"]),
    example(
        "MitigateIncident",
        r#"{"note": "Traffic is rerouted."}"#,
        &[],
    ),
    example("ResolveIncident", RESOLUTION, &["StartIncident"]),
    example(
        "ReopenIncident",
        r#"{"reason": "It is back."}"#,
        &["ResolveIncident"],
    ),
    example("CloseIncident", "{}", &["ResolveIncident"]),
    example("CancelIncident", r#"{"reason": "A test"}"#, &[]),
    example("MergeIncident", r#"{"into": "$CreateIncident"}"#, &[]),
    example(
        "BatchCreateIncidents",
        r#"{"incidents": [{"title": "Mail is slow"}, {"title": "Mail is down", "parent": "$CreateIncident"}]}"#,
        &[],
    ),
    example(
        "BatchUpdateIncidents",
        r#"{"requests": [
            {"incident": {"name": "$CreateIncident", "title": "One"}, "updateMask": "title"},
            {"incident": {"name": "$CreateIncident", "title": "Two"}, "updateMask": "title"}
        ]}"#,
        &[],
    ),
    example("AcknowledgeIncident", "{}", &[]),
    example(
        "AssignIncident",
        r#"{"team": "teams/database", "assignee": "grace"}"#,
        &[],
    ),
    example("UnassignIncident", "{}", &["AssignIncident"]),
    example(
        "LinkIncident",
        r#"{"link": {"uri": "https://example.org/runbook", "title": "Runbook"}}"#,
        &[],
    ),
    example(
        "UnlinkIncident",
        r#"{"uri": "https://example.org/runbook"}"#,
        &["LinkIncident"],
    ),
    example("SetIncidentParent", r#"{"parent": "$CreateIncident"}"#, &[]),
    example(
        "UpdateIncidentMilestones",
        r#"{"milestones": {"detectTime": "2026-01-31T08:00:00Z"}, "updateMask": "detectTime"}"#,
        &[],
    ),
    example(
        "RedactIncident",
        r#"{"reason": "The person concerned asks for it."}"#,
        &[],
    ),
    example("DeclareMajorIncident", DECLARATION, &["UpdateIncident"]),
    example(
        "StandDownMajorIncident",
        r#"{"reason": "Traffic is back to normal."}"#,
        &["DeclareMajorIncident"],
    ),
    example(
        "DismissMajorIncident",
        r#"{"reason": "It is a test of the alarm."}"#,
        &["UpdateIncident"],
    ),
    example(
        "AssignIncidentRole",
        r#"{"role": "RESPONSE_ROLE_SCRIBE", "assignee": "users/grace"}"#,
        &["DeclareMajorIncident"],
    ),
    example(
        "ImportIncidents",
        r#"{"histories": [{
            "origin": {"source": "oldtool", "key": "$unique"}, "title": "Printer jams",
            "facts": [
                {"time": "2025-01-31T08:00:00Z", "state": "INCIDENT_STATE_NEW", "team": "desk"},
                {"time": "2025-01-31T09:00:00Z", "state": "INCIDENT_STATE_CLOSED"}
            ]
        }]}"#,
        &[],
    ),
    example(
        "CreateIncidentComment",
        r#"{"parent": "$CreateIncident", "comment": {"audience": "COMMENT_AUDIENCE_PUBLIC", "body": "We are on it."}}"#,
        &[],
    ),
];
