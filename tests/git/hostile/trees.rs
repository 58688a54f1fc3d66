//! Trees and objects made by hand: names, modes and links that git itself never makes.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{Ground, Made, Outcome, Refused, Row, try_all};
use crate::support::git::{git_command, succeed};
use crate::support::small::manifest;

/// Writes an object whose bytes git does not look at.
fn object(ground: &Ground, kind: &str, bytes: &[u8]) -> String {
    let mut child = git_command(&ground.small.repository.path())
        .args(["hash-object", "-w", "--stdin", "--literally", "-t", kind])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn raw(id: &str) -> Vec<u8> {
    let digits = id.as_bytes().chunks(2);
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// Tags a commit of the tree with these entries beside those of the release, in git's order.
fn entries(ground: &Ground, more: &[(&str, &[u8], &str)]) {
    let listing = ground.git(["ls-tree", "v1.0.0"]);
    let mut all: Vec<(String, Vec<u8>, String)> = listing
        .lines()
        .map(|line| {
            let (head, name) = line.split_once('\t').unwrap();
            let words: Vec<&str> = head.split(' ').collect();
            (words[0].to_owned(), name.into(), words[2].to_owned())
        })
        .collect();
    for (mode, name, id) in more {
        all.push(((*mode).to_owned(), name.to_vec(), (*id).to_owned()));
    }
    all.sort_by_key(|(mode, name, _)| {
        let end: &[u8] = if mode.ends_with("40000") { b"/" } else { b"" };
        [name, end].concat()
    });
    let mut tree = Vec::new();
    for (mode, name, id) in &all {
        let mode = mode.trim_start_matches('0');
        tree.extend([mode.as_bytes(), b" ", name, b"\0", &raw(id)[..]].concat());
    }
    let tree = object(ground, "tree", &tree);
    tag_tree(ground, &tree);
}

fn tag_tree(ground: &Ground, tree: &str) {
    let commit = ground.git(["commit-tree", "-m", "x", tree]);
    ground.git(["tag", "--force", "--message", "x", "v1.0.0", &commit]);
}

fn blob(ground: &Ground) -> String {
    object(ground, "blob", b"trap\n")
}

/// The release with one more file of this name, or with a folder of this name and a file in it.
fn with_name(name: &[u8], folder: bool, outcome: &Outcome) {
    let ground = Ground::new();
    let blob = blob(&ground);
    if folder {
        let tree = [b"100644 config\0".as_slice(), &raw(&blob)].concat();
        let tree = object(&ground, "tree", &tree);
        entries(&ground, &[("40000", name, &tree)]);
    } else {
        entries(&ground, &[("100644", name, &blob)]);
    }
    let shown = String::from_utf8_lossy(name);
    ground.judge(&shown, &|| ground.small.command(), outcome);
}

#[test]
fn a_name_that_some_system_takes_for_git_or_for_a_way_out_is_refused() {
    for name in [
        "..",
        ".",
        ".git",
        ".GIT",
        ".gIt",
        "git~1",
        "GIT~1",
        ".git ",
        ".git.",
        ".git . .",
        ".git::$INDEX_ALLOCATION",
        ".git:x",
        ".g\u{200c}it",
        "\u{feff}.git",
        ".gi\u{206f}T",
        ".git\\config",
        "a\\.git\\config",
        "..\\x",
        "a\\..\\..\\x",
        "/etc/passwd",
        "a/../../x",
        "a//b",
    ] {
        let says = &Refused("cannot be unpacked safely");
        with_name(name.as_bytes(), false, says);
        if !name.contains('/') {
            with_name(name.as_bytes(), true, says);
        }
    }
}

#[test]
fn a_name_that_is_only_strange_is_archived_as_it_is() {
    for name in [
        &b"a\nb"[..],
        b"\n",
        b"-rf",
        b"--checkpoint-action=exec=sh trap",
        b"$(touch executed)",
        b"\"; touch executed; \"",
        b"back\\slash",
        b"..a",
        b"...",
        b".gitx",
        b"git~2",
        b".git-x",
        b"CON",
        b"a:b",
        b"\xff\xfe",
        "g\u{200c}it".as_bytes(),
        b"\x1b[2J",
    ] {
        with_name(name, false, &Made);
    }
}

#[test]
fn a_tree_that_is_no_tree_is_refused_and_an_old_one_is_read() {
    try_all(&[
        Row {
            name: "a mode that old programs wrote",
            lay: |ground| {
                let id = blob(ground);
                entries(ground, &[("100664", b"old", &id)]);
            },
            outcome: Made,
        },
        Row {
            name: "a mode of no kind of file",
            lay: |ground| {
                let id = blob(ground);
                entries(ground, &[("10644", b"fifo", &id)]);
            },
            outcome: Refused("fifo"),
        },
        Row {
            name: "one name twice",
            lay: |ground| {
                let id = blob(ground);
                entries(
                    ground,
                    &[("100644", b"twice", &id), ("100755", b"twice", &id)],
                );
            },
            outcome: Refused("cannot be unpacked safely"),
        },
        Row {
            name: "a folder twice",
            lay: |ground| {
                let id = ground.git(["rev-parse", "v1.0.0:docs"]);
                entries(ground, &[("40000", b"docs", &id)]);
            },
            outcome: Refused("cannot be unpacked safely"),
        },
        Row {
            name: "a link and a folder of one name",
            lay: |ground| {
                let link = object(ground, "blob", b"/tmp");
                let folder = ground.git(["rev-parse", "v1.0.0:docs"]);
                entries(ground, &[("120000", b"x", &link), ("40000", b"x", &folder)]);
            },
            outcome: Refused("cannot be unpacked safely"),
        },
        Row {
            name: "a link out and a folder that differs in case",
            lay: |ground| {
                let link = object(ground, "blob", b"/tmp");
                let folder = ground.git(["rev-parse", "v1.0.0:docs"]);
                entries(ground, &[("120000", b"X", &link), ("40000", b"x", &folder)]);
            },
            outcome: Refused("cannot be unpacked safely"),
        },
        Row {
            name: "a tree inside itself by another kind",
            lay: |ground| {
                let id = blob(ground);
                entries(ground, &[("40000", b"x", &id)]);
            },
            outcome: Refused("mirroring the repository"),
        },
        Row {
            name: "a tree cut short",
            lay: |ground| {
                let id = object(ground, "tree", b"100644 a\0cut");
                tag_tree(ground, &id);
            },
            outcome: Refused("git failed while"),
        },
        Row {
            name: "a commit without a date",
            lay: |ground| {
                let tree = ground.git(["rev-parse", "v1.0.0^{tree}"]);
                let id = object(ground, "commit", format!("tree {tree}\n\nx\n").as_bytes());
                ground.git(["update-ref", "refs/tags/v1.0.0", &id]);
            },
            outcome: Refused("a date in its header"),
        },
    ]);
}

#[test]
fn a_link_that_is_none_or_that_git_would_not_make_is_refused() {
    try_all(&[
        Row {
            name: "a .gitmodules that is a link",
            lay: |ground| {
                let id = object(ground, "blob", b"/etc/passwd");
                entries(ground, &[("120000", b".gitmodules", &id)]);
            },
            outcome: Refused("cannot be unpacked safely"),
        },
        Row {
            name: "a link without a target",
            lay: |ground| {
                let id = object(ground, "blob", b"");
                entries(ground, &[("120000", b"link", &id)]);
            },
            outcome: Refused("the target of a symbolic link"),
        },
        Row {
            name: "a link with a zero in its target",
            lay: |ground| {
                let id = object(ground, "blob", b"a\0b");
                entries(ground, &[("120000", b"link", &id)]);
            },
            outcome: Refused("the target of a symbolic link"),
        },
    ]);
}

/// The file of a loose object.
fn loose(ground: &Ground, rev: &str) -> std::path::PathBuf {
    let id = ground.git(["rev-parse", rev]);
    let (folder, name) = id.split_at(2);
    ground.git_dir().join("objects").join(folder).join(name)
}

fn damage(ground: &Ground, rev: &str, change: impl Fn(&mut Vec<u8>)) {
    let path = loose(ground, rev);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::remove_file(&path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_object_that_is_damaged_or_missing_is_noticed() {
    try_all(&[
        Row {
            name: "a file cut short",
            lay: |ground| damage(ground, "v1.0.0:a.txt", |bytes| bytes.truncate(8)),
            outcome: Refused("mirroring the repository"),
        },
        Row {
            name: "a file with other bytes",
            lay: |ground| {
                let other = fs::read(loose(ground, "v1.0.0:docs/build.md")).unwrap();
                damage(ground, "v1.0.0:a.txt", |bytes| bytes.clone_from(&other));
            },
            outcome: Refused("mirroring the repository"),
        },
        Row {
            name: "a commit that is missing",
            lay: |ground| {
                ground.retag();
                fs::remove_file(loose(ground, "v1.0.0^{commit}~1")).unwrap();
            },
            outcome: Refused("mirroring the repository"),
        },
        Row {
            name: "a pack without one of its files",
            lay: |ground| {
                ground.retag();
                let missing = ground.git(["rev-parse", "v1.0.0:a.txt"]);
                let ids = ground.git(["rev-list", "--objects", "--no-object-names", "--all"]);
                let ids: Vec<&str> = ids.lines().filter(|id| *id != missing).collect();
                let list = ground.small.path("ids");
                fs::write(&list, ids.join("\n") + "\n").unwrap();
                let pack = ground.git_dir().join("objects/pack/pack");
                succeed(
                    git_command(&ground.small.repository.path())
                        .arg("pack-objects")
                        .arg(pack)
                        .stdin(fs::File::open(list).unwrap()),
                );
                ground.git(["prune-packed"]);
                fs::remove_file(loose(ground, &missing)).unwrap();
            },
            outcome: Refused("mirroring the repository"),
        },
    ]);
}

#[test]
fn links_that_leave_the_tree_are_archived_named_and_harmless_to_unpack() {
    let ground = Ground::new();
    let repository = ground.small.repository.path();
    let outside = ground.small.path("outside");
    fs::create_dir(&outside).unwrap();
    for (target, name) in [
        (outside.to_str().unwrap(), "absolute"),
        ("../../outside", "climbing"),
        ("docs/../../up", "hidden"),
        ("docs/build.md", "inside"),
        ("../a.txt", "docs/beside"),
    ] {
        std::os::unix::fs::symlink(target, repository.join(name)).unwrap();
    }
    ground.retag();
    let built = ground.small.build::<&str>([]);
    let text = crate::support::release::told(&built);
    assert_eq!(built.status.code(), Some(0), "{text}");
    assert!(text.contains("absolute, climbing, hidden"), "{text}");
    assert!(!text.contains("inside"), "{text}");

    let out = ground.small.path("out");
    fs::create_dir(&out).unwrap();
    let archive = ground.small.archive().join("Source/source-tree.tar.gz");
    succeed(
        Command::new("tar")
            .arg("-xzf")
            .arg(archive)
            .arg("-C")
            .arg(&out),
    );
    assert_eq!(fs::read_dir(outside).unwrap().count(), 0);
    let link = out.join("small-1.0.0/climbing");
    assert_eq!(fs::read_link(link).unwrap().to_str(), Some("../../outside"));
    assert!(manifest(&ground.small.archive())["source"].is_object());
}
