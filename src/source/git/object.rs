//! Reading objects through one long-lived `git cat-file --batch`.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{ChildStdin, ChildStdout};

use super::command::Process;
use super::error::{GitError, printable};
use crate::digest::BUFFER;

/// The longest commit or tag object that is held in memory; real ones have a few hundred bytes.
const RECORD_LIMIT: u64 = 4 * 1024 * 1024;
/// The longest line that `cat-file` answers: an id, a kind and a size.
const HEAD_LIMIT: u64 = 256;
/// How many objects are asked for before the first is read. Their ids fit into the smallest pipe
/// a system has (4 KiB), so that git and this program never wait for each other.
const AHEAD: usize = 48;

/// Reads objects by id, one after the other.
#[derive(Debug)]
pub struct ObjectReader {
    process: Process,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// What git was asked for and has not been read.
    asked: VecDeque<String>,
    /// Set while an object is under way: if it stays set, what follows on the pipe is unknown.
    midway: bool,
}

/// What `cat-file` says before an object's content.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    kind: String,
    size: u64,
}

impl ObjectReader {
    pub(super) fn new(mut process: Process) -> Result<Self, GitError> {
        Ok(Self {
            stdin: process.stdin()?,
            stdout: BufReader::with_capacity(BUFFER, process.stdout()?),
            process,
            asked: VecDeque::with_capacity(AHEAD),
            midway: false,
        })
    }

    /// Asks git for some of the objects that will be read next, in this order, so that it looks
    /// for one while another is handled.
    pub(super) fn ask_ahead<'o>(
        &mut self,
        objects: &mut impl Iterator<Item = &'o str>,
    ) -> Result<(), GitError> {
        // Many at once: for each line that git finds alone, two processes are woken.
        if self.asked.len() > AHEAD / 2 {
            return Ok(());
        }
        let mut lines = String::new();
        for object in objects.take(AHEAD - self.asked.len()) {
            require_id(object)?;
            lines.push_str(object);
            lines.push('\n');
            self.asked.push_back(object.to_owned());
        }
        self.stdin
            .write_all(lines.as_bytes())
            .map_err(|source| self.process.pipe(source))
    }

    /// Writes the content of a file to `writer`, and returns its size in bytes. After an error
    /// the reader cannot be used again.
    pub fn copy(&mut self, object: &str, writer: &mut dyn Write) -> Result<u64, GitError> {
        let head = self.ask(object)?;
        if head.kind != "blob" {
            return Err(GitError::Malformed {
                object: object.to_owned(),
                expected: "a file's content",
            });
        }
        let mut left = head.size;
        while left > 0 {
            let chunk = match self.stdout.fill_buf() {
                Ok([]) => return Err(self.process.pipe(io::ErrorKind::UnexpectedEof.into())),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk.map_err(|source| self.process.pipe(source))?,
            };
            let most = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            writer
                .write_all(&chunk[..most])
                .map_err(|source| GitError::write("a file of the repository", source))?;
            self.stdout.consume(most);
            left -= most as u64;
        }
        self.end()?;
        Ok(head.size)
    }

    /// The kind and the bytes of a commit or tag; of anything else only the kind, after which the
    /// reader cannot be used again.
    pub(super) fn record(&mut self, object: &str) -> Result<(String, Vec<u8>), GitError> {
        let head = self.ask(object)?;
        if !matches!(head.kind.as_str(), "commit" | "tag") {
            return Ok((head.kind, Vec::new()));
        }
        if head.size > RECORD_LIMIT {
            return Err(GitError::Malformed {
                object: object.to_owned(),
                expected: "a commit or tag of less than 4 MiB",
            });
        }
        let mut bytes = Vec::new();
        let read = (&mut self.stdout).take(head.size).read_to_end(&mut bytes);
        read.map_err(|source| self.process.pipe(source))?;
        self.end()?;
        Ok((head.kind, bytes))
    }

    fn ask(&mut self, object: &str) -> Result<Head, GitError> {
        if self.midway {
            return Err(self.process.pipe(io::ErrorKind::BrokenPipe.into()));
        }
        self.midway = true;
        if self.asked.is_empty() {
            self.ask_ahead(&mut std::iter::once(object))?;
        }
        self.asked.pop_front();
        let line = self.answer().map_err(|source| self.process.pipe(source))?;
        parse_head(object, &line)
    }

    fn answer(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        (&mut self.stdout)
            .take(HEAD_LIMIT)
            .read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    }

    /// Reads the newline after an object's content.
    fn end(&mut self) -> Result<(), GitError> {
        let mut newline = [0];
        self.stdout
            .read_exact(&mut newline)
            .map_err(|source| self.process.pipe(source))?;
        self.midway = false;
        Ok(())
    }
}

/// Fails with [`GitError::BadName`] unless `object` is a whole object id.
pub(super) fn require_id(object: &str) -> Result<(), GitError> {
    if is_object_id(object) {
        return Ok(());
    }
    Err(GitError::BadName {
        name: object.to_owned(),
        expected: "an object id",
    })
}

fn parse_head(object: &str, line: &[u8]) -> Result<Head, GitError> {
    let text = String::from_utf8_lossy(line);
    let mut words = text.split_ascii_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(_), Some("missing"), None, None) => Err(GitError::MissingObject {
            object: object.to_owned(),
        }),
        (Some(id), Some(kind), Some(size), None) if id == object => match size.parse() {
            Ok(size) => Ok(Head {
                kind: kind.to_owned(),
                size,
            }),
            Err(_) => Err(unexpected(line)),
        },
        _ => Err(unexpected(line)),
    }
}

fn unexpected(line: &[u8]) -> GitError {
    GitError::Malformed {
        object: format!("git's answer {:?}", printable(line)),
        expected: "an object's id, kind and size",
    }
}

/// Whether `text` is a whole object id: SHA-1 or SHA-256 in lower-case hexadecimal.
pub(super) fn is_object_id(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
