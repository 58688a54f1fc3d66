//! Output that cannot be written, and errors as events.

use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Program, environment};

#[test]
fn an_error_is_an_event_where_progress_is_json() {
    let outcome = Program::new()
        .run("layout show nowhere --progress json")
        .exits(2);
    let event: Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_eq!(event["event"], "error");
    assert_eq!(event["exit_code"], 2);
    assert_eq!(
        event["message"],
        "no layout is named `nowhere`, and no file either"
    );
    assert!(event["help"].as_str().unwrap().contains("qmsr"));
}

#[test]
fn a_message_is_printed_once_and_without_colours_in_a_log() {
    let outcome = Program::new().run("layout check nowhere.toml").exits(1);
    assert_eq!(
        outcome.stderr.matches("nowhere.toml").count(),
        1,
        "{outcome:?}"
    );
    assert_eq!(
        outcome.stderr.matches("No such file").count(),
        1,
        "{outcome:?}"
    );
    assert!(!outcome.stderr.contains('\u{1b}'), "{outcome:?}");
}

#[test]
fn a_reader_that_has_gone_away_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let program = Program::new();
    let output = Command::new(env!("CARGO_BIN_EXE_dhfpack"))
        .args(["schema", "config"])
        .env_clear()
        .envs(environment(program.folder.path()))
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_standard_output_is_a_failure() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let program = Program::new();
    let output = Command::new(env!("CARGO_BIN_EXE_dhfpack"))
        .args(["schema", "config"])
        .env_clear()
        .envs(environment(program.folder.path()))
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("cannot write to standard output"),
        "{stderr}"
    );
}
