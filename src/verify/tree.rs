//! Verifying a tree: reads every file once, on all cores.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use miette::Diagnostic;
use thiserror::Error;

use super::{Checker, Policy, Verdict, Wanted};
use crate::archive::{ArchiveError, Entry, EntryKind, Tree};
use crate::digest::{BUFFER, Hasher, Sha256};
use crate::error::{Cancelled, IoError};
use crate::manifest::MANIFEST;
use crate::monitor::{Linked, Monitor, Task, Unit};
use crate::path::ArchivePath;

/// Why an archive cannot be verified at all.
#[derive(Debug, Error, Diagnostic)]
pub enum VerifyError {
    /// The container cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// A file cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Io(#[from] IoError),
    /// A file that has to be understood is far too large.
    #[error("{path} has {size} bytes; {limit} are the most that is read")]
    #[diagnostic(help("this cannot be an archive's own file: ask where the archive comes from"))]
    TooLarge {
        /// The file.
        path: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Stopped on request.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cancelled(#[from] Cancelled),
}

/// Reads every file of `tree` with `jobs` threads and judges the archive.
pub fn verify(
    tree: &dyn Tree,
    policy: &Policy,
    jobs: usize,
    monitor: &dyn Monitor,
) -> Result<Verdict, VerifyError> {
    let listing = tree.list()?;
    let mut checker = Checker::default();
    checker.add_findings(listing.findings);
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for entry in listing.entries {
        match &entry.kind {
            EntryKind::File => files.push(entry),
            EntryKind::Directory => folders.push(entry.path),
            EntryKind::Symlink => checker.irregular(&entry.path, "a symbolic link"),
            EntryKind::Other(what) => checker.irregular(&entry.path, what),
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    for folder in folders {
        if !holds_a_file(&files, &folder) {
            checker.empty_folder(&folder);
        }
    }
    if !files.iter().any(|entry| entry.path == MANIFEST) {
        // Nothing can be judged: reading a wrong folder to its end would help nobody.
        files.clear();
    }
    // Sizes are what a container claims, until they are read.
    let total = files
        .iter()
        .fold(0, |total: u64, entry| total.saturating_add(entry.size));
    let linked = Linked::new(monitor);
    let task = Task::begin(&linked, "verify", Some(total), Unit::Bytes);
    // The manifest first, to be understood while the rest is hashed; then the largest, so that
    // no core is left with a long file at the end.
    files.sort_by_key(|entry| (entry.path != MANIFEST, std::cmp::Reverse(entry.size)));
    read_all(tree, &files, jobs, (&task, &linked), &mut checker)?;
    Ok(checker.finish(policy))
}

/// Whether a file lies somewhere below `folder`; `files` are sorted by path.
fn holds_a_file(files: &[Entry], folder: &str) -> bool {
    let prefix = format!("{}/", folder.trim_end_matches('/'));
    let first = files.partition_point(|entry| entry.path < prefix);
    files
        .get(first)
        .is_some_and(|entry| entry.path.starts_with(&prefix))
}

/// What reading one file gave.
enum Outcome {
    /// Its bytes; kept where the checker wants them.
    Read {
        size: u64,
        sha256: Sha256,
        kept: Option<Vec<u8>>,
    },
    /// What holds it contradicts itself, as a wrong checksum in a zip does.
    Damaged(String),
    /// Not read, because of its path.
    Refused,
}

/// Files from this size on are read ahead by a second thread where a core would idle.
const LARGE: u64 = 16 * 1024 * 1024;

fn read_all(
    tree: &dyn Tree,
    files: &[Entry],
    jobs: usize,
    (task, linked): (&Task<'_>, &Linked<'_>),
    checker: &mut Checker,
) -> Result<(), VerifyError> {
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::sync_channel(1024);
    let large = files.iter().filter(|entry| entry.size >= LARGE).count();
    // Where reading is waiting, there are threads enough.
    let idle = tree.transfers() == 1 && large < jobs;
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, files.len().max(1)) {
            let sender = sender.clone();
            let next = &next;
            scope.spawn(move || {
                let mut buffer = vec![0; BUFFER];
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(entry) = files.get(index) else { break };
                    let ahead = entry.size >= LARGE && idle;
                    let wanted = Checker::wants(&entry.path, files.len() as u64);
                    let outcome = read(tree, entry, wanted, ahead, task, &mut buffer)
                        .map(|outcome| (index, outcome));
                    let failed = outcome.is_err();
                    // The receiver is gone once another file failed: then there is nothing to do.
                    if sender.send(outcome).is_err() || failed {
                        break;
                    }
                }
            });
        }
        drop(sender);
        // While the first files are hashed.
        let admitted: Vec<bool> = files
            .iter()
            .map(|entry| checker.admit(&entry.path))
            .collect();
        for outcome in outcomes {
            // One failure stops what the other threads still read: it may be long.
            let outcome = outcome.inspect_err(|_| linked.stop());
            let (index, outcome): (usize, Outcome) = outcome?;
            let (Some(entry), Some(true)) = (files.get(index), admitted.get(index)) else {
                continue;
            };
            match outcome {
                Outcome::Read { size, sha256, kept } => {
                    checker.file(&entry.path, size, sha256);
                    if let Some(bytes) = kept {
                        checker.keep(&entry.path, bytes);
                    }
                }
                Outcome::Damaged(problem) => checker.damaged(&entry.path, &problem),
                Outcome::Refused => {}
            }
        }
        Ok(())
    })
}

fn read(
    tree: &dyn Tree,
    entry: &Entry,
    wanted: Option<Wanted>,
    ahead: bool,
    task: &Task<'_>,
    buffer: &mut [u8],
) -> Result<Outcome, VerifyError> {
    if entry.path.parse::<ArchivePath>().is_err() {
        return Ok(Outcome::Refused);
    }
    if let Some(Wanted::Whole(limit)) = wanted
        && entry.size > limit
    {
        return Err(VerifyError::TooLarge {
            path: entry.path.clone(),
            size: entry.size,
            limit,
        });
    }
    let mut intake = Intake {
        hasher: Hasher::new(),
        size: 0,
        left: wanted.map_or(0, Wanted::limit),
        kept: wanted.map(|_| Vec::new()),
    };
    let mut reader = tree.open(entry)?;
    let read = if ahead {
        read_ahead(&mut *reader, &mut intake, task)
    } else {
        read_through(&mut *reader, buffer, &mut intake, task)
    };
    match read {
        Ok(()) => Ok(Outcome::Read {
            size: intake.size,
            sha256: intake.hasher.finish(),
            kept: intake.kept,
        }),
        Err(Broken::Cancelled(cancelled)) => Err(cancelled.into()),
        Err(Broken::Read(error)) if error.kind() == io::ErrorKind::InvalidData => {
            Ok(Outcome::Damaged(error.to_string()))
        }
        Err(Broken::Read(source)) => Err(IoError {
            action: "read",
            path: entry.path.clone().into(),
            source,
        }
        .into()),
    }
}

/// Why reading a file ended early.
enum Broken {
    Read(io::Error),
    Cancelled(Cancelled),
}

/// What becomes of the bytes of one file.
struct Intake {
    hasher: Hasher,
    size: u64,
    left: u64,
    kept: Option<Vec<u8>>,
}

impl Intake {
    fn take(&mut self, data: &[u8], task: &Task<'_>) -> Result<(), Broken> {
        self.hasher.update(data);
        self.size += data.len() as u64;
        if let Some(kept) = self.kept.as_mut() {
            let part = usize::try_from(self.left)
                .unwrap_or(usize::MAX)
                .min(data.len());
            kept.extend_from_slice(&data[..part]);
            self.left -= part as u64;
        }
        task.advance(data.len() as u64).map_err(Broken::Cancelled)
    }
}

/// The next bytes; none at the end.
fn read_some(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn read_through(
    reader: &mut dyn Read,
    buffer: &mut [u8],
    intake: &mut Intake,
    task: &Task<'_>,
) -> Result<(), Broken> {
    loop {
        match read_some(reader, buffer).map_err(Broken::Read)? {
            0 => return Ok(()),
            count => intake.take(&buffer[..count], task)?,
        }
    }
}

/// Reads in a thread of its own, so that copying from the page cache and hashing overlap. The
/// few buffers go round between the two.
fn read_ahead(
    reader: &mut (dyn Read + Send),
    intake: &mut Intake,
    task: &Task<'_>,
) -> Result<(), Broken> {
    const BUFFERS: usize = 4;
    let (full, filled) = mpsc::sync_channel::<io::Result<(Vec<u8>, usize)>>(BUFFERS);
    let (empty, emptied) = mpsc::sync_channel::<Vec<u8>>(BUFFERS);
    // Both channels end with this closure, so that the thread never waits for what comes no more.
    std::thread::scope(move |scope| {
        scope.spawn(move || {
            for mut buffer in emptied {
                let read = read_some(reader, &mut buffer);
                let ended = !matches!(read, Ok(1..));
                // Nobody listens any more once the program was asked to stop.
                if full.send(read.map(|count| (buffer, count))).is_err() || ended {
                    break;
                }
            }
        });
        for _ in 0..BUFFERS {
            // The reader may have failed already; what it sent says so.
            let _ = empty.send(vec![0; BUFFER]);
        }
        for read in filled {
            let (buffer, count) = read.map_err(Broken::Read)?;
            intake.take(&buffer[..count], task)?;
            let _ = empty.send(buffer);
        }
        Ok(())
    })
}
