//! Programs that a repository's own configuration names.

use std::fs;

use super::{Ground, Made, Refused, Row, try_all};

/// Every hook of git 2.47, githooks(5).
const HOOKS: [&str; 28] = [
    "applypatch-msg",
    "pre-applypatch",
    "post-applypatch",
    "pre-commit",
    "pre-merge-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "pre-rebase",
    "post-checkout",
    "post-merge",
    "pre-push",
    "pre-receive",
    "update",
    "proc-receive",
    "post-receive",
    "post-update",
    "reference-transaction",
    "push-to-checkout",
    "pre-auto-gc",
    "post-rewrite",
    "sendemail-validate",
    "fsmonitor-watchman",
    "p4-changelist",
    "p4-prepare-changelist",
    "p4-post-changelist",
    "p4-pre-submit",
    "post-index-change",
];

/// A key, its value with `TRAP` for the program, and a command by which stock git falls into it.
const KEYS: [(&str, &str, &[&str]); 49] = [
    ("core.fsmonitor", "TRAP", &["status"]),
    ("core.fsmonitor", "true", &[]),
    ("core.sshCommand", "TRAP", &["ls-remote", "ssh://host/x"]),
    ("core.gitProxy", "TRAP", &["ls-remote", "git://host/x"]),
    ("core.askPass", "TRAP", &[]),
    ("core.pager", "TRAP", &[]),
    ("pager.ls-tree", "TRAP", &[]),
    ("core.editor", "TRAP", &["commit", "--amend"]),
    ("sequence.editor", "TRAP", &[]),
    ("core.alternateRefsCommand", "TRAP", &[]),
    ("credential.helper", "!TRAP", &[]),
    ("uploadpack.packObjectsHook", "TRAP", &[]),
    ("gc.recentObjectsHook", "TRAP", &[]),
    ("filter.trap.clean", "TRAP", &["add", "."]),
    ("filter.trap.smudge", "TRAP", &["checkout", "a.txt"]),
    ("filter.trap.process", "TRAP", &["add", "."]),
    ("diff.external", "TRAP", &["diff"]),
    ("diff.trap.command", "TRAP", &["diff"]),
    ("diff.trap.textconv", "TRAP", &["diff"]),
    ("merge.trap.driver", "TRAP", &[]),
    ("gpg.program", "TRAP", &["tag", "--sign", "-mx", "x"]),
    ("gpg.ssh.program", "TRAP", &[]),
    ("gpg.x509.program", "TRAP", &[]),
    ("gpg.ssh.defaultKeyCommand", "TRAP", &[]),
    ("alias.trap", "!TRAP", &["trap"]),
    ("alias.clone", "!TRAP", &[]),
    ("alias.upload-pack", "!TRAP", &[]),
    ("alias.rev-parse", "!TRAP", &[]),
    ("alias.cat-file", "!TRAP", &[]),
    ("alias.pack-objects", "!TRAP", &[]),
    ("remote.origin.uploadpack", "TRAP", &[]),
    ("remote.origin.receivepack", "TRAP", &[]),
    ("remote.origin.vcs", "ext", &[]),
    ("remote.origin.proxy", "TRAP", &[]),
    ("remote.origin.url", "ext::TRAP", &[]),
    ("url.ext::TRAP .insteadOf", "/", &[]),
    ("url.ext::TRAP .insteadOf", "file:", &[]),
    ("protocol.ext.allow", "always", &[]),
    ("protocol.allow", "always", &[]),
    ("submodule.x.update", "!TRAP", &[]),
    ("submodule.recurse", "true", &[]),
    ("core.attributesFile", "TRAP", &[]),
    ("core.excludesFile", "TRAP", &[]),
    ("core.bare", "true", &[]),
    ("core.worktree", "/", &[]),
    ("core.precomposeUnicode", "true", &[]),
    ("gc.auto", "1", &[]),
    ("maintenance.auto", "true", &[]),
    ("trailer.x.command", "TRAP", &[]),
];

#[test]
fn no_key_of_a_repositorys_configuration_starts_a_program() {
    for (key, value, spring) in KEYS {
        let ground = Ground::new();
        ground.set(key, value);
        if !spring.is_empty() {
            ground.spring(spring);
            assert!(ground.sprung(), "{key}: stock git was to fall into it");
        }
        if key == "filter.trap.smudge" {
            ground.write("a.txt", b"changed\n");
        }
        ground.judge(key, &|| ground.small.command(), &Made);
    }
}

#[test]
fn no_hook_is_run_wherever_it_lies() {
    try_all(&[
        Row {
            name: "hooks in the repository",
            lay: |ground| {
                for hook in HOOKS {
                    ground.plant(&ground.git_dir().join("hooks").join(hook));
                }
                ground.spring(&["commit", "--allow-empty", "-mx"]);
                assert!(ground.sprung());
            },
            outcome: Made,
        },
        Row {
            name: "hooks in a folder that the configuration names",
            lay: |ground| {
                for hook in HOOKS {
                    ground.plant(&ground.small.repository.path().join("own").join(hook));
                }
                ground.set("core.hooksPath", "own");
                ground.spring(&["checkout", "-b", "x"]);
                assert!(ground.sprung());
            },
            outcome: Made,
        },
    ]);
}

#[test]
fn no_file_that_a_configuration_takes_in_starts_a_program() {
    fn trapped(ground: &Ground, name: &str) -> String {
        let path = ground.git_dir().join(name);
        let text = "[core]\n\tfsmonitor = TRAP\n\tsshCommand = TRAP\n[diff]\n\texternal = TRAP\n";
        fs::write(&path, ground.filled(text)).unwrap();
        path.to_str().unwrap().to_owned()
    }
    fn springs(ground: &Ground) {
        ground.spring(&["status"]);
        assert!(ground.sprung());
    }
    try_all(&[
        Row {
            name: "include.path",
            lay: |ground| {
                ground.set("include.path", &trapped(ground, "more"));
                springs(ground);
            },
            outcome: Made,
        },
        Row {
            name: "includeIf by folder",
            lay: |ground| {
                ground.set("includeIf.gitdir:/.path", &trapped(ground, "more"));
                springs(ground);
            },
            outcome: Made,
        },
        Row {
            name: "includeIf by branch",
            lay: |ground| {
                ground.set("includeIf.onbranch:main.path", &trapped(ground, "more"));
                springs(ground);
            },
            outcome: Made,
        },
        Row {
            name: "a configuration of the worktree",
            lay: |ground| {
                trapped(ground, "config.worktree");
                ground.set("core.repositoryFormatVersion", "1");
                ground.set("extensions.worktreeConfig", "true");
                springs(ground);
            },
            outcome: Made,
        },
        Row {
            name: "a configuration that includes itself",
            lay: |ground| ground.set("include.path", "config"),
            outcome: Refused("include depth"),
        },
        Row {
            name: "a configuration that is none",
            lay: |ground| fs::write(ground.git_dir().join("config"), b"[core\n\xff").unwrap(),
            outcome: Refused("bad config"),
        },
    ]);
}

#[test]
fn a_configuration_that_hides_or_asks_for_more_is_refused_or_has_no_effect() {
    fn format(ground: &Ground, key: &str, value: &str) {
        ground.git(["config", "core.repositoryFormatVersion", "1"]);
        ground.set(key, value);
    }
    try_all(&[
        Row {
            name: "tags hidden from who clones",
            lay: |ground| ground.set("uploadpack.hideRefs", "refs/tags"),
            outcome: Refused("has no tag v1.0.0"),
        },
        Row {
            name: "an unknown format",
            lay: |ground| {
                ground.git(["config", "core.repositoryFormatVersion", "99"]);
            },
            outcome: Refused("git repo version"),
        },
        Row {
            name: "an unknown extension",
            lay: |ground| format(ground, "extensions.trap", "TRAP"),
            outcome: Refused("unknown repository extension"),
        },
        Row {
            name: "a log of what git does",
            lay: |ground| {
                let marker = ground.marker();
                for key in [
                    "trace2.eventTarget",
                    "trace2.normalTarget",
                    "trace2.perfTarget",
                ] {
                    ground.set(key, marker.to_str().unwrap());
                }
            },
            outcome: Made,
        },
        Row {
            name: "bundles from elsewhere",
            lay: |ground| {
                ground.set("uploadpack.advertiseBundleURIs", "true");
                ground.set("bundle.version", "1");
                ground.set("bundle.mode", "all");
                ground.set("bundle.x.uri", "ext::TRAP");
            },
            outcome: Made,
        },
        Row {
            name: "a promise that a program completes the repository",
            lay: |ground| {
                let blob = ground.git(["rev-parse", "v1.0.0:a.txt"]);
                let (folder, name) = blob.split_at(2);
                fs::remove_file(ground.git_dir().join("objects").join(folder).join(name)).unwrap();
                format(ground, "extensions.partialClone", "evil");
                ground.set("remote.evil.url", "ext::TRAP");
                ground.set("remote.evil.promisor", "true");
                ground.set("protocol.ext.allow", "always");
                ground.spring(&["cat-file", "-p", &blob]);
                assert!(ground.sprung());
            },
            outcome: Refused("mirroring the repository"),
        },
    ]);
}
