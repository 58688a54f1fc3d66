//! Servers that forget, refuse, or say what no server should.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{NAME, TOKEN, run};
use crate::support::release::told;
use crate::support::s3::{KEY_ID, Kind, SECRET, Server};
use crate::support::stand_in::{Reply, Request, StandIn};

const ENABLED: &str = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>";
const VERSIONED: &str =
    "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
const NONE: &str =
    "<Error><Code>NoSuchObjectLockConfiguration</Code><Message>None</Message></Error>";

fn login() -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ACCESS_KEY_ID", KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_SESSION_TOKEN", TOKEN.to_owned()),
    ]
}

fn not_found(body: &str) -> Reply {
    Reply {
        body: body.into(),
        ..Reply::status(404)
    }
}

/// What a bucket with one object in it answers, which takes every lock and keeps none.
fn forgets(request: &Request) -> Reply {
    let query = request.path.split_once('?').map_or("", |(_, query)| query);
    let has = |part: &str| {
        query
            .split('&')
            .any(|word| word.trim_end_matches('=') == part)
    };
    if has("object-lock") {
        return Reply::ok(ENABLED);
    }
    if has("versioning") {
        return Reply::ok(VERSIONED);
    }
    if has("retention") || has("legal-hold") {
        let sets = request.fields.contains_key("content-md5");
        return if sets { Reply::ok("") } else { not_found(NONE) };
    }
    if has("list-type=2") {
        return Reply::ok(format!(
            "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a/{NAME}/index.html\
             </Key><LastModified>2026-03-03T09:00:00.000Z</LastModified><ETag>\"1\"</ETag>\
             <Size>4</Size></Contents></ListBucketResult>"
        ));
    }
    Reply::status(200)
        .with("Last-Modified", "Tue, 03 Mar 2026 09:00:00 GMT")
        .with("ETag", "\"1\"")
        .with("x-amz-version-id", "v/1+2")
}

fn url(port: u16) -> String {
    format!("s3://bucket/a/{NAME}?endpoint=http://127.0.0.1:{port}")
}

/// Locks the archive on this server, which must end with this exit code.
fn extend(server: &StandIn, code: i32) -> String {
    let url = url(server.port);
    let until = ["--until", "2036-12-31", "--mode", "governance"];
    let output = run(
        &login(),
        &[&["retention", "extend", &url][..], &until].concat(),
    );
    let all = told(&output);
    assert_eq!(output.status.code(), Some(code), "{all}");
    all
}

#[test]
fn a_server_that_takes_a_lock_and_forgets_it_is_found_out() {
    let server = StandIn::start(forgets);
    let all = extend(&server, 1);
    for part in [
        &format!("{NAME}/index.html"),
        "was to be locked until 2036-12-31T23:59:59Z in governance mode",
        "its server says that it is not locked",
    ] {
        assert!(all.contains(part), "{all}");
    }
    assert!(!all.contains("changed"), "{all}");
}

#[test]
fn a_lock_is_set_on_the_version_that_was_looked_at_with_a_checksum_and_a_signature() {
    let server = StandIn::start(|request| {
        if !request.fields.contains_key("content-md5") {
            return forgets(request);
        }
        let is_right = request.path.ends_with("?retention&versionId=v%2F1%2B2")
            && request.fields["content-md5"] == "PB7xvuAsN4DGhYvDjCGj5g=="
            && request.fields["authorization"].contains("content-md5;");
        Reply::status(if is_right { 418 } else { 400 })
    });
    let all = extend(&server, 1);
    assert!(all.contains("the service answers 418"), "{all}");
}

#[test]
fn a_server_that_is_busy_is_asked_again_when_it_likes() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let server = StandIn::start(move |request| {
        let is_busy = request.path.contains("retention")
            && counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        if is_busy {
            return Reply::status(503).with("Retry-After", "0");
        }
        forgets(request)
    });
    let all = extend(&server, 1);
    assert!(all.contains("says that it is not locked"), "{all}");
    assert!(asked.load(Ordering::Relaxed) >= 6);
}

#[test]
fn answers_that_no_server_should_give_are_errors_that_name_the_object() {
    let denied = "<Error><Code>AccessDenied</Code><Message>No\u{7}\nno</Message></Error>";
    let refusal = |status, body: &str| Reply {
        body: body.into(),
        ..Reply::status(status)
    };
    let endless = Reply {
        is_endless: true,
        ..Reply::ok(vec![b'<'; 4096])
    };
    let until = |text: &str| {
        Reply::ok(format!(
            "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>{text}</RetainUntilDate></Retention>"
        ))
    };
    for (reply, expected) in [
        (refusal(403, denied), "s3:PutObjectRetention"),
        (
            refusal(404, "<Error><Code>NoSuchKey</Code></Error>"),
            "404, NoSuchKey",
        ),
        (Reply::ok(""), "cannot be understood"),
        (Reply::ok("<Retention/>"), "cannot be understood"),
        (
            Reply::ok("<Retention><Mode>X</Mode>"),
            "cannot be understood",
        ),
        (until("soon"), "cannot be understood"),
        (until("99999-01-01T00:00:00Z"), "cannot be understood"),
        (endless, "cannot be understood"),
        (Reply::ok([0xff, 0xfe, 0x00]), "cannot be understood"),
    ] {
        let server = StandIn::start(move |request| {
            if request.path.contains("retention") {
                return reply.clone();
            }
            forgets(request)
        });
        let all = extend(&server, 1);
        assert!(all.contains(expected), "{expected}: {all}");
        assert!(all.contains(&format!("{NAME}/index.html")), "{all}");
        assert!(!all.contains('\u{7}'), "{all}");
    }
}

#[test]
fn a_bucket_whose_versions_are_suspended_is_refused() {
    for (part, reply, reason) in [
        (
            "versioning",
            Reply::ok(VERSIONED.replace("Enabled", "Suspended")),
            "keeps no versions",
        ),
        (
            "versioning",
            Reply::ok("<VersioningConfiguration/>"),
            "keeps no versions",
        ),
        (
            "object-lock",
            Reply::ok("<ObjectLockConfiguration/>"),
            "is not enabled",
        ),
        ("object-lock", Reply::status(501), "has no Object Lock"),
    ] {
        let server = StandIn::start(move |request| {
            assert!(!request.fields.contains_key("content-md5"));
            if request.path.contains(part) {
                return reply.clone();
            }
            forgets(request)
        });
        let all = extend(&server, 2);
        assert!(all.contains(reason), "{all}");
    }
}

#[test]
fn a_server_that_checks_signatures_accepts_those_of_requests_about_locks() {
    let Some(server) = Server::start(Kind::S3sFs) else {
        return;
    };
    std::fs::create_dir_all(server.files().join("a")).unwrap();
    std::fs::write(server.files().join("a/x"), "page").unwrap();
    let url = server.url("a");
    let output = run(&server.login(), &["retention", "show", &url]);
    let all = told(&output);
    // It has no locks, and says so only to those that it knows.
    assert!(all.contains("1 file not locked"), "{all}");
    let wrong = vec![
        ("AWS_ACCESS_KEY_ID", KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "another".to_owned()),
    ];
    let output = run(&wrong, &["retention", "show", &url]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
}
