//! Who may use whom, and what is done in one place only.

use std::collections::BTreeSet;

use anyhow::Result;
use mainstay_tests::tree::{Source, sources};

use super::{KERNEL, capitalized, crates, is_practice, none, practices, record};

/// Where a delay is what the caller asks for: the service behind the Connect
/// conformance suite answers after the time that a case names.
const DELAYS: [&str; 1] = ["gateway/tests/conformance/reference.rs"];
/// The two places that build a `tonic::Status`.
const STATUS: [&str; 2] = ["services/chassis/src/refusal.rs", "proto/src/codec.rs"];

#[test]
fn crates_depend_only_on_what_they_may() -> Result<()> {
    let mut findings = Vec::new();
    for krate in crates()? {
        let allowed = allowed_crates(&krate.path);
        for used in krate
            .dependencies
            .iter()
            .filter(|used| used.starts_with("mainstay-"))
        {
            if allowed
                .as_ref()
                .is_some_and(|allowed| !allowed.contains(&&**used))
            {
                findings.push(format!("{} must not use {used}", krate.path));
            }
        }
        let no_database = matches!(&*krate.path, "proto" | "services/chassis");
        let databases = ["sea-orm", "sea-orm-migration", "sqlx", "rusqlite"];
        if no_database
            && let Some(used) = databases
                .iter()
                .find(|used| krate.dependencies.contains(**used))
        {
            findings.push(format!("{} must not know {used}", krate.path));
        }
    }
    none(findings)
}

/// The crates of the suite that a crate may use; none when it may use any.
fn allowed_crates(path: &str) -> Option<Vec<&'static str>> {
    match path {
        "proto" => Some(vec![]),
        "services/chassis" => Some(vec!["mainstay-proto"]),
        // Itself with the feature that its own tests need.
        "services/practice" => Some(vec![
            "mainstay-proto",
            "mainstay-chassis",
            "mainstay-practice",
        ]),
        path if path.starts_with("services/") || path == "gateway" => Some(vec![
            "mainstay-proto",
            "mainstay-chassis",
            "mainstay-practice",
        ]),
        _ => None,
    }
}

#[test]
fn the_kernel_knows_no_practice() -> Result<()> {
    let mut findings = Vec::new();
    for source in sources()?
        .iter()
        .filter(|source| is_kernel(source) && !source.is_test())
    {
        for practice in practices()? {
            let noun = capitalized(&record(&practice));
            let words = [
                format!("mainstay.{practice}"),
                format!("mainstay_{practice}"),
                format!("{practice}::v1"),
                noun,
            ];
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            findings.extend(source.mentions(&words));
        }
    }
    none(findings)
}

#[test]
fn the_kernel_reads_only_the_shared_packages_of_the_contract() -> Result<()> {
    let mut findings = Vec::new();
    for source in sources()?
        .iter()
        .filter(|source| is_kernel(source) && !source.is_test())
    {
        let allowed: &[&str] = match source.path.starts_with("services/chassis/") {
            true => &["record", "error"],
            false => &["record", "error", "event", "practice", "policy"],
        };
        for (number, line) in source.statements() {
            for rest in line.split("mainstay_proto::mainstay::").skip(1) {
                let package: String = rest
                    .chars()
                    .take_while(char::is_ascii_alphanumeric)
                    .collect();
                if !allowed.contains(&&*package) {
                    findings.push(format!("{}:{number}: {package}", source.path));
                }
            }
        }
    }
    none(findings)
}

#[test]
fn only_the_store_knows_which_database_it_is() -> Result<()> {
    let of_store =
        |path: &str| path.starts_with("services/practice/src/store") || path.starts_with("tests/");
    let others = sources()?
        .into_iter()
        .filter(|source| !of_store(&source.path) && !source.is_test());
    none(others.flat_map(|source| source.mentions(&["rusqlite::", "sqlx::"])))
}

#[test]
fn the_rules_of_a_record_are_pure() -> Result<()> {
    let impure = [
        "async ",
        ".await",
        "pb::",
        "Status",
        "DatabaseConnection",
        "Clock",
        "SystemTime",
        "Timestamp::now",
        "crate::api",
        "crate::wire",
        "crate::follow",
        "crate::migrations",
    ];
    none(
        rules_of_records()?
            .into_iter()
            .flat_map(|source| source.mentions(&impure)),
    )
}

#[test]
fn the_boundary_does_not_reach_up_to_the_api() -> Result<()> {
    let wires = sources()?
        .into_iter()
        .filter(|source| is_practice(&source.path) && source.path.contains("/src/wire"));
    none(wires.flat_map(|source| source.mentions(&["crate::api"])))
}

#[test]
fn only_two_files_build_a_status() -> Result<()> {
    let constructors = [
        "new",
        "cancelled",
        "unknown",
        "invalid_argument",
        "deadline_exceeded",
        "not_found",
        "already_exists",
        "permission_denied",
        "resource_exhausted",
        "failed_precondition",
        "aborted",
        "out_of_range",
        "unimplemented",
        "internal",
        "unavailable",
        "data_loss",
        "unauthenticated",
        "with_details",
        "with_metadata",
        "with_details_and_metadata",
        "with_error_details",
        "with_error_details_vec",
    ];
    let calls: Vec<String> = constructors
        .iter()
        .map(|name| format!("Status::{name}("))
        .collect();
    let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
    let others = sources()?.into_iter().filter(|source| {
        !STATUS.contains(&&*source.path) && !source.path.starts_with("tests/") && !source.is_test()
    });
    none(others.flat_map(|source| source.mentions(&calls)))
}

#[test]
fn only_the_clock_reads_the_clock() -> Result<()> {
    let reads = ["SystemTime::now", "Timestamp::now(", "Zoned::now("];
    none(outside_of_tests(
        |path| path == "services/chassis/src/clock.rs",
        &reads,
    )?)
}

#[test]
fn only_the_kernel_turns_records_into_rows() -> Result<()> {
    let turns = ["into_active_model(", "try_into_model(", "ActiveModelTrait"];
    none(outside_of_tests(
        |path| path.starts_with("services/practice/"),
        &turns,
    )?)
}

/// Where the texts stand outside of tests, benches and the places that may.
fn outside_of_tests(may: impl Fn(&str) -> bool, texts: &[&str]) -> Result<Vec<String>> {
    let others = sources()?.into_iter().filter(|source| {
        !may(&source.path) && !source.path.starts_with("tests/") && !source.is_test()
    });
    Ok(others.flat_map(|source| source.mentions(texts)).collect())
}

#[test]
fn lints_are_switched_off_for_generated_code_only() -> Result<()> {
    let mut findings = Vec::new();
    for source in sources()? {
        for (place, _) in source.text.match_indices("[allow(") {
            let line_start = source.text[..place]
                .rfind('\n')
                .map_or(0, |newline| newline + 1);
            let attribute = source.text[place..].split(")]").next().unwrap_or_default();
            let is_attribute = source.text[line_start..place].trim_start().starts_with('#');
            if is_attribute && !attribute.contains("reason = \"generated\"") {
                findings.push(format!("{}: {}", source.path, attribute.replace('\n', " ")));
            }
        }
    }
    none(findings)
}

#[test]
fn no_test_waits_by_the_clock() -> Result<()> {
    let waits = concat!("sle", "ep("); // so that this file does not find itself
    let mut findings = Vec::new();
    let others = sources()?
        .into_iter()
        .filter(|source| !DELAYS.contains(&&*source.path));
    for source in others {
        let lines = source
            .tests()
            .lines()
            .filter(|line| line.contains(waits) && !line.trim_start().starts_with("//"));
        findings.extend(lines.map(|line| format!("{}: {}", source.path, line.trim())));
    }
    none(findings)
}

/// The files in which the fields of a record are assigned: those beside
/// `<record>.rs`, in its folder.
fn rules_of_records() -> Result<Vec<Source>> {
    let sources = sources()?;
    let paths: BTreeSet<String> = sources.iter().map(|source| source.path.clone()).collect();
    let outside = ["api", "wire", "migrations", "policy", "follow"];
    Ok(sources
        .into_iter()
        .filter(|source| {
            let Some((krate, inner)) = source.path.split_once("/src/") else {
                return false;
            };
            let Some((folder, _)) = inner.split_once('/') else {
                return false;
            };
            is_practice(&source.path)
                && !outside.contains(&folder)
                && paths.contains(&format!("{krate}/src/{folder}.rs"))
        })
        .collect())
}

fn is_kernel(source: &Source) -> bool {
    KERNEL
        .iter()
        .any(|name| source.path.starts_with(&format!("services/{name}/")))
}
