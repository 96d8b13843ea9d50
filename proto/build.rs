//! Compiles the contract without protoc: the image (with imports, options and
//! comments), the Rust code, and the validation that its rules ask for.

#[path = "build/rules.rs"]
mod rules;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};
use protox::file::{ChainFileResolver, GoogleFileResolver, IncludeFileResolver};

/// The crate beside whose sources the rules' own proto file lies.
const RULES_CRATE: &str = "protovalidate-buffa-protos";

fn main() -> Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo:rerun-if-changed=mainstay");
    println!("cargo:rerun-if-changed=build");

    let mut resolver = ChainFileResolver::new();
    resolver.add(IncludeFileResolver::new(root.clone()));
    resolver.add(GoogleFileResolver::new());
    resolver.add(IncludeFileResolver::new(rules_folder(&root)?));
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(proto_files(&root)?)?;
    let image = compiler.encode_file_descriptor_set();
    fs::write(out.join("mainstay.binpb"), &image)?;
    fs::write(out.join("rules.rs"), rules::generate(&image)?)?;

    let mut set = compiler.file_descriptor_set();
    set.file.retain(|file| !file.name().starts_with("buf/"));
    tonic_prost_build::configure()
        .bytes(".mainstay")
        .btree_map(".mainstay")
        .extern_path(".mainstay.event.v1.LoggedEvent", "crate::LoggedEvent")
        .codec_path("crate::codec::CheckedCodec")
        .include_file("_includes.rs")
        .compile_fds(set)?;
    Ok(())
}

/// Every proto file of the contract, sorted.
fn proto_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![root.join("mainstay")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "proto") {
                files.push(path.strip_prefix(root)?.to_path_buf());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Where `buf/validate/validate.proto` lies on this machine: in the registry's
/// copy of a crate that ships it. Nothing third-party is kept in the tree.
fn rules_folder(root: &Path) -> Result<PathBuf> {
    let output = Command::new(env::var("CARGO")?)
        .args(["metadata", "--format-version", "1", "--filter-platform"])
        .arg(env::var("HOST")?)
        .current_dir(root)
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let manifest = metadata["packages"]
        .as_array()
        .and_then(|all| all.iter().find(|package| package["name"] == RULES_CRATE))
        .and_then(|package| package["manifest_path"].as_str())
        .context("the rules' crate is not among the dependencies")?;
    Ok(Path::new(manifest)
        .parent()
        .context("a manifest lies in a folder")?
        .join("proto"))
}
