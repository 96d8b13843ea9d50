//! Services as processes of their own: what starts them, and what is refused.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use super::process::{Server, complaint, mainstay};

/// A folder with a pair of keys of the gateway.
fn keys() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = mainstay(["keys", "generate"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(made.stdout).unwrap();
    let files: Vec<&Path> = said.lines().map(Path::new).collect();
    assert!(made.status.success() && files.len() == 2 && files.iter().all(|file| file.exists()));
    folder
}

/// The exit code and the complaint of a start that fails.
fn refused(keys: Option<&Path>, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = mainstay(["serve", "--ephemeral"]);
    if !arguments.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    if let Some(keys) = keys {
        command.arg("--keys").arg(keys);
    }
    complaint(&command.args(arguments).output().unwrap())
}

#[test]
fn a_start_that_cannot_be_understood_is_refused_with_the_remedy() {
    let keys = keys();
    let keys = Some(keys.path());
    let peer = "incident=http://127.0.0.1:1";
    for (keys, arguments, remedy) in [
        (
            keys,
            &["--only", "incidents"][..],
            "there is gateway, incident",
        ),
        (None, &["--only", "incident"], "mainstay keys generate"),
        (
            None,
            &["--only", "gateway", "--peer", peer],
            "mainstay keys generate",
        ),
        (
            keys,
            &["--only", "gateway"],
            "--peer incident=http://127.0.0.1:PORT",
        ),
        (
            keys,
            &["--only", "incident", "--listen", "0.0.0.0:0"],
            "listen on 127.0.0.1",
        ),
        (
            keys,
            &[
                "--only",
                "incident",
                "--listen",
                "0.0.0.0:0",
                "--insecure-listen",
            ],
            "listen on 127.0.0.1",
        ),
        (
            keys,
            &["--peer", "incidents=http://127.0.0.1:1"],
            "there is incident",
        ),
        (keys, &["--peer", "incident"], "SERVICE=URL"),
        (keys, &["--peer", peer, "--peer", peer], "is named twice"),
        (keys, &["--peer", "incident=https://127.0.0.1:1"], "TLS"),
        (
            keys,
            &["--peer", "incident=http://10.0.0.1:1"],
            "on another machine",
        ),
        (
            keys,
            &["--peer", "incident=127.0.0.1"],
            "http://127.0.0.1:8081",
        ),
    ] {
        let (code, told) = refused(keys, arguments);
        assert_eq!(code, Some(64), "{arguments:?}: {told}");
        assert!(told.contains(remedy), "{arguments:?}: {told}");
    }
}

#[test]
fn a_gateways_key_that_others_may_read_is_refused() {
    let keys = keys();
    let file = keys.path().join("gateway.key");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let (code, told) = refused(
        Some(keys.path()),
        &["--only", "gateway", "--peer", "incident=http://127.0.0.1:1"],
    );
    assert_eq!(code, Some(1));
    assert!(told.contains("chmod 600"), "{told}");
}

#[test]
fn a_key_is_replaced_only_by_one_who_says_so() {
    let keys = keys();
    let again = |more: &[&str]| {
        let mut command = mainstay(["keys", "generate"]);
        command.arg(keys.path()).args(more).output().unwrap()
    };
    let (code, told) = complaint(&again(&[]));
    assert_eq!(code, Some(1));
    assert!(told.contains("--rotate"), "{told}");
    assert!(again(&["--rotate"]).status.success());
    assert!(again(&["--for", "change"]).status.success());
    let mut files: Vec<String> = std::fs::read_dir(keys.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.split('.').next().unwrap().to_owned())
        .collect();
    files.sort();
    assert_eq!(files, ["change", "change", "gateway", "gateway", "gateway"]);
}

#[test]
fn processes_share_a_folder_and_each_service_in_it_has_one() {
    let (keys, folder) = (keys(), tempfile::tempdir().unwrap());
    let data = folder.path().join("data");
    let start = |arguments: &[&str]| {
        let mut command = mainstay(["serve", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(&data).arg("--keys").arg(keys.path());
        command.args(arguments);
        command
    };
    let service = Server::spawn(start(&["--only", "incident"]), &data);
    let peer = format!("incident=http://{}", service.address);
    let gateway = Server::spawn(start(&["--only", "gateway", "--peer", &peer]), &data);
    assert!(
        gateway
            .says(["practice", "show", "incident"])
            .contains("Incident management")
    );
    for (arguments, taken) in [
        (&["--only", "incident"][..], "incident"),
        (&["--only", "gateway", "--peer", &peer], "gateway"),
        (&[], "incident"),
    ] {
        let (code, told) = complaint(&start(arguments).output().unwrap());
        assert_eq!(code, Some(1));
        assert!(told.contains(&format!("the data of {taken} in")), "{told}");
    }
    // What was written apart is served together.
    let (ended, _) = gateway.stop();
    assert!(ended.success() && service.stop().0.success());
    Server::spawn(start(&[]), &data);
}

#[test]
fn the_environment_names_service_peers_and_keys_as_well() {
    let (keys, folder) = (keys(), tempfile::tempdir().unwrap());
    let started = |data: &str, only: &str| {
        let mut command = mainstay(["--listen", "127.0.0.1:0", "--data"]);
        command.arg(folder.path().join(data));
        command.env("MAINSTAY_ONLY", only);
        command.env("MAINSTAY_KEYS", keys.path());
        command
    };
    let service = Server::spawn(started("a", "incident"), folder.path());
    let mut command = started("b", "gateway");
    command.env(
        "MAINSTAY_PEERS",
        format!("incident=http://{}", service.address),
    );
    let gateway = Server::spawn(command, &folder.path().join("b"));
    assert!(gateway.says(["token", "list"]).contains("administrator"));
}
