//! Which pointers are found, in which history.

use std::fs;

use dhfpack::digest::Sha256;
use dhfpack::monitor::{Recording, Silent, Task, Unit};
use dhfpack::source::git::{GitError, LfsError, LfsObjects, LfsPointer, Mirror};
use tempfile::TempDir;

use super::track;
use crate::support::git::{TestRepository, git_command, is_missing, succeed};

fn found(mirror: &Mirror) -> Result<LfsObjects, GitError> {
    let task = Task::begin(&Silent, "pointers", None, Unit::Items);
    let commit = mirror.tag("v1.0.0")?.commit;
    let mut objects = LfsObjects::default();
    mirror.find_lfs_objects(&commit, 0, &mut objects, &task)?;
    Ok(objects)
}

#[test]
fn every_pointer_of_the_history_is_found_once() {
    if is_missing("git-lfs") {
        return;
    }
    let repository = TestRepository::new();
    track(&repository.path());
    repository.commit_file("a.bin", b"first");
    repository.commit_file("deep/b.bin", b"second");
    repository.git(["rm", "--quiet", "a.bin"]);
    repository.commit_file("deep/b.bin", b"third");
    // Kept by Git LFS no longer: today's attributes say nothing of old commits.
    repository.write(".gitattributes", b"");
    repository.commit_file("deep/c.bin", b"plain");
    repository.tag("v1.0.0");
    track(&repository.path());
    repository.commit_file("later.bin", b"after the tag");
    let objects = found(&repository.mirror()).unwrap();
    let mut all: Vec<_> = objects.iter().map(|o| (o.file.as_str(), o.oid)).collect();
    all.sort_unstable();
    let (second, third) = (Sha256::of(b"second"), Sha256::of(b"third"));
    let mut expected = vec![
        ("a.bin", Sha256::of(b"first")),
        ("deep/b.bin", second),
        ("deep/b.bin", third),
    ];
    expected.sort_unstable();
    assert_eq!(all, expected);
    assert_eq!((objects.len(), objects.bytes()), (3, 16));
}

#[test]
fn what_git_lfs_takes_for_a_pointer_is_one() {
    if is_missing("git-lfs") {
        return;
    }
    let folder = TempDir::new().unwrap();
    let oid = Sha256::of(b"x").to_string();
    let good = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 1\n");
    let extension = format!("ext-0-case sha256:{oid}\noid");
    let mut pointers = 0;
    for text in [
        good.clone(),
        good.replace("git-lfs.github", "hawser.github"),
        good.replace('\n', "\r\n"),
        good.replace('\n', "\n\n"),
        good.trim_end().to_owned(),
        format!(" \n{good}\n \n"),
        good.replace("oid", &extension),
        good.replace("oid", &extension.replace("sha256", "md5")),
        good.replace("oid", &extension.replace("ext-0", "ext-x")),
        good.replace("size 1", "size 01"),
        good.replace("size 1", "size one"),
        good.replace("size 1", "size -1"),
        good.replace("sha256:", "sha1:"),
        good.replace("spec/v1", "spec/v3"),
        good.clone() + "trailer 1\n",
        good.replace(&oid, &oid.to_uppercase()),
        good.replace(&oid, &oid[..63]),
        format!("version https://git-lfs.github.com/spec/v1\nsize 1\noid sha256:{oid}\n"),
        "version https://git-lfs.github.com/spec/v1\n".to_owned(),
        format!("# see version https://git-lfs.github.com/spec/v1\n{good}"),
    ] {
        let file = folder.path().join("pointer");
        fs::write(&file, &text).unwrap();
        let check = git_command(folder.path())
            .args(["lfs", "pointer", "--check", "--file"])
            .arg(&file)
            .output()
            .unwrap();
        let pointer = LfsPointer::parse(text.as_bytes());
        assert_eq!(pointer.is_some(), check.status.success(), "{text:?}");
        pointers += usize::from(pointer.is_some());
    }
    assert_eq!(pointers, 8);
}

#[test]
fn pointers_that_contradict_each_other_are_refused() {
    let repository = TestRepository::new();
    let pointer = |content: &[u8], size: u64| {
        let oid = Sha256::of(content);
        LfsPointer { oid, size }.to_string()
    };
    repository.commit_file("a.bin", pointer(b"x", 1).as_bytes());
    repository.tag("v1.0.0");
    assert_eq!(found(&repository.mirror()).unwrap().len(), 1);
    repository.commit_file("b.bin", pointer(b"x", 2).as_bytes());
    repository.git(["tag", "--force", "--message", "x", "v1.0.0"]);
    let error = found(&repository.mirror()).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(&error, GitError::Lfs(e) if matches!(**e, LfsError::Sizes { .. })),
        "{text}"
    );
    for part in [
        "a.bin says 1",
        "b.bin says 2",
        &Sha256::of(b"x").to_string(),
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }

    let repository = TestRepository::new();
    repository.commit_file("a.bin", pointer(b"x", 0).as_bytes());
    repository.tag("v1.0.0");
    let error = found(&repository.mirror()).unwrap_err();
    assert!(
        matches!(&error, GitError::Lfs(e) if matches!(**e, LfsError::NotEmpty { .. })),
        "{error}"
    );
}

#[test]
fn pointers_of_any_path_are_found_among_thousands_and_the_search_stops_on_request() {
    let repository = TestRepository::new();
    let mut stream =
        b"commit refs/heads/main\ncommitter A <a@b> 1767225600 +0000\ndata 1\nx\n".to_vec();
    for number in 0..3000_u32 {
        let content = number.to_be_bytes();
        let oid = Sha256::of(&content);
        let text = LfsPointer { oid, size: 4 }.to_string();
        let path = format!("\"odd\\n{number}/ \\377 {}\"", "long".repeat(400));
        let file = format!("M 100644 inline {path}\ndata {}\n{text}\n", text.len());
        stream.extend(file.into_bytes());
    }
    let input = repository.beside("stream");
    fs::write(&input, stream).unwrap();
    succeed(
        git_command(&repository.path())
            .args(["fast-import", "--quiet"])
            .stdin(fs::File::open(input).unwrap()),
    );
    repository.git(["tag", "--message", "x", "v1.0.0", "main"]);
    let mirror = repository.mirror();
    assert_eq!(found(&mirror).unwrap().len(), 3000);

    let monitor = Recording::default();
    monitor.cancel();
    let task = Task::begin(&monitor, "pointers", None, Unit::Items);
    let commit = mirror.tag("v1.0.0").unwrap().commit;
    let stopped = mirror.find_lfs_objects(&commit, 0, &mut LfsObjects::default(), &task);
    assert!(
        matches!(stopped, Err(GitError::Cancelled(_))),
        "{stopped:?}"
    );
}

#[test]
fn an_object_of_several_repositories_is_taken_once() {
    let text = LfsPointer {
        oid: Sha256::of(b"x"),
        size: 1,
    };
    let text = text.to_string();
    let mut objects = LfsObjects::default();
    let task = Task::begin(&Silent, "pointers", None, Unit::Items);
    for (number, name) in ["first.bin", "second.bin"].into_iter().enumerate() {
        let repository = TestRepository::new();
        repository.commit_file(name, text.as_bytes());
        let commit = repository.git(["rev-parse", "HEAD"]);
        let mirror = repository.mirror();
        mirror
            .find_lfs_objects(&commit, number, &mut objects, &task)
            .unwrap();
    }
    let all: Vec<_> = objects.iter().collect();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].file.as_str(), all[0].repository), ("first.bin", 0));
}
