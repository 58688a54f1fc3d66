//! The built program: arguments, output, exit codes.

use std::path::Path;

use assert_cmd::Command;
use tempfile::TempDir;

mod edge;
mod help;
mod init;
mod key;
mod layout;
mod schema;
#[cfg(unix)]
mod stop;

/// What every child process gets, and nothing else of ours.
fn environment(home: &Path) -> [(&'static str, std::ffi::OsString); 4] {
    [
        ("PATH", std::env::var_os("PATH").unwrap_or_default()),
        ("HOME", home.into()),
        ("LC_ALL", "C.UTF-8".into()),
        ("TZ", "UTC".into()),
    ]
}

/// The program, in an empty folder and a hermetic environment.
struct Program {
    folder: TempDir,
}

impl Program {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Runs `dhfpack` with these arguments, separated by spaces.
    fn run(&self, arguments: &str) -> Outcome {
        let output = Command::new(env!("CARGO_BIN_EXE_dhfpack"))
            .args(arguments.split_whitespace())
            .env_clear()
            .envs(environment(self.folder.path()))
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// How a run ended and what it printed.
#[derive(Debug)]
struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Outcome {
    /// Checks the exit code; fails with everything printed.
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Checks that nothing went to standard error.
    #[track_caller]
    fn silently(self) -> Self {
        assert_eq!(self.stderr, "", "{self:#?}");
        self
    }

    /// Checks that standard error holds each of `parts`.
    #[track_caller]
    fn tells(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in {self:#?}");
        }
        self
    }
}
