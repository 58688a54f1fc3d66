//! Putting the files of an archive into a store: whole, once, and the manifest last.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::digest::{Hasher, Sha256};
use crate::error::Cancelled;
use crate::manifest::{FOLDER, MANIFEST};
use crate::monitor::{Linked, Monitor, Task, Unit};
use crate::path::ArchivePath;
use crate::store::{Address, Created, Store, StoreError};

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
    /// All.
    All,
}

impl Default for ReadBack {
    /// All that are sooner read than doubted.
    fn default() -> Self {
        Self::UpTo(64 << 20)
    }
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
}

/// Puts an archive's files below `name` in `store`. Files that are there with the same bytes are
/// skipped. `Manifest/manifest.json` comes last, after all else in `Manifest/`.
///
/// Before anything is written, everything that is there is compared: fails with
/// [`StoreError::Differs`] at a file with other bytes, with nothing changed.
pub fn upload(
    store: &dyn Store,
    name: &str,
    files: &[StoreFile],
    open: Opener<'_>,
    read_back: ReadBack,
    monitor: &dyn Monitor,
) -> Result<Published, StoreError> {
    let is_one_name = name.parse::<ArchivePath>().is_ok() && !name.contains('/');
    if !is_one_name {
        return Err(StoreError::BadPath {
            path: name.to_owned(),
        });
    }
    let run = Run {
        store,
        name,
        open,
        read_back,
        copied: AtomicU64::new(0),
    };
    run.publish(files, monitor)?;
    let copied = run.copied.into_inner();
    Ok(Published {
        location: store.address().below(name),
        copied,
        skipped: files.len() as u64 - copied,
    })
}

/// One upload.
struct Run<'s, 'o> {
    store: &'s dyn Store,
    name: &'s str,
    open: Opener<'o>,
    read_back: ReadBack,
    copied: AtomicU64,
}

impl Run<'_, '_> {
    fn publish(&self, files: &[StoreFile], monitor: &dyn Monitor) -> Result<(), StoreError> {
        let there: BTreeMap<String, u64> = self
            .store
            .list(self.name)?
            .into_iter()
            .map(|object| (object.path, object.size))
            .collect();
        let (there, missing): (Vec<_>, Vec<_>) = files
            .iter()
            .partition(|file| there.contains_key(&self.place(file)));
        let total = files
            .iter()
            .fold(0_u64, |sum, file| sum.saturating_add(file.size));
        let task = Task::begin(monitor, "publishing", Some(total), Unit::Bytes);
        self.each(&there, monitor, |file| self.compare(file, &task))?;
        // Content first, what is said about it next, and the manifest at the very end, so that
        // an archive with a manifest is whole.
        for rank in 0..=2 {
            let turn: Vec<&StoreFile> = missing
                .iter()
                .copied()
                .filter(|file| rank_of(file) == rank)
                .collect();
            self.each(&turn, monitor, |file| self.create(file, &task))?;
        }
        Ok(())
    }

    /// Does something with every file, with as many threads as the store likes.
    fn each(
        &self,
        files: &[&StoreFile],
        monitor: &dyn Monitor,
        work: impl Fn(&StoreFile) -> Result<(), StoreError> + Sync,
    ) -> Result<(), StoreError> {
        let next = AtomicUsize::new(0);
        let linked = Linked::new(monitor);
        let threads = self.store.promises().transfers.min(files.len());
        let run = || -> Result<(), StoreError> {
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                if linked.is_cancelled() {
                    return Err(Cancelled.into());
                }
                work(file).inspect_err(|_| linked.stop())?;
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            let mut result = Ok(());
            for thread in threads {
                match thread.join() {
                    // One that was asked to stop says less than the one that failed.
                    Ok(Err(error)) if result.is_ok() || is_stop(&result) => result = Err(error),
                    Ok(_) => {}
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            result
        })
    }

    fn place(&self, file: &StoreFile) -> String {
        format!("{}/{}", self.name, file.path)
    }

    fn compare(&self, file: &StoreFile, task: &Task) -> Result<(), StoreError> {
        let place = self.place(file);
        let found = self.digest(&place, task)?;
        if found == file.sha256 {
            return Ok(());
        }
        Err(StoreError::Differs {
            place: self.store.address().place(&place),
            expected: file.sha256,
            found,
        })
    }

    fn create(&self, file: &StoreFile, task: &Task) -> Result<(), StoreError> {
        let place = self.place(file);
        let reader =
            (self.open)(&file.path).map_err(|error| failed("open", file.path.as_str(), error))?;
        let mut content = Checked::new(task.reader(reader), file);
        match self.store.create(&place, file.size, &mut content)? {
            // Another run was quicker; it must have written the same.
            Created::Exists => return self.compare(file, task),
            Created::New(_) => self.copied.fetch_add(1, Ordering::Relaxed),
        };
        let wanted = match self.read_back {
            ReadBack::All => true,
            ReadBack::UpTo(size) => file.size <= size || file.path.as_str() == MANIFEST,
        };
        if !wanted || self.store.promises().reads_back {
            return Ok(());
        }
        let found = Sha256::of_reader(&mut self.store.read(&place)?)
            .map_err(|error| failed("read back", &self.store.address().place(&place), error))?
            .0;
        if found == file.sha256 {
            return Ok(());
        }
        Err(StoreError::ReadBack {
            place: self.store.address().place(&place),
            expected: file.sha256,
            found,
        })
    }

    fn digest(&self, place: &str, task: &Task) -> Result<Sha256, StoreError> {
        Sha256::of_reader(&mut task.reader(self.store.read(place)?))
            .map(|(digest, _)| digest)
            .map_err(|error| failed("read", &self.store.address().place(place), error))
    }
}

fn rank_of(file: &StoreFile) -> u8 {
    match file.path.as_str() {
        MANIFEST => 2,
        _ if file.path.below(FOLDER).is_some() => 1,
        _ => 0,
    }
}

fn is_stop(result: &Result<(), StoreError>) -> bool {
    matches!(result, Err(StoreError::Cancelled(_)))
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

/// Yields a file's bytes, and fails at their end if they are not those listed.
struct Checked<'a, R> {
    inner: R,
    file: &'a StoreFile,
    hasher: Hasher,
    size: u64,
}

impl<'a, R: Read> Checked<'a, R> {
    fn new(inner: R, file: &'a StoreFile) -> Self {
        Self {
            inner,
            file,
            hasher: Hasher::new(),
            size: 0,
        }
    }

    fn end(&self) -> io::Result<usize> {
        let found = self.hasher.clone().finish();
        if (found, self.size) == (self.file.sha256, self.file.size) {
            return Ok(0);
        }
        Err(io::Error::other(StoreError::SourceChanged {
            path: self.file.path.to_string(),
            expected: self.file.sha256,
            expected_size: self.file.size,
            found,
            found_size: self.size,
        }))
    }
}

impl<R: Read> Read for Checked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            return self.end();
        }
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}
