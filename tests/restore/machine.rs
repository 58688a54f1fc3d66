//! Restoring on a machine that cannot: no verdict on the archive, a reason, and nothing left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::mount::{can_mount, inside};
use crate::support::release::{dhfpack, released, told};

/// `verify --restore` of the sample's archive, with temporary files in this folder.
fn verify(scratch: &Path) -> Command {
    let mut command = dhfpack();
    command
        .args(["verify", "--restore"])
        .arg(&released().archive)
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .env("TMPDIR", scratch);
    command
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

/// That a run gave no verdict but this reason; its lines are joined, wherever they broke.
fn gave_up(output: &Output, reasons: &[&str]) {
    let told = told(output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    let flowing = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for reason in reasons {
        assert!(flowing.contains(reason), "expected {reason:?}: {told}");
    }
}

#[test]
fn restoring_without_git_says_so() {
    let scratch = TempDir::new().unwrap();
    let programs = TempDir::new().unwrap();
    let mut command = verify(scratch.path());
    let output = command.env("PATH", programs.path()).output().unwrap();
    gave_up(&output, &["git"]);
    assert!(is_empty(scratch.path()));
}

#[test]
fn a_full_disk_is_no_fault_of_the_archive() {
    let scratch = TempDir::new().unwrap();
    if !can_mount("tmpfs", scratch.path()) {
        return;
    }
    let verify = verify(scratch.path());
    // The room ends at one step after another.
    for size in [16, 24, 32, 48, 64, 80, 96] {
        let mount = format!("mount -t tmpfs -o size={size}k none \"$1\"; shift; \"$@\"");
        let output = inside(&mount, scratch.path(), &verify).output().unwrap();
        gave_up(&output, &["set TMPDIR to a folder that has it"]);
    }
}

#[test]
fn a_stop_while_git_is_at_work_ends_it_and_leaves_nothing() {
    let place = TempDir::new().unwrap();
    let scratch = place.path().join("scratch");
    let programs = place.path().join("programs");
    for folder in [&scratch, &programs] {
        fs::create_dir(folder).unwrap();
    }
    // A git that does not come to an end when it clones.
    let begun = place.path().join("begun");
    let path = std::env::var("PATH").unwrap();
    let script = format!(
        "#!/bin/sh\nfor word; do\n  [ \"$word\" != clone ] || {{ : > '{}'; exec sleep 60; }}\ndone\nPATH='{path}' exec git \"$@\"\n",
        begun.display()
    );
    let git = programs.join("git");
    fs::write(&git, script).unwrap();
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = verify(&scratch);
    command.env("PATH", format!("{}:{path}", programs.display()));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = child.spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while !begun.exists() {
        assert!(Instant::now() < until, "nothing was cloned");
        std::thread::sleep(Duration::from_millis(10));
    }
    let asked = Instant::now();
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", told(&output));
    assert!(asked.elapsed() < Duration::from_secs(10));
    assert!(is_empty(&scratch));
}
