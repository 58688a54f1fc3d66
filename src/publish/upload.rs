//! Putting the files of an archive into a store: whole, once, and the manifest last.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Read};

use self::checked::Checked;
use crate::digest::Sha256;
use crate::error::Cancelled;
use crate::manifest::{FOLDER, MANIFEST, SIGNATURES};
use crate::monitor::{Linked, Monitor, Task, Unit};
use crate::path::ArchivePath;
use crate::store::{Address, Created, Object, Store, StoreError};
use crate::threads;

mod checked;

/// A file to publish, as its manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreFile {
    /// Its path from the archive's root.
    pub path: ArchivePath,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Sha256,
}

/// Opens a file of the archive that is published.
pub type Opener<'a> = &'a (dyn Fn(&ArchivePath) -> io::Result<Box<dyn Read + Send + 'a>> + Sync);

/// Which files are downloaded again and compared once they are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBack {
    /// Those up to this size in bytes, and the manifest.
    UpTo(u64),
    /// All, whatever was proved before.
    All,
}

impl Default for ReadBack {
    /// All that are sooner read than doubted.
    fn default() -> Self {
        Self::UpTo(64 << 20)
    }
}

impl ReadBack {
    /// Whether this file is one of them.
    pub(super) fn includes(self, file: &StoreFile) -> bool {
        match self {
            Self::All => true,
            Self::UpTo(size) => file.size <= size || file.path.as_str() == MANIFEST,
        }
    }
}

/// A file that is in the store, as the store names its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The file.
    pub file: StoreFile,
    /// The service's name for these bytes at this path, where it keeps versions.
    pub version: Option<String>,
    /// The service's mark for these bytes.
    pub checksum: Option<String>,
}

/// What publishing did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Where the archive is now.
    pub location: Address,
    /// How many files were written.
    pub copied: u64,
    /// How many were there, with the same bytes.
    pub skipped: u64,
    /// Every file that was to be there, by byte order of path.
    pub objects: Vec<Stored>,
}

/// Puts an archive's files below `name` in `store`. Files that are there with the same bytes are
/// skipped. `Manifest/manifest.json` comes last, after all else in `Manifest/`.
///
/// Before anything is written, everything that is there is compared: fails with
/// [`StoreError::Differs`] at a file with other bytes, and with [`StoreError::Stray`] at one that
/// is none of these, with nothing changed. Other files among the signatures may be there.
pub fn upload(
    store: &dyn Store,
    name: &str,
    files: &[StoreFile],
    open: Opener<'_>,
    read_back: ReadBack,
    monitor: &dyn Monitor,
) -> Result<Published, StoreError> {
    let there = list(store, name)?;
    let upload = Upload {
        store,
        name,
        read_back,
    };
    let prepared = upload.prepare(files, there, &|_, _| None, monitor)?;
    prepared.write(open, monitor)
}

/// What lies below `name`, which must be the name of one folder.
pub(super) fn list(store: &dyn Store, name: &str) -> Result<Vec<Object>, StoreError> {
    let is_one_name = name.parse::<ArchivePath>().is_ok() && !name.contains('/');
    if !is_one_name {
        return Err(StoreError::BadPath {
            path: name.to_owned(),
        });
    }
    store.list(name)
}

/// What earlier proof there is that an object has a file's bytes, so that it need not be read.
pub(super) type Proved<'a> = &'a (dyn Fn(&StoreFile, &Object) -> Option<Stored> + Sync);

/// One upload.
#[derive(Clone, Copy)]
pub(super) struct Upload<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) name: &'a str,
    pub(super) read_back: ReadBack,
}

/// An upload that was compared with what is there. Nothing is written yet.
pub(super) struct Prepared<'a> {
    upload: Upload<'a>,
    kept: Vec<Stored>,
    missing: Vec<StoreFile>,
}

impl<'a> Upload<'a> {
    /// Compares with `there`, which is what lies below the archive's name.
    pub(super) fn prepare(
        self,
        files: &[StoreFile],
        there: Vec<Object>,
        proved: Proved<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Prepared<'a>, StoreError> {
        let mut there: BTreeMap<String, Object> = there
            .into_iter()
            .map(|object| (object.path.clone(), object))
            .collect();
        let mut present = Vec::new();
        let mut missing = Vec::new();
        for file in files {
            match there.remove(&self.place(file)) {
                Some(object) => present.push((file.clone(), object)),
                None => missing.push(file.clone()),
            }
        }
        self.refuse_strays(there.into_keys())?;
        // The largest first, so that no thread is left with one of them at the end.
        present.sort_by_key(|(file, _)| Reverse(file.size));
        missing.sort_by_key(|file| (rank_of(file), Reverse(file.size)));
        // One failure stops what else is under way: it may be long.
        let linked = Linked::new(monitor);
        let task = Task::begin(&linked, "comparing", Some(total(&present)), Unit::Bytes);
        let threads = self.store.promises().transfers;
        let kept = threads::map(&present, threads, &linked, |(file, object)| {
            // The manifest is what everything else hangs on: it is read every time.
            let must_read = self.read_back == ReadBack::All || file.path.as_str() == MANIFEST;
            if let Some(stored) = proved(file, object).filter(|_| !must_read) {
                task.advance(file.size)?;
                return Ok(stored);
            }
            self.compare(file, object, &task)
        })?;
        Ok(Prepared {
            upload: self,
            kept,
            missing,
        })
    }

    fn place(&self, file: &StoreFile) -> String {
        format!("{}/{}", self.name, file.path)
    }

    /// Whatever else is there would make the archive one that no verification passes.
    fn refuse_strays(&self, paths: impl Iterator<Item = String>) -> Result<(), StoreError> {
        let signatures = format!("{}/{SIGNATURES}/", self.name);
        let paths: Vec<String> = paths
            .filter(|path| !path.starts_with(&signatures))
            .collect();
        if paths.is_empty() {
            return Ok(());
        }
        Err(StoreError::Stray {
            place: self.store.address().place(self.name),
            paths,
        })
    }

    fn compare(
        &self,
        file: &StoreFile,
        object: &Object,
        task: &Task,
    ) -> Result<Stored, StoreError> {
        let place = self.place(file);
        let found = self.digest(&place, "read", &mut task.reader(self.store.read(&place)?))?;
        if found != file.sha256 {
            return Err(StoreError::Differs {
                place: self.store.address().place(&place),
                expected: file.sha256,
                found,
            });
        }
        Ok(stored(file, object.clone()))
    }

    /// Writes a file; false if another run wrote it meanwhile.
    fn create(
        &self,
        file: &StoreFile,
        open: Opener<'_>,
        task: &Task,
    ) -> Result<(Stored, bool), StoreError> {
        let place = self.place(file);
        let reader = open(&file.path).map_err(|error| failed("open", file.path.as_str(), error))?;
        let mut content = Checked::new(task.reader(reader), file);
        let object = match self
            .store
            .create(&place, file.size, file.sha256, &mut content)?
        {
            Created::New(object) => object,
            // Another run was quicker; it must have written the same.
            Created::Exists => {
                let object = self.store.stat(&place)?.unwrap_or(Object {
                    path: place,
                    size: file.size,
                    version: None,
                    checksum: None,
                });
                return Ok((self.compare(file, &object, task)?, false));
            }
        };
        if self.read_back.includes(file) && !self.store.promises().has_read_back(file.size) {
            let found = self.digest(&place, "read back", &mut *self.store.read(&place)?)?;
            if found != file.sha256 {
                return Err(StoreError::ReadBack {
                    place: self.store.address().place(&place),
                    expected: file.sha256,
                    found,
                });
            }
        }
        Ok((stored(file, object), true))
    }

    /// Takes the service's names for all bytes from one place, whichever run wrote them: what it
    /// answers to a write, what it lists and what it says of one object need not be the same.
    fn name_bytes(&self, objects: &mut [Stored], monitor: &dyn Monitor) -> Result<(), StoreError> {
        let is_named = |object: &Stored| object.checksum.is_some() || object.version.is_some();
        if !objects.iter().any(is_named) {
            return Ok(());
        }
        let listed = self.store.list(self.name)?.into_iter();
        let mut marks: BTreeMap<String, Option<String>> = listed
            .map(|object| (object.path, object.checksum))
            .collect();
        for object in &mut *objects {
            object.checksum = marks.remove(&self.place(&object.file)).flatten();
        }
        // Lists do not name versions, and keeping them is a matter of the whole bucket.
        let version = |object: &Stored| -> Result<Option<String>, StoreError> {
            let found = self.store.stat(&self.place(&object.file))?;
            Ok(found.and_then(|object| object.version))
        };
        let keeps_versions = match objects.last() {
            Some(last) => version(last)?.is_some(),
            None => false,
        };
        let versions = if keeps_versions {
            let threads = self.store.promises().transfers;
            let linked = Linked::new(monitor);
            threads::map(objects, threads, &linked, |object| match &object.version {
                Some(known) => Ok(Some(known.clone())),
                None => version(object),
            })?
        } else {
            vec![None; objects.len()]
        };
        for (object, version) in objects.iter_mut().zip(versions) {
            object.version = version;
        }
        Ok(())
    }

    fn digest(
        &self,
        place: &str,
        action: &'static str,
        content: &mut dyn Read,
    ) -> Result<Sha256, StoreError> {
        let digest = Sha256::of_reader(content).map(|(digest, _)| digest);
        digest.map_err(|error| failed(action, &self.store.address().place(place), error))
    }
}

impl Prepared<'_> {
    /// The files that are not there yet, in the order in which they are written.
    pub(super) fn missing(&self) -> &[StoreFile] {
        &self.missing
    }

    /// How many files are there.
    pub(super) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Writes what is missing, and removes what killed runs left.
    pub(super) fn write(
        self,
        open: Opener<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Published, StoreError> {
        let Self {
            upload,
            kept: mut objects,
            missing,
        } = self;
        upload.store.tidy();
        let mut copied = 0;
        let threads = upload.store.promises().transfers;
        let all = missing.iter().map(|file| file.size);
        let all = all.fold(0, u64::saturating_add);
        let linked = Linked::new(monitor);
        let task = Task::begin(&linked, "publishing", Some(all), Unit::Bytes);
        for turn in missing.chunk_by(|a, b| rank_of(a) == rank_of(b)) {
            let done = threads::map(turn, threads, &linked, |file| {
                upload.create(file, open, &task)
            })?;
            for (stored, new) in done {
                objects.push(stored);
                copied += u64::from(new);
            }
        }
        objects.sort_by(|a, b| a.file.path.cmp(&b.file.path));
        upload.name_bytes(&mut objects, monitor)?;
        Ok(Published {
            location: upload.store.address().below(upload.name),
            copied,
            skipped: objects.len() as u64 - copied,
            objects,
        })
    }
}

fn total(present: &[(StoreFile, Object)]) -> u64 {
    let sizes = present.iter().map(|(file, _)| file.size);
    sizes.fold(0, u64::saturating_add)
}

fn stored(file: &StoreFile, object: Object) -> Stored {
    Stored {
        file: file.clone(),
        version: object.version,
        checksum: object.checksum,
    }
}

/// When a file's turn is. Content first, what is said about it next, and the manifest at the very
/// end, so that an archive with a manifest is whole; each statement after its signature, so that
/// whoever finds the statement can judge it.
fn rank_of(file: &StoreFile) -> u8 {
    let path = file.path.as_str();
    if path == MANIFEST {
        3
    } else if file.path.below(SIGNATURES).is_some_and(is_statement) {
        2
    } else {
        u8::from(file.path.below(FOLDER).is_some())
    }
}

/// Whether a file among the signatures is a statement: the grammar of their names knows no other.
fn is_statement(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, kind)| kind == "json")
}

/// An error while bytes passed, or what it carries.
fn failed(action: &'static str, path: &str, error: io::Error) -> StoreError {
    let error = match error.downcast::<StoreError>() {
        Ok(error) => return error,
        Err(error) => error,
    };
    match error.downcast::<Cancelled>() {
        Ok(cancelled) => cancelled.into(),
        Err(source) => crate::error::IoError {
            action,
            path: path.into(),
            source,
        }
        .into(),
    }
}
