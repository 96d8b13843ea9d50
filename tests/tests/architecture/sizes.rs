//! How large files and handlers are.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use mainstay_tests::tree::{Source, sources};

use super::{is_practice, none};

const LONGEST_FILE: usize = 400;
const LONGEST_HANDLER: usize = 15;

#[test]
fn every_file_says_what_it_is_for() -> Result<()> {
    let silent = sources()?
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "));
    none(silent.map(|source| format!("{} does not open with `//!`", source.path)))
}

#[test]
fn no_file_is_too_long() -> Result<()> {
    let length = |source: &Source| source.code().lines().count();
    let unit_tests = |source: &Source| source.path.ends_with("/tests.rs");
    let long = sources()?
        .into_iter()
        .filter(|source| !unit_tests(source) && length(source) > LONGEST_FILE);
    none(long.map(|source| format!("{} has {} lines", source.path, length(&source))))
}

#[test]
fn no_handler_is_too_long() -> Result<()> {
    let is_api = |path: &str| path.ends_with("/src/api.rs") || path.contains("/src/api/");
    let apis = sources()?
        .into_iter()
        .filter(|source| is_practice(&source.path) && is_api(&source.path));
    none(apis.flat_map(|source| {
        let handlers = bodies(&source)
            .into_iter()
            .filter(|(_, length)| *length > LONGEST_HANDLER);
        handlers
            .map(|(name, length)| format!("{}: {name} has {length} lines", source.path))
            .collect::<Vec<_>>()
    }))
}

/// The handlers of a file (what it does for a trait of the contract) and the lines between their braces.
fn bodies(source: &Source) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let mut serves = false;
    let lines: Vec<&str> = source.code().lines().collect();
    for (start, line) in lines.iter().enumerate() {
        if line.starts_with("impl") {
            serves = line.contains(" for ");
        }
        let Some(name) = line.strip_prefix("    async fn ").filter(|_| serves) else {
            continue;
        };
        let opens = lines[start..].iter().position(|line| line.ends_with('{'));
        let closes = lines[start..].iter().position(|line| *line == "    }");
        if let (Some(opens), Some(closes)) = (opens, closes) {
            let name = name.split(['(', '<']).next().unwrap_or(name);
            found.push((name.to_owned(), closes.saturating_sub(opens + 1)));
        }
    }
    found
}

/// Reported, not judged: what the kernel costs is to be watched, and what a
/// practice's own rules cost is a figure to be proud of.
#[test]
fn sizes_are_reported() -> Result<()> {
    let sources = sources()?;
    let mut lengths: Vec<usize> = sources
        .iter()
        .filter(|source| !source.is_test())
        .map(|source| source.code().lines().count())
        .collect();
    lengths.sort_unstable();
    let rank =
        |percent: usize| lengths.get((lengths.len() * percent).div_ceil(100).saturating_sub(1));
    let (median, p95) = (rank(50).context("no files")?, rank(95).context("no files")?);
    println!(
        "{} files: median {median} lines (aim 120), p95 {p95} (aim 300)",
        lengths.len()
    );
    let mut sizes = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        if let Some((krate, _)) = source.path.split_once("/src/") {
            *sizes.entry(krate.to_owned()).or_insert(0) += source.code().lines().count();
        }
    }
    for (krate, lines) in sizes {
        println!("{lines:>6}  {krate}");
    }
    Ok(())
}
