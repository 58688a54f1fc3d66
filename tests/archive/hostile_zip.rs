use std::fs;
use std::io::{Cursor, Read, Write};

use dhfpack::archive::{EntryKind, open};
use dhfpack::finding::Code;
use proptest::prelude::*;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::tools::{codes, list, paths, read_all, run};

const INCONSISTENT: Code = Code::ContainerInconsistent;

fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, data) in entries {
        if name.ends_with('/') {
            writer
                .add_directory(*name, SimpleFileOptions::default())
                .unwrap();
            continue;
        }
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(data).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A zip of two entries, with `old` replaced by `new` in the place given by `nth`.
fn replaced(bytes: &[u8], nth: usize, old: &[u8], new: &[u8]) -> Vec<u8> {
    let places = bytes
        .windows(old.len())
        .enumerate()
        .filter(|(_, found)| *found == old);
    let (at, _) = places.into_iter().nth(nth).expect("the bytes to replace");
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

fn place_of(bytes: &[u8], signature: &[u8]) -> usize {
    bytes
        .windows(4)
        .position(|found| found == signature)
        .unwrap()
}

const CENTRAL: &[u8] = b"PK\x01\x02";

fn whole_codes(bytes: &[u8]) -> Vec<Code> {
    codes(&list(bytes))
        .into_iter()
        .map(|(code, _)| code)
        .collect()
}

#[test]
fn deflated_and_stored_entries_read_back_from_several_threads_at_once() {
    let large = vec![7; 900_000];
    let bytes = zip(&[("a", &large), ("b", b"small"), ("c/", b"")]);
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("any name");
    fs::write(&path, bytes).unwrap();
    let tree = open(&path).unwrap();
    let listing = tree.list().unwrap();
    assert_eq!(codes(&listing), []);
    assert_eq!(listing.entries[2].kind, EntryKind::Directory);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut bytes = Vec::new();
                tree.open(&listing.entries[0])
                    .unwrap()
                    .read_to_end(&mut bytes)
                    .unwrap();
                assert_eq!(bytes, large);
            });
        }
    });
}

#[test]
fn two_entries_of_one_name_are_a_finding() {
    let bytes = zip(&[("a.txt", b"1"), ("b.txt", b"2")]);
    let bytes = replaced(
        &replaced(&bytes, 0, b"b.txt", b"a.txt"),
        0,
        b"b.txt",
        b"a.txt",
    );
    let listing = list(&bytes);
    assert_eq!(codes(&listing), [(Code::PathDuplicate, Some("a.txt"))]);
    assert_eq!(paths(&listing), ["a.txt"]);
}

#[test]
fn a_local_header_that_contradicts_the_directory_is_a_finding() {
    let bytes = zip(&[("a.txt", b"11"), ("b.txt", b"2")]);
    let local_name = replaced(&bytes, 0, b"a.txt", b"c.txt");
    let mut local_size = bytes.clone();
    local_size[22] ^= 1;
    let mut local_method = bytes.clone();
    local_method[8] ^= 8;
    for bytes in [local_name, local_size, local_method] {
        assert_eq!(codes(&list(&bytes)), [(INCONSISTENT, Some("a.txt"))]);
    }
}

#[test]
fn encrypted_linked_and_otherwise_compressed_entries_are_listed_by_kind() {
    let bytes = zip(&[("a", b"1")]);
    let central = place_of(&bytes, CENTRAL);
    let with = |offset: usize, value: u8, local: Option<usize>| {
        let mut bytes = bytes.clone();
        bytes[central + offset] = value;
        if let Some(local) = local {
            bytes[local] = value;
        }
        list(&bytes).entries.remove(0).kind
    };
    assert_eq!(with(8, 1, Some(6)), EntryKind::Other("an encrypted entry"));
    assert_eq!(
        with(41, 0o120_000_u32.to_be_bytes()[2], None),
        EntryKind::Symlink
    );
    assert!(matches!(with(10, 12, Some(8)), EntryKind::Other(_)));
    assert!(matches!(
        with(41, 0o010_000_u32.to_be_bytes()[2], None),
        EntryKind::Other(_)
    ));
}

#[test]
fn bytes_that_belong_to_no_entry_are_findings() {
    let bytes = zip(&[("a", b"1"), ("b", b"2")]);
    let end = bytes.len() - 22;

    let mut behind = bytes.clone();
    behind.extend_from_slice(b"tail");
    assert_eq!(whole_codes(&behind), [INCONSISTENT]);

    let mut comment = behind.clone();
    comment[end + 20] = 4;
    assert_eq!(whole_codes(&comment), [INCONSISTENT]);

    let mut before = b"#!/bin/sh\n".to_vec();
    before.extend_from_slice(&bytes);
    assert_eq!(whole_codes(&before), [INCONSISTENT]);

    // An entry that the directory no longer lists.
    let second = bytes
        .windows(4)
        .rposition(|found| found == CENTRAL)
        .unwrap();
    let mut hidden = bytes.clone();
    let removed = end - second;
    hidden.drain(second..end);
    let end = hidden.len() - 22;
    hidden[end + 8] = 1;
    hidden[end + 10] = 1;
    hidden[end + 12] -= u8::try_from(removed).unwrap();
    assert_eq!(whole_codes(&hidden), [INCONSISTENT]);
}

#[test]
fn entries_that_share_their_bytes_are_a_finding_and_never_opened() {
    let bytes = zip(&[("a", b"11"), ("b", b"22")]);
    let second = bytes
        .windows(4)
        .rposition(|found| found == CENTRAL)
        .unwrap();
    let mut bytes = bytes;
    bytes[second + 42..second + 46].fill(0);
    let listing = list(&bytes);
    let shared = listing
        .entries
        .iter()
        .filter(|entry| entry.kind != EntryKind::File);
    assert_eq!(shared.count(), 1);
    assert!(codes(&listing).len() >= 2, "{:?}", listing.findings);
}

#[test]
fn an_entry_longer_or_shorter_than_declared_breaks_off_with_an_error() {
    let data = vec![7_u8; 5000];
    let bytes = zip(&[("a", &data)]);
    let central = place_of(&bytes, CENTRAL);
    for size in [4999_u32, 5001, 0] {
        let mut bytes = bytes.clone();
        bytes[22..26].copy_from_slice(&size.to_le_bytes());
        bytes[central + 24..central + 28].copy_from_slice(&size.to_le_bytes());
        let error = read_first(&bytes).unwrap_err();
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::InvalidData,
            "{size}: {error}"
        );
    }
    // One byte of the data belongs to no block of the compressed stream.
    let mut surplus = bytes.clone();
    surplus.insert(central, 0);
    let (central, end) = (central + 1, surplus.len() - 22);
    for place in [18, central + 20, end + 16] {
        surplus[place] += 1;
    }
    let error = read_first(&surplus).unwrap_err().to_string();
    assert!(error.contains("compressed data"), "{error}");

    let central = central - 1;
    let mut crc = bytes.clone();
    crc[14] ^= 1;
    crc[central + 16] ^= 1;
    assert!(read_first(&crc).unwrap_err().to_string().contains("CRC-32"));
}

fn read_first(bytes: &[u8]) -> std::io::Result<u64> {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a.zip");
    fs::write(&path, bytes).unwrap();
    let tree = open(&path).unwrap();
    let listing = tree.list().unwrap();
    assert_eq!(codes(&listing), []);
    std::io::copy(
        &mut tree.open(&listing.entries[0]).unwrap(),
        &mut std::io::sink(),
    )
}

#[test]
fn a_zip_that_is_cut_off_is_a_finding_and_not_an_empty_archive() {
    let bytes = zip(&[("a", &[1; 400]), ("b", b"2")]);
    for end in [4, 60, bytes.len() - 23, bytes.len() - 1] {
        let listing = list(&bytes[..end]);
        assert_eq!(codes(&listing), [(INCONSISTENT, None)], "cut at {end}");
    }
}

#[test]
fn a_backslash_stays_a_backslash() {
    let bytes = zip(&[("a/b", b"1")]);
    let bytes = replaced(&replaced(&bytes, 0, b"a/b", b"a\\b"), 0, b"a/b", b"a\\b");
    assert_eq!(paths(&list(&bytes)), ["a\\b"]);
}

#[test]
fn zips_made_by_python_are_read_with_descriptors_zip64_and_duplicates() {
    let temporary = tempfile::tempdir().unwrap();
    let script = r#"
import io, sys, warnings, zipfile
warnings.simplefilter("ignore")
class Pipe(io.RawIOBase):
    def __init__(self, file): self.file = file
    def writable(self): return True
    def seekable(self): return False
    def write(self, data): return self.file.write(data)
with open("stream.zip", "wb") as file, zipfile.ZipFile(Pipe(file), "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("ä.txt", b"streamed" * 100)
    with z.open("wide", "w", force_zip64=True) as entry: entry.write(b"wide")
with zipfile.ZipFile("twice.zip", "w") as z:
    z.writestr("a", "1"); z.writestr("a", "2")
with zipfile.ZipFile("many.zip", "w") as z:
    for number in range(70000): z.writestr(str(number), "")
"#;
    if !run("python3", &["-c", script], temporary.path()) {
        return;
    }
    let listed = |name: &str| open(&temporary.path().join(name)).unwrap().list().unwrap();
    let stream = listed("stream.zip");
    assert_eq!(codes(&stream), []);
    assert_eq!(paths(&stream), ["wide", "ä.txt"]);
    assert_eq!(
        codes(&listed("twice.zip")),
        [(Code::PathDuplicate, Some("a"))]
    );
    let many = listed("many.zip");
    assert_eq!((codes(&many).len(), many.entries.len()), (0, 70_000));
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic_or_yield_more_than_declared(
        place in 0_usize..420, value: u8, cut in 0_usize..420,
    ) {
        let mut bytes = zip(&[("a", &[7; 600]), ("b/c", b"1"), ("d", b"")]);
        if let Some(byte) = bytes.get_mut(place) {
            *byte = value;
        }
        read_all(&bytes);
        bytes.truncate(cut);
        read_all(&bytes);
    }
}
