//! Planned locks, set and proved on a server that enforces them.
//!
//! A login comes from the environment, which tests share. So the library is used by a process of
//! its own, [`a_child_locks`].

use std::process::{Command, Output};

use dhfpack::config::{LockMode, RetentionConfig};
use dhfpack::monitor::Recording;
use dhfpack::publish::retention::{self, Confirmation, RetentionError};
use dhfpack::store::{self, Access};
use jiff::Timestamp;

use super::server::{LOCKED, LockServer, NAME, TOKEN};
use crate::support::release::told;
use crate::support::s3::{BUCKET, SECRET};

/// What a child is to do: store, release date, mode, years, hold, confirmation.
const JOB: &str = "DHFPACK_TEST_RETENTION";

fn child(server: &LockServer, store: &str, job: &str) -> Output {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "retention::apply::a_child_locks"])
        .args(["--ignored", "--nocapture"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env(JOB, format!("{store} {job}"))
        .envs(server.login())
        .output()
        .unwrap();
    let told = told(&output);
    for secret in [SECRET, TOKEN] {
        assert!(!told.contains(secret), "{told}");
    }
    output
}

/// What the child prints.
fn locked(server: &LockServer, job: &str) -> String {
    let output = child(server, &server.store(LOCKED), job);
    let all = told(&output);
    assert!(output.status.success(), "{all}");
    all
}

/// Run by the others.
#[test]
#[ignore = "needs a server; the other tests here run it"]
#[expect(clippy::print_stdout, reason = "its parent reads what it found")]
fn a_child_locks() {
    let Ok(job) = std::env::var(JOB) else {
        return;
    };
    let words: Vec<&str> = job.split(' ').collect();
    let [store, date, mode, years, hold, confirmation] = words[..] else {
        panic!("{job}");
    };
    let config = RetentionConfig {
        rule: "MDR Art. 10(8)".to_owned(),
        trigger: "last device placed on the market".to_owned(),
        minimum_years: years.parse().unwrap(),
        mode: match mode {
            "governance" => Some(LockMode::Governance),
            "compliance" => Some(LockMode::Compliance),
            _ => None,
        },
        legal_hold: hold == "hold",
    };
    let confirmation = match confirmation {
        "yes" => Confirmation::Given,
        _ => Confirmation::Missing,
    };
    let released: Timestamp = format!("{date}T09:00:00Z").parse().unwrap();
    let planned = retention::plan(&config, released).unwrap();
    let monitor = Recording::default();
    let store = store::open(&store.parse().unwrap(), &Access::default(), &monitor).unwrap();
    let possible = retention::require(&*store, &planned);
    let applied =
        possible.and_then(|()| retention::apply(&*store, NAME, &planned, confirmation, &monitor));
    let notices = monitor.notices();
    match applied {
        Ok(applied) => {
            let checked = retention::check(&*store, NAME, &monitor).unwrap();
            assert_eq!(checked, applied.objects);
            println!("changed {} {notices:?}", applied.changed);
            for object in applied.objects {
                println!("{} {}", object.path, object.locks);
            }
        }
        Err(error @ RetentionError::Store(_)) => panic!("{error:?}"),
        Err(error) => println!("refused {error}"),
    }
}

const LATER: &str = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2035-01-01T00:00:00Z</RetainUntilDate></Retention>";

#[test]
fn an_archive_is_locked_version_by_version_and_its_server_keeps_it() {
    let Some(server) = LockServer::start() else {
        return;
    };
    let names = [
        "index.html",
        "Manifest/manifest.json",
        "A%20%C3%A4%2B%25/x%23%3F.pdf",
    ];
    for name in names {
        server.put(LOCKED, &format!("a/{NAME}/{name}"), name);
    }
    // Another archive's, which only begins with the same letters.
    server.put(LOCKED, &format!("a/{NAME}-r1/index.html"), "other");

    let all = locked(&server, "2026-03-03 governance 10 hold no");
    assert!(all.contains("changed 3 []"), "{all}");
    let lock = "locked until 2036-03-03T09:00:00Z in governance mode, under legal hold";
    assert_eq!(all.matches(lock).count(), 3, "{all}");
    assert!(all.contains(&format!("{NAME}/A ä+%/x#?.pdf")), "{all}");

    for (path, version) in server.versions() {
        let place = format!("/{LOCKED}/{path}?versionId={version}");
        let deleted = server.ask(
            "DELETE",
            &place,
            "x-amz-bypass-governance-retention: true\r\n",
            "",
        );
        let is_other = path.contains("%2Dr1");
        assert_eq!(deleted.is_ok(), is_other, "{path}: {deleted:?}");
    }
    let found = server.retention(&format!("a/{NAME}/index.html")).unwrap();
    assert!(found.contains("<Mode>GOVERNANCE</Mode>"), "{found}");
    assert!(found.contains("2036-03-03T09:00:00Z"), "{found}");
    let place = format!("/{LOCKED}/a/{NAME}/index.html?retention");
    assert!(server.ask("PUT", &place, "", LATER).is_err());

    let again = locked(&server, "2026-03-03 governance 10 hold no");
    assert!(again.contains("changed 0 []"), "{again}");
}

#[test]
fn locks_grow_stronger_and_never_weaker() {
    let Some(server) = LockServer::start() else {
        return;
    };
    server.put(LOCKED, &format!("a/{NAME}/index.html"), "page");
    for (job, changed, lock) in [
        (
            "2026-03-03 governance 10 no no",
            1,
            "2036-03-03T09:00:00Z in governance",
        ),
        (
            "2026-03-03 governance 5 no no",
            0,
            "2036-03-03T09:00:00Z in governance",
        ),
        (
            "2026-03-03 none 5 no no",
            0,
            "2036-03-03T09:00:00Z in governance",
        ),
        (
            "2026-03-03 governance 15 no no",
            1,
            "2041-03-03T09:00:00Z in governance",
        ),
        (
            "2026-03-03 compliance 10 no yes",
            1,
            "2041-03-03T09:00:00Z in compliance",
        ),
        (
            "2026-03-03 governance 10 no no",
            0,
            "2041-03-03T09:00:00Z in compliance",
        ),
    ] {
        let all = locked(&server, job);
        assert!(
            all.contains(&format!("changed {changed} []")),
            "{job}: {all}"
        );
        assert!(all.contains(lock), "{job}: {all}");
    }
    // To extend a lock in compliance mode needs the confirmation like to set it.
    let all = locked(&server, "2026-03-03 governance 20 no no");
    assert!(
        all.contains("refused compliance mode locks until 2046-03-03"),
        "{all}"
    );
    let place = format!("/{LOCKED}/a/{NAME}/index.html?retention");
    for bypass in ["", "x-amz-bypass-governance-retention: true\r\n"] {
        assert!(server.ask("PUT", &place, bypass, LATER).is_err());
    }
}

#[test]
fn compliance_mode_is_confirmed_before_anything_is_locked() {
    let Some(server) = LockServer::start() else {
        return;
    };
    server.put(LOCKED, &format!("a/{NAME}/index.html"), "page");
    let all = locked(&server, "2026-03-03 compliance 10 hold no");
    let refused = "refused compliance mode locks until 2036-03-03T09:00:00Z, and nobody can lift";
    assert!(all.contains(refused), "{all}");
    let there = server.retention(&format!("a/{NAME}/index.html"));
    assert!(there.unwrap_err().contains("NoSuchObjectLockConfiguration"));

    let all = locked(&server, "2026-03-03 compliance 10 hold yes");
    assert!(all.contains("changed 1 []"), "{all}");
    let (path, version) = server.versions().pop_first().unwrap();
    let place = format!("/{LOCKED}/{path}?versionId={version}");
    assert!(server.ask("DELETE", &place, "", "").is_err());
}

#[test]
fn a_store_that_cannot_lock_is_refused_before_anything_is_uploaded() {
    let Some(server) = LockServer::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (store, reason) in [
        (server.store(BUCKET), "its bucket has no Object Lock"),
        (folder.path().display().to_string(), "it has no locks"),
    ] {
        let output = child(&server, &store, "2026-03-03 governance 10 no no");
        let all = told(&output);
        let place = store.split('?').next().unwrap();
        assert!(all.contains("refused "), "{all}");
        assert!(all.contains(place) && all.contains(reason), "{all}");
    }
}

#[test]
fn a_time_that_is_over_is_told_and_locks_nothing() {
    let Some(server) = LockServer::start() else {
        return;
    };
    server.put(LOCKED, &format!("a/{NAME}/index.html"), "page");
    // Long after the release, an archive may still be published again.
    let all = locked(&server, "2016-03-03 governance 10 no no");
    assert!(
        all.contains(
            "changed 0 [\"the least time to keep pump-2.4.0 ended at 2026-03-03T09:00:00Z"
        ),
        "{all}"
    );
    assert!(server.retention(&format!("a/{NAME}/index.html")).is_err());
}

#[test]
fn an_archive_of_more_than_a_page_is_locked_whole() {
    let Some(server) = LockServer::start() else {
        return;
    };
    for number in 0..1_100 {
        server.put(LOCKED, &format!("a/{NAME}/{number:04}"), "page");
    }
    let all = locked(&server, "2026-03-03 governance 10 no no");
    assert!(all.contains("changed 1100 []"), "{all}");
    assert_eq!(all.matches("locked until 2036").count(), 1_100);
}
