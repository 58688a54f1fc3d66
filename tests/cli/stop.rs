//! Ctrl-C and its like, sent to a command that waits for a pipe.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, Command, Stdio};

use super::{Program, environment};

struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
    pipe: File,
    // Holds the pipe's folder until the end.
    _program: Program,
}

impl Waiting {
    /// Starts a command and returns once it reads the pipe.
    fn start() -> Self {
        let program = Program::new();
        let path = program.path("pipe");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let mut child = Command::new(env!("CARGO_BIN_EXE_dhfpack"))
            .args(["layout", "check"])
            .arg(&path)
            .env_clear()
            .envs(environment(program.folder.path()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        // Waits until the other side has opened it, too.
        let pipe = File::options().write(true).open(&path).unwrap();
        Self {
            child,
            stderr,
            pipe,
            _program: program,
        }
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Asks it to stop, and waits until it says that it will.
    fn ask_to_stop(&mut self, signal: &str) {
        self.signal(signal);
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        assert!(line.starts_with("note: stopping"), "{line}");
    }
}

#[test]
fn a_stop_ends_with_130_and_says_so() {
    for signal in ["INT", "TERM"] {
        let mut waiting = Waiting::start();
        waiting.ask_to_stop(signal);
        waiting.pipe.write_all(b"not a layout").unwrap();
        drop(waiting.pipe);
        let mut rest = String::new();
        waiting.stderr.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.trim(), "× stopped on request");
        assert_eq!(waiting.child.wait().unwrap().code(), Some(130));
    }
}

#[test]
fn a_second_request_ends_it_at_once() {
    let mut waiting = Waiting::start();
    waiting.ask_to_stop("INT");
    waiting.signal("TERM");
    assert_eq!(waiting.child.wait().unwrap().code(), Some(130));
}
