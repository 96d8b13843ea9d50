//! The source tree, as the tests of its order read it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::repository;

/// Folders in which nothing of ours lies.
const FOREIGN: [&str; 6] = [
    ".git",
    "target",
    "data",
    "node_modules",
    "__pycache__",
    "gen",
];

/// A Rust file of the tree.
#[derive(Debug)]
pub struct Source {
    /// Its path from the root, such as `services/chassis/src/clock.rs`.
    pub path: String,
    /// All of it.
    pub text: String,
}

impl Source {
    /// Without its unit tests.
    pub fn code(&self) -> &str {
        if self.is_test() {
            return &self.text;
        }
        let tests = self
            .text
            .match_indices("\n#[cfg(test)]\n")
            .find(|(place, mark)| {
                let next = self.text[place + mark.len()..].lines().next();
                next.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
            });
        tests.map_or(&self.text, |(place, _)| &self.text[..=place])
    }

    /// Its unit tests, or all of it when it is a test.
    pub fn tests(&self) -> &str {
        match self.is_test() {
            true => &self.text,
            false => &self.text[self.code().len()..],
        }
    }

    /// The lines of its code that are no comments, with their numbers.
    pub fn statements(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code().lines().enumerate();
        lines
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(index, line)| (index + 1, line))
    }

    /// Whether it is nothing but a test.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/") && !self.path.starts_with("tests/")
            || self.path.starts_with("tests/tests/")
            || self.path.starts_with("tests/ledger/tests/")
            || self.path.ends_with("/tests.rs")
    }

    /// The lines that hold one of these texts outside of comments, each as
    /// `path:line: text`.
    pub fn mentions(&self, texts: &[&str]) -> Vec<String> {
        self.statements()
            .filter(|(_, line)| texts.iter().any(|text| line.contains(text)))
            .map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim()))
            .collect()
    }
}

/// Every Rust file of the tree, sorted by its path.
pub fn sources() -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in files(repository())? {
        if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path)?;
            sources.push(Source {
                path: relative(&path)?,
                text,
            });
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(sources)
}

/// Every file of the tree below a folder.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = name(&path);
            if path.is_dir() && !FOREIGN.contains(&&*name) {
                folders.push(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    Ok(files)
}

/// The names in a folder, sorted; a folder ends in `/`.
pub fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let ending = if path.is_dir() { "/" } else { "" };
        names.push(name(&path) + ending);
    }
    names.sort();
    Ok(names)
}

/// The path from the root.
pub fn relative(path: &Path) -> Result<String> {
    let path = path.strip_prefix(repository())?;
    Ok(path.to_string_lossy().into_owned())
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
