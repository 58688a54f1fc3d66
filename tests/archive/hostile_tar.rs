use dhfpack::archive::EntryKind;
use dhfpack::finding::Code;
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

use super::tools::{codes, list, paths, read_all};

const INCONSISTENT: (Code, Option<&str>) = (Code::ContainerInconsistent, None);

/// A tar of entries, each with a type, a name as it is, and data.
fn tar(entries: &[(EntryType, &str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (entry_type, name, data) in entries {
        builder
            .append(&header(*entry_type, name, data.len() as u64), *data)
            .unwrap();
    }
    builder.into_inner().unwrap()
}

fn header(entry_type: EntryType, name: &str, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(entry_type);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_cksum();
    header
}

use EntryType::{Regular, XGlobalHeader, XHeader};

#[test]
fn links_devices_and_sparse_files_are_listed_by_kind() {
    let listing = list(&tar(&[
        (EntryType::Link, "hard", b""),
        (EntryType::Symlink, "soft", b""),
        (EntryType::Char, "device", b""),
        (EntryType::Fifo, "pipe", b""),
        (EntryType::GNUSparse, "sparse", b""),
        (XHeader, "x", b"22 GNU.sparse.major=1\n"),
        (Regular, "sparse-by-pax", b"1234"),
    ]));
    assert_eq!(codes(&listing), []);
    assert_eq!(listing.entries.len(), 6);
    assert!(
        listing
            .entries
            .iter()
            .all(|entry| entry.kind != EntryKind::File)
    );
    assert_eq!(listing.entries[3].kind, EntryKind::Symlink);
}

#[test]
fn a_path_that_comes_twice_is_a_finding_and_listed_once() {
    let listing = list(&tar(&[
        (Regular, "a", b"1"),
        (Regular, "./a", b"2"),
        (Regular, "b", b"3"),
    ]));
    assert_eq!(codes(&listing), [(Code::PathDuplicate, Some("a"))]);
    assert_eq!(paths(&listing), ["a", "b"]);
}

#[test]
fn paths_that_lead_out_are_left_as_they_are_for_the_caller_to_judge() {
    let listing = list(&tar(&[
        (Regular, "/etc/passwd", b""),
        (Regular, "../up", b""),
    ]));
    assert_eq!(paths(&listing), ["../up", "/etc/passwd"]);
}

#[test]
fn pax_and_gnu_names_replace_the_headers() {
    let listing = list(&tar(&[
        (XHeader, "x", b"13 path=n\xc3\xa9w\n"),
        (Regular, "old", b"1"),
        (EntryType::GNULongName, "L", b"long name\0"),
        (Regular, "short", b"2"),
        (XGlobalHeader, "g", b"16 comment=1234\n"),
        (Regular, "plain", b"3"),
    ]));
    assert_eq!(codes(&listing), []);
    assert_eq!(paths(&listing), ["long name", "néw", "plain"]);
}

#[test]
fn headers_that_programs_read_differently_are_findings() {
    let path: &[u8] = b"9 path=x\n";
    for (name, entries) in [
        (
            "two pax headers",
            &[
                (XHeader, "x", path),
                (XHeader, "x", path),
                (Regular, "a", b""),
            ][..],
        ),
        (
            "one path twice",
            &[(XHeader, "x", b"9 path=x\n9 path=y\n"), (Regular, "a", b"")],
        ),
        (
            "a size twice",
            &[(XHeader, "x", b"9 size=9\n"), (Regular, "a", b"1")],
        ),
        (
            "a global path",
            &[(XGlobalHeader, "g", path), (Regular, "a", b"")],
        ),
        (
            "a malformed record",
            &[(XHeader, "x", b"99 path=x\n"), (Regular, "a", b"")],
        ),
        (
            "two names",
            &[
                (XHeader, "x", path),
                (EntryType::GNULongName, "L", b"y\0"),
                (Regular, "a", b""),
            ],
        ),
        ("no entry after", &[(XHeader, "x", path)]),
        ("a link with data", &[(EntryType::Link, "a", b"data")]),
        (
            "a folder with data",
            &[(EntryType::Directory, "a/", b"data")],
        ),
    ] {
        assert_eq!(codes(&list(&tar(entries))), [INCONSISTENT], "{name}");
    }
}

#[test]
fn a_tar_that_is_cut_off_is_a_finding_wherever_the_cut_is() {
    let whole = tar(&[(Regular, "a", &[1; 700]), (Regular, "b", &[2; 700])]);
    assert_eq!(codes(&list(&whole)), []);
    for end in [513, 1024, 1536, 2000, whole.len() - 1024, whole.len() - 512] {
        let listing = list(&whole[..end]);
        assert_eq!(codes(&listing), [INCONSISTENT], "cut at {end}");
    }
    assert_eq!(paths(&list(&whole[..2000])), ["a"]);
}

#[test]
fn data_after_the_end_are_a_finding_and_zeros_are_not() {
    let mut bytes = tar(&[(Regular, "a", b"1")]);
    bytes.resize(bytes.len() + 9000, 0);
    assert_eq!(codes(&list(&bytes)), []);
    bytes.push(1);
    assert_eq!(codes(&list(&bytes)), [INCONSISTENT]);
}

#[test]
fn an_extension_of_a_huge_claimed_size_costs_no_memory() {
    let mut bytes = header(EntryType::GNULongName, "L", 1 << 40)
        .as_bytes()
        .to_vec();
    bytes.extend(tar(&[(Regular, "a", b"1")]));
    assert_eq!(codes(&list(&bytes)), [INCONSISTENT]);
    let mut bytes = header(Regular, "a", u64::MAX - 600).as_bytes().to_vec();
    bytes.extend([0; 2048]);
    assert_eq!(codes(&list(&bytes)), [INCONSISTENT]);
}

#[test]
fn one_top_folder_is_the_root_and_what_lies_beside_it_a_finding() {
    let manifest = (
        Regular,
        "pump-2.4.0/Manifest/manifest.json",
        b"{}".as_slice(),
    );
    let page = (Regular, "pump-2.4.0/index.html", b"".as_slice());
    let beside = (Regular, "setup.exe", b"MZ".as_slice());
    let folder = (EntryType::Directory, "pump-2.4.0/", b"".as_slice());

    let listing = list(&tar(&[folder, manifest, page]));
    assert_eq!(
        (codes(&listing), paths(&listing)),
        (vec![], vec!["Manifest/manifest.json", "index.html"])
    );

    let listing = list(&tar(&[manifest, beside]));
    assert_eq!(
        codes(&listing),
        [(Code::ContainerInconsistent, Some("setup.exe"))]
    );
    assert_eq!(paths(&listing), ["Manifest/manifest.json"]);

    let root = (Regular, "./Manifest/manifest.json", b"{}".as_slice());
    let listing = list(&tar(&[(EntryType::Directory, "./", b""), root]));
    assert_eq!(
        (codes(&listing), paths(&listing)),
        (vec![], vec!["Manifest/manifest.json"])
    );
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic_or_yield_more_than_declared(
        place in 0_usize..4096, value: u8, cut in 0_usize..4096,
    ) {
        let mut bytes = tar(&[
            (XHeader, "x", b"9 path=x\n"),
            (Regular, "a", &[7; 600]),
            (EntryType::GNULongName, "L", b"long name\0"),
            (Regular, "b", b"1"),
        ]);
        if let Some(byte) = bytes.get_mut(place) {
            *byte = value;
        }
        read_all(&bytes);
        bytes.truncate(cut);
        read_all(&bytes);
    }
}
