//! The released source code as one `.tar.gz`, every file as committed.
//!
//! `git archive` leaves out or rewrites what attributes tell it to, so the archive is made here.

use std::io::{self, Write};

use super::error::{GitError, printable};
use super::gzip::Gzip;
use super::object::ObjectReader;
use super::{FileKind, GitFile, Mirror, Submodule, Tag};
use crate::digest::{HashingWriter, Sha256};
use crate::monitor::Task;

const WHAT: &str = "the archive of the source code";
/// The unit of a tar archive (POSIX.1-1988 ustar).
const RECORD: u64 = 512;
/// The longest target of a symbolic link that any system takes.
const LINK_LIMIT: u64 = 4096;

/// What identifies an archive of the source code, whatever compressed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceTree {
    /// The digest of the tar archive inside the gzip.
    pub uncompressed: Sha256,
    /// How many files and links it holds.
    pub files: u64,
}

impl Mirror {
    /// Writes the tag's tree as a `.tar.gz` in which every path begins with `prefix/`, with the
    /// files of its submodules in their place, compressed on `jobs` threads. Git LFS pointers stay
    /// as committed. The task's progress counts bytes before compression. The same tag and prefix
    /// give the same bytes for one version of this program.
    ///
    /// Fails with [`GitError::SubmoduleMissing`] unless `submodules` has all of them, as
    /// [`submodules`](Self::submodules) gives them.
    pub fn source_tree(
        &self,
        tag: &Tag,
        submodules: &[Submodule],
        prefix: &str,
        jobs: usize,
        out: &mut dyn Write,
        task: &Task<'_>,
    ) -> Result<SourceTree, GitError> {
        let gzip = Gzip::new(out, jobs).map_err(failed)?;
        let mut archive = Archive {
            out: HashingWriter::new(gzip),
            submodules,
            prefix,
            mtime: u64::try_from(tag.date.as_second()).unwrap_or(0),
            files: 0,
            task,
        };
        archive.add_tree(self, &tag.commit, b"")?;
        let files = archive.files;
        let uncompressed = archive.finish()?;
        Ok(SourceTree {
            uncompressed,
            files,
        })
    }
}

fn failed(source: io::Error) -> GitError {
    GitError::write(WHAT, source)
}

struct Archive<'a, W: Write> {
    out: HashingWriter<Gzip<W>>,
    submodules: &'a [Submodule],
    prefix: &'a str,
    mtime: u64,
    files: u64,
    task: &'a Task<'a>,
}

impl<'a, W: Write> Archive<'a, W> {
    /// Adds all files of a commit, whose paths begin with `above`. Each submodule's follow where
    /// the tree names it. None can land on another's path, or pass through a link: no path of a
    /// tree lies below a submodule's or a link's, which [`Mirror::files`] sees to.
    fn add_tree(&mut self, mirror: &Mirror, commit: &str, above: &[u8]) -> Result<(), GitError> {
        let mut objects = mirror.objects()?;
        let files = mirror.files(commit)?;
        let ahead = files.iter().filter(|file| file.kind != FileKind::Submodule);
        let mut ahead = ahead.map(|file| file.object.as_str());
        for file in &files {
            objects.ask_ahead(&mut ahead)?;
            let path = [above, &file.path].concat();
            if file.kind == FileKind::Submodule {
                let submodule = self.submodule(&path, file)?;
                let below = [&path[..], b"/"].concat();
                self.add_tree(&submodule.mirror, &submodule.commit.id, &below)?;
            } else {
                self.add(&path, file, &mut objects)?;
            }
        }
        Ok(())
    }

    fn submodule(&self, path: &[u8], file: &GitFile) -> Result<&'a Submodule, GitError> {
        let found = self
            .submodules
            .iter()
            .find(|known| known.path.as_bytes() == path && known.commit.id == file.object);
        found.ok_or_else(|| GitError::Submodule {
            path: printable(path),
            commit: file.object.clone(),
            source: Box::new(GitError::SubmoduleMissing { url: String::new() }),
        })
    }

    fn add(
        &mut self,
        path: &[u8],
        file: &GitFile,
        objects: &mut ObjectReader,
    ) -> Result<(), GitError> {
        self.files += 1;
        let path = [self.prefix.as_bytes(), b"/", path].concat();
        if file.kind == FileKind::Symlink {
            let target = link_target(file, objects)?;
            return self.head(&path, Some(&target), 0, 0o777).map_err(failed);
        }
        let mode = match file.kind {
            FileKind::Executable => 0o755,
            _ => 0o644,
        };
        self.head(&path, None, file.size, mode).map_err(failed)?;
        let size = objects.copy(&file.object, &mut self.task.writer(&mut self.out))?;
        if size != file.size {
            return Err(GitError::Malformed {
                object: file.object.clone(),
                expected: "a file of the size that the tree says",
            });
        }
        self.pad(size).map_err(failed)
    }

    /// Writes the header of an entry, after GNU long-name entries where a name needs one. Those
    /// carry any bytes, while a pax record must be UTF-8.
    fn head(&mut self, path: &[u8], link: Option<&[u8]>, size: u64, mode: u32) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(match link {
            Some(_) => tar::EntryType::Symlink,
            None => tar::EntryType::Regular,
        });
        if let Some(target) = link {
            self.name(
                target,
                tar::EntryType::GNULongLink,
                |gnu| &mut gnu.linkname,
                &mut header,
            )?;
        }
        self.name(
            path,
            tar::EntryType::GNULongName,
            |gnu| &mut gnu.name,
            &mut header,
        )?;
        self.write_header(header, size, mode)
    }

    /// Puts `name` into its field, or before the header if it is too long for it.
    fn name(
        &mut self,
        name: &[u8],
        long: tar::EntryType,
        field: impl Fn(&mut tar::GnuHeader) -> &mut [u8; 100],
        header: &mut tar::Header,
    ) -> io::Result<()> {
        if name.len() > 100 {
            let mut before = tar::Header::new_gnu();
            before.set_entry_type(long);
            put(&mut before, b"././@LongLink", |gnu| &mut gnu.name);
            // The name ends in a zero byte, which counts.
            let size = name.len() as u64 + 1;
            self.write_header(before, size, 0o644)?;
            self.out.write_all(name)?;
            self.out.write_all(&[0])?;
            self.pad(size)?;
        }
        put(header, name, field);
        Ok(())
    }

    fn write_header(&mut self, mut header: tar::Header, size: u64, mode: u32) -> io::Result<()> {
        header.set_size(size);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(self.mtime);
        header.set_cksum();
        self.task.advance(0).map_err(io::Error::other)?;
        self.out.write_all(header.as_bytes())
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let zeros = [0; 512];
        let missing = (RECORD - size % RECORD) % RECORD;
        let missing = usize::try_from(missing).map_err(io::Error::other)?;
        self.out.write_all(&zeros[..missing])
    }

    fn finish(mut self) -> Result<Sha256, GitError> {
        self.out.write_all(&[0; 1024]).map_err(failed)?;
        let (gzip, _, digest) = self.out.finish();
        gzip.finish().map_err(failed)?;
        Ok(digest)
    }
}

fn put(
    header: &mut tar::Header,
    name: &[u8],
    field: impl Fn(&mut tar::GnuHeader) -> &mut [u8; 100],
) {
    if let Some(gnu) = header.as_gnu_mut() {
        for (place, byte) in field(gnu).iter_mut().zip(name) {
            *place = *byte;
        }
    }
}

pub(super) fn link_target(file: &GitFile, objects: &mut ObjectReader) -> Result<Vec<u8>, GitError> {
    let malformed = || GitError::Malformed {
        object: file.object.clone(),
        expected: "the target of a symbolic link",
    };
    if file.size == 0 || file.size > LINK_LIMIT {
        return Err(malformed());
    }
    let mut target = Vec::new();
    objects.copy(&file.object, &mut target)?;
    if target.contains(&0) {
        return Err(malformed());
    }
    Ok(target)
}
