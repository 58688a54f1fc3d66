//! The register as a table in a git repository, changed beside others and never by force.

use std::thread;

use dhfpack::monitor::Silent;
use dhfpack::publish::registry::{RegistryError, latest_date, show_in_markdown};
use dhfpack::publish::{GitFile, GrowingDocument};
use dhfpack::register::{insert_table, releases, render_table};
use dhfpack::source::git::{BranchFile, GitError, RemoteAccess};
use dhfpack::store::Swapped;
use jiff::Timestamp;

use super::workshop::{Office, released, version};
use crate::support::git::{GitServer, hook};

fn file(server: &GitServer, path: &str) -> GitFile {
    open(&server.location(), "main", path).unwrap()
}

fn open(location: &str, branch: &str, path: &str) -> Result<GitFile, GitError> {
    let file = BranchFile::open(location, branch, path, RemoteAccess::default())?;
    let date = "2026-03-05T00:00:00Z".parse().unwrap();
    Ok(GitFile::new(file, "Show it".to_owned(), date))
}

const PAGE: &str =
    "# Ours\n\n<!-- dhfpack: registry -->\n<!-- /dhfpack: registry -->\n\nnot yours\n";

#[test]
fn the_table_is_pushed_and_nothing_else_is_changed() {
    let server = GitServer::with(&[("docs/registry.md", PAGE), ("other.txt", "other\n")]);
    let before = server.git(&["rev-parse", "main"]);
    let office = Office::with(2);
    let file = file(&server, "docs/registry.md");
    assert!(show_in_markdown(&*office.store(), &file, &Silent).unwrap());
    let table = render_table(&releases(&office.register()));
    let expected = insert_table(Some(PAGE), &table).unwrap();
    let shown = server.git(&["show", "main:docs/registry.md"]);
    assert_eq!(format!("{shown}\n"), expected);
    assert_eq!(server.git(&["show", "main:other.txt"]), "other");
    assert_eq!(server.git(&["rev-parse", "main^"]), before);
    assert_eq!(
        server.git(&["diff", "--name-only", "main^", "main"]),
        "docs/registry.md"
    );
    let people = server.git(&[
        "log",
        "-1",
        "--format=%an <%ae> %at %cn <%ce> %ct %s",
        "main",
    ]);
    assert_eq!(
        people,
        "dhfpack <> 1772668800 dhfpack <> 1772668800 Show it"
    );

    let tip = server.git(&["rev-parse", "main"]);
    assert!(!show_in_markdown(&*office.store(), &file, &Silent).unwrap());
    assert_eq!(server.git(&["rev-parse", "main"]), tip);
}

#[test]
fn the_same_change_makes_the_same_commit() {
    let commits: Vec<String> = (0..2)
        .map(|_| {
            let server = GitServer::with(&[("registry.md", PAGE)]);
            let file = file(&server, "registry.md");
            let edition = file.load(1000).unwrap().unwrap().edition;
            assert_eq!(file.swap(b"new\n", Some(&edition)).unwrap(), Swapped::Done);
            server.git(&["rev-parse", "main"])
        })
        .collect();
    assert_eq!(commits[0], commits[1]);
}

#[test]
fn a_branch_that_moved_on_is_not_overwritten() {
    let server = GitServer::with(&[("registry.md", PAGE)]);
    let file = file(&server, "registry.md");
    let loaded = file.load(1000).unwrap().unwrap();
    server.work.commit_file("theirs.txt", b"theirs\n");
    server.push();
    let tip = server.git(&["rev-parse", "main"]);
    let swapped = file.swap(b"mine\n", Some(&loaded.edition)).unwrap();
    assert_eq!(swapped, Swapped::Changed);
    assert_eq!(server.git(&["rev-parse", "main"]), tip);
    // Read again, it goes on top.
    let loaded = file.load(1000).unwrap().unwrap();
    assert_eq!(
        file.swap(b"mine\n", Some(&loaded.edition)).unwrap(),
        Swapped::Done
    );
    assert_eq!(server.git(&["show", "main:theirs.txt"]), "theirs");
    assert_eq!(server.git(&["show", "main:registry.md"]), "mine");
}

#[test]
fn several_who_register_at_once_all_stand_in_the_table() {
    let server = GitServer::with(&[("registry.md", PAGE)]);
    let office = Office::new();
    thread::scope(|scope| {
        for number in 0..6 {
            let (office, server) = (&office, &server);
            scope.spawn(move || {
                let release = version(&format!("1.{number}.0"));
                office.add(&release, released()).unwrap();
                let file = file(server, "registry.md");
                show_in_markdown(&*office.store(), &file, &Silent).unwrap();
            });
        }
    });
    let shown = server.git(&["show", "main:registry.md"]);
    for number in 0..6 {
        assert!(shown.contains(&format!("| 1.{number}.0 |")), "{shown}");
    }
    assert_eq!(
        server.git(&["rev-list", "--merges", "--count", "main"]),
        "0"
    );
}

#[test]
fn a_file_and_a_repository_that_are_not_there_yet_are_begun() {
    let office = Office::with(1);
    for server in [GitServer::with(&[]), GitServer::with(&[("a.txt", "a\n")])] {
        let file = file(&server, "deep/registry.md");
        assert!(show_in_markdown(&*office.store(), &file, &Silent).unwrap());
        let shown = server.git(&["show", "main:deep/registry.md"]);
        assert!(shown.starts_with("# Products registry\n"), "{shown}");
    }
    let date = latest_date(&*office.store()).unwrap();
    assert_eq!(date, "2026-03-05T00:00:00Z".parse::<Timestamp>().unwrap());
}

#[test]
fn what_cannot_be_changed_is_refused_with_the_reason() {
    let office = Office::with(1);
    let server = GitServer::with(&[("registry.md", "no place for a table\n"), ("a/b.md", PAGE)]);
    let shown = |file: &GitFile| show_in_markdown(&*office.store(), file, &Silent);
    let error = shown(&file(&server, "registry.md")).unwrap_err();
    assert!(matches!(error, RegistryError::Markdown { .. }), "{error}");
    assert!(error.to_string().contains("registry.md on main of file://"));
    // A folder where the file should be.
    assert!(shown(&file(&server, "a")).is_err());
    let other = open(&server.location(), "release", "registry.md").unwrap();
    let error = shown(&other).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert!(cause.unwrap().contains("release"), "{error}");
    for (branch, path) in [
        ("-f", "a.md"),
        ("a b", "a.md"),
        ("main", "../a.md"),
        ("main", ".git/config"),
        ("main", "a//b"),
        ("main", ""),
    ] {
        let refused = open(&server.location(), branch, path);
        assert!(
            matches!(refused, Err(GitError::BadName { .. })),
            "{branch} {path}"
        );
    }
    for location in ["ext::sh -c x", "-x", "", "--upload-pack=x"] {
        let refused = open(location, "main", "a.md").and_then(|file| {
            file.load(10).map(drop).map_err(|_| GitError::NoRevision {
                repository: String::new(),
                rev: String::new(),
            })
        });
        assert!(refused.is_err(), "{location}");
    }
}

#[cfg(unix)]
#[test]
fn a_server_s_hook_may_refuse_and_no_hook_of_the_user_runs() {
    let server = GitServer::with(&[("registry.md", PAGE)]);
    let marker = server.work.beside("ran");
    let trap = format!("#!/bin/sh\ntouch '{}'\n", marker.display());
    hook(&server.work.path().join(".git/hooks/pre-push"), &trap);
    hook(
        &server.work.path().join(".git/hooks/reference-transaction"),
        &trap,
    );
    let tip = server.git(&["rev-parse", "main"]);
    server.refuse("only on Mondays");
    let office = Office::with(1);
    let file = file(&server, "registry.md");
    let error = show_in_markdown(&*office.store(), &file, &Silent).unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    assert!(cause.unwrap().contains("only on Mondays"), "{error}");
    assert_eq!(server.git(&["rev-parse", "main"]), tip);
    assert!(!marker.exists());
}
