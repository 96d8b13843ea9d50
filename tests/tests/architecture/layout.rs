//! What lies where, and how it is called.

use std::path::Path;

use anyhow::Result;
use mainstay_tests::repository;
use mainstay_tests::tree::{Source, files, names, relative, sources};

use super::{crates, none, practices, record};

/// What may lie at the root.
const ROOT: [&str; 22] = [
    ".cargo/",
    ".ci/",
    ".clippy.toml",
    ".deny.toml",
    ".git",
    ".git/",
    ".gitignore",
    ".rustfmt.toml",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "buf.gen.yaml",
    "buf.yaml",
    "data/",
    "deploy/",
    "gateway/",
    "gen/",
    "proto/",
    "services/",
    "target/",
    "tests/",
];
/// What each practice has, and what it may have, with `{record}` for its noun.
const EVERY_PRACTICE: [&str; 8] = [
    "Cargo.toml",
    "README.md",
    "src/lib.rs",
    "src/wire.rs",
    "src/migrations.rs",
    "src/{record}.rs",
    "src/{record}/lifecycle.rs",
    "tests/conformance.rs",
];
const SOME_PRACTICES: [&str; 6] = [
    "main.rs",
    "api.rs",
    "api/",
    "policy.rs",
    "follow.rs",
    "wire/",
];
/// Names that say nothing.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "common", "helper", "helpers", "misc", "manager", "types",
];

#[test]
fn the_root_holds_what_the_architecture_lists() -> Result<()> {
    let strange = names(repository())?
        .into_iter()
        .filter(|name| !ROOT.contains(&&**name));
    none(strange)
}

#[test]
fn practices_have_the_same_files() -> Result<()> {
    let mut findings = Vec::new();
    for practice in practices()? {
        let folder = repository().join("services").join(&practice);
        let record = record(&practice);
        for file in EVERY_PRACTICE {
            let file = file.replace("{record}", &record);
            if !folder.join(&file).is_file() {
                findings.push(format!("services/{practice} has no {file}"));
            }
        }
        if !folder.join("src/api.rs").is_file() && !folder.join("src/api").is_dir() {
            findings.push(format!(
                "services/{practice} has neither src/api.rs nor src/api/"
            ));
        }
        findings.extend(strange_files(&practice, &folder)?);
    }
    none(findings)
}

/// Files in `src` that belong neither to every practice nor to a record.
fn strange_files(practice: &str, folder: &Path) -> Result<Vec<String>> {
    let names = names(&folder.join("src"))?;
    let of_record = |name: &str| {
        let stem = name.trim_end_matches(".rs").trim_end_matches('/');
        let there = |ending: &str| names.contains(&format!("{stem}{ending}"));
        there(".rs") && there("/")
    };
    let known = |name: &str| {
        SOME_PRACTICES.contains(&name)
            || EVERY_PRACTICE.contains(&&*format!("src/{name}"))
            || of_record(name)
    };
    let strange = names.iter().filter(|name| !known(name));
    Ok(strange
        .map(|name| format!("services/{practice}/src/{name} is in no other practice"))
        .collect())
}

#[test]
fn every_crate_keeps_the_lints_and_has_a_readme() -> Result<()> {
    let mut findings = Vec::new();
    for krate in crates()? {
        let folder = repository().join(&krate.path);
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml"))?;
        if !manifest.contains("[lints]\nworkspace = true") {
            findings.push(format!(
                "{} does not keep the lints of the workspace",
                krate.path
            ));
        }
        if !folder.join("README.md").is_file() {
            findings.push(format!("{} has no README.md", krate.path));
        }
    }
    none(findings)
}

#[test]
fn modules_have_one_style() -> Result<()> {
    none(
        sources()?
            .into_iter()
            .map(|source| source.path)
            .filter(|path| path.ends_with("/mod.rs")),
    )
}

#[test]
fn no_name_is_empty_of_meaning() -> Result<()> {
    let mut findings = Vec::new();
    for path in files(repository())? {
        let path = relative(&path)?;
        let parts = Path::new(&path).with_extension("");
        if parts
            .iter()
            .any(|part| EMPTY_NAMES.iter().any(|empty| part == *empty))
        {
            findings.push(path);
        }
    }
    for source in sources()? {
        let modules: Vec<String> = EMPTY_NAMES
            .iter()
            .flat_map(|name| [format!("mod {name};"), format!("mod {name} {{")])
            .collect();
        findings.extend(source.mentions(&modules.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    none(findings)
}

#[test]
fn tests_are_named_by_sentences() -> Result<()> {
    let named = |source: &Source| {
        source.tests().contains("\n    fn test_") || source.tests().contains("\nfn test_")
    };
    none(
        sources()?
            .into_iter()
            .filter(named)
            .map(|source| source.path),
    )
}
