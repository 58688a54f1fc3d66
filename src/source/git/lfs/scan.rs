//! Finding every pointer of a history, without holding the history.

use std::io::{self, BufRead, BufReader, Read};
use std::process::Stdio;

use super::{LfsObjects, LfsPointer};
use crate::monitor::Task;
use crate::source::git::Mirror;
use crate::source::git::command::Process;
use crate::source::git::error::{GitError, printable};
use crate::source::git::object::is_object_id;

/// How much of a file's path is kept, for messages.
const PATH_LIMIT: usize = 512;
/// More than any id, kind and size that stand before the path.
const HEAD_LIMIT: usize = 256;

impl Mirror {
    /// Adds what every pointer in the history of the commit with this id names. `repository` is
    /// kept with each, to tell several repositories apart. The task's progress counts the small
    /// files that were looked at.
    pub fn find_lfs_objects(
        &self,
        commit: &str,
        repository: usize,
        objects: &mut LfsObjects,
        task: &Task<'_>,
    ) -> Result<(), GitError> {
        if !is_object_id(commit) {
            return Err(GitError::BadName {
                name: commit.to_owned(),
                expected: "a commit's id",
            });
        }
        // One git lists the small files, the next hands over their content; nothing is held here.
        let mut command = self.command();
        command
            .args(["rev-list", "--objects", "--filter-provided-objects"])
            .arg(format!(
                "--filter=combine:object:type=blob+blob:limit={}",
                LfsPointer::LIMIT
            ))
            .args([commit, "--"]);
        let mut list = Process::start(command, "listing the small files of the history")?;
        let mut command = self.command();
        command.args(["cat-file", "--buffer"]);
        command.arg("--batch=%(objectname) %(objecttype) %(objectsize) %(rest)");
        let listed = Stdio::from(list.stdout()?);
        let mut read = Process::start_fed(command, listed, "reading the small files")?;
        let mut small = BufReader::new(read.patient_stdout(task)?);
        let result = scan(&mut small, repository, objects, task);
        drop(small);
        // Why something ended early is told by the git that ended: the list ends with its reader.
        if matches!(result, Ok(()) | Err(GitError::Pipe { .. })) {
            read.finish_unless_cancelled(task)?;
            list.finish_unless_cancelled(task)?;
        }
        result
    }
}

fn scan(
    small: &mut impl BufRead,
    repository: usize,
    objects: &mut LfsObjects,
    task: &Task<'_>,
) -> Result<(), GitError> {
    let broken = |source| GitError::read("reading the small files", source);
    let mut head = Vec::new();
    let mut content = Vec::new();
    while read_line(small, &mut head).map_err(broken)? {
        let (size, path) = parse_head(&head)?;
        content.clear();
        (&mut *small)
            .take(size + 1)
            .read_to_end(&mut content)
            .map_err(broken)?;
        if content.pop() != Some(b'\n') || content.len() as u64 != size {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        if let Some(pointer) = LfsPointer::parse(&content) {
            objects.add(pointer, repository, || printable(path))?;
        }
        task.advance(1)?;
    }
    Ok(())
}

/// Reads a line and keeps its beginning; false at the end. A path can be of any length.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(false);
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        let room = (HEAD_LIMIT + PATH_LIMIT).saturating_sub(line.len());
        line.extend(part.iter().take(room));
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// `ID blob SIZE PATH`; a tree's path may be cut off at a newline.
fn parse_head(line: &[u8]) -> Result<(u64, &[u8]), GitError> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let mut word = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let (id, kind, size) = (word(), word(), word());
    let size = size.and_then(|size| size.parse().ok());
    match (id, kind, size) {
        (Some(id), Some("blob"), Some(size)) if is_object_id(id) && size < LfsPointer::LIMIT => {
            Ok((size, parts.next().unwrap_or_default()))
        }
        (Some(id), Some("missing"), None) => Err(GitError::MissingObject {
            object: printable(id.as_bytes()),
        }),
        _ => Err(GitError::Malformed {
            object: format!("git's answer {:?}", printable(line)),
            expected: "a small file's id, kind, size and path",
        }),
    }
}
