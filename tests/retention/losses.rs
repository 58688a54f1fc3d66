//! Locked objects that somebody hid, covered or unlocked: publishing tells, and makes no other.

use serde_json::Value;

use super::server::{LOCKED, LockServer};
use crate::support::release::told;
use crate::support::small::{Small, tells};

const NAME: &str = "small-1.0.0";
const PAGE: &str = "/locked/a/small-1.0.0/index.html";

fn table(mode: &str) -> String {
    format!(
        "[retention]\nrule = \"MDR Art. 10(8)\"\n\
         trigger = \"last device placed on the market\"\nminimum_years = 10\n{mode}\n"
    )
}

struct Case {
    server: LockServer,
    small: Small,
}

impl Case {
    /// A published archive, locked as this says. None where there is no server.
    fn published(mode: &str) -> Option<Self> {
        let server = LockServer::start()?;
        let small = Small::new(&table(mode)).release();
        small.manifest();
        let case = Self { server, small };
        case.run("publish", &[], 0);
        Some(case)
    }

    /// Runs `publish` or `upload`, which must end with this code.
    fn run(&self, command: &str, options: &[&str], code: i32) -> String {
        let (archive, to) = (self.small.archive(), self.server.store(LOCKED));
        let words = [command, archive.to_str().unwrap(), "--to", &to];
        let output = self.server.run(&[&words[..], options].concat());
        let all = told(&output);
        assert_eq!(output.status.code(), Some(code), "{all}");
        all
    }

    /// Every way of publishing fails, tells all of this, and changes nothing.
    fn is_refused(&self, expected: &[&str]) {
        let before = self.versions();
        for (command, option) in [
            ("publish", None),
            ("publish", Some("--dry-run")),
            ("upload", None),
        ] {
            tells(&self.run(command, option.as_slice(), 3), expected);
        }
        assert_eq!(self.versions(), before);
    }

    fn ask(&self, method: &str, path: &str, fields: &str, body: &str) -> String {
        self.server.ask(method, path, fields, body).unwrap()
    }

    fn versions(&self) -> String {
        let listed = self.ask("GET", &format!("/{LOCKED}?versions"), "", "");
        listed.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// Removes the delete marker on top of the page.
    fn unhide(&self) {
        let versions = self.versions();
        let entries = versions.split("<DeleteMarker>").skip(1);
        let latest = entries
            .filter(|entry| entry.contains("/index.html<") && entry.contains("<IsLatest>true<"))
            .filter_map(|entry| entry.split_once("<VersionId>")?.1.split_once('<'))
            .map(|(version, _)| version.to_owned());
        let latest: Vec<String> = latest.collect();
        assert_eq!(latest.len(), 1, "{versions}");
        self.ask("DELETE", &format!("{PAGE}?versionId={}", latest[0]), "", "");
    }

    fn extend(&self, options: &[&str]) {
        let url = self.server.url(LOCKED, NAME);
        let words = ["retention", "extend", &url];
        let output = self.server.run(&[&words[..], options].concat());
        assert!(output.status.success(), "{}", told(&output));
    }
}

#[test]
fn a_locked_object_behind_a_delete_marker_is_not_made_anew() {
    for (mode, lock) in [
        ("mode = \"governance\"", "in governance mode"),
        ("legal_hold = true", "under legal hold"),
    ] {
        let Some(case) = Case::published(mode) else {
            return;
        };
        case.ask("DELETE", PAGE, "", "");
        case.is_refused(&[
            "small-1.0.0.receipt-1.json",
            "says that these are locked",
            "\"index.html\": ",
            lock,
            "delete marker",
        ]);
        let url = case.server.url(LOCKED, NAME);
        let options = ["--until", "2070-01-01"];
        let words = [&["retention", "extend", &*url][..], &options].concat();
        let before = case.versions();
        let output = case.server.run(&words);
        assert_eq!(output.status.code(), Some(3), "{}", told(&output));
        tells(
            &told(&output),
            &["says that these are locked", "\"index.html\": "],
        );
        assert_eq!(case.versions(), before);
        case.unhide();
        tells(&case.run("publish", &[], 0), &["nothing was left to do"]);
    }
}

#[test]
fn a_version_on_top_of_a_locked_one_is_not_taken_for_it() {
    let Some(case) = Case::published("mode = \"governance\"") else {
        return;
    };
    let page = std::fs::read_to_string(case.small.archive().join("index.html")).unwrap();
    // With a lock as long.
    case.server
        .put(LOCKED, &format!("a/{NAME}/index.html"), &page);
    case.extend(&["--until", "2060-01-01", "--mode", "governance"]);
    case.is_refused(&[
        "\"index.html\": the version",
        "lies on top of the locked one",
    ]);
}

#[test]
fn a_lock_that_was_shortened_is_told_until_it_is_as_long_again() {
    let Some(case) = Case::published("mode = \"governance\"") else {
        return;
    };
    case.extend(&["--until", "2060-01-01"]);
    case.run("publish", &[], 0);
    let short = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2055-01-01T00:00:00Z</RetainUntilDate></Retention>";
    let bypass = "x-amz-bypass-governance-retention: true\r\n";
    case.ask("PUT", &format!("{PAGE}?retention"), bypass, short);
    case.is_refused(&[
        "small-1.0.0.receipt-2.json",
        "\"index.html\": it was locked until 2060-01-01",
        "now it is locked until 2055-01-01",
        "retention extend",
    ]);
    case.extend(&["--until", "2060-01-01"]);
    tells(&case.run("publish", &[], 0), &["nothing was left to do"]);
}

#[test]
fn a_lock_that_is_shorter_than_it_was_and_not_than_planned_is_set_again() {
    let Some(case) = Case::published("mode = \"governance\"") else {
        return;
    };
    let short = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2030-01-01T00:00:00Z</RetainUntilDate></Retention>";
    let bypass = "x-amz-bypass-governance-retention: true\r\n";
    case.ask("PUT", &format!("{PAGE}?retention"), bypass, short);
    // To copy alone would leave it as short.
    tells(
        &case.run("upload", &[], 3),
        &["it was locked until", "2030-01-01"],
    );
    tells(&case.run("publish", &[], 0), &["1 of them by this run"]);
    let found = case.server.retention(&format!("a/{NAME}/index.html"));
    assert!(!found.unwrap().contains("2030-01-01"));
}

#[test]
fn an_unlocked_object_behind_a_delete_marker_is_made_anew_and_told() {
    let Some(case) = Case::published("") else {
        return;
    };
    case.ask("DELETE", PAGE, "", "");
    let all = case.run("publish", &["--json"], 0);
    let run: Value = serde_json::from_str(&all).unwrap();
    let detail = run["steps"][0]["detail"].as_str().unwrap();
    tells(detail, &["1 copied", "gone since", "receipt-1.json"]);
    assert!(detail.ends_with(": \"index.html\""), "{detail}");
    assert_eq!(run["receipt"], "small-1.0.0.receipt-2.json");
}

#[test]
fn a_hold_that_people_lifted_is_told_once() {
    let Some(case) = Case::published("mode = \"governance\"") else {
        return;
    };
    case.extend(&["--legal-hold", "on"]);
    case.run("publish", &[], 0);
    let off = "<LegalHold><Status>OFF</Status></LegalHold>";
    case.ask("PUT", &format!("{PAGE}?legal-hold"), "", off);
    let all = case.run("publish", &[], 0);
    tells(&all, &["was lifted", "\"index.html\"", "receipt-3.json"]);
    let all = case.run("publish", &[], 0);
    assert!(!all.contains("lifted"), "{all}");
}
