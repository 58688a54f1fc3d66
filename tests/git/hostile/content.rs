//! What files of the tree ask of git: attributes, submodules, signatures.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use super::{Ground, Made, Refused, Row, try_all};
use crate::support::git::succeed;

#[test]
fn attributes_neither_run_a_program_nor_change_a_byte() {
    let ground = Ground::new();
    for key in ["clean", "smudge", "process"] {
        ground.set(&format!("filter.trap.{key}"), "TRAP");
    }
    for key in [
        "diff.trap.textconv",
        "diff.trap.command",
        "merge.trap.driver",
    ] {
        ground.set(key, "TRAP");
    }
    ground.git(["config", "core.autocrlf", "true"]);
    let files: [(&str, &[u8]); 5] = [
        ("filtered.txt", b"$Id$ one\r\n"),
        ("ident.c", b"$Id$ two\n"),
        ("crlf.c", b"a\nb\r\nc\n"),
        ("wide.rc", b"plain\n"),
        ("left.out", b"kept\n"),
    ];
    let attributes = b"*.txt filter=trap diff=trap merge=trap\n*.c ident eol=crlf text\n\
        *.rc working-tree-encoding=UTF-16LE-BOM\nleft.out export-ignore\n* export-subst\n";
    ground.write(".git/info/attributes", attributes);
    let mut index = String::new();
    ground.write(".gitattributes", attributes);
    for (name, content) in files
        .iter()
        .copied()
        .chain([(".gitattributes", &attributes[..])])
    {
        ground.write("../staged", content);
        let id = ground.git(["hash-object", "-w", "--no-filters", "../staged"]);
        writeln!(index, "100644 {id}\t{name}").unwrap();
    }
    let list = ground.small.path("index");
    fs::write(&list, index).unwrap();
    succeed(
        crate::support::git::git_command(&ground.small.repository.path())
            .args(["update-index", "--add", "--index-info"])
            .stdin(fs::File::open(list).unwrap()),
    );
    ground.git(["commit", "--quiet", "--message", "attributes"]);
    ground.git(["tag", "--force", "--message", "x", "v1.0.0"]);
    ground.spring(&["checkout", "--force", "HEAD"]);
    ground.spring(&["status"]);
    assert!(ground.sprung());
    ground.judge("attributes", &|| ground.small.command(), &Made);

    let archive = ground.small.archive().join("Source/source-tree.tar.gz");
    for (name, content) in files {
        let member = format!("small-1.0.0/{name}");
        let output = succeed(Command::new("tar").arg("-xzOf").arg(&archive).arg(member));
        assert_eq!(output.stdout, content, "{name}");
    }
}

#[test]
fn what_gitmodules_says_is_never_run() {
    fn says(ground: &Ground, text: &str) {
        ground.write(".gitmodules", ground.filled(text).as_bytes());
        ground.retag();
    }
    try_all(&[
        Row {
            name: "an update that is a command",
            lay: |ground| {
                says(
                    ground,
                    "[submodule \"x\"]\n\tpath = x\n\turl = ./x\n\tupdate = !TRAP\n",
                );
            },
            outcome: Made,
        },
        Row {
            name: "a URL that is an option",
            lay: |ground| {
                says(
                    ground,
                    "[submodule \"x\"]\n\tpath = x\n\turl = --upload-pack=TRAP\n",
                );
            },
            outcome: Made,
        },
        Row {
            name: "a path that is an option and a name that climbs",
            lay: |ground| {
                says(
                    ground,
                    "[submodule \"../../x\"]\n\tpath = --x=TRAP\n\turl = ext::TRAP\n",
                );
            },
            outcome: Made,
        },
    ]);
}

#[test]
fn a_signature_starts_none_of_the_programs_that_check_it() {
    fn signed(ground: &Ground, begin: &str, end: &str) {
        for key in [
            "gpg.program",
            "gpg.openpgp.program",
            "gpg.ssh.program",
            "gpg.x509.program",
        ] {
            ground.set(key, "TRAP");
        }
        let message = format!("x\n{begin}\n\niQ==\n{end}\n");
        ground.git([
            "tag",
            "--force",
            "--cleanup=verbatim",
            "--message",
            &message,
            "v1.0.0",
        ]);
        ground.spring(&["tag", "--verify", "v1.0.0"]);
    }
    try_all(&[
        Row {
            name: "OpenPGP",
            lay: |ground| {
                let (begin, end) = (
                    "-----BEGIN PGP SIGNATURE-----",
                    "-----END PGP SIGNATURE-----",
                );
                signed(ground, begin, end);
                assert!(ground.sprung());
            },
            outcome: Refused("has a signature that does not match it"),
        },
        Row {
            name: "X.509",
            lay: |ground| {
                let (begin, end) = (
                    "-----BEGIN SIGNED MESSAGE-----",
                    "-----END SIGNED MESSAGE-----",
                );
                signed(ground, begin, end);
                assert!(ground.sprung());
            },
            outcome: Refused("has a signature that does not match it"),
        },
        Row {
            name: "a tag in the configuration that is an option",
            lay: |ground| {
                let text = fs::read_to_string(ground.small.repository.path().join("dhfpack.toml"));
                let text = text
                    .unwrap()
                    .replace("v{version}", "--upload-pack={version}");
                ground.write("dhfpack.toml", text.as_bytes());
                ground.retag();
            },
            outcome: Refused("is not a tag's name"),
        },
    ]);
}
