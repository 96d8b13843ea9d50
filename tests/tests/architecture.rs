//! The order of the tree: what lies where, who may use whom, and how large and
//! how named things are. A rule that fails names every place that breaks it.

#[path = "architecture/layout.rs"]
mod layout;
#[path = "architecture/sizes.rs"]
mod sizes;
#[path = "architecture/uses.rs"]
mod uses;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use mainstay_tests::repository;
use mainstay_tests::tree::names;

/// The crates beside the practices in `services/`.
const KERNEL: [&str; 2] = ["chassis", "practice"];

/// A crate of the workspace.
struct Crate {
    path: String,
    dependencies: BTreeSet<String>,
}

/// Fails with every finding, one a line.
fn none(findings: impl IntoIterator<Item = String>) -> Result<()> {
    let findings: Vec<String> = findings.into_iter().collect();
    ensure!(
        findings.is_empty(),
        "{} places:\n{}",
        findings.len(),
        findings.join("\n")
    );
    Ok(())
}

fn crates() -> Result<Vec<Crate>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(repository())
        .output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let root = metadata["workspace_root"].as_str().context("a root")?;
    let packages = metadata["packages"].as_array().context("packages")?;
    let krate = |package: &serde_json::Value| {
        let path = Path::new(package["manifest_path"].as_str()?)
            .parent()?
            .strip_prefix(root)
            .ok()?;
        let dependencies = package["dependencies"].as_array()?.iter();
        Some(Crate {
            path: path.to_string_lossy().into_owned(),
            dependencies: dependencies
                .filter_map(|used| Some(used["name"].as_str()?.to_owned()))
                .collect(),
        })
    };
    packages
        .iter()
        .map(|package| krate(package).context("a package"))
        .collect()
}

fn practices() -> Result<Vec<String>> {
    let names = names(&repository().join("services"))?;
    let folders = names.iter().filter_map(|name| name.strip_suffix('/'));
    Ok(folders
        .filter(|name| !KERNEL.contains(name))
        .map(str::to_owned)
        .collect())
}

/// The noun of a practice.
fn record(practice: &str) -> String {
    match practice {
        "request" => "service_request".to_owned(),
        "service-level" => "service".to_owned(),
        practice => practice.to_owned(),
    }
}

fn capitalized(noun: &str) -> String {
    noun.split('_')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect()
}

fn is_practice(path: &str) -> bool {
    path.starts_with("services/")
        && !KERNEL
            .iter()
            .any(|name| path.starts_with(&format!("services/{name}/")))
}
