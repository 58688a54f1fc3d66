//! A repository full of traps: none of the programs that it names may run.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use dhfpack::monitor::{Silent, Task, Unit};

use crate::support::git::{TestRepository, git_command};

#[test]
fn no_program_that_a_repository_names_is_run() {
    let repository = TestRepository::new();
    repository.write(".gitattributes", b"* filter=trap diff=trap merge=trap\n");
    repository.write("a.txt", b"a\n");
    repository.write(".gitignore", b"*.log\n");
    repository.commit_all("files");
    repository.tag("v1.0.0");
    let marker = repository.beside("executed");
    let trap = repository.beside("trap");
    fs::write(
        &trap,
        format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\ncat\n", marker.display()),
    )
    .unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    let program = trap.to_str().unwrap();
    let alias = format!("!{program}");
    for (key, value) in [
        ("core.fsmonitor", program),
        ("core.sshCommand", program),
        ("core.editor", program),
        ("core.pager", program),
        ("core.askPass", program),
        ("core.alternateRefsCommand", program),
        ("core.gitProxy", program),
        ("filter.trap.clean", program),
        ("filter.trap.smudge", program),
        ("filter.trap.process", program),
        ("filter.trap.required", "true"),
        ("diff.external", program),
        ("diff.trap.command", program),
        ("diff.trap.textconv", program),
        ("merge.trap.driver", program),
        ("uploadpack.packObjectsHook", program),
        ("gpg.program", program),
        ("gpg.ssh.program", program),
        ("credential.helper", &alias),
        ("alias.rev-parse", &alias),
        ("alias.upload-pack", &alias),
    ] {
        repository.git(["config", key, value]);
    }
    for hook in [
        "post-checkout",
        "post-index-change",
        "reference-transaction",
        "pre-auto-gc",
        "fsmonitor-watchman",
    ] {
        let path = repository.path().join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(&trap, path).unwrap();
    }
    repository.write("a.txt", b"changed\n");
    repository.write("a.log", b"ignored\n");
    // The traps do work: git in the checkout falls into them.
    let _ = git_command(&repository.path())
        .args(["diff", "HEAD"])
        .output();
    fs::remove_file(&marker).unwrap();

    let mirror = repository.mirror();
    let tag = mirror.tag("v1.0.0").unwrap();
    let task = Task::begin(&Silent, "read", None, Unit::Bytes);
    mirror.bundle(&tag, &mut std::io::sink(), &task).unwrap();
    mirror
        .source_tree(&tag, &[], "a", 1, &mut std::io::sink(), &task)
        .unwrap();
    mirror.tag_signature(&tag).unwrap();
    mirror.commit("main").unwrap();
    let state = mirror.checkout_state(&repository.path(), &Silent).unwrap();
    assert_eq!(state.modified.paths, ["a.txt"]);
    assert_eq!(state.ignored.paths, ["a.log"]);
    assert!(!marker.exists(), "{}", fs::read_to_string(&marker).unwrap());
}

#[test]
fn replaced_objects_are_read_as_they_were() {
    let repository = TestRepository::released();
    let honest = repository.git(["rev-parse", "HEAD:README.md"]);
    repository.write("false", b"replaced\n");
    let forged = repository.git(["hash-object", "-w", "false"]);
    repository.git(["replace", &honest, &forged]);
    let mut content = Vec::new();
    let mut objects = repository.mirror().objects().unwrap();
    objects.copy(&honest, &mut content).unwrap();
    assert_eq!(content, b"first\n");
}
