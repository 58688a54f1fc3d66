//! A run that is killed leaves no archive, and the next one clears up after it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::support::release::{dhfpack, told};
use crate::support::small::Small;

#[test]
fn a_killed_build_leaves_no_half_archive_and_the_next_clears_up() {
    let globs = "[[slot]]\nid = \"any\"\nfiles = [\"bulk/**\"]";
    let small = Small::new(globs);
    for number in 0..300 {
        small.repository.write(
            format!("bulk/{}/{number}.txt", number % 7),
            format!("{number}\n").repeat(500).as_bytes(),
        );
    }
    let small = small.release();
    let begun = std::time::Instant::now();
    assert!(small.build::<&str>([]).status.success());
    let whole = begun.elapsed();
    fs::remove_dir_all(small.archive()).unwrap();
    let moments = 12;
    for moment in 1..=moments {
        let mut run = small
            .command()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * moment / moments);
        run.kill().unwrap();
        run.wait().unwrap();
        if small.archive().exists() {
            // It was done, or nearly: then all of it is there.
            let verified = dhfpack()
                .arg("verify")
                .arg(small.archive())
                .arg("--trust")
                .arg(small.path("cert.pem"))
                .args(["--require-role", "Release Builder"])
                .output()
                .unwrap();
            assert_ne!(verified.status.code(), Some(3), "{}", told(&verified));
            fs::remove_dir_all(small.archive()).unwrap();
        }
    }
    // A killed run's git may go on for a while, and holds the folder meanwhile.
    for _ in 0..20 {
        assert!(small.build::<&str>([]).status.success());
        if folders_left(&small.output()) == [small.archive()] {
            return;
        }
        fs::remove_dir_all(small.archive()).unwrap();
        std::thread::sleep(Duration::from_millis(500));
    }
    panic!("left: {:?}", folders_left(&small.output()));
}

/// What is in `output`, but for the folder of a run that was killed before it had its lock: it
/// holds nothing else.
fn folders_left(output: &Path) -> Vec<PathBuf> {
    let is_filled = |path: &PathBuf| walkdir::WalkDir::new(path).into_iter().count() > 2;
    fs::read_dir(output)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(is_filled)
        .collect()
}
