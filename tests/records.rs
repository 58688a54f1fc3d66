//! The records' revision, the tag, and the checkout beside them.

use std::fs;
use std::process::Output;

use crate::support::git::{TestRepository, git, git_command, succeed};
use crate::support::release::{dhfpack, told};
use crate::support::small::{Small, config, manifest, paths, tells};

const EVIDENCE: &str = "[[slot]]\nid = \"any\"\nfiles = [\"evidence/*.xml\"]";

/// A product tagged `v1.0.0`, whose evidence came later, on the branch `records`.
fn with_later_records(rest: &str) -> Small {
    let small = Small::new(rest).release();
    small
        .repository
        .git(["checkout", "--quiet", "-b", "records"]);
    small
        .repository
        .commit_file("evidence/report.xml", b"<passed/>");
    small.repository.git(["checkout", "--quiet", "main"]);
    small
}

fn rebuild(small: &Small) -> Output {
    let mut command = dhfpack();
    command.arg("rebuild").arg(small.archive());
    command.arg("--repo").arg(small.repository.path());
    command.output().unwrap()
}

#[test]
fn documents_may_be_later_than_the_tag_and_both_revisions_are_told() {
    let small = with_later_records(EVIDENCE);
    tells(&small.failure::<&str>([], 2), &["evidence/*.xml"]);
    let built = small.build(["--records", "records"]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let manifest = manifest(&small.archive());
    assert_eq!(paths(&manifest, "any"), ["Any/report.xml"]);
    assert_eq!(manifest["records"]["rev"], "records");
    let commit = |rev: &str| small.repository.git(["rev-parse", rev]);
    assert_eq!(manifest["records"]["commit"], commit("records").as_str());
    assert_eq!(manifest["source"]["commit"], commit("v1.0.0^{}").as_str());
    // What the command line said is archived as resolved.
    let resolved = small
        .archive()
        .join("Release Record/Configuration/resolved.json");
    tells(
        &fs::read_to_string(resolved).unwrap(),
        &["\"rev\": \"records\""],
    );
}

#[test]
fn the_configuration_at_the_tag_may_name_the_records_revision() {
    let rest = format!("\n[records]\nrev = \"records\"\n{EVIDENCE}");
    let small = with_later_records(&rest);
    for arguments in [&[][..], &["--tag", "v1.0.0"]] {
        let built = small.build(arguments);
        assert_eq!(built.status.code(), Some(0), "{}", told(&built));
        let manifest = manifest(&small.archive());
        assert_eq!(manifest["records"]["rev"], "records", "{arguments:?}");
        fs::remove_dir_all(small.archive()).unwrap();
    }
}

#[test]
fn an_archive_is_rebuilt_from_its_commit_though_the_branch_moved_on() {
    let small = with_later_records(EVIDENCE);
    let built = small.build(["--records", "records"]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    small.repository.git(["checkout", "--quiet", "records"]);
    small
        .repository
        .commit_file("evidence/report.xml", b"<other/>");
    small.repository.write(
        "dhfpack.toml",
        config("small", "1.1.0", "v{version}", "").as_bytes(),
    );
    small.repository.commit_all("on to 1.1.0");
    let rebuilt = rebuild(&small);
    assert_eq!(rebuilt.status.code(), Some(0), "{}", told(&rebuilt));
    tells(&told(&rebuilt), &["verdict   identical"]);
    small.repository.git(["checkout", "--quiet", "main"]);
    small.repository.git(["branch", "--quiet", "-D", "records"]);
    let gone = rebuild(&small);
    assert_eq!(gone.status.code(), Some(1), "{}", told(&gone));
    tells(&told(&gone), &["has no branch, tag or commit"]);
}

#[test]
fn a_tag_that_is_missing_or_not_the_versions_is_refused() {
    let small = Small::new("").release();
    small.repository.tag("v2.0.0");
    let message = small.failure(["--tag", "v2.0.0"], 2);
    tells(
        &message,
        &["`v2.0.0` is not the one of version 1.0.0", "`v1.0.0`"],
    );
    let message = small.failure(["--tag", "v1.0.1"], 1);
    tells(&message, &["has no tag v1.0.1", "did you mean"]);
    let message = small.failure(["--records", "none"], 1);
    tells(&message, &["has no branch, tag or commit none"]);
    small.repository.write(
        "dhfpack.toml",
        config("small", "3.0.0", "v{version}", "").as_bytes(),
    );
    let message = small.failure::<&str>([], 1);
    tells(&message, &["has no tag v3.0.0"]);
}

#[test]
fn a_tag_made_before_its_version_was_written_is_refused_and_no_other_tag_taken() {
    let small = Small::new("").release();
    small.repository.tag("v2.0.0");
    let later = config("small", "2.0.0", "v{version}", "");
    small
        .repository
        .commit_file("dhfpack.toml", later.as_bytes());
    let message = small.failure::<&str>([], 2);
    tells(&message, &["`v2.0.0` is not the one of version 1.0.0"]);
}

#[test]
fn a_branch_of_the_tags_name_does_not_take_its_place() {
    let small = Small::new("").release();
    let commit = small.repository.git(["rev-parse", "v1.0.0^{}"]);
    small.repository.commit_file("later.md", b"x");
    small.repository.git(["branch", "v1.0.0"]);
    assert_eq!(small.manifest()["records"]["commit"], commit.as_str());
}

#[test]
fn a_shallow_clone_is_refused_with_the_command_that_mends_it() {
    let small = Small::new("");
    small.repository.commit_all("first");
    let small = small.release();
    let url = format!("file://{}", small.repository.path().display());
    let clone = small.path("clone");
    succeed(
        git_command(&small.path(""))
            .args(["clone", "--quiet", "--depth", "1", &url])
            .arg(&clone),
    );
    let message = small.failure(["--repo".as_ref(), clone.as_os_str()], 1);
    tells(
        &message,
        &["is a shallow clone", "fetch --unshallow --tags"],
    );
    git(&clone, ["fetch", "--quiet", "--unshallow", "--tags"]);
    let built = small.build(["--repo".as_ref(), clone.as_os_str()]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
}

#[test]
fn bare_repositories_and_detached_heads_give_the_same_manifest() {
    let small = Small::new("").release();
    let bytes = |small: &Small, arguments: &[&str]| {
        let built = small.build(arguments);
        assert_eq!(built.status.code(), Some(0), "{}", told(&built));
        let bytes = fs::read(small.archive().join("Manifest/manifest.json")).unwrap();
        fs::remove_dir_all(small.archive()).unwrap();
        bytes
    };
    let expected = bytes(&small, &[]);
    let bare = small.path("bare.git");
    small.repository.git([
        "clone".as_ref(),
        "--quiet".as_ref(),
        "--bare".as_ref(),
        small.repository.path().as_os_str(),
        bare.as_os_str(),
    ]);
    let bare = bare.to_str().unwrap().to_owned();
    assert_eq!(bytes(&small, &["--repo", &bare]), expected);
    assert_eq!(
        bytes(&small, &["--repo", &bare, "--tag", "v1.0.0"]),
        expected
    );
    small
        .repository
        .git(["checkout", "--quiet", "--detach", "v1.0.0"]);
    assert_eq!(bytes(&small, &[]), expected);
    let worktree = small.path("worktree");
    let worktree = worktree.to_str().unwrap();
    small
        .repository
        .git(["worktree", "add", "--quiet", "--detach", worktree, "v1.0.0"]);
    assert_eq!(bytes(&small, &["--repo", worktree]), expected);
}

#[test]
fn a_bare_repository_without_a_configuration_at_its_head_asks_for_the_tag() {
    let small = Small::new("").release();
    let file = small.repository.path().join("dhfpack.toml");
    fs::remove_file(file).unwrap();
    small.repository.commit_all("elsewhere from now on");
    let bare = small.path("bare.git");
    small.repository.git([
        "clone".as_ref(),
        "--quiet".as_ref(),
        "--bare".as_ref(),
        small.repository.path().as_os_str(),
        bare.as_os_str(),
    ]);
    let bare = bare.to_str().unwrap();
    let message = small.failure(["--repo", bare], 2);
    tells(
        &message,
        &[
            "no files checked out",
            "no dhfpack.toml at `HEAD`",
            "--tag TAG",
        ],
    );
    let built = small.build(["--repo", bare, "--tag", "v1.0.0"]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
}

#[test]
fn a_checkout_without_the_configuration_builds_a_tag_that_has_it() {
    let small = Small::new("").release();
    small.repository.git(["rm", "--quiet", "dhfpack.toml"]);
    small.repository.commit_all("moved away");
    let built = small.build(["--tag", "v1.0.0"]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
}

#[test]
fn what_the_checkout_has_besides_the_tag_is_told_once() {
    let small = Small::new("");
    small.repository.write(".gitignore", b"*.log\n");
    let small = small.release();
    small.repository.write("docs/build.md", b"changed\n");
    small.repository.write("job.log", b"ignored\n");
    small.repository.write("new.md", b"untracked\n");
    let archives = small.repository.path();
    let built = small.build(["--output".as_ref(), archives.as_os_str()]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let told = told(&built);
    for (kind, path) in [
        ("modified", "docs/build.md"),
        ("untracked", "new.md"),
        ("ignored", "job.log"),
    ] {
        let notice = format!("{kind} in the checkout");
        assert_eq!(told.matches(&notice).count(), 1, "{kind}: {told}");
        tells(&told, &[path]);
    }
    assert!(!told.contains(".dhfpack-"), "{told}");
    let archive = archives.join("small-1.0.0");
    let archived = fs::read_to_string(archive.join("File/Build/build.md")).unwrap();
    assert_eq!(archived, "# build of small\n");
}

#[test]
fn a_changed_configuration_in_the_checkout_does_not_count() {
    let small = Small::new("").release();
    let any = "[[slot]]\nid = \"any\"\nfiles = [\"docs/build.md\"]";
    let changed = config("small", "1.0.0", "v{version}", any);
    small.repository.write("dhfpack.toml", changed.as_bytes());
    let built = small.build::<&str>([]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    tells(&told(&built), &["the one at `v1.0.0` counts"]);
    assert!(paths(&manifest(&small.archive()), "any").is_empty());
}

#[test]
fn code_and_records_may_be_in_different_repositories() {
    let code = TestRepository::new();
    code.commit_file("main.c", b"int main(void) { return 0; }\n");
    code.tag("v1.0.0");
    let rest = format!(
        "\n[source]\nrepository = \"{}\"\n\n[records]\nrev = \"main\"\n",
        code.path().display()
    );
    let small = Small::new(&rest);
    small.repository.commit_all("records");
    let built = small.build(["--tag", "v1.0.0"]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let manifest = manifest(&small.archive());
    let code_commit = code.git(["rev-parse", "v1.0.0^{}"]);
    assert_eq!(manifest["source"]["commit"], code_commit.as_str());
    let records_commit = small.repository.git(["rev-parse", "main"]);
    assert_eq!(manifest["records"]["commit"], records_commit.as_str());
    let bundle = small.archive().join("Source/repository.bundle");
    code.git(["bundle".as_ref(), "verify".as_ref(), bundle.as_os_str()]);
    let rebuilt = rebuild(&small);
    assert_eq!(rebuilt.status.code(), Some(0), "{}", told(&rebuilt));
    // The code's repository has moved.
    let moved = small.path("moved");
    fs::rename(code.path(), &moved).unwrap();
    tells(&told(&rebuild(&small)), &["source"]);
    let mut command = dhfpack();
    command.arg("rebuild").arg(small.archive());
    command.arg("--repo").arg(small.repository.path());
    command
        .arg("--repository")
        .arg(format!("source={}", moved.display()));
    let rebuilt = command.output().unwrap();
    assert_eq!(rebuilt.status.code(), Some(0), "{}", told(&rebuilt));
}
