//! Stores that lie, and connections that break.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use dhfpack::fetch::{FetchError, Fetched, fetch};
use dhfpack::finding::Code;
use dhfpack::monitor::{Recording, Silent};
use dhfpack::store::Object;
use dhfpack::verify::Policy;
use jiff::Timestamp;
use tempfile::TempDir;

use super::names;
use crate::support::faulty_store::FaultyStore;
use crate::support::release::{copy_of, dhfpack, released, told};
use crate::support::small::tells;

const MANIFEST: &str = "Manifest/manifest.json";
const MANUAL: &str = "Design Outputs/User Manual/user-manual.md";

/// Changes a listing.
type Lie = fn(&mut Vec<Object>);

fn bring(store: &FaultyStore, into: &Path) -> Result<Fetched, FetchError> {
    fetch(store, into, &Policy::integrity(Timestamp::now()), &Silent)
}

fn object(path: &str, size: u64) -> Object {
    Object {
        path: path.to_owned(),
        size,
        version: None,
        checksum: None,
    }
}

/// Fetches, which must find this and leave nothing, neither in the folder nor beside it.
fn refuse(store: &FaultyStore, expected: Code) {
    let place = TempDir::new().unwrap();
    let into = place.path().join("into");
    match bring(store, &into).unwrap_err() {
        FetchError::Damaged { findings, .. } => {
            assert!(
                findings.iter().any(|finding| finding.code == expected),
                "{expected}: {findings:?}"
            );
        }
        error => panic!("{expected}: {error}"),
    }
    assert!(names(&into).is_empty());
    assert!(names(place.path()).iter().all(|name| name == "into"));
}

#[test]
fn a_listing_that_leads_out_of_the_folder_or_hides_names_is_refused() {
    let lies: [(Lie, Code); 10] = [
        (|o| o.push(object("../evil", 1)), Code::PathEscape),
        (|o| o.push(object("/etc/evil", 1)), Code::PathEscape),
        (|o| o.push(object("a/../../evil", 1)), Code::PathEscape),
        (|o| o.push(object("a//evil", 1)), Code::PathEscape),
        (|o| o.push(object("", 0)), Code::PathEscape),
        (|o| o.push(object("a\\..\\evil", 1)), Code::PathNotPortable),
        (|o| o.push(object("NUL", 1)), Code::PathNotPortable),
        (|o| o.push(object("INDEX.html", 1)), Code::PathDuplicate),
        (|o| o.push(o[0].clone()), Code::PathDuplicate),
        (
            |o| o.push(object("Manifest/signatures/a.crl", 1 << 40)),
            Code::SignatureStray,
        ),
    ];
    for (list, code) in lies {
        let mut store = FaultyStore::new(&released().archive);
        store.list = list;
        // Nothing of it is read.
        store.read = |path| panic!("{path} was read");
        refuse(&store, code);
    }
}

#[test]
fn sizes_that_are_not_those_of_the_manifest_are_refused_before_anything_is_read() {
    let lies: [(Lie, Code); 3] = [
        (|o| o.retain(|o| o.path != MANUAL), Code::FileMissing),
        (|o| o.push(object("extra", u64::MAX)), Code::FileUnlisted),
        (
            |o| {
                let others = o.iter_mut().filter(|o| o.path != MANIFEST);
                others.for_each(|o| o.size = u64::MAX);
            },
            Code::FileSize,
        ),
    ];
    for (list, code) in lies {
        let mut store = FaultyStore::new(&released().archive);
        store.list = list;
        store.read = |path| panic!("{path} was read");
        refuse(&store, code);
    }
}

#[test]
fn a_manifest_out_of_proportion_to_its_archive_is_not_read() {
    let mut store = FaultyStore::new(&released().archive);
    store.list = |objects| {
        let manifest = objects.iter_mut().find(|o| o.path == MANIFEST);
        manifest.unwrap().size = 400 << 20;
    };
    store.read = |path| panic!("{path} was read");
    refuse(&store, Code::ManifestUnreadable);

    // Nor is one that is listed as small.
    let (_copy, archive) = copy_of(&released().archive);
    let file = fs::File::create(archive.join(MANIFEST)).unwrap();
    file.set_len(400 << 20).unwrap();
    let mut store = FaultyStore::new(&archive);
    store.list = |objects| {
        let manifest = objects.iter_mut().find(|o| o.path == MANIFEST);
        manifest.unwrap().size = 4096;
    };
    let place = TempDir::new().unwrap();
    let error = bring(&store, place.path()).unwrap_err();
    tells(&error.to_string(), &[MANIFEST, "has more than"]);
    assert!(names(place.path()).is_empty());
}

#[test]
fn other_commands_do_not_read_a_manifest_out_of_proportion_either() {
    let (_copy, archive) = copy_of(&released().archive);
    let file = fs::File::create(archive.join(MANIFEST)).unwrap();
    file.set_len(400 << 20).unwrap();
    let place = TempDir::new().unwrap();
    let parent = archive.parent().unwrap();
    for (arguments, code, expected) in [
        (
            &["fetch".as_ref(), archive.as_path(), place.path()][..],
            3,
            "manifest-unreadable",
        ),
        (
            &["verify".as_ref(), &archive],
            1,
            "manifest.json has 419430400 bytes",
        ),
        (&["status".as_ref(), &archive], 3, "is far too large"),
        (&["show".as_ref(), &archive], 1, "is far too large"),
        (&["list".as_ref(), parent], 1, "has more than"),
    ] {
        let output = dhfpack().args(arguments).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            told(&output)
        );
        tells(&told(&output), &[expected]);
    }
}

#[test]
fn other_bytes_more_or_fewer_than_listed_are_found_as_they_arrive() {
    type Change = fn(&str) -> Option<Box<dyn Read + Send>>;
    let lies: [(Change, Code); 3] = [
        (
            |path| (path == MANUAL).then(|| Box::new(io::repeat(b'x')) as _),
            Code::FileSize,
        ),
        (
            |path| (path == MANUAL).then(|| Box::new(io::empty()) as _),
            Code::FileSize,
        ),
        (
            |path| {
                let sums = path == "Manifest/SHA256SUMS";
                sums.then(|| Box::new(io::repeat(b'x')) as _)
            },
            Code::SumsChanged,
        ),
    ];
    for (read, code) in lies {
        let mut store = FaultyStore::new(&released().archive);
        store.read = read;
        refuse(&store, code);
    }
}

/// Gives a few bytes, and then the connection is gone.
struct Cut(u8);

impl Read for Cut {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.0 -= 1;
        buffer[0] = b'x';
        Ok(1)
    }
}

#[test]
fn a_connection_that_breaks_is_an_error_that_names_the_object_and_leaves_nothing() {
    let mut store = FaultyStore::new(&released().archive);
    store.read = |path| (path == MANUAL).then(|| Box::new(Cut(3)) as _);
    let place = TempDir::new().unwrap();
    let error = bring(&store, place.path()).unwrap_err();
    assert!(matches!(error, FetchError::Transfer(_)), "{error}");
    assert!(error.to_string().contains(MANUAL), "{error}");
    assert!(names(place.path()).is_empty());
    // The next run begins anew.
    store.read = |_| None;
    bring(&store, place.path()).unwrap();
}

#[test]
fn a_stop_leaves_nothing() {
    let store = FaultyStore::new(&released().archive);
    let place = TempDir::new().unwrap();
    let monitor = Recording::default();
    monitor.cancel();
    let policy = Policy::integrity(Timestamp::now());
    let error = fetch(&store, place.path(), &policy, &monitor).unwrap_err();
    assert!(matches!(error, FetchError::Cancelled(_)), "{error}");
    assert!(names(place.path()).is_empty());
}

#[test]
fn a_manifest_cannot_choose_a_place_outside_the_folder() {
    let (_copy, archive) = copy_of(&released().archive);
    let manifest = archive.join("Manifest/manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let name = "\"name\": \"infusion-monitor-2.4.0\"";
    assert!(text.contains(name));
    for evil in ["../evil", "/evil", "a/b", "NUL", "", ".."] {
        let text = text.replacen(name, &format!("\"name\": {evil:?}"), 1);
        fs::write(&manifest, text).unwrap();
        let place = TempDir::new().unwrap();
        let into = place.path().join("into");
        let error = bring(&FaultyStore::new(&archive), &into).unwrap_err();
        assert!(matches!(error, FetchError::Name { .. }), "{evil}: {error}");
        assert!(names(place.path()).is_empty());
    }
}
