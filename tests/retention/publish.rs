//! `dhfpack publish` of an archive whose configuration asks for locks.

use super::server::{LOCKED, LockServer};
use crate::support::release::told;
use crate::support::s3::BUCKET;
use crate::support::small::{Small, tells};

const TABLE: &str = "[retention]\nrule = \"MDR Art. 10(8)\"\n\
    trigger = \"last device placed on the market\"\nminimum_years = 10\n\
    mode = \"compliance\"\nlegal_hold = true\n";

#[test]
fn an_archive_is_published_only_where_it_can_be_locked_and_once_that_is_confirmed() {
    let Some(server) = LockServer::start() else {
        return;
    };
    let small = Small::new(TABLE).release();
    small.manifest();
    let archive = small.archive();
    let publish = |bucket: &str, option: Option<&str>, code: i32| {
        let to = server.store(bucket);
        let words = ["publish", archive.to_str().unwrap(), "--to", &to];
        let output = server.run(&[&words[..], option.as_slice()].concat());
        let all = told(&output);
        assert_eq!(output.status.code(), Some(code), "{all}");
        all
    };
    let is_empty = |bucket: &str| {
        let listed = server.ask("GET", &format!("/{bucket}?list-type=2"), "", "");
        !listed.unwrap().contains("<Key>")
    };

    let all = publish(BUCKET, Some("--yes"), 2);
    tells(&all, &["has no Object Lock", "[retention]"]);
    assert!(is_empty(BUCKET));

    let all = publish(LOCKED, None, 2);
    tells(&all, &["compliance mode locks until ", "--yes"]);
    assert!(is_empty(LOCKED));
    let all = publish(LOCKED, Some("--dry-run"), 0);
    tells(&all, &["in compliance mode, under legal hold"]);
    assert!(is_empty(LOCKED));

    publish(LOCKED, Some("--yes"), 0);
    let url = server.url(LOCKED, "small-1.0.0");
    let shown = told(&server.run(&["retention", "show", &url]));
    tells(&shown, &["in compliance mode, under legal hold"]);
    assert_eq!(shown.matches(" files ").count(), 1, "{shown}");
    publish(LOCKED, Some("--yes"), 0);
    let again = told(&server.run(&["retention", "show", &url]));
    assert_eq!(again, shown);
}

#[test]
fn a_run_with_nothing_to_lock_needs_no_confirmation() {
    let Some(server) = LockServer::start() else {
        return;
    };
    let small = Small::new(TABLE).release();
    small.manifest();
    let archive = small.archive();
    let to = server.store(LOCKED);
    let publish = |options: &[&str], code: i32| {
        let words = ["publish", archive.to_str().unwrap(), "--to", &to];
        let output = server.run(&[&words[..], options].concat());
        let all = told(&output);
        assert_eq!(output.status.code(), Some(code), "{all}");
        all
    };
    publish(&["--yes"], 0);
    tells(&publish(&[], 0), &["nothing was left to do"]);

    // A statement more is an object more, and a later end for all.
    let sign = |name: &str| {
        let (key, certificate) = (small.path("new.key.pem"), small.path("new.cert.pem"));
        let files = [key.to_str().unwrap(), certificate.to_str().unwrap()];
        let new = ["key", "new", "--name", name, "--role", "Reviewer"];
        let files = ["--key", files[0], "--certificate", files[1]];
        assert!(server.run(&[&new[..], &files].concat()).status.success());
        let sign = ["sign", archive.to_str().unwrap(), "--role", "Reviewer"];
        let signed = server.run(&[&sign[..], &files].concat());
        assert!(signed.status.success(), "{}", told(&signed));
    };
    sign("Rita");
    let before = server.versions();
    tells(&publish(&[], 2), &["compliance mode locks until ", "--yes"]);
    assert_eq!(server.versions(), before);
    publish(&["--yes"], 0);
    publish(&[], 0);

    // An object on which somebody put a version without a lock.
    let page = std::fs::read_to_string(archive.join("index.html")).unwrap();
    server.put(LOCKED, "a/small-1.0.0/index.html", &page);
    let shown = server.run(&["retention", "show", &server.url(LOCKED, "small-1.0.0")]);
    tells(&told(&shown), &["1 file not locked"]);
    for number in 1..=2 {
        let path = format!("/{LOCKED}/a/small-1.0.0.receipt-{number}.json");
        server.ask("DELETE", &path, "", "").unwrap();
    }
    tells(&publish(&[], 2), &["compliance mode locks until ", "--yes"]);
    publish(&["--yes"], 0);
}
