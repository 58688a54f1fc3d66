use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use dhfpack::archive::{ArchiveError, Form, StagedFile, Staging, Written, open};
use dhfpack::digest::Sha256;
use dhfpack::monitor::Silent;

use super::tools::{TIME, contents};

fn put(staging: &Staging, path: &str, bytes: &[u8]) -> Result<Written, ArchiveError> {
    let mut file = staging.create(&path.parse().unwrap())?;
    file.write_all(bytes).unwrap();
    file.finish()
}

fn commit(staging: Staging, name: &str) -> Result<PathBuf, ArchiveError> {
    staging.commit(name, Form::Folder, TIME.parse().unwrap(), &Silent)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|found| found.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_archive_appears_whole_with_one_time_and_nothing_beside_it() {
    let temporary = tempfile::tempdir().unwrap();
    let destination = temporary.path().join("new/folder/pump-2.4.0");
    let staging = Staging::begin(destination.parent().unwrap()).unwrap();
    let written = put(&staging, "Design Outputs/Source Code/a.txt", b"abc").unwrap();
    assert_eq!((written.size, written.sha256), (3, Sha256::of(b"abc")));
    put(&staging, "Design Outputs/b.txt", b"").unwrap();
    fs::write(staging.work().join("scratch"), "x").unwrap();
    assert!(!destination.exists());
    assert_eq!(commit(staging, "pump-2.4.0").unwrap(), destination);

    assert_eq!(names(destination.parent().unwrap()), ["pump-2.4.0"]);
    let listed = contents(&*open(&destination).unwrap());
    assert_eq!(listed.len(), 2);
    let time: jiff::Timestamp = TIME.parse().unwrap();
    for path in ["", "Design Outputs", "Design Outputs/b.txt"] {
        let metadata = fs::metadata(destination.join(path)).unwrap();
        assert_eq!(metadata.modified().unwrap(), time.into(), "{path}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = if metadata.is_dir() { 0o755 } else { 0o644 };
            assert_eq!(metadata.permissions().mode() & 0o777, mode, "{path}");
        }
    }
}

#[test]
fn an_abandoned_build_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let staging = Staging::begin(temporary.path()).unwrap();
    put(&staging, "x/y", b"1").unwrap();
    drop(staging);
    assert_eq!(names(temporary.path()), [""; 0]);
}

#[test]
fn what_exists_is_refused_at_once_and_not_touched() {
    let temporary = tempfile::tempdir().unwrap();
    let destination = temporary.path().join("a");
    fs::write(&destination, "mine").unwrap();
    let staging = Staging::begin(temporary.path()).unwrap();
    let refused = staging.refuse_existing("a").err().unwrap();
    assert!(matches!(refused, ArchiveError::Exists { .. }), "{refused}");
    let refused = commit(staging, "a").err().unwrap();
    assert!(matches!(refused, ArchiveError::Exists { .. }), "{refused}");
    let refused = StagedFile::begin(&destination).err().unwrap();
    assert!(matches!(refused, ArchiveError::Exists { .. }), "{refused}");
    assert_eq!(names(temporary.path()), ["a"]);
    assert_eq!(fs::read(&destination).unwrap(), b"mine");
    for path in ["/", "..", "a/.."] {
        let refused = StagedFile::begin(Path::new(path)).err().unwrap();
        assert!(
            matches!(refused, ArchiveError::NoName { .. }),
            "{path}: {refused}"
        );
    }
}

#[test]
fn of_two_runs_for_one_destination_exactly_one_wins() {
    let temporary = tempfile::tempdir().unwrap();
    let runs: Vec<Staging> = (0..4)
        .map(|_| Staging::begin(temporary.path()).unwrap())
        .collect();
    let done: Vec<Result<PathBuf, ArchiveError>> = std::thread::scope(|scope| {
        let runs: Vec<_> = runs
            .into_iter()
            .map(|staging| {
                scope.spawn(|| {
                    put(&staging, "file", b"whole").unwrap();
                    commit(staging, "a")
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
    let lost = |done: &Result<PathBuf, _>| matches!(done, Err(ArchiveError::Exists { .. }));
    assert_eq!(done.iter().filter(|done| lost(done)).count(), 3);
    assert_eq!(names(temporary.path()), ["a"]);
}

#[test]
fn no_file_is_written_twice() {
    let temporary = tempfile::tempdir().unwrap();
    let staging = Staging::begin(temporary.path()).unwrap();
    put(&staging, "x", b"1").unwrap();
    let refused = put(&staging, "x", b"2");
    assert!(matches!(refused, Err(ArchiveError::WrittenTwice { .. })));
    // A file where a folder is needed is the operating system's refusal, with its path.
    let refused = put(&staging, "x/y", b"").unwrap_err().to_string();
    assert!(refused.contains("tree/x"), "{refused}");
}

#[test]
fn a_single_file_appears_whole_or_not_at_all() {
    let temporary = tempfile::tempdir().unwrap();
    let destination = temporary.path().join("a.zip");
    let mut lost = StagedFile::begin(&destination).unwrap();
    lost.write_all(b"lost").unwrap();
    let mut won = StagedFile::begin(&destination).unwrap();
    won.write_all(b"won").unwrap();
    won.commit(TIME.parse().unwrap()).unwrap();
    let refused = lost.commit(TIME.parse().unwrap());
    assert!(matches!(refused, Err(ArchiveError::Exists { .. })));
    assert_eq!(fs::read(&destination).unwrap(), b"won");
    assert_eq!(names(temporary.path()), ["a.zip"]);
}

const CHILD: &str = "DHFPACK_TEST_STAGE_AT";

/// The child process of the tests below: begins an archive and waits to be killed.
#[test]
fn a_child_stages_when_told_to() {
    let Ok(parent) = std::env::var(CHILD) else {
        return;
    };
    let staging = Staging::begin(Path::new(&parent)).unwrap();
    put(&staging, "file", b"half").unwrap();
    std::io::stdout().write_all(b"\nready\n").unwrap();
    std::thread::sleep(std::time::Duration::from_mins(10));
}

/// A process that has begun to build `destination`, and its staging folder.
fn staging_child(destination: &Path) -> (Child, PathBuf) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "archive::staging::a_child_stages_when_told_to",
            "--nocapture",
        ])
        .env(CHILD, destination.parent().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ready = lines.map_while(Result::ok).any(|line| line == "ready");
    assert!(ready, "the child ended early");
    let parent = destination.parent().unwrap();
    let name = names(parent)
        .into_iter()
        .find(|name| name.contains(".dhfpack-"));
    let folder = parent.join(name.unwrap());
    (child, folder)
}

#[test]
fn a_killed_run_is_cleaned_up_by_the_next_and_a_living_one_spared() {
    let temporary = tempfile::tempdir().unwrap();
    let destination = temporary.path().join("a");
    let (mut child, folder) = staging_child(&destination);

    drop(Staging::begin(temporary.path()).unwrap());
    assert!(folder.join("tree/file").exists());

    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        folder.join("tree/file").exists(),
        "a killed run removes nothing"
    );
    assert!(!destination.exists());

    let staging = Staging::begin(temporary.path()).unwrap();
    assert!(!folder.exists());
    put(&staging, "file", b"whole").unwrap();
    commit(staging, "a").unwrap();
    assert_eq!(names(temporary.path()), ["a"]);
}

#[cfg(unix)]
#[test]
fn the_clean_up_touches_nothing_but_our_own_folders() {
    let temporary = tempfile::tempdir().unwrap();
    let at = |name: &str| temporary.path().join(name);
    let (mut child, folder) = staging_child(&at("a"));
    child.kill().unwrap();
    child.wait().unwrap();
    let marker = fs::read(folder.join("lock")).unwrap();

    // Right name, no marker; right marker, other name; a link to an abandoned folder.
    fs::create_dir(at(".dhfpack-AAAAAAAA")).unwrap();
    fs::write(at(".dhfpack-AAAAAAAA/lock"), "something else").unwrap();
    fs::create_dir(at("dhfpack-AAAAAAAA")).unwrap();
    fs::write(at("dhfpack-AAAAAAAA/lock"), marker).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("moved");
    fs::rename(&folder, &moved).unwrap();
    std::os::unix::fs::symlink(&moved, &folder).unwrap();

    drop(Staging::begin(temporary.path()).unwrap());
    assert_eq!(names(temporary.path()).len(), 3);
    assert!(moved.join("tree/file").exists());

    fs::remove_file(&folder).unwrap();
    fs::rename(&moved, &folder).unwrap();
    fs::write(elsewhere.path().join("outside"), "kept").unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), folder.join("tree/link")).unwrap();
    drop(Staging::begin(temporary.path()).unwrap());
    assert!(!folder.exists());
    assert!(elsewhere.path().join("outside").exists());
}
