//! Hostile repositories: no program that one names is ever started, and nothing that one holds
//! leads out of the archive. One row per trap; each says what happens instead.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::git::git_command;
use crate::support::release::told;
use crate::support::small::{Small, manifest};

mod config;
mod content;
mod environment;
mod layout;
mod trees;

/// What a build of a hostile repository comes to.
enum Outcome {
    /// The archive is made, of the commit that the tag names.
    Made,
    /// It is refused, and this is said.
    Refused(&'static str),
}

use Outcome::{Made, Refused};

/// One trap.
struct Row {
    /// What the trap is.
    name: &'static str,
    /// Lays it.
    lay: fn(&Ground),
    /// What happens.
    outcome: Outcome,
}

/// A released product in whose repository a trap is laid.
struct Ground {
    small: Small,
}

impl Ground {
    fn new() -> Self {
        let small = Small::new("");
        let ground = Self { small };
        ground.write(
            ".gitattributes",
            b"*.txt filter=trap diff=trap merge=trap\n",
        );
        ground.write("a.txt", b"a\n");
        let small = ground.small.release();
        small.repository.write("a.txt", b"changed\n");
        let ground = Self { small };
        let script = format!(
            "#!/bin/sh\necho \"$0 $*\" >> '{}'\n",
            ground.marker().display()
        );
        fs::write(ground.trap(), script).unwrap();
        fs::set_permissions(ground.trap(), fs::Permissions::from_mode(0o755)).unwrap();
        ground
    }

    /// The program that must not run.
    fn trap(&self) -> PathBuf {
        self.small.path("trap")
    }

    /// The file that it writes.
    fn marker(&self) -> PathBuf {
        self.small.path("executed")
    }

    fn git_dir(&self) -> PathBuf {
        self.small.repository.path().join(".git")
    }

    fn git<const N: usize>(&self, arguments: [&str; N]) -> String {
        self.small.repository.git(arguments)
    }

    fn write(&self, name: &str, content: &[u8]) {
        self.small.repository.write(name, content);
    }

    /// Sets a key of the repository's configuration, with `TRAP` in it for the program.
    fn set(&self, key: &str, value: &str) {
        self.git(["config", "--add", key, &self.filled(value)]);
    }

    fn filled(&self, text: &str) -> String {
        text.replace("TRAP", self.trap().to_str().unwrap())
    }

    /// Puts the program where git or a shell looks for one.
    fn plant(&self, path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(self.trap(), path).unwrap();
    }

    /// Commits what is in the work tree, and moves the tag there.
    fn retag(&self) {
        self.small.repository.commit_all("trap");
        self.git(["tag", "--force", "--message", "x", "v1.0.0"]);
    }

    /// Whether the program ran; forgets that it did.
    fn sprung(&self) -> bool {
        fs::remove_file(self.marker()).is_ok()
    }

    /// Runs stock git in the checkout, which falls into the trap.
    fn spring(&self, arguments: &[&str]) {
        let _ = git_command(&self.small.repository.path())
            .env("GIT_NO_LAZY_FETCH", "0")
            .args(arguments)
            .output();
    }

    /// Builds twice, once without writing, and looks at what happened.
    fn judge(&self, name: &str, command: &dyn Fn() -> Command, outcome: &Outcome) {
        for arguments in [&["--dry-run"][..], &[]] {
            let built = command().args(arguments).output().unwrap();
            let text = told(&built);
            assert!(!self.marker().exists(), "{name}: a program ran: {text}");
            match outcome {
                Made => assert_eq!(built.status.code(), Some(0), "{name}: {text}"),
                Refused(says) => {
                    // A dry run does not read every file.
                    if arguments.is_empty() || !built.status.success() {
                        assert!(!built.status.success(), "{name}: {text}");
                        assert!(text.contains(says), "{name}: {says:?} is not in: {text}");
                    }
                    assert!(!text.contains("panicked"), "{name}: {text}");
                    assert!(!self.small.archive().exists(), "{name}");
                }
            }
        }
        if matches!(outcome, Made) {
            let source = &manifest(&self.small.archive())["source"];
            assert_eq!(source["commit"], self.tagged("^{commit}"), "{name}");
            assert_eq!(source["tree"], self.tagged("^{tree}"), "{name}");
        }
    }

    /// What the tag leads to, read without the repository's configuration.
    fn tagged(&self, suffix: &str) -> String {
        let output = git_command(&self.small.path("."))
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .args(["rev-parse", &format!("refs/tags/v1.0.0{suffix}")])
            .env("GIT_DIR", self.git_dir())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// Lays and judges each trap in a repository of its own.
fn try_all(rows: &[Row]) {
    for row in rows {
        let ground = Ground::new();
        (row.lay)(&ground);
        ground.sprung();
        ground.judge(row.name, &|| ground.small.command(), &row.outcome);
    }
}
