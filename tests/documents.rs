//! Documents: which files fill a slot, and which cannot.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::git::git;
use crate::support::release::told;
use crate::support::small::{Small, paths, tells};

/// A slot filled by these globs, with tables before it.
fn slot(tables: &str, globs: &[&str]) -> String {
    format!("{tables}\n[[slot]]\nid = \"any\"\nfiles = {globs:?}")
}

const FOLDER: &str = "[[folder]]\nname = \"ci\"\npath = \"../ci-{version}\"";
const INDEXED: &str =
    "[[folder]]\nname = \"ci\"\npath = \"../ci-{version}\"\nindex = \"index.csv\"";

/// A released product, and beside it a folder `ci` that holds these files.
fn with_folder(tables: &str, globs: &[&str], files: &[(&str, &str)]) -> Small {
    let small = Small::new(&slot(tables, globs));
    for (name, text) in files {
        let path = small.path("ci-1.0.0").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    small.release()
}

#[test]
fn globs_keep_the_folders_below_their_first_wildcard() {
    let globs = [
        "docs/a/**/*.md",
        "/records/{version}.txt",
        "./docs/x[12].md",
    ];
    let small = Small::new(&slot("", &globs));
    for name in [
        "docs/a/1.md",
        "docs/a/b/2.md",
        "docs/a/b/2.txt",
        "docs/x1.md",
        "docs/x3.md",
        "records/1.0.0.txt",
        "records/2.0.0.txt",
    ] {
        small.repository.write(name, name.as_bytes());
    }
    let manifest = small.release().manifest();
    let expected = ["Any/1.0.0.txt", "Any/1.md", "Any/b/2.md", "Any/x1.md"];
    assert_eq!(paths(&manifest, "any"), expected);
}

#[test]
fn a_file_that_two_globs_find_is_one_document() {
    let small = Small::new(&slot("", &["docs/*.md", "docs/build.md", "docs/b*"])).release();
    let manifest = small.manifest();
    assert_eq!(paths(&manifest, "any").len(), 3);
    let slots = manifest["slots"].as_array().unwrap();
    let any = slots.iter().find(|slot| slot["id"] == "any").unwrap();
    assert_eq!(any["fill"]["files"], 3);
}

#[test]
fn everything_wrong_with_the_documents_is_told_at_once() {
    let globs = [
        "none/*.md",
        "docs",
        "docs/Build.md",
        "docs/bild.md",
        "../up.md",
        "docs/[",
        "docs\\build.md",
        "bad/**",
        "other/a/same.md",
        "other/b/same.md",
        "docs/criteria.md",
    ];
    let small = Small::new(&slot("", &globs));
    for name in [
        "bad/NUL.txt",
        "bad/new\nline",
        "bad/Case",
        "bad/case",
        "bad/end.",
    ] {
        small.repository.write(name, b"x");
    }
    small
        .repository
        .write(format!("bad/{}", "x".repeat(190)), b"x");
    for name in ["other/a/same.md", "other/b/same.md"] {
        small.repository.write(name, name.as_bytes());
    }
    let link = small.repository.path().join("bad/link");
    std::os::unix::fs::symlink("../docs/build.md", link).unwrap();
    let message = small.release().failure::<&str>([], 2);
    tells(
        &message,
        &[
            "dhfpack.toml at v1.0.0:22: slot `any`, files = [\"none/*.md\"]: it matches none of the",
            "write \"docs/**\"",
            "did you mean \"docs/build.md\"?",
            "`..` leads nowhere",
            "it is no valid glob",
            "folders are separated by `/`",
            "Windows reserves that name",
            "'\\n'",
            "drops a dot",
            "differ only in case",
            "longer than 180",
            "bad/link is a symbolic link",
            "other/b/same.md: \"Any/same.md\" collides with \"Any/same.md\": it is the same path as",
        ],
    );
}

#[test]
fn a_document_that_is_not_committed_at_the_revision_is_not_there() {
    let small = Small::new(&slot("", &["docs/late.md"])).release();
    small.repository.write("docs/late.md", b"x");
    let message = small.failure::<&str>([], 2);
    tells(&message, &["files at the records' revision"]);
}

#[test]
fn a_git_lfs_pointer_is_no_document() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    let small = with_folder(FOLDER, &["ci:*"], &[("manual.pdf", pointer)]);
    let message = small.failure::<&str>([], 1);
    tells(&message, &["ci:manual.pdf is a Git LFS pointer"]);
}

#[test]
fn a_folder_outside_gives_documents_with_what_its_index_says() {
    let index = "\u{feff}file,id,revision,approver,approval_date,origin\n\
                 tests/report.xml,TR-7,2,Dana Smith,2026-01-30,\"CI, job 17\"\n\
                 plan.md,VP-1,1,,,\n";
    let small = with_folder(
        INDEXED,
        &["ci:**/*.xml", "ci:/plan.md"],
        &[
            ("tests/report.xml", "<x/>"),
            ("plan.md", "plan"),
            ("index.csv", index),
        ],
    );
    let manifest = small.manifest();
    assert_eq!(
        paths(&manifest, "any"),
        ["Any/plan.md", "Any/tests/report.xml"]
    );
    let files = manifest["files"].as_array().unwrap();
    let report = files
        .iter()
        .find(|file| file["path"] == "Any/tests/report.xml");
    let record = &report.unwrap()["document"];
    for (field, value) in [
        ("id", "TR-7"),
        ("revision", "2"),
        ("approver", "Dana Smith"),
        ("approval_date", "2026-01-30"),
        ("origin", "CI, job 17"),
    ] {
        assert_eq!(record[field], Value::from(value), "{field}");
    }
}

#[test]
fn everything_wrong_with_an_index_is_told_with_its_line() {
    let head = "file,id,revision\n";
    for (index, expected) in [
        (
            format!("{head}a.md,A,1\nnone.md,N,1\na.md,A,2\nb.md,,1\nb.md,B\n"),
            &[
                "line 3: `none.md` is not in the folder",
                "line 4: `a.md` is named twice",
                "line 5: `b.md` has no id",
                "line: 6",
            ][..],
        ),
        (
            "file;id;revision\na.md;A;1\n".to_owned(),
            &["not separated by commas"],
        ),
        ("file,id\na.md,A\n".to_owned(), &["revision"]),
        (
            "file,id,revision,aproved\na.md,A,1,x\n".to_owned(),
            &["aproved"],
        ),
    ] {
        let files = [("a.md", "a"), ("b.md", "b"), ("index.csv", index.as_str())];
        let small = with_folder(INDEXED, &["ci:*.md"], &files);
        tells(&small.failure::<&str>([], 1), expected);
    }
    let small = with_folder(INDEXED, &["ci:*.md"], &[("a.md", "a")]);
    tells(&small.failure::<&str>([], 1), &["index.csv"]);
}

#[test]
fn an_index_that_makes_a_manifest_no_reader_takes_is_refused() {
    let cell = "x".repeat(5 << 20);
    let index =
        format!("file,id,revision,approver,approval_date,origin\na.md,1,1,A,2026-01-30,{cell}\n");
    let files = [("a.md", "a"), ("index.csv", index.as_str())];
    let small = with_folder(INDEXED, &["ci:*.md"], &files);
    let message = small.failure::<&str>([], 1);
    tells(&message, &["the manifest has", "files", "indexes"]);
    assert!(!small.archive().exists());
}

#[test]
fn a_folder_may_be_elsewhere_and_must_be_there() {
    let small = with_folder(FOLDER, &["ci:*.md"], &[("a.md", "a")]);
    let moved = small.path("moved");
    fs::rename(small.path("ci-1.0.0"), &moved).unwrap();
    let message = small.failure::<&str>([], 1);
    tells(&message, &["the folder `ci` is not at", "--folder ci=PATH"]);
    let option = format!("ci={}", moved.display());
    let built = small.build(["--folder", &option]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let names = fs::read(small.archive().join("Manifest/manifest.json")).unwrap();
    assert!(!String::from_utf8(names).unwrap().contains("moved"));
}

#[test]
fn links_and_pipes_in_a_folder_are_refused_only_where_a_glob_takes_them() {
    let small = with_folder(FOLDER, &["ci:*.md"], &[("a.md", "a")]);
    let folder = small.path("ci-1.0.0");
    let pipe = Command::new("mkfifo").arg(folder.join("pipe")).status();
    assert!(pipe.unwrap().success());
    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    small.manifest();
    fs::remove_dir_all(small.archive()).unwrap();
    fs::rename(folder.join("pipe"), folder.join("pipe.md")).unwrap();
    fs::rename(folder.join("link"), folder.join("link.md")).unwrap();
    let message = small.failure::<&str>([], 2);
    tells(
        &message,
        &[
            "ci:pipe.md is a device, pipe or socket",
            "ci:link.md is a symbolic link",
        ],
    );
}

#[test]
fn another_repository_gives_documents_at_its_tag() {
    let tables = "[[repository]]\nname = \"qms\"\nlocation = \"../qms\"\ntag = \"small-{version}\"";
    let small = Small::new(&slot(tables, &["qms:procedures/**/*.md"]));
    let qms = small.path("qms");
    fs::create_dir_all(qms.join("procedures/service")).unwrap();
    git(&qms, ["init", "--quiet"]);
    fs::write(qms.join("procedures/service/sop.md"), "approved").unwrap();
    git(&qms, ["add", "."]);
    git(&qms, ["commit", "--quiet", "--message", "approved"]);
    let small = small.release();
    let message = small.failure::<&str>([], 1);
    tells(&message, &["repository `qms`", "has no tag small-1.0.0"]);
    git(&qms, ["tag", "--annotate", "--message", "x", "small-1.0.0"]);
    fs::write(qms.join("procedures/service/sop.md"), "a draft").unwrap();
    git(&qms, ["commit", "--all", "--quiet", "--message", "draft"]);
    let manifest = small.manifest();
    assert_eq!(paths(&manifest, "any"), ["Any/service/sop.md"]);
    let archived = fs::read_to_string(small.archive().join("Any/service/sop.md"));
    assert_eq!(archived.unwrap(), "approved");
    fs::remove_dir_all(small.archive()).unwrap();
    fs::rename(&qms, small.path("elsewhere")).unwrap();
    let message = small.failure::<&str>([], 1);
    tells(&message, &["repository `qms`", "--repository qms=LOCATION"]);
    let built = small.build(["--repository", "qms=../elsewhere"]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
}

#[test]
fn a_document_of_any_size_takes_little_memory() {
    let small = with_folder(FOLDER, &["ci:*"], &[("small.bin", "x")]);
    let size = 512 << 20;
    let file = fs::File::create(small.path("ci-1.0.0/big.bin")).unwrap();
    file.set_len(size).unwrap();
    let build = small.command();
    let mut limited = Command::new("sh");
    // In KiB; of data, so that mapped programs do not count.
    limited.args(["-c", "ulimit -d 131072; exec \"$0\" \"$@\""]);
    limited.arg(build.get_program()).args(build.get_args());
    limited.current_dir(small.repository.path()).env_clear();
    for (name, value) in build.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    let built = limited.output().unwrap();
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    let archived = fs::metadata(small.archive().join("Any/big.bin")).unwrap();
    assert_eq!(archived.len(), size);
}
