//! Imports of small logs into a server that answers from memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::ready;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use pb::{HoldReason, ImportOutcome, IncidentState};
use prost::Message as _;
use tonic_types::{ErrorDetails, StatusExt};

use super::*;

const MAPPING: &str = "
version: 1
origin: { source: desk, uri: 'https://desk.example/{id}' }
columns: { key: id, time: at }
title: '{service} ({id})'
status:
  columns: [status, detail]
  values:
    Open/: { state: IN_PROGRESS }
    Open/Vendor: { state: ON_HOLD, hold_reason: VENDOR }
    Open/Parts: { state: ON_HOLD, hold_reason: PARTS }
    Queued/: { state: IN_PROGRESS, new_at_first: true, unassigned: true }
    Done/: { state: RESOLVED }
    Done/Closed: { state: CLOSED }
impact: { column: impact, values: { Low: LOW, Major: CRITICAL } }
urgency: { constant: HIGH }
service: { column: service }
team: { column: team }
assignee: { column: owner, absent: ['-'], overrides: { Jan-Erik: jan-erik-2 } }
labels: { site: site }
";
const HEADER: &str = "id,at,status,detail,impact,service,team,owner,site\n";

type Answer = Result<Response<pb::ImportIncidentsResponse>, Status>;

/// A server that keeps histories by their key.
#[derive(Default)]
struct Desk {
    kept: RefCell<BTreeMap<String, pb::IncidentHistory>>,
    calls: RefCell<Vec<pb::ImportIncidentsRequest>>,
}

impl Desk {
    fn answer(&self, request: Request<pb::ImportIncidentsRequest>) -> Answer {
        let request = request.into_inner();
        self.calls.borrow_mut().push(request.clone());
        let results = request
            .histories
            .into_iter()
            .map(|history| self.take(history, request.validate_only));
        Ok(Response::new(pb::ImportIncidentsResponse {
            results: results.collect(),
            cursor: String::new(),
        }))
    }

    fn take(&self, history: pb::IncidentHistory, validate_only: bool) -> pb::ImportResult {
        let key = history
            .origin
            .as_ref()
            .map(|origin| origin.key.clone())
            .unwrap_or_default();
        let mut kept = self.kept.borrow_mut();
        let (outcome, written) = match kept.get(&key) {
            None => (ImportOutcome::Created, history.facts.len()),
            Some(known) if known.facts == history.facts => (ImportOutcome::Unchanged, 0),
            Some(known) if history.facts.starts_with(&known.facts) => (
                ImportOutcome::Extended,
                history.facts.len() - known.facts.len(),
            ),
            Some(_) => (ImportOutcome::Refused, 0),
        };
        if !validate_only && outcome != ImportOutcome::Refused {
            kept.insert(key.clone(), history);
        }
        let written_facts = i32::try_from(written).unwrap();
        let reason = if outcome == ImportOutcome::Refused {
            "IMPORT_CONFLICT"
        } else {
            ""
        }
        .to_owned();
        pb::ImportResult {
            key,
            outcome: outcome.into(),
            written_facts,
            reason,
            ..Default::default()
        }
    }

    fn facts(&self, key: &str) -> Vec<pb::Fact> {
        self.kept.borrow()[key].facts.clone()
    }
}

/// Files of a test, and how they are imported.
struct Files {
    folder: tempfile::TempDir,
    args: ImportArgs,
}

impl Files {
    fn new(mapping: &str, log: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (mapping, file) = (write("map.yaml", mapping), write("log.csv", log));
        let args = ImportArgs {
            mapping,
            file,
            json: false,
            dry_run: false,
            in_flight: 6,
        };
        Self { folder, args }
    }

    async fn import(&self, desk: &Desk) -> Result<Report, ImportError> {
        run(
            &self.args,
            |request| ready(desk.answer(request)),
            |status| status.to_string(),
        )
        .await
    }
}

async fn imported(log: &str, desk: &Desk) -> Report {
    Files::new(MAPPING, &format!("{HEADER}{log}"))
        .import(desk)
        .await
        .unwrap()
}

fn many(incidents: usize) -> String {
    (0..incidents)
        .map(|n| format!("K-{n},2024-01-01T00:00:00Z,Open,,Low,mail,a,ann,x\n"))
        .collect()
}

#[tokio::test]
async fn rows_become_facts() {
    let desk = Desk::default();
    let report = imported(
        "K-1,2024-01-01T10:00:00+01:00,Queued,,Major,Mail Relay,G2 2nd,Ann,north\n\
         K-1,2024-01-01T10:00:01.5+01:00,Open,,Major,Mail Relay,G2 2nd,Ann,south\n\
         K-1,2024-01-01T11:00:00+01:00,Open,Vendor,Major,Mail Relay,G2 2nd,-,south\n\
         K-1,2024-01-01T12:00:00+01:00,Queued,,Major,Mail Relay,G3,Ann,south\n",
        &desk,
    )
    .await;
    assert_eq!(
        (
            report.rows,
            report.incidents,
            report.created,
            report.facts_sent
        ),
        (4, 1, 1, 4)
    );
    let history = desk.kept.borrow()["K-1"].clone();
    assert_eq!(history.title, "Mail Relay (K-1)");
    assert_eq!(
        history.labels,
        BTreeMap::from([("site".to_owned(), "north".to_owned())])
    );
    assert_eq!(history.origin.unwrap().uri, "https://desk.example/K-1");
    let facts = history.facts;
    let states: Vec<IncidentState> = facts.iter().map(pb::Fact::state).collect();
    // A queue is new only until somebody has begun.
    assert_eq!(
        states,
        [
            IncidentState::New,
            IncidentState::InProgress,
            IncidentState::OnHold,
            IncidentState::InProgress
        ]
    );
    let time = facts[1].time.unwrap();
    assert_eq!((time.seconds, time.nanos), (1_704_099_601, 500_000_000));
    assert_eq!(facts[2].hold_reason(), HoldReason::Vendor);
    assert!(
        facts.iter().all(
            |fact| fact.impact() == pb::Impact::Critical && fact.urgency() == pb::Urgency::High
        )
    );
    assert!(facts.iter().all(|fact| fact.service == "mail-relay"));
    let who: Vec<(&str, &str, bool)> = facts
        .iter()
        .map(|fact| (fact.team.as_str(), fact.assignee.as_str(), fact.unassigned))
        .collect();
    assert_eq!(
        who,
        [
            ("g2-2nd", "", true),
            ("g2-2nd", "ann", false),
            ("g2-2nd", "", true),
            ("g3", "", true)
        ]
    );
}

#[tokio::test]
async fn rows_of_incidents_may_be_mixed_but_time_must_not_go_back_within_one() {
    let desk = Desk::default();
    let report = imported(
        "K-1,2024-01-02T00:00:00Z,Open,,Low,mail,a,ann,x\n\
         K-2,2024-01-01T00:00:00Z,Open,,Low,mail,a,ann,x\n\
         K-1,2024-01-03T00:00:00Z,Done,,Low,mail,a,ann,x\n\
         K-2,2023-12-31T00:00:00Z,Done,,Low,mail,a,ann,x\n\
         K-1,2024-01-03T00:00:00Z,Done,Closed,Low,mail,a,ann,x\n",
        &desk,
    )
    .await;
    assert_eq!(
        (report.created, report.rejected, report.rejected_rows),
        (1, 1, 1)
    );
    assert_eq!(desk.facts("K-1").len(), 3);
    let rejection = &report.rejections[0];
    assert_eq!((rejection.line, rejection.key.as_str()), (5, "K-2"));
    assert_eq!(
        rejection.message,
        "time goes back: 2023-12-31T00:00:00Z after 2024-01-01T00:00:00Z of line 3"
    );
}

#[tokio::test]
async fn an_incident_with_a_value_that_the_mapping_does_not_know_is_not_sent_at_all() {
    let desk = Desk::default();
    let report = imported(
        "K-1,2024-01-01T00:00:00Z,Open,,Low,mail,a,ann,x\n\
         K-1,2024-01-02T00:00:00Z,Open,Moon,Low,mail,a,ann,x\n\
         K-1,2024-01-03T00:00:00Z,Open,Moon,Awful,mail,a,ann,x\n\
         K-2,2024-01-01T00:00:00Z,Open,,,mail,a,ann,x\n",
        &desk,
    )
    .await;
    assert_eq!(
        (
            report.created,
            report.rejected,
            report.rejected_rows,
            report.facts_sent
        ),
        (1, 1, 2, 1)
    );
    let unmapped: Vec<(&str, &str, u64)> = report
        .unmapped
        .iter()
        .map(|value| (value.place, value.value.as_str(), value.rows))
        .collect();
    assert_eq!(
        unmapped,
        [("impact", "Awful", 1), ("status", "Open/Moon", 2)]
    );
    assert_eq!(report.rejections[1].line, 4);
    // An empty cell of a scale is not given.
    assert_eq!(desk.facts("K-2")[0].impact(), pb::Impact::Unspecified);
}

#[tokio::test]
async fn rows_that_make_no_sense_are_rejected_with_their_line() {
    let desk = Desk::default();
    let report = imported(
        ",2024-01-01T00:00:00Z,Open,,Low,mail,a,ann,x\n\
         K-1,yesterday,Open,,Low,mail,a,ann,x\n\
         K-2,2024-01-01T00:00:00,Open,,Low,mail,a,ann,x\n\
         K-3,-000001-01-01T00:00:00Z,Open,,Low,mail,a,ann,x\n\
         K-4,2024-02-30T00:00:00Z,Open,,Low,mail,a,ann,x\n",
        &desk,
    )
    .await;
    let lines: Vec<u64> = report
        .rejections
        .iter()
        .map(|rejection| rejection.line)
        .collect();
    assert_eq!(lines, [2, 3, 4, 5, 6]);
    assert_eq!(
        (report.incidents, report.rejected, report.created),
        (4, 4, 0)
    );
    assert!(report.rejections[2].message.contains("with an offset"));
    assert!(desk.calls.borrow().is_empty());
}

#[tokio::test]
async fn long_titles_are_cut_and_long_labels_rejected() {
    let mapping = MAPPING.replace("'{service} ({id})'", "'{site}'");
    let row =
        |key: &str, site: &str| format!("{key},2024-01-01T00:00:00Z,Open,,Low,mail,a,ann,{site}\n");
    let log = format!(
        "{HEADER}{}{}",
        row("K-1", &"é".repeat(201)),
        row("K-2", "north")
    );
    let desk = Desk::default();
    let report = Files::new(&mapping, &log).import(&desk).await.unwrap();
    assert_eq!((report.rejected, report.rejections[0].line), (1, 2));
    let unlabelled = mapping.replace("labels: { site: site }", "");
    Files::new(&unlabelled, &log).import(&desk).await.unwrap();
    let title = desk.kept.borrow()["K-1"].title.clone();
    assert_eq!(
        (title.chars().count(), title.chars().last()),
        (200, Some('…'))
    );
}

#[tokio::test]
async fn names_that_collide_stop_the_import_before_the_first_call() {
    let desk = Desk::default();
    let log = format!(
        "{HEADER}K-1,2024-01-01T00:00:00Z,Open,,Low,mail,A 1,ann,x\nK-2,2024-01-01T00:00:00Z,Open,,Low,- -,a-1,ann,x\n"
    );
    let error = Files::new(MAPPING, &log)
        .import(&desk)
        .await
        .unwrap_err()
        .to_string();
    for told in [
        "\"A 1\" and \"a-1\" both become `a-1`",
        "service: \"- -\" leaves nothing",
    ] {
        assert!(error.contains(told), "{told} in {error}");
    }
    assert!(desk.calls.borrow().is_empty());
}

#[tokio::test]
async fn a_file_that_breaks_off_stops_the_import_before_the_first_call() {
    let desk = Desk::default();
    let error = Files::new(MAPPING, &format!("{HEADER}{}K-9,2024\n", many(300)))
        .import(&desk)
        .await
        .unwrap_err();
    let error = format!("{:#}", anyhow::Error::from(error));
    assert!(
        error.contains("line 302: 2 fields, but the header names 9"),
        "{error}"
    );
    assert!(desk.calls.borrow().is_empty());
}

#[tokio::test]
async fn again_changes_nothing_and_a_longer_log_extends() {
    let desk = Desk::default();
    imported(&many(250), &desk).await;
    assert!(
        desk.calls
            .borrow()
            .iter()
            .all(|call| (1..=100).contains(&call.histories.len()))
    );
    let again = imported(&many(250), &desk).await;
    assert_eq!((again.created, again.unchanged), (0, 250));
    assert_eq!((again.facts_written, again.facts_known), (0, 250));
    let longer = format!(
        "{}K-7,2024-01-02T00:00:00Z,Done,,Low,mail,a,ann,x\n",
        many(250)
    );
    let extended = imported(&longer, &desk).await;
    assert_eq!(
        (
            extended.unchanged,
            extended.extended,
            extended.facts_written
        ),
        (249, 1, 1)
    );
    assert_eq!(extended.exit_code(), ExitCode::SUCCESS);
    let other = imported("K-7,2020-01-02T00:00:00Z,Done,,Low,mail,a,ann,x\n", &desk).await;
    assert_eq!(
        (other.refused, other.refusals[0].reason.as_str()),
        (1, "IMPORT_CONFLICT")
    );
    assert_eq!(other.exit_code(), ExitCode::from(3));
}

#[tokio::test]
async fn a_dry_run_asks_and_writes_nothing() {
    let desk = Desk::default();
    let mut files = Files::new(MAPPING, &format!("{HEADER}{}", many(3)));
    files.args.dry_run = true;
    let report = files.import(&desk).await.unwrap();
    assert_eq!((report.created, report.dry_run), (3, true));
    assert!(desk.calls.borrow().iter().all(|call| call.validate_only));
    assert!(desk.kept.borrow().is_empty());
    assert!(
        report
            .to_string()
            .starts_with("Dry run, nothing was written: 3 rows, 3 incidents")
    );
}

#[tokio::test]
async fn a_call_stays_far_below_the_size_a_request_may_have() {
    let mapping =
        format!("{MAPPING}description: '{{site}}'\n").replace("labels: { site: site }", "");
    let site = "x".repeat(30_000);
    let log: String = (0..120)
        .map(|n| format!("K-{n},2024-01-01T00:00:00Z,Open,,Low,mail,a,ann,{site}\n"))
        .collect();
    let desk = Desk::default();
    let report = Files::new(&mapping, &format!("{HEADER}{log}"))
        .import(&desk)
        .await
        .unwrap();
    assert_eq!(report.created, 120);
    assert!(
        desk.calls
            .borrow()
            .iter()
            .all(|call| call.encoded_len() < 1_000_000)
    );
}

#[tokio::test]
async fn a_history_beyond_the_limit_goes_without_what_changes_nothing_or_not_at_all() {
    let row = |minute: u32, detail: &str| {
        let (hour, minute) = (minute / 60, minute % 60);
        format!("K-1,2024-01-01T{hour:02}:{minute:02}:00Z,Open,{detail},Low,mail,a,ann,x\n")
    };
    let repeated: String = (0..1200)
        .map(|minute| row(minute, if minute < 900 { "Vendor" } else { "" }))
        .collect();
    let desk = Desk::default();
    let report = imported(&repeated, &desk).await;
    assert_eq!(
        (report.created, report.facts_sent, report.facts_idle),
        (1, 2, 1198)
    );
    let restless: String = (0..1200)
        .map(|minute| row(minute, if minute % 2 == 0 { "Vendor" } else { "Parts" }))
        .collect();
    let report = imported(&restless, &desk).await;
    assert_eq!((report.rejected, report.rejections[0].line), (1, 1002));
    assert_eq!(
        report.rejections[0].message,
        "the incident has 1200 changes, 1000 are allowed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_after_the_time_it_names() {
    let desk = Desk::default();
    let files = Files::new(MAPPING, &format!("{HEADER}{}", many(3)));
    let busy = RefCell::new(vec![
        Status::unavailable("away"),
        Status::deadline_exceeded("slow"),
        Status::with_error_details(
            tonic::Code::ResourceExhausted,
            "busy",
            ErrorDetails::with_retry_info(Some(Duration::from_secs(77))),
        ),
    ]);
    let began = tokio::time::Instant::now();
    let call = |request| {
        ready(
            busy.borrow_mut()
                .pop()
                .map_or_else(|| desk.answer(request), Err),
        )
    };
    let report = run(&files.args, call, |status| status.to_string())
        .await
        .unwrap();
    assert_eq!((report.created, report.error.is_none()), (3, true));
    assert!(began.elapsed() >= Duration::from_secs(77));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_away_ends_the_import_with_a_true_report() {
    let desk = Desk::default();
    let files = Files::new(MAPPING, &format!("{HEADER}{}", many(2000)));
    let calls = std::cell::Cell::new(0);
    let call = |request| {
        calls.set(calls.get() + 1);
        ready(if calls.get() <= 5 {
            desk.answer(request)
        } else {
            Err(Status::unavailable("away"))
        })
    };
    let report = run(&files.args, call, |status| status.message().to_owned())
        .await
        .unwrap();
    assert_eq!(
        report.created,
        u64::try_from(desk.kept.borrow().len()).unwrap()
    );
    assert_eq!(
        (report.created, report.error.as_deref()),
        (500, Some("away"))
    );
    assert_eq!(report.exit_code(), ExitCode::FAILURE);
    assert!(report.to_string().contains("Ended early: away"));
}

#[tokio::test]
async fn a_refused_call_is_not_repeated() {
    let files = Files::new(MAPPING, &format!("{HEADER}{}", many(1)));
    let calls = std::cell::Cell::new(0);
    let call = |_| {
        calls.set(calls.get() + 1);
        ready(Err(Status::permission_denied("no")))
    };
    let report = run(&files.args, call, |status| status.message().to_owned())
        .await
        .unwrap();
    assert_eq!((calls.get(), report.error.as_deref()), (1, Some("no")));
}

#[tokio::test]
async fn the_report_is_json_for_scripts() {
    let desk = Desk::default();
    let log = format!(
        "{}K-9,2024-01-02T00:00:00Z,Gone,,Low,mail,a,ann,x\n",
        many(2)
    );
    let report = imported(&log, &desk).await;
    let json: serde_json::Value =
        serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
    assert_eq!(json["created"], 2);
    assert_eq!(json["rejections"][0]["line"], 4);
    assert_eq!(json["unmapped"][0]["value"], "Gone/");
    assert_eq!(json["error"], serde_json::Value::Null);
    assert!(json["factsPerSecond"].is_u64());
}

#[tokio::test]
async fn a_mapping_that_is_not_there_or_wrong_is_told() {
    let desk = Desk::default();
    let mut files = Files::new("version: 1\n", "");
    let error = files.import(&desk).await.unwrap_err().to_string();
    assert!(error.contains("map.yaml is wrong"), "{error}");
    files.args.mapping = files.folder.path().join("none.yaml");
    let error = files.import(&desk).await.unwrap_err().to_string();
    assert!(error.contains("none.yaml cannot be read"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_for_every_history_is_found_out() {
    let files = Files::new(MAPPING, &format!("{HEADER}{}", many(2)));
    let desk = Desk::default();
    let call = |request| {
        let mut answer = desk.answer(request).map(Response::into_inner);
        if let Ok(response) = &mut answer {
            response.results.pop();
        }
        ready(answer.map(Response::new))
    };
    let report = run(&files.args, call, |status| status.message().to_owned())
        .await
        .unwrap();
    assert_eq!((report.created, report.exit_code()), (1, ExitCode::FAILURE));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_never_there_is_given_up_soon() {
    let files = Files::new(MAPPING, &format!("{HEADER}{}", many(1)));
    let began = tokio::time::Instant::now();
    let call = |_| ready(Err(Status::unavailable("nobody there")));
    let report = run(&files.args, call, |status| status.message().to_owned())
        .await
        .unwrap();
    assert_eq!(report.error.as_deref(), Some("nobody there"));
    assert!(began.elapsed() < Duration::from_secs(7));
}
