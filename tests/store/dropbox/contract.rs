//! What every store promises.

use std::io::{self, Read};
use std::thread;

use dhfpack::monitor::{Recording, Silent};
use dhfpack::store::{Created, StoreError, Swapped};

use super::{CHUNK, bytes, create, created, read, told};
use crate::support::dropbox::Dropbox;

/// Fails after so many bytes, as a file does that is not what its manifest lists.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let count = buffer.len().min(self.0);
        buffer[..count].fill(7);
        self.0 -= count;
        Ok(count)
    }
}

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
fn a_listing_has_every_page_in_order() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("", &Silent);
    for number in 0..1100 {
        created(
            &*store,
            &format!("Many/Folder {}/{number:04}", number % 7),
            b"x",
        );
    }
    created(&*store, "Many/one", b"1");
    let all = store.list("Many").unwrap();
    assert_eq!(all.len(), 1101);
    assert!(all.is_sorted_by(|a, b| a.path < b.path));
    assert!(dropbox.count("files/list_folder/continue") >= 2);

    let children = store.children("Many").unwrap();
    assert_eq!(children.folders.len(), 7);
    assert_eq!(children.folders[6], "Folder 6");
    assert_eq!(children.objects.len(), 1);
    assert_eq!(children.objects[0].path, "Many/one");
    assert_eq!(store.children("").unwrap().folders, ["Many"]);
    assert_eq!(store.list("None").unwrap(), []);
    for folder in ["Many/one", "Many/one/"] {
        assert!(store.list(folder).is_err(), "{folder}");
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
fn content_that_fails_or_has_another_size_creates_nothing() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    for size in [0, 10, CHUNK, CHUNK + 10] {
        let error = store.create("a", 2 * size as u64, &mut Failing(size));
        assert!(matches!(error, Err(StoreError::Io(_))), "{size}: {error:?}");
    }
    for (size, said) in [(5, 4), (5, 6), (CHUNK + 5, 1)] {
        let content = vec![1; size];
        let error = store.create("a", said, &mut content.as_slice());
        let error = error.unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let text = format!("{error} {source:?}");
        assert!(text.contains(&format!("expected {said} bytes")), "{text}");
    }
    assert_eq!(store.list("").unwrap(), []);
}

#[test]
fn a_stop_in_the_middle_creates_nothing() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let monitor = Recording::default();
    let store = dropbox.open("Releases", &monitor);
    struct Stopping<'a>(usize, &'a Recording);
    impl Read for Stopping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_sub(buffer.len());
            if self.0 == 0 {
                self.1.cancel();
            }
            Ok(buffer.len())
        }
    }
    // The third chunk is not sent: the second request sees the stop.
    let mut content = Stopping(CHUNK + 1, &monitor);
    let error = store.create("a", 1 << 40, &mut content).unwrap_err();
    assert!(matches!(error, StoreError::Cancelled(_)), "{error}");
    let store = dropbox.open("Releases", &Silent);
    assert_eq!(store.list("").unwrap(), []);
}

#[test]
fn of_two_who_create_one_is_first() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    for (round, size) in [1, 1000, CHUNK + 1].into_iter().enumerate() {
        let content = bytes(size);
        let path = format!("pump/{round}");
        let results = thread::scope(|scope| {
            let one = scope.spawn(|| create(&*store, &path, &content).unwrap());
            let two = scope.spawn(|| create(&*store, &path, &content).unwrap());
            [one.join().unwrap(), two.join().unwrap()]
        });
        let new = results.iter().filter(|result| **result != Created::Exists);
        assert_eq!(new.count(), 1, "{results:?}");
    }
}

#[test]
fn a_document_is_exchanged_only_as_it_was_read() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    let path = "registry.csv";
    assert_eq!(store.load(path, 100).unwrap(), None);
    assert_eq!(store.swap(path, b"one", None).unwrap(), Swapped::Done);
    assert_eq!(store.swap(path, b"one", None).unwrap(), Swapped::Changed);
    let one = store.load(path, 100).unwrap().unwrap();
    assert_eq!(one.bytes, b"one");
    let edition = Some(&one.edition);
    assert_eq!(store.swap(path, b"two", edition).unwrap(), Swapped::Done);
    assert_eq!(
        store.swap(path, b"three", edition).unwrap(),
        Swapped::Changed
    );
    assert_eq!(read(&*store, path), b"two");
    assert!(store.load(path, 3).unwrap().is_some());
    let error = store.load(path, 2).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
}

#[test]
fn twenty_who_exchange_a_document_lose_nothing() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let store = dropbox.open("Releases", &Silent);
    let append = |number: usize| {
        loop {
            let document = store.load("list", 1 << 20).unwrap();
            let (mut bytes, edition) = document.map_or((Vec::new(), None), |there| {
                (there.bytes, Some(there.edition))
            });
            bytes.extend(format!("{number}\n").bytes());
            if store.swap("list", &bytes, edition.as_ref()).unwrap() == Swapped::Done {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for number in 0..20 {
            scope.spawn(move || append(number));
        }
    });
    let text = String::from_utf8(read(&*store, "list")).unwrap();
    let mut lines: Vec<usize> = text.lines().map(|line| line.parse().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, (0..20).collect::<Vec<_>>());
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
