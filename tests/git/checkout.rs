use dhfpack::source::git::CheckoutState;

use crate::support::git::TestRepository;

#[test]
fn changed_forgotten_and_ignored_files_of_a_checkout_are_reported() {
    let repository = TestRepository::released();
    repository.commit_file(".gitignore", b"*.log\nbuild/\n");
    repository.commit_file("removed.txt", b"x\n");
    let mirror = repository.mirror();
    assert_eq!(
        mirror.checkout_state(&repository.path()).unwrap(),
        CheckoutState::default()
    );
    repository.write("README.md", b"changed\n");
    std::fs::remove_file(repository.path().join("removed.txt")).unwrap();
    repository.write("forgotten.txt", b"x\n");
    repository.write("new/a", b"x\n");
    repository.write("run.log", b"x\n");
    repository.write("build/a", b"x\n");
    repository.write("build/b", b"x\n");
    let index = std::fs::read(repository.path().join(".git/index")).unwrap();
    // From a folder below, to see that paths stay relative to the top.
    let state = mirror
        .checkout_state(&repository.path().join("src"))
        .unwrap();
    assert_eq!(state.modified.paths, ["README.md", "removed.txt"]);
    assert_eq!(state.untracked.paths, ["forgotten.txt", "new/"]);
    assert_eq!(state.ignored.paths, ["build/", "run.log"]);
    assert_eq!(
        std::fs::read(repository.path().join(".git/index")).unwrap(),
        index
    );
}

#[test]
fn a_checkout_at_a_commit_that_the_mirror_lacks_has_no_state() {
    let repository = TestRepository::released();
    let mirror = repository.mirror();
    repository.commit_file("later.txt", b"x\n");
    repository.write("README.md", b"changed\n");
    let state = mirror.checkout_state(&repository.path()).unwrap();
    assert_eq!(state, CheckoutState::default());
}

#[test]
fn long_lists_are_cut_and_counted() {
    let repository = TestRepository::released();
    for number in 0..150 {
        repository.write(format!("new{number}"), b"x");
    }
    let mirror = repository.mirror();
    let state = mirror.checkout_state(&repository.path()).unwrap();
    assert_eq!(
        (state.untracked.paths.len(), state.untracked.total),
        (100, 150)
    );
}
