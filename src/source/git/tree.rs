//! The files of a commit, from `git ls-tree`.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};

use super::Mirror;
use super::command::Process;
use super::error::{GitError, printable};
use super::names;
use super::object::{is_object_id, require_id};

/// The longest line of `ls-tree`; git's own limit on a path is 4096 bytes.
const LINE_LIMIT: u64 = 64 * 1024;

/// A file of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitFile {
    /// Its path from the top of the tree: any bytes, `/` between components.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: FileKind,
    /// The id of its content; for a submodule, of a commit in another repository.
    pub object: String,
    /// Its size in bytes; 0 for a submodule.
    pub size: u64,
}

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A file.
    File,
    /// A file that may be executed.
    Executable,
    /// A symbolic link; its content is the target.
    Symlink,
    /// A commit of another repository.
    Submodule,
}

impl Mirror {
    /// All files of the commit or tree with this id, sorted by the bytes of their path. Fails with
    /// [`GitError::UnsafePath`] on a path that git itself would not check out.
    pub fn files(&self, commit: &str) -> Result<Vec<GitFile>, GitError> {
        let mut files = self.list(commit, None)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        require_safe(&files)?;
        Ok(files)
    }

    /// The file at exactly `path` in the commit or tree with this id; none if there is none, or
    /// if what is there is a folder, a link or a submodule.
    pub(super) fn file(&self, commit: &str, path: &str) -> Result<Option<GitFile>, GitError> {
        // No file of a tree has such a path, and git fails on it or reads it as another.
        let is_exact = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
        if !path.split('/').all(is_exact) {
            return Ok(None);
        }
        let found = self.list(commit, Some(path))?;
        Ok(found.into_iter().find(|file| {
            file.path == path.as_bytes()
                && matches!(file.kind, FileKind::File | FileKind::Executable)
        }))
    }

    fn list(&self, commit: &str, path: Option<&str>) -> Result<Vec<GitFile>, GitError> {
        require_id(commit)?;
        let mut command = self.command();
        command.args([
            "--literal-pathspecs",
            "ls-tree",
            "-r",
            "-z",
            "-l",
            "--full-tree",
            commit,
            "--",
        ]);
        command.args(path);
        let mut process = Process::start(command, "listing the files of a commit")?;
        let mut stdout = BufReader::new(process.stdout()?);
        let mut files = Vec::new();
        loop {
            let mut line = Vec::new();
            (&mut stdout)
                .take(LINE_LIMIT)
                .read_until(0, &mut line)
                .map_err(|source| process.pipe(source))?;
            if line.is_empty() {
                break;
            }
            files.push(parse_line(&line).ok_or_else(|| GitError::Malformed {
                object: format!("the entry {:?} of commit {commit}", printable(&line)),
                expected: "a file, link or submodule",
            })?);
        }
        process.finish()?;
        Ok(files)
    }
}

/// `MODE KIND ID SIZE<tab>PATH<nul>`, the size padded, `-` where there is none.
fn parse_line(line: &[u8]) -> Option<GitFile> {
    let line = line.strip_suffix(b"\0")?;
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (head, path) = line.split_at(tab);
    let mut words = std::str::from_utf8(head).ok()?.split_ascii_whitespace();
    let (mode, _, object) = (words.next()?, words.next()?, words.next()?);
    let size = words.next()?;
    let kind = match mode {
        "100644" | "100664" => FileKind::File,
        "100755" => FileKind::Executable,
        "120000" => FileKind::Symlink,
        "160000" => FileKind::Submodule,
        _ => return None,
    };
    let size = match kind {
        FileKind::Submodule => 0,
        _ => size.parse().ok()?,
    };
    is_object_id(object).then(|| GitFile {
        path: path.get(1..).unwrap_or_default().to_vec(),
        kind,
        object: object.to_owned(),
        size,
    })
}

/// A tree made by hand can hold names that git never makes: `..`, `.git`, one name twice, or a
/// link and files below it, through which an unpacker would write anywhere.
fn require_safe(files: &[GitFile]) -> Result<(), GitError> {
    let mut seen = HashSet::with_capacity(files.len());
    for file in files {
        let is_unsafe = !names::is_safe(&file.path)
            || file.kind == FileKind::Symlink && names::is_gitmodules(&file.path);
        if is_unsafe || !seen.insert(file.path.as_slice()) {
            return Err(unsafe_path(file));
        }
    }
    for file in files {
        let slashes = file.path.iter().enumerate().filter(|(_, b)| **b == b'/');
        for (slash, _) in slashes {
            if seen.contains(&file.path[..slash]) {
                return Err(unsafe_path(file));
            }
        }
    }
    Ok(())
}

fn unsafe_path(file: &GitFile) -> GitError {
    GitError::UnsafePath {
        path: printable(&file.path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> GitFile {
        GitFile {
            path: path.as_bytes().to_vec(),
            kind: FileKind::File,
            object: "0".repeat(40),
            size: 3,
        }
    }

    #[test]
    fn an_entry_is_read_whatever_its_name_holds() {
        let id = "a".repeat(40);
        let line = format!("100644 blob {id}       3\tdir/\ta\nb \0");
        let read = parse_line(line.as_bytes()).unwrap();
        assert_eq!(read.path, b"dir/\ta\nb ");
        assert_eq!((read.kind, read.size), (FileKind::File, 3));
        for line in [
            format!("040000 tree {id}       -\tdir\0"),
            format!("100644 blob {id}       3\tcut short"),
            "100644 blob --help       3\ta\0".to_owned(),
        ] {
            assert_eq!(parse_line(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn paths_that_escape_hide_or_overwrite_are_refused() {
        for paths in [
            &["../x"][..],
            &["/etc/passwd"],
            &["a//b"],
            &["a/./b"],
            &["a/.GIT/config"],
            &["a", "a"],
            &["a", "a!", "a/b"],
        ] {
            let files: Vec<_> = paths.iter().map(|path| file(path)).collect();
            assert!(require_safe(&files).is_err(), "{paths:?}");
        }
        require_safe(&[file(".gitignore"), file("..a/b.."), file("a/.github/x")]).unwrap();
    }
}
