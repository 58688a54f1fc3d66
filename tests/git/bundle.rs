use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use dhfpack::monitor::{Recording, Silent, Task, Unit};
use dhfpack::source::git::{GitError, Mirror};

use crate::support::git::{TestRepository, git, git_command, succeed};

fn bundle_of(mirror: &Mirror, tag: &str) -> Vec<u8> {
    let task = Task::begin(&Silent, "bundle", None, Unit::Bytes);
    let mut bytes = Vec::new();
    let tag = mirror.tag(tag).unwrap();
    mirror.bundle(&tag, &mut bytes, &task).unwrap();
    bytes
}

/// History with deltas to choose from: files that change a little, and a merge.
fn with_history(format: &str) -> TestRepository {
    let repository = TestRepository::with_format(format);
    let mut text = String::new();
    for number in 0..60_u32 {
        for line in 0..20 {
            let value = (number * 7919 + line * 104_729) % 9973;
            writeln!(text, "{number} {value}").unwrap();
        }
        repository.write(format!("src/part{}.c", number % 7), text.as_bytes());
        repository.write("all.c", text.as_bytes());
        repository.commit_all("change");
        if number == 30 {
            repository.git(["checkout", "--quiet", "-b", "topic"]);
            repository.commit_file("topic.c", text.as_bytes());
            repository.git(["checkout", "--quiet", "main"]);
            repository.git(["merge", "--quiet", "--no-ff", "--no-edit", "topic"]);
        }
    }
    repository.tag("v1.0.0");
    repository
}

#[test]
fn a_bundle_does_not_depend_on_how_the_repository_was_packed() {
    let repository = with_history("sha1");
    let loose = bundle_of(&repository.mirror(), "v1.0.0");
    let clone = repository.beside("clone");
    repository.git([
        "clone",
        "--quiet",
        "--no-local",
        ".",
        clone.to_str().unwrap(),
    ]);
    git(
        &clone,
        [
            "repack",
            "-adfq",
            "--window=2",
            "--depth=2",
            "--write-bitmap-index",
        ],
    );
    git(&clone, ["commit-graph", "write", "--reachable"]);
    assert!(
        bundle_of(&repository.mirror_of(&clone), "v1.0.0") == loose,
        "repacked"
    );
    repository.git(["gc", "--quiet", "--aggressive"]);
    assert!(bundle_of(&repository.mirror(), "v1.0.0") == loose, "gc");
    let from_bundle = repository.beside("source.bundle");
    fs::write(&from_bundle, &loose).unwrap();
    assert!(
        bundle_of(&repository.mirror_of(&from_bundle), "v1.0.0") == loose,
        "from the bundle itself"
    );
}

#[test]
fn a_bundle_does_not_change_when_tags_and_branches_are_added_later() {
    let repository = with_history("sha1");
    let before = bundle_of(&repository.mirror(), "v1.0.0");
    repository.git(["tag", "early", "HEAD~20"]);
    repository.git(["tag", "--annotate", "--message", "x", "middle", "HEAD~9"]);
    repository.commit_file("later.c", b"later\n");
    repository.tag("v1.0.1");
    assert!(bundle_of(&repository.mirror(), "v1.0.0") == before);
}

#[test]
fn a_bundle_is_cloned_and_checked_out_by_stock_git() {
    for format in ["sha1", "sha256"] {
        let repository = with_history(format);
        let file = repository.beside("source.bundle");
        fs::write(&file, bundle_of(&repository.mirror(), "v1.0.0")).unwrap();
        let clone = repository.beside("clone");
        let (file, target) = (file.to_str().unwrap(), clone.to_str().unwrap());
        repository.git(["clone", "--quiet", file, target]);
        assert_eq!(
            fs::read(clone.join("all.c")).unwrap(),
            fs::read(repository.path().join("all.c")).unwrap()
        );
        git(&clone, ["checkout", "--quiet", "v1.0.0"]);
        git(&clone, ["fsck", "--strict"]);
        assert_eq!(
            git(&clone, ["rev-parse", "v1.0.0"]),
            repository.git(["rev-parse", "v1.0.0"])
        );
    }
}

#[test]
fn nothing_that_the_tag_does_not_reach_is_in_its_bundle() {
    let repository = TestRepository::released();
    repository.git(["checkout", "--quiet", "-b", "secret"]);
    repository.commit_file("secret.txt", b"not released\n");
    let secret = repository.git(["rev-parse", "HEAD"]);
    let file = repository.beside("source.bundle");
    fs::write(&file, bundle_of(&repository.mirror(), "v1.0.0")).unwrap();
    let clone = repository.beside("clone");
    let (file, target) = (file.to_str().unwrap(), clone.to_str().unwrap());
    repository.git(["clone", "--quiet", "--mirror", file, target]);
    let objects = ["cat-file", "--batch-all-objects", "--batch-check"];
    let objects = git(&clone, objects);
    assert!(!objects.contains(&secret));
    // Two commits, three trees, two files, one tag.
    assert_eq!(objects.lines().count(), 8, "{objects}");
    assert_eq!(
        git(&clone, ["for-each-ref", "--format=%(refname)"]),
        "refs/tags/v1.0.0"
    );
}

#[test]
fn a_stop_ends_a_long_bundle_promptly() {
    let repository = TestRepository::new();
    let mut state = 1_u64;
    let mut stream = Vec::new();
    // Large files that resemble one another: a delta search of many seconds.
    for number in 0..40 {
        let mut text = String::new();
        for _ in 0..60_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            writeln!(text, "{:x}", state >> 34).unwrap();
        }
        stream.extend(format!("blob\nmark :{}\ndata {}\n{text}\n", number + 1, text.len()).bytes());
    }
    stream.extend(b"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\n");
    for number in 0..40 {
        stream.extend(format!("M 100644 :{} file{number}\n", number + 1).bytes());
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
    let tag = mirror.tag("v1.0.0").unwrap();
    let monitor = Recording::default();
    let task = Task::begin(&monitor, "bundle", None, Unit::Bytes);
    let asked = std::thread::scope(|scope| {
        let stop = scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            monitor.cancel();
            Instant::now()
        });
        let result = mirror.bundle(&tag, &mut std::io::sink(), &task);
        assert!(matches!(result, Err(GitError::Cancelled(_))), "{result:?}");
        stop.join().unwrap()
    });
    assert!(asked.elapsed() < Duration::from_secs(2));
}
