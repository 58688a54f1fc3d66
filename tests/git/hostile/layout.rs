//! Repositories whose files lead elsewhere, and names of references that are more than names.

use std::fmt::Write as _;
use std::fs;

use super::{Ground, Made, Refused, Row, try_all};

fn write(ground: &Ground, name: &str, text: &str) {
    let path = ground.git_dir().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Moves the repository away and leaves a `.git` that points at it.
fn moved(ground: &Ground, pointer: &str) {
    fs::rename(ground.git_dir(), ground.small.path("moved")).unwrap();
    fs::write(ground.git_dir(), pointer).unwrap();
}

#[test]
fn a_repository_that_leads_elsewhere_is_read_without_its_configuration() {
    try_all(&[
        Row {
            name: "a .git file",
            lay: |ground| {
                ground.set("core.fsmonitor", "TRAP");
                moved(ground, "gitdir: ../moved\n");
            },
            outcome: Made,
        },
        Row {
            name: "a .git file that leads to itself",
            lay: |ground| moved(ground, "gitdir: .git\n"),
            outcome: Refused("/.git/"),
        },
        Row {
            name: "a .git file that leads nowhere",
            lay: |ground| moved(ground, "gitdir: /no/where\n"),
            outcome: Refused("/no/where"),
        },
        Row {
            name: "a .git file that is none",
            lay: |ground| moved(ground, "gitdir=x\n"),
            outcome: Refused("`gitdir: ` and a path"),
        },
        Row {
            name: "objects of another repository",
            lay: |ground| {
                let other = ground.small.path("other");
                let other = other.to_str().unwrap();
                ground.git(["clone", "--quiet", "--bare", ".", other]);
                write(
                    ground,
                    "objects/info/alternates",
                    &format!("{other}/objects\n"),
                );
                ground.set("core.alternateRefsCommand", "TRAP");
            },
            outcome: Made,
        },
        Row {
            name: "objects of a repository that is not there",
            lay: |ground| write(ground, "objects/info/alternates", "/no/where\n\"\\001\n"),
            outcome: Made,
        },
        Row {
            name: "objects from a server",
            lay: |ground| {
                let text = ground.filled("ext::TRAP\nhttp://host/x\n");
                write(ground, "objects/info/http-alternates", &text);
            },
            outcome: Made,
        },
        Row {
            name: "a linked worktree beside it",
            lay: |ground| {
                ground.set("core.fsmonitor", "TRAP");
                let linked = ground.small.path("linked");
                ground.git(["worktree", "add", "--quiet", linked.to_str().unwrap()]);
            },
            outcome: Made,
        },
        Row {
            name: "an index of the checkout that is none",
            lay: |ground| write(ground, "index", "DIRC\0\0\0\u{2}FSMNlink"),
            outcome: Made,
        },
        Row {
            name: "a split index with a list of the file system monitor",
            lay: |ground| {
                ground.git(["update-index", "--split-index"]);
                ground.set("core.splitIndex", "true");
                ground.set("core.fsmonitor", "TRAP");
            },
            outcome: Made,
        },
    ]);
}

#[test]
fn a_bare_repository_inside_the_tree_is_not_taken_for_more_than_files() {
    let ground = Ground::new();
    let inner = ground.small.repository.path().join("docs/inner");
    fs::create_dir_all(inner.join("refs/heads")).unwrap();
    fs::create_dir_all(inner.join("objects/info")).unwrap();
    fs::write(inner.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let config = "[core]\n\tbare = true\n\tfsmonitor = TRAP\n\tsshCommand = TRAP\n\
        [uploadpack]\n\tpackObjectsHook = TRAP\n[alias]\n\tclone = !TRAP\n";
    fs::write(inner.join("config"), ground.filled(config)).unwrap();
    for hook in ["post-checkout", "reference-transaction"] {
        ground.plant(&inner.join("hooks").join(hook));
    }
    fs::write(inner.join("objects/info/x"), "x").unwrap();
    fs::write(inner.join("refs/heads/.keep"), "").unwrap();
    ground.retag();
    ground.judge("above it", &|| ground.small.command(), &Made);
    let within = || {
        let mut command = ground.small.command();
        command
            .current_dir(&inner)
            .env("DHFPACK_OUTPUT", ground.small.path("other"));
        command
    };
    fs::remove_dir_all(ground.small.output()).unwrap();
    ground.judge("inside it", &within, &Refused("there is no dhfpack.toml"));
}

#[test]
fn history_is_what_the_commits_say_whatever_the_repository_claims() {
    try_all(&[
        Row {
            name: "a replaced commit",
            lay: |ground| {
                ground.write("dhfpack.toml", b"forged");
                ground.git(["commit", "--quiet", "--all", "-mforged"]);
                let forged = ground.git(["rev-parse", "HEAD"]);
                let honest = ground.git(["rev-parse", "v1.0.0^{commit}"]);
                ground.git(["reset", "--quiet", "--hard", "v1.0.0"]);
                ground.git(["replace", &honest, &forged]);
            },
            outcome: Made,
        },
        Row {
            name: "a graft that invents a parent",
            lay: |ground| {
                ground.git(["commit", "--quiet", "--all", "-mother"]);
                let other = ground.git(["rev-parse", "HEAD"]);
                let honest = ground.git(["rev-parse", "v1.0.0^{commit}"]);
                write(ground, "info/grafts", &format!("{honest} {other}\n"));
            },
            outcome: Refused("grafts"),
        },
        Row {
            name: "a graft that cuts history off",
            lay: |ground| {
                ground.retag();
                let commit = ground.git(["rev-parse", "HEAD"]);
                write(ground, "info/grafts", &format!("{commit}\n"));
            },
            outcome: Refused("grafts"),
        },
    ]);
}

#[test]
fn names_of_references_are_names_and_nothing_else() {
    try_all(&[
        Row {
            name: "references that look like options, expressions or commands",
            lay: |ground| {
                let id = ground.git(["rev-parse", "HEAD"]);
                let mut packed = "# pack-refs with: peeled fully-peeled \n".to_owned();
                let trap = ground.trap();
                for name in [
                    "refs/heads/--upload-pack=x",
                    "refs/tags/--output=x",
                    "refs/tags/-v",
                    "refs/tags/\"quoted\"",
                    "refs/tags/$(touch executed)",
                    "refs/tags/`touch executed`",
                    "refs/tags/;touch${IFS}executed",
                    "refs/tags/'a'",
                    "refs/tags/HEAD",
                    "refs/heads/HEAD",
                    "refs/heads/refs/tags/v1.0.0",
                    "refs/tags/refs/tags/v1.0.0",
                    "refs/tags/größe",
                    &format!("refs/tags/|{}", trap.display()),
                ] {
                    writeln!(packed, "{id} {}", name.replace(' ', "_")).unwrap();
                }
                write(ground, "packed-refs", &packed);
            },
            outcome: Made,
        },
        Row {
            name: "a branch with the name of the tag",
            lay: |ground| {
                ground.retag();
                ground.git(["branch", "v1.0.0", "HEAD~1"]);
            },
            outcome: Made,
        },
        Row {
            name: "references outside their folder",
            lay: |ground| {
                let id = ground.git(["rev-parse", "HEAD"]);
                write(
                    ground,
                    "packed-refs",
                    &format!("{id} refs/tags/../../config\n"),
                );
            },
            outcome: Refused("refs/tags/../../config"),
        },
        Row {
            name: "a reference that goes on in another line",
            lay: |ground| {
                let id = ground.git(["rev-parse", "HEAD"]);
                write(
                    ground,
                    "packed-refs",
                    &format!("{id} refs/tags/a\nb refs/tags/c\n"),
                );
            },
            outcome: Refused("packed-refs"),
        },
        Row {
            name: "a HEAD that leads to itself",
            lay: |ground| write(ground, "HEAD", "ref: HEAD\n"),
            outcome: Refused("does not exist"),
        },
        Row {
            name: "a HEAD that leads out",
            lay: |ground| write(ground, "HEAD", "ref: ../../../etc/passwd\n"),
            outcome: Refused("does not exist"),
        },
        Row {
            name: "twenty thousand references",
            lay: |ground| {
                let id = ground.git(["rev-parse", "HEAD"]);
                let mut packed = "# pack-refs with: peeled fully-peeled \n".to_owned();
                for number in 0..20_000 {
                    writeln!(packed, "{id} refs/tags/many/{number:05}").unwrap();
                }
                write(ground, "packed-refs", &packed);
            },
            outcome: Made,
        },
    ]);
}

#[test]
fn a_tag_that_the_caller_names_is_never_an_option_or_an_expression() {
    let ground = Ground::new();
    for tag in [
        "--upload-pack=x",
        "-x",
        "v1.0.0^{tree}",
        "v1.0.0\nx",
        "../../HEAD",
        "@{-1}",
        "*",
    ] {
        let command = || {
            let mut command = ground.small.command();
            command.arg(format!("--tag={tag}"));
            command
        };
        ground.judge(tag, &command, &Refused("is not a tag's name"));
    }
}
