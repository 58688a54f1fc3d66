//! `dhfpack retention`, on a server that enforces Object Lock.

use serde_json::Value;

use super::server::{LOCKED, LockServer, NAME, run};
use crate::support::release::told;
use crate::support::s3::BUCKET;

fn started() -> Option<LockServer> {
    let server = LockServer::start()?;
    for name in ["index.html", "Manifest/manifest.json"] {
        server.put(LOCKED, &format!("a/{NAME}/{name}"), name);
    }
    Some(server)
}

/// Runs a command that ends with this exit code.
fn ends(server: &LockServer, code: i32, arguments: &[&str]) -> String {
    let output = server.run(arguments);
    let all = told(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
    all
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn locks_are_shown_extended_and_never_shortened() {
    let Some(server) = started() else {
        return;
    };
    let url = server.url(LOCKED, NAME);
    let show = ["retention", "show", &url];
    let extend = ["retention", "extend", &url];
    let all = ends(&server, 0, &show);
    assert!(all.contains("locks     2 files not locked\n"), "{all}");

    // A first lock needs both a mode and an end.
    let all = ends(
        &server,
        2,
        &[&extend[..], &["--until", "2036-12-31"]].concat(),
    );
    assert!(all.contains("no mode is named"), "{all}");
    let all = ends(
        &server,
        2,
        &[&extend[..], &["--mode", "governance"]].concat(),
    );
    assert!(all.contains("no end is named"), "{all}");
    let first = ["--until", "2036-12-31", "--mode", "governance"];
    let all = ends(&server, 0, &[&extend[..], &first].concat());
    let lock = "2 files locked until 2036-12-31T23:59:59Z in governance mode";
    assert!(all.contains(lock) && all.contains("changed   2"), "{all}");
    assert!(ends(&server, 0, &show).contains(lock));

    let all = ends(
        &server,
        2,
        &[&extend[..], &["--until", "2035-12-31"]].concat(),
    );
    for date in ["2036-12-31T23:59:59Z", "2035-12-31T23:59:59Z"] {
        assert!(all.contains(date), "{all}");
    }
    let all = ends(
        &server,
        2,
        &[&extend[..], &["--until", "2020-01-01"]].concat(),
    );
    assert!(all.contains("over already"), "{all}");

    let years = ["--years", "10", "--from", "2028-02-29"];
    let all = ends(&server, 0, &[&extend[..], &years].concat());
    assert!(all.contains("2038-03-01T23:59:59Z in governance"), "{all}");
    let all = ends(&server, 0, &[&extend[..], &years].concat());
    assert!(all.contains("changed   0"), "{all}");

    let all = ends(&server, 0, &[&extend[..], &["--legal-hold", "on"]].concat());
    assert!(all.contains("governance mode, under legal hold"), "{all}");
    let all = ends(&server, 0, &[&show[..], &["--files"]].concat());
    assert!(
        all.contains(&format!("  {NAME}/index.html: locked until 2038")),
        "{all}"
    );
    ends(
        &server,
        2,
        &[&extend[..], &["--legal-hold", "off"]].concat(),
    );
    ends(&server, 2, &extend);
}

#[test]
fn compliance_mode_is_shown_first_and_needs_a_yes() {
    let Some(server) = started() else {
        return;
    };
    let url = server.url(LOCKED, NAME);
    let extend = ["retention", "extend", &url];
    let asked = ["--until", "2036-12-31", "--mode", "compliance"];
    let asked = [&extend[..], &asked].concat();

    let all = ends(&server, 0, &[&asked[..], &["--dry-run"]].concat());
    for line in [
        "now       2 files not locked\n",
        "then      2 files locked until 2036-12-31T23:59:59Z in compliance mode\n",
        "nobody can undo the locks until 2036-12-31T23:59:59Z",
    ] {
        assert!(all.contains(line), "{all}");
    }
    let dry = json(&ends(
        &server,
        0,
        &[&asked[..], &["--dry-run", "--json"]].concat(),
    ));
    assert_eq!(dry["irrevocable_until"], "2036-12-31T23:59:59Z");
    assert_eq!(dry["changes"][0]["from"]["mode"], Value::Null);
    assert_eq!(dry["changes"][1]["to"]["mode"], "compliance");

    let all = ends(&server, 2, &asked);
    assert!(all.contains("--yes") && all.contains("2036-12-31"), "{all}");
    assert!(server.retention(&format!("a/{NAME}/index.html")).is_err());

    let all = ends(&server, 0, &[&asked[..], &["--yes"]].concat());
    assert!(all.contains("changed   2"), "{all}");
    let shown = json(&ends(&server, 0, &["retention", "show", &url, "--json"]));
    for file in shown["files"].as_array().unwrap() {
        assert_eq!(file["locks"]["mode"], "compliance");
        assert_eq!(file["locks"]["until"], "2036-12-31T23:59:59Z");
        assert_eq!(file["locks"]["legal_hold"], false);
        assert!(file["version"].is_string(), "{shown}");
    }
    let weaker = [&extend[..], &["--mode", "governance"]].concat();
    let all = ends(&server, 2, &weaker);
    assert!(all.contains("only ever extended"), "{all}");
}

#[test]
fn what_cannot_be_locked_is_told_with_its_reason() {
    let Some(server) = started() else {
        return;
    };
    server.put(BUCKET, &format!("a/{NAME}/index.html"), "page");
    let open = server.url(BUCKET, NAME);
    let all = ends(&server, 0, &["retention", "show", &open]);
    assert!(all.contains("1 file not locked"), "{all}");
    let lock = ["--until", "2036-12-31", "--mode", "governance"];
    let all = ends(
        &server,
        2,
        &[&["retention", "extend", &open][..], &lock].concat(),
    );
    assert!(all.contains("has no Object Lock"), "{all}");

    let nothing = server.url(LOCKED, "pump-9.9.9");
    let all = ends(&server, 1, &["retention", "show", &nothing]);
    assert!(
        all.contains("there is nothing at s3://locked/a/pump-9.9.9"),
        "{all}"
    );
    let all = ends(&server, 2, &["retention", "show", "s3://locked?region=x"]);
    assert!(all.contains("no archive at s3://locked"), "{all}");

    let url = server.url(LOCKED, NAME);
    let output = run(&[], &["retention", "show", &url]);
    assert_eq!(output.status.code(), Some(1));
    let all = told(&output);
    assert!(all.contains("AWS_ACCESS_KEY_ID"), "{all}");
}
