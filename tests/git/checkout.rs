use std::fs;

use dhfpack::monitor::{Recording, Silent};
use dhfpack::source::git::{CheckoutState, GitError, Listing};

use super::lfs::track;
use crate::support::git::{TestRepository, is_missing};

#[test]
fn changed_forgotten_and_ignored_files_of_a_checkout_are_reported() {
    let repository = TestRepository::released();
    repository.commit_file(".gitignore", b"*.log\nbuild/\n");
    repository.commit_file("removed.txt", b"x\n");
    let mirror = repository.mirror();
    assert_eq!(
        mirror.checkout_state(&repository.path(), &Silent).unwrap(),
        CheckoutState::default()
    );
    repository.write("README.md", b"changed\n");
    fs::remove_file(repository.path().join("removed.txt")).unwrap();
    repository.write("forgotten.txt", b"x\n");
    repository.write("new/a", b"x\n");
    repository.write("run.log", b"x\n");
    repository.write("build/a", b"x\n");
    repository.write("build/b", b"x\n");
    let index = fs::read(repository.path().join(".git/index")).unwrap();
    // From a folder below, to see that paths stay relative to the top.
    let state = mirror
        .checkout_state(&repository.path().join("src"), &Silent)
        .unwrap();
    assert_eq!(state.modified.paths, ["README.md", "removed.txt"]);
    assert_eq!(state.untracked.paths, ["forgotten.txt", "new/"]);
    assert_eq!(state.ignored.paths, ["build/", "run.log"]);
    assert_eq!(
        fs::read(repository.path().join(".git/index")).unwrap(),
        index
    );
}

#[test]
fn a_checkout_at_a_commit_that_the_mirror_lacks_has_no_state() {
    let repository = TestRepository::released();
    let mirror = repository.mirror();
    repository.commit_file("later.txt", b"x\n");
    repository.write("README.md", b"changed\n");
    let state = mirror.checkout_state(&repository.path(), &Silent).unwrap();
    assert_eq!(state, CheckoutState::default());
}

#[test]
fn long_lists_are_cut_and_counted() {
    let repository = TestRepository::released();
    for number in 0..150 {
        repository.write(format!("new{number}"), b"x");
    }
    let mirror = repository.mirror();
    let state = mirror.checkout_state(&repository.path(), &Silent).unwrap();
    assert_eq!(
        (state.untracked.paths.len(), state.untracked.total),
        (100, 150)
    );
}

#[test]
fn only_edited_files_of_git_lfs_are_modified() {
    if is_missing("git-lfs") {
        return;
    }
    let repository = TestRepository::new();
    track(&repository.path());
    for name in ["same.bin", "edited.bin", "longer.bin"] {
        repository.commit_file(name, b"a model");
    }
    assert_eq!(repository.git(["status", "--porcelain"]), "");
    let mirror = repository.mirror();
    let modified = || {
        let state = mirror.checkout_state(&repository.path(), &Silent);
        state.unwrap().modified
    };
    assert_eq!(modified(), Listing::default());
    repository.write("edited.bin", b"a mOdel");
    repository.write("longer.bin", b"a longer model");
    assert_eq!(modified().paths, ["edited.bin", "longer.bin"]);
}

#[test]
fn only_edited_files_of_a_checkout_with_crlf_are_modified() {
    let repository = TestRepository::released();
    repository.commit_file("binary", b"a\0\nb\n");
    repository.commit_file("same.txt", b"one\ntwo\r three\n");
    let clone = repository.beside("clone");
    let path = clone.to_str().unwrap();
    repository.git(["clone", "-q", "-c", "core.autocrlf=true", ".", path]);
    assert_eq!(fs::read(clone.join("README.md")).unwrap(), b"first\r\n");
    let mirror = repository.mirror();
    let modified = || mirror.checkout_state(&clone, &Silent).unwrap().modified;
    assert_eq!(modified(), Listing::default());
    for (name, content) in [
        ("README.md", "second\r\n"),
        ("src/main.c", "int main(void) { return 0; }\r\r\n"),
        ("binary", "a\0\r\nb\r\n"),
    ] {
        fs::write(clone.join(name), content).unwrap();
    }
    assert_eq!(modified().paths, ["README.md", "binary", "src/main.c"]);
}

#[test]
fn a_long_text_that_was_cut_off_is_modified() {
    let repository = TestRepository::released();
    let mut text = vec![b'a'; 8 * 1024 * 1024];
    let cut = text.clone();
    text.push(b'\n');
    repository.commit_file("long.txt", &text);
    let mirror = repository.mirror();
    repository.write("long.txt", &cut);
    let state = mirror.checkout_state(&repository.path(), &Silent).unwrap();
    assert_eq!(state.modified.paths, ["long.txt"]);
}

#[test]
fn comparing_a_checkout_can_be_stopped() {
    let repository = TestRepository::released();
    let mirror = repository.mirror();
    repository.write("README.md", b"first\r\n");
    let monitor = Recording::default();
    monitor.cancel();
    let state = mirror.checkout_state(&repository.path(), &monitor);
    assert!(matches!(state, Err(GitError::Cancelled(_))), "{state:?}");
}
