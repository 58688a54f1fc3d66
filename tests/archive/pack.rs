use std::fs;
use std::io::Cursor;
use std::path::Path;

use dhfpack::archive::{ArchiveError, StagedFile, Tree, open, pack_tar, pack_zip};
use dhfpack::monitor::{Recording, Silent};

use super::tools::{TIME, contents, paths, run, sample, sample_files, write};

fn tar_of(tree: &dyn Tree, root: Option<&str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    pack_tar(tree, root, None, TIME.parse().unwrap(), &mut bytes, &Silent).unwrap();
    bytes
}

fn zip_of(tree: &dyn Tree, root: Option<&str>) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    pack_zip(tree, root, TIME.parse().unwrap(), &mut bytes, &Silent).unwrap();
    bytes.into_inner()
}

#[test]
fn what_was_packed_reads_back_as_the_same_tree_with_the_manifest_first() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = open(&sample(temporary.path())).unwrap();
    for root in [None, Some("pump-2.4.0")] {
        for (name, bytes) in [
            ("tar", tar_of(&*folder, root)),
            ("zip", zip_of(&*folder, root)),
        ] {
            let path = temporary.path().join(name);
            fs::write(&path, &bytes).unwrap();
            let tree = open(&path).unwrap();
            assert!(tree.describe().starts_with(&format!("the {name} file")));
            assert_eq!(
                contents(&*tree),
                sample_files(),
                "{name} with root {root:?}"
            );
            let first = bytes
                .windows(9)
                .position(|found| found == b"Manifest/")
                .unwrap();
            assert!(first < 60, "{name}: Manifest/ first at byte {first}");
            // A container packs as the folder does.
            assert_eq!(tar_of(&*tree, root), tar_of(&*folder, root));
        }
    }
}

#[test]
fn two_packs_of_equal_trees_are_byte_for_byte_equal() {
    let temporary = tempfile::tempdir().unwrap();
    let (one, two) = (temporary.path().join("one"), temporary.path().join("two"));
    let (one, two) = (sample(&one), sample(&two));
    fs::File::open(two.join("index.html"))
        .and_then(|file| file.set_modified(std::time::UNIX_EPOCH))
        .unwrap();
    let (one, two) = (open(&one).unwrap(), open(&two).unwrap());
    assert_eq!(tar_of(&*one, None), tar_of(&*two, None));
    assert_eq!(zip_of(&*one, None), zip_of(&*two, None));
}

fn assert_unpacked(root: &Path) {
    assert_eq!(contents(&*open(root).unwrap()), sample_files());
}

#[test]
fn stock_tar_unzip_and_python_unpack_what_was_packed() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = open(&sample(temporary.path())).unwrap();
    let at = temporary.path();
    fs::write(at.join("a.tar"), tar_of(&*folder, Some("pump"))).unwrap();
    fs::write(at.join("a.zip"), zip_of(&*folder, Some("pump"))).unwrap();
    let unpack = |name: &str, program: &str, arguments: &[&str]| {
        let target = at.join(name);
        fs::create_dir(&target).unwrap();
        if run(program, arguments, &target) {
            assert_unpacked(&target.join("pump"));
        }
    };
    unpack("by-tar", "tar", &["-xf", "../a.tar"]);
    unpack("by-unzip", "unzip", &["-q", "../a.zip"]);
    let script = "import tarfile; tarfile.open('../a.tar').extractall()";
    unpack("by-tarfile", "python3", &["-c", script]);
    let script =
        "import zipfile; z = zipfile.ZipFile('../a.zip'); assert not z.testzip(); z.extractall()";
    unpack("by-zipfile", "python3", &["-c", script]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let metadata = fs::metadata(at.join("by-tar/pump/index.html")).unwrap();
        let time: jiff::Timestamp = TIME.parse().unwrap();
        assert_eq!(metadata.mtime(), time.as_second());
    }
}

#[test]
fn tars_made_by_stock_tar_read_back() {
    let temporary = tempfile::tempdir().unwrap();
    let root = sample(temporary.path());
    for format in ["gnu", "pax", "ustar"] {
        let format = format!("--format={format}");
        if run(
            "tar",
            &[&format, "-C", root.to_str().unwrap(), "-cf", "a.tar", "."],
            temporary.path(),
        ) {
            let tree = open(&temporary.path().join("a.tar")).unwrap();
            assert_eq!(contents(&*tree), sample_files(), "{format}");
        }
    }
}

#[test]
fn what_no_archive_holds_is_not_packed() {
    let time = TIME.parse().unwrap();
    let temporary = tempfile::tempdir().unwrap();
    write(temporary.path(), "a/NUL.txt", b"");
    let tree = open(temporary.path()).unwrap();
    let refused = pack_tar(&*tree, None, None, time, &mut Vec::new(), &Silent);
    assert!(matches!(refused, Err(ArchiveError::Path { .. })));
    fs::remove_file(temporary.path().join("a/NUL.txt")).unwrap();
    let refused = pack_zip(&*tree, None, time, Cursor::new(Vec::new()), &Silent);
    assert!(matches!(
        refused,
        Err(ArchiveError::NotAFile {
            found: "a folder",
            ..
        })
    ));
}

#[test]
fn packing_stops_on_request_and_leaves_no_file() {
    let temporary = tempfile::tempdir().unwrap();
    let tree = open(&sample(temporary.path())).unwrap();
    let out = temporary.path().join("out");
    let monitor = Recording::default();
    monitor.cancel();
    let mut file = StagedFile::begin(&out.join("a.zip")).unwrap();
    let stopped = pack_zip(&*tree, None, TIME.parse().unwrap(), &mut file, &monitor);
    assert!(matches!(stopped, Err(ArchiveError::Cancelled(_))));
    drop(file);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
}

/// Writes 4.1 GiB to the temporary folder.
#[test]
#[ignore = "writes more than 4 GiB"]
fn a_file_of_more_than_4_gib_goes_through_a_zip() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("root");
    write(&root, "after", b"after");
    write(&root, "image", b"");
    let size = (4 << 30) + 100_000_000;
    let image = fs::File::options()
        .write(true)
        .open(root.join("image"))
        .unwrap();
    image.set_len(size).unwrap();
    write(&root, "zz", b"offset beyond 4 GiB");
    let tree = open(&root).unwrap();
    let path = temporary.path().join("a.zip");
    let mut file = StagedFile::begin(&path).unwrap();
    pack_zip(&*tree, None, TIME.parse().unwrap(), &mut file, &Silent).unwrap();
    file.commit(TIME.parse().unwrap()).unwrap();

    let zip = open(&path).unwrap();
    let listing = zip.list().unwrap();
    assert_eq!(
        (listing.findings.len(), paths(&listing)),
        (0, vec!["after", "image", "zz"])
    );
    let read = std::io::copy(
        &mut zip.open(&listing.entries[1]).unwrap(),
        &mut std::io::sink(),
    );
    assert_eq!(read.unwrap(), size);
    run("unzip", &["-tq", "a.zip"], temporary.path());
    let script =
        "import zipfile; assert zipfile.ZipFile('a.zip').read('zz') == b'offset beyond 4 GiB'";
    run("python3", &["-c", script], temporary.path());
}
