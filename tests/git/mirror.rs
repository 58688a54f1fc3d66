use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use dhfpack::monitor::{Monitor, Recording, Silent, TaskId, Unit};
use dhfpack::source::git::{FileKind, GitError, Mirror, find_repository};

use crate::support::git::{TestRepository, git};

fn clone_error(location: &Path) -> GitError {
    let folder = tempfile::tempdir().unwrap();
    Mirror::clone(location.to_str().unwrap(), folder.path(), &Silent).unwrap_err()
}

#[test]
fn a_tag_leads_to_its_commit_tree_and_date() {
    let repository = TestRepository::released();
    let tag = repository.mirror().tag("v1.0.0").unwrap();
    assert_eq!(tag.object, repository.git(["rev-parse", "v1.0.0"]));
    assert_eq!(tag.commit, repository.git(["rev-parse", "HEAD"]));
    assert_eq!(tag.tree, repository.git(["rev-parse", "HEAD^{tree}"]));
    assert_eq!(tag.date.to_string(), "2026-01-01T00:00:00Z");
    assert!(tag.annotated);
}

#[test]
fn a_lightweight_tag_has_its_commits_date() {
    let repository = TestRepository::released();
    repository.git(["tag", "light"]);
    let tag = repository.mirror().tag("light").unwrap();
    assert_eq!(tag.object, tag.commit);
    assert_eq!(tag.date.as_second(), 1_767_225_600);
    assert!(!tag.annotated);
}

#[test]
fn a_missing_tag_is_named_with_the_one_most_like_it() {
    let repository = TestRepository::released();
    repository.git(["tag", "v1.0.1/rc1"]);
    let error = repository.mirror().tag("v1.0.1").unwrap_err();
    let GitError::NoTag { existing, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(existing.len(), 1);
    let help = miette::Diagnostic::help(&error).unwrap().to_string();
    assert!(help.contains("git push origin v1.0.1"), "{help}");
}

#[test]
fn a_tag_of_a_tree_is_refused() {
    let repository = TestRepository::released();
    repository.git(["tag", "tree", "HEAD^{tree}"]);
    let error = repository.mirror().tag("tree").unwrap_err();
    assert!(matches!(error, GitError::TagTarget { kind, .. } if kind == "tree"));
}

#[test]
fn a_tag_object_under_another_name_is_refused() {
    let repository = TestRepository::released();
    repository.git(["update-ref", "refs/tags/v2.0.0", "refs/tags/v1.0.0"]);
    let error = repository.mirror().tag("v2.0.0").unwrap_err();
    assert!(matches!(error, GitError::TagName { inside, .. } if inside == "v1.0.0"));
}

#[test]
fn a_revision_is_a_branch_a_tag_or_an_id() {
    let repository = TestRepository::released();
    let mirror = repository.mirror();
    let head = repository.git(["rev-parse", "HEAD"]);
    for rev in ["main", "v1.0.0", &head, &head[..10]] {
        assert_eq!(mirror.commit(rev).unwrap().id, head, "{rev}");
    }
    for rev in ["nothing", "--all", "main~1", ":/first"] {
        assert!(mirror.commit(rev).is_err(), "{rev}");
    }
}

#[test]
fn files_are_listed_and_read() {
    let repository = TestRepository::released();
    repository.write("tool", b"#!/bin/sh\n");
    repository.git(["add", "tool"]);
    repository.git(["update-index", "--chmod=+x", "tool"]);
    repository.git(["commit", "--quiet", "--message", "tool"]);
    let mirror = repository.mirror();
    let files = mirror.files(&mirror.commit("main").unwrap().id).unwrap();
    let names: Vec<_> = files
        .iter()
        .map(|file| (String::from_utf8_lossy(&file.path), file.kind))
        .collect();
    assert_eq!(names[0], ("README.md".into(), FileKind::File));
    assert_eq!(names[2], ("tool".into(), FileKind::Executable));
    let mut content = Vec::new();
    let mut objects = mirror.objects().unwrap();
    for file in &files {
        content.clear();
        assert_eq!(objects.copy(&file.object, &mut content).unwrap(), file.size);
    }
    assert_eq!(content, b"#!/bin/sh\n");
    assert!(matches!(
        objects.copy(&"0".repeat(40), &mut content),
        Err(GitError::MissingObject { .. })
    ));
}

#[test]
fn a_repository_is_found_below_its_top_as_a_worktree_bare_and_with_borrowed_objects() {
    let repository = TestRepository::released();
    let (linked, bare) = (repository.beside("linked"), repository.beside("bare"));
    repository.git(["worktree", "add", "--quiet", linked.to_str().unwrap()]);
    repository.git(["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()]);
    let shared = repository.beside("shared");
    repository.git([
        "clone",
        "--quiet",
        "--shared",
        ".",
        shared.to_str().unwrap(),
    ]);
    for (start, root) in [
        (repository.path().join("src"), repository.path()),
        (linked.join("src"), linked.clone()),
        (bare.clone(), bare.clone()),
        (shared.clone(), shared.clone()),
    ] {
        let found = find_repository(&start).unwrap();
        assert_eq!(found.root, root.canonicalize().unwrap());
        repository.mirror_of(&start).tag("v1.0.0").unwrap();
    }
}

#[test]
fn a_location_may_hold_quotes_spaces_and_colons() {
    let repository = TestRepository::released();
    let odd = repository.beside("it's: \"odd\" \\ $(name)");
    fs::rename(repository.path(), &odd).unwrap();
    repository.mirror_of(&odd);
}

#[test]
fn a_location_that_is_no_repository_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for location in ["--upload-pack=touch x", "", "no/such/folder"] {
        assert!(Mirror::clone(location, folder.path(), &Silent).is_err());
    }
    let error = clone_error(folder.path());
    assert!(matches!(error, GitError::NoRepository { .. }), "{error}");
    let error = clone_error(Path::new("ext::touch executed"));
    assert!(error.to_string().contains("not allowed"), "{error}");
}

#[test]
fn a_git_file_that_points_nowhere_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(".git"), "gitdir: /nowhere/x\n").unwrap();
    let error = clone_error(folder.path());
    assert!(matches!(error, GitError::NoGitDir { .. }), "{error}");
    for part in [".git points to", "/nowhere/x"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_shallow_clone_is_refused_with_the_command_that_completes_it() {
    let repository = TestRepository::released();
    let shallow = repository.beside("shallow");
    let source = format!("file://{}", repository.path().display());
    let target = shallow.to_str().unwrap();
    git(
        &repository.path(),
        ["clone", "--quiet", "--depth=1", &source, target],
    );
    let linked = repository.beside("shallow-linked");
    git(
        &shallow,
        ["worktree", "add", "--quiet", linked.to_str().unwrap()],
    );
    let url = format!("file://{target}");
    for location in [shallow.as_path(), &linked, Path::new(&url)] {
        let error = clone_error(location);
        assert!(matches!(error, GitError::Shallow { .. }), "{error}");
        let help = miette::Diagnostic::help(&error).unwrap().to_string();
        assert!(help.contains("fetch --unshallow --tags"), "{help}");
        // That is read only in the place of the product's own repository.
        assert!(!help.contains("source.remote"), "{help}");
    }
}

#[test]
fn a_partial_clone_is_refused() {
    let repository = TestRepository::released();
    repository.git(["config", "uploadpack.allowFilter", "true"]);
    let partial = repository.beside("partial");
    let source = format!("file://{}", repository.path().display());
    let target = partial.to_str().unwrap();
    repository.git([
        "clone",
        "--quiet",
        "--no-checkout",
        "--filter=blob:none",
        &source,
        target,
    ]);
    let error = clone_error(&partial);
    assert!(matches!(error, GitError::Partial { .. }), "{error}");
}

#[test]
fn a_stop_ends_the_mirroring() {
    let repository = TestRepository::released();
    let monitor = Recording::default();
    monitor.cancel();
    let into = tempfile::tempdir().unwrap();
    let result = Mirror::clone(repository.path().to_str().unwrap(), into.path(), &monitor);
    assert!(matches!(result, Err(GitError::Cancelled(_))));
}

#[test]
#[allow(clippy::print_stdout, reason = "a test that cannot run says so")]
fn a_repository_of_another_user_is_mirrored() {
    let repository = TestRepository::released();
    let chown = std::process::Command::new("chown")
        .args(["--recursive", "12345"])
        .arg(repository.path())
        .output();
    if !chown.is_ok_and(|output| output.status.success()) {
        println!("skipped: no right to change a file's owner");
        return;
    }
    repository.mirror().tag("v1.0.0").unwrap();
}

/// Adds up the progress of all tasks.
#[derive(Default)]
struct Counting(AtomicU64);

impl Monitor for Counting {
    fn task_began(&self, _: TaskId, _: &str, _: Option<u64>, _: Unit) {}
    fn task_advanced(&self, _: TaskId, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }
    fn task_ended(&self, _: TaskId) {}
    fn notice(&self, _: &str) {}
    fn is_cancelled(&self) -> bool {
        false
    }
}

#[test]
fn the_progress_of_mirroring_is_the_size_of_what_arrived() {
    let repository = TestRepository::released();
    let into = tempfile::tempdir().unwrap();
    let counting = Counting::default();
    Mirror::clone(repository.path().to_str().unwrap(), into.path(), &counting).unwrap();
    let packs = fs::read_dir(into.path().join("mirror.git/objects/pack")).unwrap();
    let packs = packs.map(|entry| entry.unwrap());
    let packs = packs.filter(|entry| entry.path().extension().is_some_and(|e| e == "pack"));
    let sizes: u64 = packs.map(|entry| entry.metadata().unwrap().len()).sum();
    assert!(sizes > 0);
    assert_eq!(counting.0.into_inner(), sizes);
}
