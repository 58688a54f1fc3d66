//! Names, sizes and what is in the way, as Dropbox has them.

use dhfpack::monitor::Silent;
use dhfpack::store::{Created, StoreError};

use super::{CHUNK, bytes, create, created, read, told};
use crate::support::dropbox::Dropbox;

#[test]
fn a_file_of_any_size_is_created_once_and_read_back() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 20 << 20] {
        let (path, content) = (format!("pump/{size}"), bytes(size));
        let object = created(&*store, &path, &content);
        assert_eq!(
            (object.path.as_str(), object.size),
            (path.as_str(), size as u64)
        );
        assert!(object.version.is_some() && object.checksum.is_some());
        assert_eq!(store.stat(&path).unwrap().unwrap(), object);
        for other in [&content[..], b"other"] {
            assert_eq!(create(&*store, &path, other).unwrap(), Created::Exists);
        }
        assert!(read(&*store, &path) == content, "{size}");
    }
    assert!(dropbox.largest() <= CHUNK as u64);
}

#[test]
fn names_that_are_hard_to_carry_arrive_as_they_are() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Prüfung 2/Ärzte", &Silent);
    let mut names: Vec<String> = [
        "pump/a b",
        "pump/Bedienung für Ärzte.txt",
        "pump/100%.txt",
        "pump/a+b#c?d=e&f.txt",
        "pump/\"quoted\" \\ back.txt",
        "pump/\u{1F4C4} 文書.txt",
    ]
    .map(str::to_owned)
    .into();
    names.push(format!("pump/{}/{}", "f".repeat(80), "n".repeat(94)));
    names.sort();
    for name in &names {
        created(&*store, name, name.as_bytes());
    }
    let listed: Vec<_> = store
        .list("")
        .unwrap()
        .into_iter()
        .map(|o| o.path)
        .collect();
    assert_eq!(listed, names);
    for name in &names {
        assert_eq!(read(&*store, name), name.as_bytes());
    }
}

#[test]
fn a_folder_is_reached_in_any_case_and_keeps_ours() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    created(&*store, "Pump/Manifest/Sums.txt", b"sums");
    let other = dropbox.open("RELEASES", &Silent);
    let listed = &other.list("pump").unwrap()[0];
    assert_eq!(listed.path, "pump/Manifest/Sums.txt");
    assert_eq!(read(&*other, &listed.path), b"sums");
    assert_eq!(
        create(&*other, &listed.path, b"sums").unwrap(),
        Created::Exists
    );
    let error = create(&*other, "Pump/Manifest/SUMS.txt", b"sums").unwrap_err();
    for part in ["SUMS.txt", "`Sums.txt`", "case"] {
        assert!(told(&error).contains(part), "{}", told(&error));
    }
}

#[test]
fn what_is_in_the_way_and_what_is_missing_is_named() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    created(&*store, "pump/file", b"x");
    for path in ["pump", "pump/file/below"] {
        let error = create(&*store, path, b"x").unwrap_err();
        assert!(
            matches!(error, StoreError::Obstacle { .. }),
            "{path}: {error}"
        );
    }
    let error = store.list("pump/file").unwrap_err();
    assert!(matches!(error, StoreError::Obstacle { .. }), "{error}");
    assert!(store.stat("pump").is_err());
    assert_eq!(store.stat("pump/none").unwrap(), None);
    let error = store.read("pump/none").map(|_| ()).unwrap_err();
    assert!(
        told(&error).contains("dropbox://Releases/pump/none"),
        "{error}"
    );
    assert!(told(&error).contains("no such file"), "{error}");
    let error = create(&*store, "pump/desktop.ini", b"x").unwrap_err();
    assert!(told(&error).contains("no file of this name"), "{error}");
    for path in ["", "a//b", "../a", "a/.", "a/"] {
        let error = create(&*store, path, b"x").unwrap_err();
        assert!(
            matches!(error, StoreError::BadPath { .. }),
            "{path}: {error}"
        );
    }
}
