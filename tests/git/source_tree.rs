use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use dhfpack::digest::Sha256;
use dhfpack::monitor::{Recording, Silent, Task, Unit};
use dhfpack::source::git::{GitError, Mirror, SourceTree};

use crate::support::git::{TestRepository, succeed};

fn source_tree(mirror: &Mirror, jobs: usize) -> Result<(Vec<u8>, SourceTree), GitError> {
    let task = Task::begin(&Silent, "source", None, Unit::Bytes);
    let tag = mirror.tag("v1.0.0")?;
    let mut bytes = Vec::new();
    let tree = mirror.source_tree(&tag, "product-1.0.0", jobs, &mut bytes, &task)?;
    Ok((bytes, tree))
}

/// Every file and link below `folder`, by path: its mode or `link`, and its content or target.
fn files_below(folder: &Path) -> BTreeMap<Vec<u8>, (String, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.unwrap();
        let path = entry.path().strip_prefix(folder).unwrap();
        let path = path.as_os_str().as_bytes().to_vec();
        if path.starts_with(b".git/") || entry.file_type().is_dir() {
            continue;
        }
        let value = if entry.path_is_symlink() {
            let target = fs::read_link(entry.path()).unwrap();
            ("link".to_owned(), target.as_os_str().as_bytes().to_vec())
        } else {
            let executable = entry.metadata().unwrap().permissions().mode() & 0o100 != 0;
            let mode = if executable { "755" } else { "644" };
            (mode.to_owned(), fs::read(entry.path()).unwrap())
        };
        found.insert(path, value);
    }
    found
}

#[test]
fn stock_tar_unpacks_exactly_the_files_of_the_tag() {
    let repository = TestRepository::new();
    let deep = format!("{}/{}/{}", "d".repeat(120), "e".repeat(120), "f".repeat(90));
    for name in [
        b"a\nb".as_slice(),
        b"-rf",
        b"..a",
        b"a..",
        b".gitx/y",
        b"git~1x",
        b"\xff\xfe\x01",
        b"sp ace/\xc3\xa9",
        b"back\\slash",
        "n".repeat(100).as_bytes(),
        "m".repeat(101).as_bytes(),
        "l".repeat(255).as_bytes(),
        deep.as_bytes(),
    ] {
        repository.write(OsStr::from_bytes(name), name);
    }
    repository.write("empty", b"");
    repository.write("large", &b"0123456789abcdef".repeat(200_001));
    repository.write("exact", &[7; 512]);
    repository.write("run", b"#!/bin/sh\n");
    let run = repository.path().join("run");
    fs::set_permissions(run, fs::Permissions::from_mode(0o755)).unwrap();
    for (target, name) in [
        ("/etc/passwd", "absolute"),
        ("../../outside//x/", "outside"),
        (&"t/".repeat(90), "long"),
    ] {
        symlink(target, repository.path().join(name)).unwrap();
    }
    repository.write(
        ".gitattributes",
        b"run export-ignore\nlarge eol=crlf export-subst\n",
    );
    repository.commit_all("hostile");
    repository.tag("v1.0.0");

    let (bytes, tree) = source_tree(&repository.mirror(), 2).unwrap();
    let archive = repository.beside("source.tar.gz");
    fs::write(&archive, &bytes).unwrap();
    let out = repository.beside("out");
    fs::create_dir(&out).unwrap();
    let unpacked = Command::new("tar")
        .args([
            "-xzf",
            archive.to_str().unwrap(),
            "-C",
            out.to_str().unwrap(),
        ])
        .output()
        .unwrap();
    assert!(unpacked.status.success(), "{unpacked:?}");
    assert!(unpacked.stderr.is_empty(), "{unpacked:?}");
    let expected = files_below(&repository.path());
    assert_eq!(expected.len() as u64, tree.files);
    assert!(files_below(&out.join("product-1.0.0")) == expected);

    let tar = Command::new("gunzip")
        .stdin(fs::File::open(&archive).unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert_eq!(Sha256::of(&tar.stdout), tree.uncompressed);
    let mtime = fs::metadata(out.join("product-1.0.0/run")).unwrap();
    let mtime = mtime
        .modified()
        .unwrap()
        .duration_since(std::time::UNIX_EPOCH);
    assert_eq!(mtime.unwrap().as_secs(), 1_767_225_600);
}

#[test]
fn the_bytes_depend_neither_on_threads_nor_on_packing() {
    let repository = TestRepository::new();
    repository.write("large", &b"0123456789abcdef".repeat(300_000));
    repository.commit_all("large");
    repository.tag("v1.0.0");
    let one = source_tree(&repository.mirror(), 1).unwrap();
    repository.git(["gc", "--quiet", "--aggressive"]);
    assert!(source_tree(&repository.mirror(), 4).unwrap() == one);
}

#[test]
fn a_tree_with_submodules_is_refused_by_path() {
    let repository = TestRepository::released();
    let commit = repository.git(["rev-parse", "HEAD"]);
    let entry = format!("160000,{commit},vendor/lib");
    repository.git(["update-index", "--add", "--cacheinfo", &entry]);
    repository.git(["commit", "--quiet", "--message", "submodule"]);
    repository.git(["tag", "--force", "--message", "x", "v1.0.0"]);
    let error = source_tree(&repository.mirror(), 1).unwrap_err();
    assert!(matches!(error, GitError::Submodules { paths } if paths == ["vendor/lib"]));
}

#[test]
fn a_tree_made_by_hand_to_escape_is_refused() {
    let repository = TestRepository::released();
    let blob = repository.git(["rev-parse", "HEAD:README.md"]);
    let line = repository.beside("tree");
    fs::write(&line, format!("100644 blob {blob}\t..\n")).unwrap();
    let made = succeed(
        crate::support::git::git_command(&repository.path())
            .arg("mktree")
            .stdin(fs::File::open(line).unwrap()),
    );
    let tree = String::from_utf8(made.stdout).unwrap();
    let commit = repository.git(["commit-tree", "-m", "x", tree.trim()]);
    repository.git(["tag", "--force", "--message", "x", "v1.0.0", &commit]);
    let error = source_tree(&repository.mirror(), 1).unwrap_err();
    assert!(matches!(error, GitError::UnsafePath { .. }), "{error}");
}

#[test]
fn a_stop_ends_the_source_tree() {
    let repository = TestRepository::released();
    let mirror = repository.mirror();
    let monitor = Recording::default();
    monitor.cancel();
    let task = Task::begin(&monitor, "source", None, Unit::Bytes);
    let tag = mirror.tag("v1.0.0").unwrap();
    let result = mirror.source_tree(&tag, "a", 1, &mut std::io::sink(), &task);
    assert!(matches!(result, Err(GitError::Cancelled(_))), "{result:?}");
}
