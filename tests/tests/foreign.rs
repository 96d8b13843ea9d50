//! Clients that share no code with the suite: Python with stubs made from the
//! image at this moment, and the tools that ask the server what it is.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use mainstay_proto::IMAGE;
use mainstay_tests::contract::Contract;
use mainstay_tests::{Suite, repository, tool};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

#[tokio::test]
async fn a_python_client_works_over_a_restart_of_the_server() -> Result<()> {
    let Some(python) = tool("python")? else {
        return Ok(());
    };
    let stubs = tempfile::tempdir()?;
    generate(&python, stubs.path()).await?;
    let mut suite = Suite::start().await?;
    let mut client = Command::new(python)
        .arg(repository().join("tests/python/client.py"))
        .arg(stubs.path())
        .arg(suite.address())
        .arg(suite.token_file())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut input = client.stdin.take().context("its input is a pipe")?;
    let mut lines = BufReader::new(client.stdout.take().context("its output is a pipe")?).lines();
    let mut said = Vec::new();
    while let Some(line) = lines.next_line().await? {
        if line == "RESTART" {
            suite.stop().await?;
            suite.restart().await?;
            input.write_all(b"RESTARTED\n").await?;
        }
        said.push(line);
    }
    let status = client.wait().await?;
    ensure!(status.success(), "the client ended with {status}");
    assert_eq!(said, ["RESTART", "HELD"]);
    Ok(())
}

/// Makes the stubs of every file in the image but those that Python ships.
async fn generate(python: &Path, folder: &Path) -> Result<()> {
    let image = folder.join("image.binpb");
    std::fs::write(&image, IMAGE)?;
    let contract = Contract::decode(IMAGE)?;
    let files = contract.pool().files().map(|file| file.name().to_owned());
    let output = Command::new(python)
        .args(["-m", "grpc_tools.protoc"])
        .arg(format!("--descriptor_set_in={}", image.display()))
        .arg(format!("--python_out={}", folder.display()))
        .arg(format!("--grpc_python_out={}", folder.display()))
        .args(files.filter(|file| !file.starts_with("google/protobuf/")))
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[tokio::test]
async fn buf_curl_calls_in_every_protocol() -> Result<()> {
    let Some(buf) = tool("buf")? else {
        return Ok(());
    };
    let suite = Suite::start().await?;
    let folder = tempfile::tempdir()?;
    let image = folder.path().join("image.binpb");
    std::fs::write(&image, IMAGE)?;
    let schema = format!("--schema={}#format=binpb", image.display());
    let header = format!(
        "--header=authorization: Bearer {}",
        suite.administrator_token()?
    );
    // By gRPC it asks the server what there is; reflection is a stream both
    // ways, which the other protocols do not offer on every connection.
    for (protocol, how) in [
        ("grpc", "--reflect"),
        ("grpcweb", &schema),
        ("connect", &schema),
    ] {
        let output = Command::new(&buf)
            .args([
                "curl",
                "--http2-prior-knowledge",
                "--protocol",
                protocol,
                how,
                &header,
            ])
            .args(["--data", r#"{"incident": {"title": "Asked by buf"}}"#])
            .arg(format!(
                "{}/mainstay.incident.v1.IncidentService/CreateIncident",
                suite.url()
            ))
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{protocol}: {said}{complaint}");
        ensure!(said.contains("INCIDENT_STATE_NEW"), "{protocol}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn grpcurl_lists_what_the_server_serves() -> Result<()> {
    let Some(grpcurl) = tool("grpcurl")? else {
        return Ok(());
    };
    let suite = Suite::start().await?;
    let token = format!("authorization: Bearer {}", suite.administrator_token()?);
    let output = Command::new(&grpcurl)
        .args(["-plaintext", "-H", &token, suite.address(), "list"])
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let services: Vec<&str> = said.lines().collect();
    for method in Contract::decode(IMAGE)?.methods() {
        let service = method.parent_service().full_name().to_owned();
        ensure!(
            services.contains(&&*service),
            "{service} is not among {services:?}"
        );
    }
    Ok(())
}
