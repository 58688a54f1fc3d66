//! What goes wrong on the way to Dropbox, and there.

use std::io::Read;
use std::time::{Duration, Instant};

use dhfpack::monitor::Silent;
use dhfpack::store::{StoreError, Swapped};
use serde_json::{Value, json};

use super::{CHUNK, bytes, create, created, read, told};
use crate::support::dropbox::{Dropbox, fault};

const UPLOAD: &str = "files/upload";
const START: &str = "files/upload_session/start";
const APPEND: &str = "files/upload_session/append_v2";
const FINISH: &str = "files/upload_session/finish";
const DOWNLOAD: &str = "files/download";

/// Faults after which a request is sent again.
fn passing(route: &str) -> Vec<Value> {
    let status = |status: u16| json!([{"route": route, "kind": "status", "status": status}]);
    let mut faults: Vec<Value> = ["cut-before", "cut-in-request", "cut-after", "damage"]
        .map(|kind| fault(route, kind))
        .into();
    faults.extend([429, 500, 503].map(status));
    let busy = json!({"error": {"reason": {".tag": "too_many_write_operations"}}});
    faults.push(json!([{"route": route, "kind": "status", "status": 429, "body": busy}]));
    faults
}

#[test]
fn a_small_file_survives_what_passes() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    for (number, fault) in passing(UPLOAD).iter().enumerate() {
        dropbox.fail(fault);
        let path = format!("pump/{number}");
        // Also after an answer that was lost, it is known to be ours.
        created(&*store, &path, b"content");
        assert_eq!(read(&*store, &path), b"content", "{fault}");
    }
}

#[test]
fn every_step_of_a_session_survives_what_passes() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    let content = bytes(CHUNK + CHUNK / 2);
    let mut faults = [START, APPEND, FINISH].map(passing).concat();
    for arrived in [1, 4 << 20, CHUNK / 2 - 1, CHUNK / 2] {
        faults.push(json!([{"route": APPEND, "kind": "half", "bytes": arrived}]));
    }
    for (number, fault) in faults.iter().enumerate() {
        dropbox.fail(fault);
        let path = format!("pump/{number}");
        created(&*store, &path, &content);
        assert!(read(&*store, &path) == content, "{fault}");
    }
}

#[test]
fn a_document_is_exchanged_once_when_the_answer_is_lost() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    dropbox.fail(&fault(UPLOAD, "cut-after"));
    assert_eq!(store.swap("list", b"one", None).unwrap(), Swapped::Done);
    let one = store.load("list", 10).unwrap().unwrap();
    dropbox.fail(&fault(UPLOAD, "cut-after"));
    let two = store.swap("list", b"two", Some(&one.edition)).unwrap();
    assert_eq!(two, Swapped::Done);
    assert_eq!(read(&*store, "list"), b"two");

    dropbox.fail(&fault(UPLOAD, "cut-before"));
    let late = store.swap("list", b"late", Some(&one.edition)).unwrap();
    assert_eq!(late, Swapped::Changed);
    assert_eq!(read(&*store, "list"), b"two");
}

#[test]
fn the_pause_that_is_asked_for_is_made() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    dropbox.fail(&json!([
        {"route": UPLOAD, "kind": "status", "status": 429, "after": 1, "times": 2}
    ]));
    let began = Instant::now();
    created(&*store, "pump/a", b"x");
    assert!(began.elapsed() >= Duration::from_secs(2));
    // Nobody waits for an hour.
    dropbox.fail(&json!([
        {"route": UPLOAD, "kind": "status", "status": 429, "after": 3600}
    ]));
    let error = create(&*store, "pump/b", b"x").unwrap_err();
    assert!(told(&error).contains("429"), "{}", told(&error));
    assert_eq!(dropbox.count(UPLOAD), 4);
}

#[test]
fn what_does_not_pass_is_given_up() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    let always = json!([{"route": UPLOAD, "kind": "status", "status": 503, "times": 100,
        "body": "<html>busy</html>"}]);
    dropbox.fail(&always);
    let error = create(&*store, "pump/a", b"x").unwrap_err();
    let text = told(&error);
    assert!(
        text.contains("Dropbox answers 503") && !text.contains("html"),
        "{text}"
    );
    assert!(text.contains("run again"), "{text}");
    assert!(dropbox.count(UPLOAD) < 10);
}

#[test]
fn bytes_that_changed_on_their_way_or_there_are_noticed() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    for (kind, route, size) in [
        ("flip", UPLOAD, 100),
        ("other-hash", UPLOAD, 100),
        ("flip", APPEND, CHUNK + 1),
        ("other-hash", FINISH, CHUNK + 1),
    ] {
        dropbox.fail(&fault(route, kind));
        let path = format!("pump/{kind}-{size}");
        let error = create(&*store, &path, &bytes(size)).unwrap_err();
        for part in ["content hash", &path, "delete it there"] {
            assert!(told(&error).contains(part), "{}", told(&error));
        }
    }
}

#[test]
fn a_download_goes_on_where_it_broke_off_and_in_the_same_revision() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    let content = bytes(1 << 20);
    assert_eq!(store.swap("list", &content, None).unwrap(), Swapped::Done);
    let cut = |times: u32| json!([{"route": DOWNLOAD, "kind": "cut-in-answer", "times": times}]);
    dropbox.fail(&cut(3));
    assert!(read(&*store, "list") == content);
    let ranges: Vec<_> = dropbox
        .seen()
        .iter()
        .filter(|seen| !seen["range"].is_null())
        .cloned()
        .collect();
    assert_eq!(ranges.len(), 3);
    assert!(
        ranges
            .iter()
            .all(|seen| seen["argument"].as_str().unwrap().contains("rev:"))
    );

    dropbox.fail(&cut(1));
    let mut reader = store.read("list").unwrap();
    let mut first = vec![0; 1000];
    reader.read_exact(&mut first).unwrap();
    let one = store.load("list", 2 << 20).unwrap().unwrap();
    let two = store.swap("list", b"two", Some(&one.edition)).unwrap();
    assert_eq!(two, Swapped::Done);
    reader.read_to_end(&mut first).unwrap();
    assert!(first == content);

    dropbox.fail(&cut(100));
    let mut reader = store.read("list").unwrap();
    let error = reader.read_to_end(&mut first).unwrap_err();
    let error = error.downcast::<StoreError>().unwrap();
    assert!(told(&error).contains("dropbox://Releases/list"), "{error}");
}

#[test]
fn a_listing_survives_what_passes_and_begins_anew_when_reset() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    for number in 0..501 {
        created(&*store, &format!("pump/{number}"), b"x");
    }
    let (list, more) = ("files/list_folder", "files/list_folder/continue");
    let reset = json!({"route": more, "kind": "refuse", "error": {".tag": "reset"}});
    dropbox.fail(&json!([
        {"route": list, "kind": "cut-after"},
        {"route": more, "kind": "status", "status": 503},
        reset,
    ]));
    assert_eq!(store.list("pump").unwrap().len(), 501);
    let always = json!({"route": more, "kind": "refuse", "error": {".tag": "reset"}, "times": 100});
    dropbox.fail(&json!([always]));
    let error = store.list("pump").unwrap_err();
    assert!(
        told(&error).contains("changed all the time"),
        "{}",
        told(&error)
    );
}

#[test]
fn what_dropbox_refuses_is_explained() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    let reason = |tag: &str| json!({".tag": "path", "reason": {".tag": tag}});
    let finish = |tag: &str| json!({".tag": "path", "path": {".tag": tag}});
    for (route, size, error, problem) in [
        (UPLOAD, 1, reason("insufficient_space"), "no space left"),
        (FINISH, CHUNK, finish("insufficient_space"), "no space left"),
        (UPLOAD, 1, reason("no_write_permission"), "may not write"),
        (UPLOAD, 1, reason("something_new"), "`path/something_new`"),
        (
            APPEND,
            CHUNK + 1,
            json!({".tag": "not_found"}),
            "lost the upload",
        ),
        (
            APPEND,
            CHUNK + 1,
            json!({".tag": "incorrect_offset", "correct_offset": 3}),
            "lost the upload",
        ),
        (
            APPEND,
            CHUNK + 1,
            json!({".tag": "incorrect_offset", "correct_offset": u64::MAX}),
            "lost the upload",
        ),
        (UPLOAD, 1, json!("bare"), "`bare`"),
        (UPLOAD, 1, Value::Null, "Dropbox answers"),
    ] {
        dropbox.fail(&json!([{"route": route, "kind": "refuse", "error": error}]));
        let told = told(&create(&*store, "pump/a", &bytes(size)).unwrap_err());
        assert!(told.contains(problem), "{told}");
        assert!(told.contains("dropbox://Releases/pump/a"), "{told}");
    }
    assert_eq!(store.list("").unwrap(), []);
}

#[test]
fn an_answer_that_is_not_dropboxs_is_an_error() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    for body in ["", "hello", "{}", "[1]", "\"x\"", "{\"entries\": 3}"] {
        for route in [
            UPLOAD,
            START,
            "files/list_folder",
            DOWNLOAD,
            "files/get_metadata",
        ] {
            let said = json!([{"route": route, "kind": "status", "status": 200, "body": body}]);
            dropbox.fail(&said);
            let error = match route {
                UPLOAD => create(&*store, "a", b"x").map(|_| ()),
                START => create(&*store, "a", &bytes(CHUNK)).map(|_| ()),
                DOWNLOAD => store.read("a").map(|_| ()),
                "files/get_metadata" => store.stat("a").map(|_| ()),
                _ => store.list("").map(|_| ()),
            };
            let error = error.unwrap_err();
            assert!(told(&error).contains("is none"), "{route} {body}: {error}");
        }
    }
}
