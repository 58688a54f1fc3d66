//! Reading an archive of the source code back: what it holds, by git's own names for it.

use std::io::{self, BufReader, Read};

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use flate2::bufread::MultiGzDecoder;
use tar::EntryType;

use super::FileKind;
use super::error::printable;
use crate::digest::{BUFFER, Hasher, Sha256};
use crate::monitor::Task;

/// The longest name of a file or target of a link; git's own limit on a path is 4096 bytes.
const NAME_LIMIT: u64 = 64 * 1024;
/// What a tar may hold beside the content of its files: two long names, a header and padding for
/// each, and its end.
const PER_FILE: u64 = 2 * (512 + NAME_LIMIT) + 1024;

/// A file or link in an archive of the source code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// Its path, with the one folder that holds everything.
    pub path: Vec<u8>,
    /// What it is; never a submodule.
    pub kind: FileKind,
    /// The id that git gives its content, or the target of a link.
    pub object: String,
}

/// What an archive of the source code may be at most.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How many files and links.
    pub files: u64,
    /// How many bytes they have together.
    pub bytes: u64,
    /// Whether objects are named by SHA-256 instead of SHA-1.
    pub sha256: bool,
}

/// Reads a `.tar.gz` as [`Mirror::source_tree`](super::Mirror::source_tree) writes it, hands every
/// file and link to `each`, and returns the digest of the tar. Nothing is written, and no more is
/// unpacked than the bounds allow.
pub fn read_source_tree(
    packed: &mut dyn Read,
    bounds: Bounds,
    task: &Task<'_>,
    each: &mut dyn FnMut(Unpacked),
) -> io::Result<Sha256> {
    let gzip = MultiGzDecoder::new(BufReader::with_capacity(BUFFER, packed));
    let most = bounds
        .files
        .saturating_mul(PER_FILE)
        .saturating_add(bounds.bytes)
        .saturating_add(PER_FILE);
    let mut tar = Hashing {
        inner: gzip,
        hasher: Hasher::new(),
        left: most,
        task,
    };
    let mut archive = tar::Archive::new(&mut tar);
    let (mut path, mut target) = (None, None);
    // Raw, since the library would hold a long name in memory however long it is.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        match entry.header().entry_type() {
            EntryType::GNULongName => path = Some(long_name(&mut entry)?),
            EntryType::GNULongLink => target = Some(long_name(&mut entry)?),
            EntryType::Symlink => {
                let target = target.take().or_else(|| {
                    let name = entry.header().link_name_bytes()?;
                    Some(name.into_owned())
                });
                let target = target.unwrap_or_default();
                let mut hash = ObjectHash::begin(bounds.sha256, target.len() as u64);
                hash.0.update(&target);
                each(Unpacked {
                    path: path.take().unwrap_or_else(|| name_of(&entry)),
                    kind: FileKind::Symlink,
                    object: hash.finish(),
                });
            }
            EntryType::Regular => {
                let path = path.take().unwrap_or_else(|| name_of(&entry));
                let executable = entry.header().mode()? & 0o111 != 0;
                let object = hash_content(&mut entry, bounds.sha256)?;
                each(Unpacked {
                    path,
                    kind: if executable {
                        FileKind::Executable
                    } else {
                        FileKind::File
                    },
                    object,
                });
            }
            _ => {
                let name = printable(&name_of(&entry));
                return Err(invalid(format!("{name} is neither a file nor a link")));
            }
        }
    }
    // What follows the end of the tar has no meaning, but it is part of the digest.
    io::copy(&mut tar, &mut io::sink())?;
    Ok(tar.hasher.finish())
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn name_of<R: Read>(entry: &tar::Entry<'_, R>) -> Vec<u8> {
    entry.header().path_bytes().into_owned()
}

fn long_name(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut name = Vec::new();
    entry.take(NAME_LIMIT + 1).read_to_end(&mut name)?;
    if name.len() as u64 > NAME_LIMIT {
        return Err(invalid("a path is too long to be one".to_owned()));
    }
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn hash_content<R: Read>(entry: &mut tar::Entry<'_, R>, sha256: bool) -> io::Result<String> {
    let mut hash = ObjectHash::begin(sha256, entry.size());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match entry.read(&mut buffer) {
            Ok(0) => return Ok(hash.finish()),
            Ok(count) => hash.0.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The id that git gives a file's content.
struct ObjectHash(Context);

impl ObjectHash {
    fn begin(sha256: bool, size: u64) -> Self {
        let mut context = Context::new(if sha256 {
            &SHA256
        } else {
            &SHA1_FOR_LEGACY_USE_ONLY
        });
        context.update(format!("blob {size}\0").as_bytes());
        Self(context)
    }

    fn finish(self) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        for byte in self.0.finish().as_ref() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// Hashes what passes, up to a limit.
struct Hashing<'t, 'a, R> {
    inner: R,
    hasher: Hasher,
    left: u64,
    task: &'t Task<'a>,
}

impl<R: Read> Read for Hashing<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| invalid("it unpacks to far more than the files it is of".to_owned()))?;
        self.hasher.update(&buffer[..count]);
        self.task.advance(count as u64).map_err(io::Error::other)?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_id_that_git_gives_it() {
        // As printed by `git hash-object` of a file with "hello\n".
        let mut hash = ObjectHash::begin(false, 6);
        hash.0.update(b"hello\n");
        assert_eq!(hash.finish(), "ce013625030ba8dba906f756967f9e9ca394464a");
        let mut hash = ObjectHash::begin(true, 6);
        hash.0.update(b"hello\n");
        assert_eq!(
            hash.finish(),
            "2cf8d83d9ee29543b34a87727421fdecb7e3f3a183d337639025de576db9ebb4"
        );
    }
}
