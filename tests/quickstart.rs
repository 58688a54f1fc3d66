//! The quickstart does what it says, again and again, and the commands it prints work.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::sample;
use crate::support::engine;
use crate::support::release::told;

/// What stands for the built program in the printed commands.
const CARGO_RUN: &str = "cargo run --release --";

/// The built example: cargo puts it beside the folder of the tests.
fn example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let example = profile
        .join("examples")
        .join(format!("quickstart{}", std::env::consts::EXE_SUFFIX));
    assert!(
        example.is_file(),
        "`cargo build --example quickstart` makes {}, as `cargo test` does",
        example.display()
    );
    example
}

/// A hermetic child, in the folder `place`, with the engine of whoever runs the tests.
fn child(program: impl AsRef<std::ffi::OsStr>, place: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(place).env_clear().env("HOME", place);
    for name in ["PATH", "DOCKER_HOST"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

fn quickstart(place: &Path, arguments: &[&str]) -> String {
    let output = child(example(), place).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(output.stderr.is_empty(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs what a run printed to be pasted, literally but for the built program.
fn run_printed_commands(place: &Path, printed: &str) -> Vec<Output> {
    let program = format!("'{}'", env!("CARGO_BIN_EXE_dhfpack"));
    printed
        .lines()
        .skip_while(|line| *line != "Try next:")
        .skip(1)
        .map(|line| {
            assert!(line.trim_start().starts_with(CARGO_RUN), "{line}");
            let command = line.replacen(CARGO_RUN, &program, 1);
            let output = child("sh", place).args(["-c", &command]).output().unwrap();
            assert!(output.status.success(), "{line}\n{}", told(&output));
            output
        })
        .collect()
}

fn check_printed(printed: &str) {
    for part in [
        "\ninfusion-monitor-2.4.0/\n",
        "\n    manifest.json\n",
        "\nstatus    released\n",
        "\nverdict   passed\n",
        "\n  manual     done: ",
        "\n  receipt    done: ",
        "\nregister  Infusion Monitor 2.4.0 released in line 2\n",
    ] {
        assert!(printed.contains(part), "{part:?} is not in {printed}");
    }
}

fn check_commands(outputs: &[Output]) {
    let [show, verify, rebuild, status, register] = outputs else {
        panic!("{} commands were printed", outputs.len());
    };
    assert!(told(show).contains("Infusion Monitor"), "{}", told(show));
    assert!(
        told(verify).contains("verdict   passed"),
        "{}",
        told(verify)
    );
    assert!(told(rebuild).contains("identical"), "{}", told(rebuild));
    assert!(
        told(status).contains("status    released"),
        "{}",
        told(status)
    );
    assert!(
        told(register).contains("verdict   passed"),
        "{}",
        told(register)
    );
}

#[test]
fn the_quickstart_runs_twice_and_its_commands_work() {
    let _turn = engine::turn();
    let place = TempDir::new().unwrap();
    check_printed(&quickstart(place.path(), &[]));
    let printed = quickstart(place.path(), &[]);
    check_printed(&printed);
    check_commands(&run_printed_commands(place.path(), &printed));
}

#[test]
fn the_quickstart_takes_another_folder_and_names_it_as_a_shell_needs_it() {
    let _turn = engine::turn();
    let place = TempDir::new().unwrap();
    let printed = quickstart(place.path(), &["a folder"]);
    check_commands(&run_printed_commands(place.path(), &printed));
    assert!(!place.path().join("target").exists());
}

#[test]
fn the_quickstart_takes_the_image_from_the_engine_and_cleans_up() {
    let _turn = engine::turn();
    if !engine::answers() {
        return;
    }
    let before = engine::image(sample::IMAGE);
    let place = TempDir::new().unwrap();
    let printed = quickstart(place.path(), &[]);
    assert!(printed.contains("from the Docker Engine"), "{printed}");
    assert_eq!(engine::image(sample::IMAGE), before);
}

#[test]
fn the_quickstart_does_without_an_engine() {
    let place = TempDir::new().unwrap();
    let output = child(example(), place.path())
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("from an OCI layout"), "{printed}");
    check_printed(&printed);
}

#[test]
fn the_quickstart_leaves_an_engine_s_own_image_of_that_name_alone() {
    let _turn = engine::turn();
    if !engine::answers() {
        return;
    }
    if engine::image(sample::IMAGE).is_some() {
        // Somebody's sample is there; this test would have to replace it.
        return;
    }
    let place = TempDir::new().unwrap();
    let tar = place.path().join("other.tar");
    let commit = "0123456789012345678901234567890123456789";
    sample::make_image_tar_for_engine(&tar, commit, sample::IMAGE).unwrap();
    let loaded = engine::load(&tar, sample::IMAGE);
    let before = engine::image(sample::IMAGE);
    let printed = quickstart(place.path(), &["made"]);
    assert!(printed.contains("from an OCI layout"), "{printed}");
    assert_eq!(engine::image(sample::IMAGE), before);
    drop(loaded);
    assert_eq!(engine::image(sample::IMAGE), None);
}

#[test]
fn the_quickstart_touches_no_folder_that_it_did_not_make() {
    let place = TempDir::new().unwrap();
    let mine = place.path().join("keys/my.key.pem");
    fs::create_dir(mine.parent().unwrap()).unwrap();
    fs::write(&mine, "mine").unwrap();
    let output = child(example(), place.path()).arg(".").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(
        told(&output).contains("something else"),
        "{}",
        told(&output)
    );
    assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
}

#[test]
fn the_quickstart_keeps_what_others_put_beside_its_own() {
    let place = TempDir::new().unwrap();
    quickstart_without_engine(place.path());
    let notes = place.path().join("target/quickstart/notes.txt");
    fs::write(&notes, "mine").unwrap();
    quickstart_without_engine(place.path());
    assert_eq!(fs::read_to_string(&notes).unwrap(), "mine");
}

fn quickstart_without_engine(place: &Path) {
    let output = child(example(), place)
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn the_quickstart_says_what_is_missing_and_fails() {
    let place = TempDir::new().unwrap();
    let output = child(example(), place.path())
        .env("PATH", place.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("git"), "{}", told(&output));
}
