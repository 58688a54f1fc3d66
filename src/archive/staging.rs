//! Writing an archive so that it appears whole or not at all.
//!
//! A run writes into a folder `.dhfpack-XXXXXXXX` beside its destination, whose name it may learn
//! only on the way:
//!
//! ```text
//! lock    held for as long as the run lives; also marks the folder as ours
//! tree/   becomes the destination, by one rename that replaces nothing
//! work/   scratch
//! ```
//!
//! The system frees the lock of a killed run, so that the next run knows what may be removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use walkdir::WalkDir;

use self::scaffold::{Scaffold, failed, refuse_existing};
use super::ArchiveError;
use super::pack::{Form, pack};
use crate::digest::{HashingWriter, Sha256};
use crate::error::{IoContext, IoError};
use crate::monitor::Monitor;
use crate::path::ArchivePath;
use crate::platform;

mod scaffold;

/// Enough for a file written in small pieces; larger pieces are written as they are.
const SMALL_WRITES: usize = 32 * 1024;

/// A folder that becomes an archive. Dropped before [`Staging::commit`], it leaves nothing.
pub struct Staging {
    scaffold: Scaffold,
    tree: PathBuf,
    work: PathBuf,
}

impl Staging {
    /// Begins an archive that will appear in the folder `parent`; makes that folder, and
    /// removes what killed runs left there.
    pub fn begin(parent: &Path) -> Result<Self, ArchiveError> {
        let scaffold = Scaffold::begin(parent)?;
        let (tree, work) = (scaffold.join("tree"), scaffold.join("work"));
        make_folder(&tree)?;
        make_folder(&work)?;
        Ok(Self {
            scaffold,
            tree,
            work,
        })
    }

    /// Fails with [`ArchiveError::Exists`] if something has this name already, so that it need
    /// not come out at the end.
    pub fn refuse_existing(&self, name: &str) -> Result<(), ArchiveError> {
        refuse_existing(&self.scaffold.destination(name))
    }

    /// The folder that becomes the archive.
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// A folder for scratch, on the same file system, that does not.
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// Creates a file of the archive, and the folders above it. Several threads may do so.
    ///
    /// Fails with [`ArchiveError::WrittenTwice`] if it is there.
    pub fn create(&self, path: &ArchivePath) -> Result<FileWriter, ArchiveError> {
        let place = self.tree.join(path.as_str());
        if let Some(parent) = place.parent() {
            make_folders(parent)?;
        }
        let file = match File::create_new(&place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(ArchiveError::WrittenTwice { path: place });
            }
            other => other.at("create", &place)?,
        };
        platform::set_plain_mode(&place, false).at("set the mode of", &place)?;
        Ok(FileWriter {
            inner: BufWriter::with_capacity(SMALL_WRITES, HashingWriter::new(file)),
            path: path.clone(),
            place,
        })
    }

    /// A folder of the archive that does not exist yet, for content that is written file by
    /// file elsewhere; the folders above it are made.
    pub fn folder(&self, path: &ArchivePath) -> Result<PathBuf, ArchiveError> {
        let place = self.tree.join(path.as_str());
        if let Some(parent) = place.parent() {
            make_folders(parent)?;
        }
        Ok(place)
    }

    /// Gives every file and folder this time, makes all durable, and lets the archive appear
    /// under its name: as a folder, or packed into one file. Returns where it is.
    ///
    /// Fails with [`ArchiveError::Exists`] if something has taken its place meanwhile; then,
    /// and on any other failure, the staging folder is removed.
    pub fn commit(
        self,
        name: &str,
        form: Form,
        time: Timestamp,
        monitor: &dyn Monitor,
    ) -> Result<PathBuf, ArchiveError> {
        if form == Form::Folder {
            finish_tree(&self.tree, time.into())?;
            return self.scaffold.publish(&self.tree, name);
        }
        let place = self.scaffold.join("file");
        let mut file = NewFile::create(&place)?;
        pack(
            &*super::open(&self.tree)?,
            name,
            form,
            time,
            &mut file,
            monitor,
        )?;
        file.finish(time)?;
        self.scaffold.publish(&place, &form.file_name(name))
    }
}

fn make_folder(path: &Path) -> Result<(), ArchiveError> {
    fs::create_dir(path).at("create", path)?;
    platform::set_plain_mode(path, true).at("set the mode of", path)?;
    Ok(())
}

/// As `create_dir_all`, with mode 0755, and the deepest first: mostly it is there.
fn make_folders(path: &Path) -> Result<(), ArchiveError> {
    match fs::create_dir(path) {
        Ok(()) => Ok(platform::set_plain_mode(path, true).at("set the mode of", path)?),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().unwrap_or(path);
            make_folders(parent)?;
            make_folders(path)
        }
        Err(error) => Err(failed("create", path, error)),
    }
}

/// Sets all times, and then syncs.
fn finish_tree(tree: &Path, time: SystemTime) -> Result<(), ArchiveError> {
    each(tree, |path, _| {
        Ok(platform::set_modified(path, time).at("set the time of", path)?)
    })?;
    if platform::sync_file_system(tree).at("sync", tree)? {
        return Ok(());
    }
    each(tree, |path, is_folder| {
        if is_folder {
            return Ok(platform::sync_folder(path).at("sync", path)?);
        }
        let file = OpenOptions::new().write(true).open(path);
        Ok(file.and_then(|file| file.sync_all()).at("sync", path)?)
    })
}

/// Calls `act` for everything in `tree` and at last for itself, and says what is a folder.
fn each(
    tree: &Path,
    act: impl Fn(&Path, bool) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    for found in WalkDir::new(tree).contents_first(true) {
        let found = found.map_err(|error| failed("read", tree, error.into()))?;
        act(found.path(), found.file_type().is_dir())?;
    }
    Ok(())
}

/// A file of an archive being written, hashed on the way.
pub struct FileWriter {
    inner: BufWriter<HashingWriter<File>>,
    path: ArchivePath,
    place: PathBuf,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its path in the archive.
    pub path: ArchivePath,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Sha256,
}

impl FileWriter {
    /// Hands the last bytes to the system. Durable they are after [`Staging::commit`].
    pub fn finish(self) -> Result<Written, ArchiveError> {
        let hashing = self
            .inner
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .at("write", &self.place)?;
        let (_, size, sha256) = hashing.finish();
        Ok(Written {
            path: self.path,
            size,
            sha256,
        })
    }
}

impl Write for FileWriter {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.inner
            .write(data)
            .map_err(|error| named(error, &self.place))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner
            .flush()
            .map_err(|error| named(error, &self.place))
    }
}

/// Keeps the kind, which says whether the disk is full, and adds the path.
fn named(source: io::Error, path: &Path) -> io::Error {
    let (kind, path) = (source.kind(), path.to_path_buf());
    io::Error::new(
        kind,
        IoError {
            action: "write",
            path,
            source,
        },
    )
}

/// A single file, such as a zip, that appears whole or not at all.
pub struct StagedFile {
    scaffold: Scaffold,
    file: NewFile,
    name: String,
}

impl StagedFile {
    /// Begins a file that will appear at `destination`; see [`Staging::begin`].
    ///
    /// Fails with [`ArchiveError::Exists`] if there is anything, which is not touched.
    pub fn begin(destination: &Path) -> Result<Self, ArchiveError> {
        let no_name = || ArchiveError::NoName {
            path: destination.to_path_buf(),
        };
        let name = destination.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(no_name)?.to_owned();
        let parent = match destination.parent().ok_or_else(no_name)? {
            parent if parent.as_os_str().is_empty() => Path::new("."),
            parent => parent,
        };
        refuse_existing(destination)?;
        let scaffold = Scaffold::begin(parent)?;
        Ok(Self {
            file: NewFile::create(&scaffold.join("file"))?,
            scaffold,
            name,
        })
    }

    /// Makes the file durable and lets it appear; see [`Staging::commit`].
    pub fn commit(self, time: Timestamp) -> Result<PathBuf, ArchiveError> {
        let place = self.file.place.clone();
        self.file.finish(time)?;
        self.scaffold.publish(&place, &self.name)
    }
}

impl Write for StagedFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for StagedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// A file in a staging folder that is not part of a tree.
struct NewFile {
    file: BufWriter<File>,
    place: PathBuf,
}

impl NewFile {
    fn create(place: &Path) -> Result<Self, ArchiveError> {
        let file = File::create_new(place).at("create", place)?;
        platform::set_plain_mode(place, false).at("set the mode of", place)?;
        Ok(Self {
            file: BufWriter::with_capacity(SMALL_WRITES, file),
            place: place.to_path_buf(),
        })
    }

    /// Sets the time and makes the file durable.
    fn finish(self, time: Timestamp) -> Result<(), ArchiveError> {
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .at("write", &self.place)?;
        file.set_modified(time.into())
            .at("set the time of", &self.place)?;
        file.sync_all().at("sync", &self.place)?;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.file
            .write(data)
            .map_err(|error| named(error, &self.place))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| named(error, &self.place))
    }
}

impl Seek for NewFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}
