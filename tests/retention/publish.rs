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
