//! `dhfpack init`.

use std::fs;
use std::path::Path;

use dhfpack::templates::TEMPLATES;
use serde_json::Value;

use super::Program;

#[test]
fn init_writes_every_template_and_names_it() {
    let program = Program::new();
    let outcome = program.run("init --dir products/pump").exits(0).silently();
    for (path, text) in TEMPLATES {
        let path = Path::new("products/pump").join(path);
        assert_eq!(
            fs::read_to_string(program.folder.path().join(&path)).unwrap(),
            *text
        );
        assert!(
            outcome
                .stdout
                .contains(&format!("wrote {}\n", path.display()))
        );
    }
}

#[test]
fn init_keeps_files_that_are_there() {
    let program = Program::new();
    program.write("dhfpack.toml", "mine");
    let outcome = program
        .run("init")
        .exits(0)
        .tells(&["note: kept ./dhfpack.toml"]);
    assert_eq!(fs::read(program.path("dhfpack.toml")).unwrap(), b"mine");
    assert_eq!(outcome.stdout.lines().count(), TEMPLATES.len() - 1);
    let again = program.run("init").exits(0);
    assert_eq!(
        (again.stdout.as_str(), again.stderr.lines().count()),
        ("", TEMPLATES.len())
    );
}

#[test]
fn quiet_leaves_notes_out_and_json_makes_events_of_them() {
    let program = Program::new();
    program.write("dhfpack.toml", "mine");
    program.run("init --quiet").exits(0).silently();
    let events = program.run("--progress json init").exits(0).stderr;
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["event"], "notice");
    }
    assert_eq!(events.lines().count(), TEMPLATES.len());
}

#[cfg(unix)]
#[test]
fn init_does_not_follow_a_link_out_of_the_folder() {
    let program = Program::new();
    let below = TEMPLATES
        .iter()
        .find_map(|(path, _)| path.split_once('/').map(|(folder, _)| folder))
        .unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), program.path(below)).unwrap();
    program
        .run("init")
        .exits(1)
        .tells(&["leads out of .", "symbolic link"]);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}
