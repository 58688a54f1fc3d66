//! The git command line, started so that nobody's configuration, hooks or filters take part.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::access::RemoteAccess;
use super::error::GitError;
use super::progress::{Progress, is_progress};
use crate::error::IoContext;
use crate::monitor::Task;

/// How often a wait looks whether it should stop.
const TICK: Duration = Duration::from_millis(20);
/// What a pipe hands over at a time.
const PIPE: usize = 64 * 1024;
/// How much of git's standard error is kept: its end, where the cause stands.
const STDERR: usize = 4 * 1024;

/// Settings that differ from git's defaults, for every call.
const SETTINGS: [&str; 7] = [
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    // Neither may influence the order in which history is walked.
    "core.commitGraph=false",
    "pack.useBitmaps=false",
    // Files above it are not compared for deltas, which would hold ten of them in memory.
    "core.bigFileThreshold=32m",
    "gc.auto=0",
    "maintenance.auto=false",
];

/// Starts git commands in an environment of its own.
#[derive(Debug, Clone)]
pub(super) struct Git {
    /// Takes the place of the user's configuration.
    config: PathBuf,
    /// An empty folder: where hooks are looked for.
    empty: PathBuf,
    /// What commands that reach another machine are lent.
    access: RemoteAccess,
}

impl Git {
    /// Prepares the environment in `folder`. `trusted` are repositories that may belong to
    /// another user: a CI job often runs as another user than the one who made the checkout.
    /// `access` is for commands that reach another machine.
    pub(super) fn prepare(
        folder: &Path,
        trusted: &[&Path],
        access: RemoteAccess,
    ) -> Result<Self, GitError> {
        let empty = folder.join("empty");
        fs::create_dir(&empty).at("create", &empty)?;
        let config = folder.join("config");
        fs::write(&config, safe_directories(trusted)).at("write", &config)?;
        Ok(Self {
            config,
            empty,
            access,
        })
    }

    /// A git command without a subcommand yet.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("git");
        for (name, _) in env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"GIT_") {
                command.env_remove(name);
            }
        }
        command
            .env("PATH", self.absolute_entries())
            .env_remove("SSH_ASKPASS")
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", &self.config)
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh")
            .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        for key in ["core.hooksPath", "core.attributesFile", "core.excludesFile"] {
            let mut setting = OsString::from(key);
            setting.push("=");
            setting.push(self.empty.join("none"));
            command.arg("-c").arg(setting);
        }
        command
    }

    /// As [`command`](Self::command), for one that reaches `location`.
    pub(super) fn command_to(&self, location: &str) -> Command {
        let mut command = self.command();
        self.access.lend(&mut command, location);
        command
    }

    /// What commands that reach another machine are lent.
    pub(super) const fn access(&self) -> &RemoteAccess {
        &self.access
    }
}

impl Git {
    /// The search path without relative entries: git is started inside checkouts, where such an
    /// entry would find programs of the repository.
    fn absolute_entries(&self) -> OsString {
        let path = env::var_os("PATH").unwrap_or_default();
        let entries = env::split_paths(&path).filter(|entry| entry.is_absolute());
        match env::join_paths(entries) {
            Ok(path) if !path.is_empty() => path,
            // An empty search path would mean the current folder.
            _ => self.empty.clone().into_os_string(),
        }
    }
}

/// A configuration that holds nothing but the repositories to trust.
fn safe_directories(trusted: &[&Path]) -> Vec<u8> {
    let mut text = b"[safe]\n".to_vec();
    for path in trusted {
        text.extend_from_slice(b"\tdirectory = \"");
        for byte in path.as_os_str().as_encoded_bytes() {
            match byte {
                b'"' => text.extend_from_slice(b"\\\""),
                b'\\' => text.extend_from_slice(b"\\\\"),
                b'\n' => text.extend_from_slice(b"\\n"),
                other => text.push(*other),
            }
        }
        text.extend_from_slice(b"\"\n");
    }
    text
}

/// A git process. Killed when dropped, so that none outlives an error or a stop.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    doing: &'static str,
    stderr: Arc<Mutex<Vec<u8>>>,
    stderr_ended: Receiver<()>,
}

impl Process {
    /// Starts `command` with its standard streams piped.
    pub(super) fn start(command: Command, doing: &'static str) -> Result<Self, GitError> {
        Self::start_fed(command, Stdio::piped(), doing)
    }

    /// As [`Process::start`], with another standard input: what another process writes.
    pub(super) fn start_fed(
        mut command: Command,
        stdin: Stdio,
        doing: &'static str,
    ) -> Result<Self, GitError> {
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| GitError::NoGit { source })?;
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let (ended, stderr_ended) = mpsc::channel();
        if let Some(pipe) = child.stderr.take() {
            let tail = Arc::clone(&stderr);
            thread::spawn(move || {
                keep_tail(pipe, &tail);
                // Nobody listens any more once the process is dropped.
                let _ = ended.send(());
            });
        }
        Ok(Self {
            child,
            doing,
            stderr,
            stderr_ended,
        })
    }

    /// The process's standard input; dropping it tells git that no more comes.
    pub(super) fn stdin(&mut self) -> Result<ChildStdin, GitError> {
        self.child.stdin.take().ok_or_else(|| self.taken())
    }

    /// The process's standard output.
    pub(super) fn stdout(&mut self) -> Result<ChildStdout, GitError> {
        self.child.stdout.take().ok_or_else(|| self.taken())
    }

    /// The process's standard output; waiting for it breaks off with
    /// [`Cancelled`](crate::error::Cancelled) inside its error once the task is stopped.
    pub(super) fn patient_stdout<'t>(
        &mut self,
        task: &'t Task<'_>,
    ) -> Result<impl Read + use<'t>, GitError> {
        Ok(Patient {
            chunks: read_aside(self.stdout()?),
            chunk: io::Cursor::default(),
            task,
        })
    }

    fn taken(&self) -> GitError {
        self.pipe(io::ErrorKind::BrokenPipe.into())
    }

    /// A failed read or write of one of the process's streams.
    pub(super) fn pipe(&self, source: io::Error) -> GitError {
        GitError::Pipe {
            doing: self.doing,
            source,
        }
    }

    /// Waits for the end. Fails with what git said unless it ended well.
    pub(super) fn finish(mut self) -> Result<(), GitError> {
        let status = self.child.wait().map_err(|source| self.pipe(source))?;
        self.judge(status)
    }

    /// Waits for the end and stops the process if the task is stopped.
    pub(super) fn finish_unless_cancelled(self, task: &Task<'_>) -> Result<(), GitError> {
        self.finish_counting(task, || 0)
    }

    /// As [`finish_unless_cancelled`](Self::finish_unless_cancelled), with what was `done` so far
    /// as the task's progress.
    pub(super) fn finish_counting(
        mut self,
        task: &Task<'_>,
        done: impl Fn() -> u64,
    ) -> Result<(), GitError> {
        let mut told = 0;
        loop {
            let ended = self.child.try_wait().map_err(|source| self.pipe(source))?;
            let now = done().max(told);
            task.advance(now - told)?;
            told = now;
            if let Some(status) = ended {
                return stop_first(self.judge(status), task);
            }
            thread::sleep(TICK);
        }
    }

    fn judge(&self, status: std::process::ExitStatus) -> Result<(), GitError> {
        if status.success() {
            return Ok(());
        }
        // Not a join: a connection that ssh keeps open in the background holds the pipe for long.
        let _ = self.stderr_ended.recv_timeout(Duration::from_secs(1));
        let mut stderr = String::new();
        let said = self.said();
        let lines = said.split(['\r', '\n']);
        for line in lines.filter(|line| !line.is_empty() && !is_progress(line)) {
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            let separator = if stderr.is_empty() { "" } else { "; " };
            // Writing to a string cannot fail.
            let _ = write!(stderr, "{separator}{line}");
        }
        Err(GitError::Failed {
            doing: self.doing,
            status: status.to_string(),
            stderr,
        })
    }

    /// The whole standard output, which may not exceed `limit` bytes.
    pub(super) fn capture(mut self, limit: u64) -> Result<Vec<u8>, GitError> {
        let stdout = self.stdout()?;
        drop(self.stdin()?);
        let mut bytes = Vec::new();
        let read = stdout.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|source| self.pipe(source))?;
        if bytes.len() as u64 > limit {
            return Err(GitError::Malformed {
                object: format!("git's answer while {}", self.doing),
                expected: "a shorter one",
            });
        }
        self.finish()?;
        Ok(bytes)
    }

    /// Copies the standard output to `out`, counting its bytes as the task's progress, and as
    /// that of `objects` what git tells: it may be at work for minutes before it writes.
    pub(super) fn stream(
        mut self,
        out: &mut dyn Write,
        what: &'static str,
        task: &Task<'_>,
        objects: &Task<'_>,
    ) -> Result<(), GitError> {
        let chunks = read_aside(self.stdout()?);
        let mut progress = Progress::default();
        loop {
            objects.advance(progress.since(&self.said()))?;
            match chunks.recv_timeout(TICK) {
                Ok(chunk) => {
                    let chunk = chunk.map_err(|source| self.pipe(source))?;
                    out.write_all(&chunk)
                        .map_err(|source| GitError::write(what, source))?;
                    task.advance(chunk.len() as u64)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return stop_first(self.finish(), task),
            }
        }
    }

    /// The end of what git said on its standard error.
    fn said(&self) -> String {
        let tail = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&tail).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The interrupt key reaches git too: then the stop is what happened, and git's end follows it.
fn stop_first(result: Result<(), GitError>, task: &Task<'_>) -> Result<(), GitError> {
    if result.is_err() {
        task.advance(0)?;
    }
    result
}

fn read_aside(mut stdout: ChildStdout) -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::sync_channel(4);
    thread::spawn(move || {
        loop {
            let mut chunk = vec![0; PIPE];
            let message = match stdout.read(&mut chunk) {
                Ok(0) => return,
                Ok(count) => {
                    chunk.truncate(count);
                    Ok(chunk)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Reads what a thread reads from a pipe, and asks meanwhile whether to stop.
struct Patient<'t, 'a> {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: io::Cursor<Vec<u8>>,
    task: &'t Task<'a>,
}

impl Read for Patient<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.chunk.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.chunks.recv_timeout(TICK) {
                Ok(chunk) => self.chunk = io::Cursor::new(chunk?),
                Err(RecvTimeoutError::Timeout) => {
                    self.task.advance(0).map_err(io::Error::other)?;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}

fn keep_tail(mut pipe: impl Read, tail: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&buffer[..count]);
        let excess = tail.len().saturating_sub(STDERR);
        tail.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_newlines_in_a_trusted_path_stay_inside_its_value() {
        let text = safe_directories(&[Path::new("/a \"b\\\n[core]")]);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "[safe]\n\tdirectory = \"/a \\\"b\\\\\\n[core]\"\n"
        );
    }
}
