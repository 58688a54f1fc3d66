//! Uploads and downloads over connections that break, to servers that are busy, or not honest.

use std::io::{self, Read};
use std::sync::Mutex;

use dhfpack::digest::Sha256;
use dhfpack::monitor::Silent;
use dhfpack::store::{self, Access, Created, Store, StoreError, Swapped};
use miette::Diagnostic;

use super::contract::tools::{MIB, bytes, content, put};
use super::contract::{STORE, in_child};
use crate::support::faults::{Asked, Fault, Faults};
use crate::support::s3::{Kind, Server};

/// Which scene a child plays.
const SCENE: &str = "DHFPACK_TEST_SCENE";
/// A file of three parts.
const LARGE: usize = 20 * MIB;

/// Plays a scene in a child with this harm between it and the server; returns what passed, and
/// what is there in the end.
fn play(
    kind: Kind,
    scene: &str,
    fault: impl Fn(&Asked) -> Fault + Send + Sync + 'static,
) -> Option<Vec<Asked>> {
    let server = Server::start(kind)?;
    let faults = Faults::before(server.port, fault);
    let mut variables = server.login();
    variables.push((SCENE, scene.to_owned()));
    let address = server.url_at(faults.port, "faults");
    in_child("store::s3_faults::a_scene", &address, &variables);
    Some(faults.asked())
}

/// Harm that is done the first so many times that a request is of this kind.
fn first(
    times: usize,
    fault: Fault,
    is_meant: impl Fn(&Asked) -> bool + Send + Sync + 'static,
) -> impl Fn(&Asked) -> Fault + Send + Sync + 'static {
    let left = Mutex::new(times);
    move |asked| {
        let mut left = left.lock().unwrap();
        if *left > 0 && is_meant(asked) {
            *left -= 1;
            return fault;
        }
        Fault::None
    }
}

fn is_part(asked: &Asked) -> bool {
    asked.path.contains("partNumber=")
}

fn is_completion(asked: &Asked) -> bool {
    asked.method == "POST" && asked.path.contains("uploadId=")
}

fn is_download(asked: &Asked) -> bool {
    asked.method == "GET" && !asked.path.contains("list-type")
}

fn is_put(asked: &Asked) -> bool {
    asked.method == "PUT" && !is_part(asked)
}

#[test]
fn a_busy_server_is_asked_again_when_it_says() {
    let busy = |asked: &Asked| match asked.number % 3 {
        0 => Fault::Answer(503, "Retry-After: 0\r\n"),
        1 if asked.number == 1 => Fault::Answer(429, "Retry-After: 1\r\n"),
        _ => Fault::None,
    };
    let Some(asked) = play(Kind::S3sFs, "whole", busy) else {
        return;
    };
    assert!(asked.len() > 10, "{asked:?}");
}

#[test]
fn a_server_that_fails_now_and_then_is_asked_again() {
    let failing = |asked: &Asked| match asked.number {
        1 | 4 => Fault::Answer(500, ""),
        2 | 7 => Fault::Answer(502, ""),
        _ => Fault::None,
    };
    play(Kind::S3sFs, "whole", failing);
}

#[test]
fn a_connection_that_breaks_in_the_middle_of_a_part_costs_that_part_alone() {
    let cut = first(2, Fault::CutRequest(3 * MIB), is_part);
    let Some(asked) = play(Kind::S3sFs, "whole", cut) else {
        return;
    };
    assert_eq!(asked.iter().filter(|asked| is_part(asked)).count(), 5);
}

#[test]
fn a_download_that_breaks_goes_on_where_it_stopped() {
    let cut = first(3, Fault::CutAnswer(6 * MIB), is_download);
    let Some(asked) = play(Kind::S3sFs, "whole", cut) else {
        return;
    };
    assert!(asked.iter().filter(|asked| is_download(asked)).count() >= 4);
}

#[test]
fn a_slow_server_is_waited_for() {
    play(Kind::S3sFs, "whole", |_| Fault::Slow);
}

#[test]
fn an_object_whose_creation_was_not_answered_is_known_as_our_own() {
    play(
        Kind::Ministack,
        "small",
        first(1, Fault::LoseAnswer, is_put),
    );
    let lost = first(1, Fault::LoseAnswer, is_completion);
    play(Kind::Ministack, "large", lost);
}

#[test]
fn an_exchange_that_was_not_answered_is_known_as_our_own() {
    let lost = first(2, Fault::LoseAnswer, is_put);
    play(Kind::Ministack, "exchange", lost);
}

#[test]
fn bytes_that_change_on_their_way_are_refused() {
    let flip = |asked: &Asked| {
        if is_put(asked) {
            Fault::Flip
        } else {
            Fault::None
        }
    };
    // s3s-fs compares what comes in one request, though not parts, and keeps what it refuses.
    play(Kind::S3sFs, "refused small", flip);
    let flip = |asked: &Asked| {
        let carries = is_part(asked) || is_put(asked);
        if carries { Fault::Flip } else { Fault::None }
    };
    play(Kind::Ministack, "refused", flip);
}

#[test]
fn parts_of_an_upload_that_fails_are_thrown_away() {
    let Some(server) = Server::start(Kind::Ministack) else {
        return;
    };
    let flip = |asked: &Asked| {
        if is_part(asked) {
            Fault::Flip
        } else {
            Fault::None
        }
    };
    let faults = Faults::before(server.port, flip);
    let mut variables = server.login();
    variables.push((SCENE, "refused large".to_owned()));
    let address = server.url_at(faults.port, "faults");
    in_child("store::s3_faults::a_scene", &address, &variables);
    let deleted = |asked: &Asked| asked.method == "DELETE" && asked.path.contains("uploadId=");
    assert!(faults.asked().iter().any(deleted));
    let uploads = server.ask("GET", "/releases?uploads", "", b"");
    assert!(!uploads.contains("<Upload>"), "{uploads}");
}

#[test]
fn a_server_that_stays_busy_is_given_up_after_five_attempts() {
    let busy = |_: &Asked| Fault::Answer(503, "");
    if let Some(asked) = play(Kind::S3sFs, "busy", busy) {
        assert_eq!(asked.len(), 5, "{asked:?}");
    }
    let for_an_hour = |_: &Asked| Fault::Answer(503, "Retry-After: 3600\r\n");
    if let Some(asked) = play(Kind::S3sFs, "busy", for_an_hour) {
        assert_eq!(asked.len(), 1, "{asked:?}");
    }
}

/// A page of a listing that names the next one.
fn page(next: &str) -> &'static str {
    let text = format!(
        "<?xml version=\"1.0\"?><ListBucketResult><Name>releases</Name><Prefix>faults/</Prefix>\
         <KeyCount>0</KeyCount><IsTruncated>true</IsTruncated>\
         <NextContinuationToken>{next}</NextContinuationToken></ListBucketResult>"
    );
    text.leak()
}

#[test]
fn a_listing_without_end_is_given_up() {
    let again = page("again");
    if let Some(asked) = play(Kind::S3sFs, "endless", move |_| Fault::Refuse(200, again)) {
        assert_eq!(asked.len(), 2, "{asked:?}");
    }
    let ever_new = |asked: &Asked| Fault::Refuse(200, page(&asked.number.to_string()));
    if let Some(asked) = play(Kind::S3sFs, "endless", ever_new) {
        assert_eq!(asked.len(), 2500);
    }
}

#[test]
fn an_answer_that_is_no_error_of_the_service_is_told_of_and_not_repeated() {
    let login = "<!DOCTYPE html><title>Sign in</title>Authorization: secret";
    play(Kind::S3sFs, "web page", |_| Fault::Refuse(403, login));
    play(Kind::S3sFs, "text", |_| {
        Fault::Refuse(400, "<Error><Code>sec")
    });
    play(Kind::S3sFs, "broken listing", |_| {
        Fault::Refuse(200, "<html>secret")
    });
}

/// All transfers at once, each of more than they may hold together.
#[cfg(target_os = "linux")]
#[test]
fn transfers_hold_little_however_much_they_carry() {
    play(Kind::S3sFs, "memory", |_| Fault::None);
}

#[test]
fn nobody_else_is_sent_what_was_signed() {
    let elsewhere = Faults::before(1, |_| Fault::None);
    let location = format!("Location: http://127.0.0.1:{}/releases\r\n", elsewhere.port);
    let location: &'static str = location.leak();
    let sent_away = move |_: &Asked| Fault::Answer(307, location);
    if play(Kind::S3sFs, "elsewhere", sent_away).is_some() {
        assert!(elsewhere.asked().is_empty());
    }
}

/// Run by the others, with a server behind a proxy.
#[test]
#[ignore = "needs a store; the other tests here run it"]
fn a_scene() {
    let Ok(address) = std::env::var(STORE) else {
        return;
    };
    let address = address.parse().unwrap();
    let store = store::open(&address, &Access::default(), &Silent).unwrap();
    let store = &*store;
    match std::env::var(SCENE).unwrap().as_str() {
        "whole" => {
            small(store);
            large(store);
            assert_eq!(store.list("").unwrap().len(), 2);
        }
        "small" => small(store),
        "large" => large(store),
        "exchange" => exchange(store),
        "refused" => {
            refused(store, 1000);
            refused(store, LARGE);
            assert_eq!(store.list("").unwrap(), []);
        }
        "refused small" => refused(store, 1000),
        "refused large" => refused(store, LARGE),
        "busy" => {
            let error = store.list("").unwrap_err().to_string();
            assert!(error.contains("503"), "{error}");
        }
        "memory" => memory(store),
        "elsewhere" => {
            let error = store.list("").unwrap_err();
            assert!(error.to_string().contains("307"), "{error}");
        }
        "endless" => says(store, &["have no end"], "use another"),
        "web page" => says(
            store,
            &["403", "a web page where its error belongs"],
            "proxy",
        ),
        "text" => says(store, &["400", "a text where its error belongs"], "proxy"),
        "broken listing" => says(store, &["cannot be understood"], "proxy"),
        other => panic!("{other}"),
    }
}

/// Lists, which must fail with these words and this advice, and nothing secret.
fn says(store: &dyn Store, expected: &[&str], help: &str) {
    let error = store.list("").unwrap_err();
    let (text, advice) = (error.to_string(), error.help().unwrap().to_string());
    for expected in expected {
        assert!(text.contains(expected), "{text}");
    }
    assert!(advice.contains(help), "{advice}");
    assert!(!text.contains("sec"), "{text}");
}

fn small(store: &dyn Store) {
    let page = bytes(1000, 5);
    let Created::New(object) = put(store, "page", &page) else {
        panic!("not known as our own");
    };
    let there = store.stat("page").unwrap().unwrap();
    assert_eq!((object.size, object.version), (1000, there.version));
    assert!(content(store, "page") == page);
    assert_eq!(put(store, "page", b"other"), Created::Exists);
}

fn large(store: &dyn Store) {
    let image = bytes(LARGE, 11);
    let Created::New(object) = put(store, "image", &image) else {
        panic!("not known as our own");
    };
    assert_eq!(object.size, LARGE as u64);
    assert!(content(store, "image") == image);
}

fn memory(store: &dyn Store) {
    const SIZE: u64 = 12 << 20;
    let (sha256, _) = Sha256::of_reader(&mut io::repeat(7).take(SIZE)).unwrap();
    std::thread::scope(|scope| {
        for name in 0..store.promises().transfers {
            scope.spawn(move || {
                let path = format!("layer-{name}");
                let mut layer = io::repeat(7).take(SIZE);
                store.create(&path, SIZE, sha256, &mut layer).unwrap();
                let mut reader = store.read(&path).unwrap();
                assert_eq!(io::copy(&mut reader, &mut io::sink()).unwrap(), SIZE);
            });
        }
    });
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = peak
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(kib < 128 << 10, "{kib} KiB");
}

fn exchange(store: &dyn Store) {
    assert_eq!(
        store.swap("register.csv", b"1\n", None).unwrap(),
        Swapped::Done
    );
    let first = store.load("register.csv", 100).unwrap().unwrap();
    let swapped = store.swap("register.csv", b"1\n2\n", Some(&first.edition));
    assert_eq!(swapped.unwrap(), Swapped::Done);
    let again = store.swap("register.csv", b"1\n3\n", Some(&first.edition));
    assert_eq!(again.unwrap(), Swapped::Changed);
    assert_eq!(content(store, "register.csv"), b"1\n2\n");
}

fn refused(store: &dyn Store, size: usize) {
    let error = store.create_from("file", &bytes(size, 13)).unwrap_err();
    assert!(matches!(error, StoreError::Service { .. }), "{error}");
    assert!(error.to_string().contains("400"), "{error}");
}
