//! Logins that may publish and read, and know nothing of locks.

use serde_json::Value;

use super::server::{LOCKED, run};
use crate::support::faults::{Fault, Faults};
use crate::support::release::told;
use crate::support::s3::{BUCKET, Kind, Server};
use crate::support::small::{Small, tells};

const LOCKING: &str = "[retention]\nrule = \"MDR Art. 10(8)\"\n\
    trigger = \"last device placed on the market\"\nminimum_years = 10\n\
    mode = \"governance\"\n";
const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>Not you</Message></Error>";
const WRONG: &str = "<Error><Code>SignatureDoesNotMatch</Code><Message>Who?</Message></Error>";

/// A server, seen by a login whose requests about locks get this answer with the status 403.
fn refusing(server: &Server, answer: &'static str) -> Faults {
    Faults::before(server.port, move |asked| {
        let query = asked.path.split_once('?').map_or("", |(_, query)| query);
        let part = query.split(['=', '&']).next().unwrap_or_default();
        match part {
            "object-lock" | "versioning" | "retention" | "legal-hold" => Fault::Refuse(403, answer),
            _ => Fault::None,
        }
    })
}

/// Runs the program, which must end with this exit code; returns all it told.
fn ends(server: &Server, arguments: &[&str], code: i32) -> String {
    let output = run(&server.login(), arguments);
    let all = told(&output);
    assert_eq!(output.status.code(), Some(code), "{all}");
    all
}

fn built(table: &str) -> Small {
    let small = Small::new(table).release();
    small.manifest();
    small
}

#[test]
fn a_login_that_may_not_read_locks_publishes_what_asks_for_none() {
    let Some(server) = Server::start(Kind::Ministack) else {
        return;
    };
    let proxy = refusing(&server, DENIED);
    let small = built("");
    let archive = small.archive();
    let to = server.url_at(proxy.port, "a");
    let publish = ["publish", archive.to_str().unwrap(), "--to", &to];
    let unknown = "whether small-1.0.0 is locked stays unknown";
    tells(&ends(&server, &publish, 0), &[unknown, "AccessDenied"]);
    let path = format!("/{BUCKET}/a/small-1.0.0.receipt-1.json");
    let answer = server.ask("GET", &path, "", b"");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let receipt: Value = serde_json::from_str(body).unwrap();
    for object in receipt["objects"].as_array().unwrap() {
        assert!(object["retention"].is_null(), "{object}");
    }
    let url = server.url_at(proxy.port, "a/small-1.0.0");
    let verified = ends(&server, &["verify", &url], 4);
    let compared = "receipt small-1.0.0.receipt-1.json was compared";
    tells(&verified, &[unknown, compared]);

    // Who asks for locks is told what is missing.
    let shown = ends(&server, &["retention", "show", &url], 1);
    tells(&shown, &["s3:GetBucketObjectLockConfiguration"]);
}

#[test]
fn a_login_that_may_not_lock_publishes_nothing_that_is_to_be_locked() {
    let Some(server) = Server::start(Kind::Ministack) else {
        return;
    };
    let proxy = refusing(&server, DENIED);
    let small = built(LOCKING);
    let archive = small.archive();
    let to = server.url_at(proxy.port, "a");
    let publish = ["publish", archive.to_str().unwrap(), "--to", &to];
    let refused = ends(&server, &publish, 1);
    tells(&refused, &["AccessDenied", "s3:PutObjectRetention"]);
    let listed = server.ask("GET", &format!("/{BUCKET}?list-type=2"), "", b"");
    assert!(!listed.contains("<Key>"), "{listed}");
}

#[test]
fn a_lock_that_a_receipt_tells_of_is_not_taken_on_trust() {
    let Some(server) = Server::start(Kind::Ministack) else {
        return;
    };
    let enabled = "x-amz-bucket-object-lock-enabled: true\r\n";
    server.ask("PUT", &format!("/{LOCKED}"), enabled, b"");
    let small = built(LOCKING);
    let archive = small.archive();
    let there = |port: u16, folder: &str| {
        let url = server.url_at(port, folder);
        url.replacen(&format!("s3://{BUCKET}/"), &format!("s3://{LOCKED}/"), 1)
    };
    let to = there(server.port, "a");
    let publish = ["publish", archive.to_str().unwrap(), "--to", &to];
    ends(&server, &publish, 0);
    let verify = |port: u16, code: i32| {
        let url = there(port, "a/small-1.0.0");
        ends(&server, &["verify", &url], code)
    };
    verify(server.port, 4);
    let proxy = refusing(&server, DENIED);
    tells(&verify(proxy.port, 1), &["AccessDenied", "s3:"]);
}

#[test]
fn a_login_that_the_server_does_not_know_is_no_missing_permission() {
    let Some(server) = Server::start(Kind::Ministack) else {
        return;
    };
    let proxy = refusing(&server, WRONG);
    let small = built("");
    let archive = small.archive();
    let to = server.url_at(proxy.port, "a");
    let publish = ["publish", archive.to_str().unwrap(), "--to", &to];
    tells(&ends(&server, &publish, 1), &["SignatureDoesNotMatch"]);
}
