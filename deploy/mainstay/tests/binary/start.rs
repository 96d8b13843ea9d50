//! How the suite starts, and how it refuses to.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::process::{Server, complaint, mainstay};

#[test]
fn config_prints_what_the_shipped_file_says() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/default.toml");
    let printed = mainstay(["config"]).output().unwrap();
    assert!(printed.status.success());
    assert_eq!(
        String::from_utf8(printed.stdout).unwrap(),
        std::fs::read_to_string(shipped).unwrap()
    );
}

#[test]
fn an_unknown_key_in_the_file_is_refused_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mainstay.toml");
    std::fs::write(&file, "[limits]\nconections = 1\n").unwrap();
    let (code, told) = complaint(&mainstay([Path::new("--config"), &file]).output().unwrap());
    assert_eq!(code, Some(64));
    assert!(
        told.contains("`limits.conections`; did you mean `limits.connections`?"),
        "{told}"
    );
}

#[test]
fn an_unknown_variable_is_refused_with_the_nearest() {
    let output = mainstay(["--ephemeral"])
        .env("MAINSTAY_LISTN", "127.0.0.1:0")
        .output()
        .unwrap();
    let (code, told) = complaint(&output);
    assert_eq!(code, Some(64));
    assert!(
        told.contains("`MAINSTAY_LISTN`; did you mean `MAINSTAY_LISTEN`?"),
        "{told}"
    );
}

#[test]
fn an_unknown_flag_is_bad_usage() {
    assert_eq!(
        complaint(&mainstay(["--bogus"]).output().unwrap()).0,
        Some(64)
    );
}

#[test]
fn an_address_in_the_open_needs_a_word_from_its_owner() {
    let (code, told) = complaint(
        &mainstay(["--ephemeral", "--listen", "0.0.0.0:0"])
            .output()
            .unwrap(),
    );
    assert_eq!(code, Some(64));
    assert!(told.contains("--insecure-listen"), "{told}");
    let folder = tempfile::tempdir().unwrap();
    let command = mainstay(["--ephemeral", "--listen", "0.0.0.0:0", "--insecure-listen"]);
    let server = Server::spawn(command, folder.path());
    assert!(
        server
            .said
            .contains(&format!("127.0.0.1:{}", server.address.port())),
        "{}",
        server.said
    );
}

#[test]
fn the_environment_and_the_file_set_what_flags_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (
        folder.path().join("mainstay.toml"),
        folder.path().join("of-the-file"),
    );
    std::fs::write(
        &file,
        format!("data = {:?}\nlisten = \"127.0.0.1:1\"\n", data.display()),
    )
    .unwrap();
    let mut command = mainstay([Path::new("--config"), &file]);
    command.env("MAINSTAY_LISTEN", "127.0.0.1:0");
    let server = Server::spawn(command, &data);
    assert!(server.token_file().exists());
}

#[test]
fn the_first_start_makes_a_token_for_the_owner_only_and_the_second_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_on(&folder.path().join("data"), "127.0.0.1:0");
    let mode = std::fs::metadata(server.token_file())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(server.said.contains("admin.token"), "{}", server.said);
    let (token, data) = (server.administrator(), server.data().to_owned());
    let (status, _) = server.stop();
    assert!(status.success());
    let again = Server::start_on(&data, "127.0.0.1:0");
    assert_eq!(again.administrator(), token);
    assert!(again.says(["token", "list"]).contains("administrator"));
}

#[test]
fn any_folder_name_holds_data() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_on(&folder.path().join("my data?100%#1"), "127.0.0.1:0");
    assert!(server.data().join("incident.db").exists());
    assert!(server.says(["token", "list"]).contains("administrator"));
}

#[test]
fn data_is_for_its_owner_only_in_a_folder_that_was_there_before() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_on(folder.path(), "127.0.0.1:0");
    for entry in std::fs::read_dir(server.data()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

#[test]
fn a_lost_token_file_is_replaced_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_on(&folder.path().join("data"), "127.0.0.1:0");
    let (token, data) = (server.administrator(), server.data().to_owned());
    std::fs::remove_file(server.token_file()).unwrap();
    server.stop();
    let again = Server::start_on(&data, "127.0.0.1:0");
    assert_ne!(again.administrator(), token);
    assert!(again.says(["token", "list"]).contains("administrator"));
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let server = Server::start();
    let second = mainstay([
        Path::new("--listen"),
        Path::new("127.0.0.1:0"),
        Path::new("--data"),
        server.data(),
    ]);
    let (code, told) = complaint(&{ second }.output().unwrap());
    assert_eq!(code, Some(1));
    assert!(told.contains("in use by another process"), "{told}");
}

#[test]
fn ephemeral_data_is_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = mainstay(["--ephemeral", "--listen", "127.0.0.1:0"]);
    command
        .env("TMPDIR", folder.path())
        .current_dir(folder.path());
    let server = Server::spawn(command, folder.path());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(server.stop().0.success());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
