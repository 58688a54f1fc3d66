use std::fs;

use dhfpack::archive::{ArchiveError, EntryKind, open};
use dhfpack::finding::Code;

use super::tools::{codes, contents, paths, sample, sample_files, write};

#[test]
fn a_folder_lists_its_files_by_byte_order_and_reads_them() {
    let temporary = tempfile::tempdir().unwrap();
    let tree = open(&sample(temporary.path())).unwrap();
    assert_eq!(contents(&*tree), sample_files());
    let listing = tree.list().unwrap();
    assert!(paths(&listing).is_sorted());
}

#[test]
fn only_folders_with_nothing_in_them_are_listed() {
    let temporary = tempfile::tempdir().unwrap();
    write(temporary.path(), "a/file", b"");
    fs::create_dir_all(temporary.path().join("a/empty")).unwrap();
    write(temporary.path(), "a!/file", b"");
    let listing = open(temporary.path()).unwrap().list().unwrap();
    assert_eq!(paths(&listing), ["a!/file", "a/empty", "a/file"]);
    assert_eq!(listing.entries[1].kind, EntryKind::Directory);
}

#[cfg(target_os = "linux")]
#[test]
fn links_and_pipes_are_listed_by_kind_and_never_opened() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("root");
    write(&root, "file", b"inside");
    write(temporary.path(), "outside/secret", b"secret");
    std::os::unix::fs::symlink("../outside", root.join("folder-link")).unwrap();
    std::os::unix::fs::symlink("../outside/secret", root.join("link")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let tree = open(&root).unwrap();
    let listing = tree.list().unwrap();
    assert_eq!(paths(&listing), ["file", "folder-link", "link", "pipe"]);
    assert_eq!(listing.entries[1].kind, EntryKind::Symlink);
    assert!(matches!(listing.entries[3].kind, EntryKind::Other(_)));
    for entry in &listing.entries[1..] {
        let refused = tree.open(entry).err().unwrap();
        assert!(
            matches!(refused, ArchiveError::NotAFile { .. }),
            "{refused}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_file_swapped_for_a_link_after_listing_is_refused() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("root");
    write(&root, "a/file", b"inside");
    write(temporary.path(), "outside/file", b"secret");
    let tree = open(&root).unwrap();
    let entry = tree.list().unwrap().entries.remove(0);

    fs::remove_file(root.join("a/file")).unwrap();
    std::os::unix::fs::symlink("../../outside/file", root.join("a/file")).unwrap();
    assert!(tree.open(&entry).is_err());

    fs::remove_dir_all(root.join("a")).unwrap();
    std::os::unix::fs::symlink("../outside", root.join("a")).unwrap();
    assert!(tree.open(&entry).is_err());
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf_8_is_a_finding_and_not_opened() {
    use std::os::unix::ffi::OsStrExt;
    let temporary = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.txt");
    fs::write(temporary.path().join(name), "x").unwrap();
    let tree = open(temporary.path()).unwrap();
    let listing = tree.list().unwrap();
    assert_eq!(
        codes(&listing),
        [(Code::PathNotPortable, Some("caf\u{fffd}.txt"))]
    );
    assert!(tree.open(&listing.entries[0]).is_err());
}

#[test]
fn what_is_no_archive_is_refused_by_content_not_by_name() {
    let temporary = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("a.zip", b"not a zip".as_slice()),
        ("b.tar", b"\x1f\x8b\x08\0\0\0\0\0"),
        ("c", b""),
    ] {
        write(temporary.path(), name, bytes);
        let refused = open(&temporary.path().join(name)).err().unwrap();
        assert!(
            matches!(refused, ArchiveError::NotAnArchive { .. }),
            "{name}: {refused}"
        );
    }
    let missing = open(&temporary.path().join("missing")).err().unwrap();
    assert!(missing.to_string().contains("missing"), "{missing}");
}
