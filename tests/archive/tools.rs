//! What the tests of this module share.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use dhfpack::archive::{Entry, EntryKind, Listing, Tree, open};
use dhfpack::finding::Code;

/// The time of every packed file.
pub(crate) const TIME: &str = "2026-03-02T10:20:30Z";

/// The files of [`sample`]: names with spaces and accents, a long path, an empty file, one
/// larger than a buffer.
pub(crate) fn sample_files() -> BTreeMap<String, Vec<u8>> {
    let large: Vec<u8> = (0..300_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let long = format!("Release Record/{}/{}.txt", "f".repeat(60), "n".repeat(90));
    [
        ("Design Outputs/Source Code/source.bundle", large),
        (
            "Design Outputs/User Manual/Bedienung für Ärzte.txt",
            b"manual".to_vec(),
        ),
        ("Manifest/SHA256SUMS", b"sums".to_vec()),
        ("Manifest/manifest.json", b"{}".to_vec()),
        ("index.html", Vec::new()),
        (long.as_str(), b"deep".to_vec()),
    ]
    .into_iter()
    .map(|(path, bytes)| (path.to_owned(), bytes))
    .collect()
}

/// A folder with [`sample_files`].
pub(crate) fn sample(parent: &Path) -> PathBuf {
    let root = parent.join("sample");
    for (path, bytes) in sample_files() {
        write(&root, &path, &bytes);
    }
    root
}

pub(crate) fn write(root: &Path, path: &str, bytes: &[u8]) {
    let place = root.join(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, bytes).unwrap();
}

/// All files of a tree; panics at anything else in it.
pub(crate) fn contents(tree: &dyn Tree) -> BTreeMap<String, Vec<u8>> {
    let listing = tree.list().unwrap();
    assert_eq!(listing.findings, [], "{}", tree.describe());
    let read = |entry: &Entry| {
        assert_eq!(entry.kind, EntryKind::File, "{}", entry.path);
        let mut bytes = Vec::new();
        tree.open(entry).unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, entry.size);
        (entry.path.clone(), bytes)
    };
    listing.entries.iter().map(read).collect()
}

/// Opens a container with these bytes and lists it.
pub(crate) fn list(bytes: &[u8]) -> Listing {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("container");
    fs::write(&path, bytes).unwrap();
    open(&path).unwrap().list().unwrap()
}

/// The codes and paths of a listing's findings.
pub(crate) fn codes(listing: &Listing) -> Vec<(Code, Option<&str>)> {
    let findings = listing.findings.iter();
    findings
        .map(|found| (found.code, found.path.as_deref()))
        .collect()
}

pub(crate) fn paths(listing: &Listing) -> Vec<&str> {
    listing
        .entries
        .iter()
        .map(|entry| entry.path.as_str())
        .collect()
}

/// Reads every file of a hostile container; checks that none yields more than declared.
pub(crate) fn read_all(bytes: &[u8]) {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("container");
    fs::write(&path, bytes).unwrap();
    let Ok(tree) = open(&path) else { return };
    let listing = tree.list().unwrap();
    for entry in listing
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::File)
    {
        let mut reader = tree.open(entry).unwrap();
        let read = std::io::copy(&mut reader.by_ref().take(1 << 20), &mut std::io::sink());
        if let Ok(count) = read {
            assert!(count <= entry.size, "{}", entry.path);
        }
    }
}

/// Runs a program that the test needs; false, or a failure on CI, if it is not installed.
pub(crate) fn run(program: &str, arguments: &[&str], folder: &Path) -> bool {
    match Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
    {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{program} {arguments:?}: {errors}");
            true
        }
        Err(error) => {
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "{program}: {error}"
            );
            let line = format!("skipped: no {program}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            false
        }
    }
}
