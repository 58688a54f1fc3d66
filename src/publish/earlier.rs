//! What an earlier run published, as the archive's latest receipt says. What was lost since is
//! told: a new receipt must not hide it, nor an object that is made anew.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use miette::Diagnostic;
use thiserror::Error;

use super::receipt::{self, ObjectReceipt, Receipt, RowReceipt};
use super::retention::{Locked, Planned, stronger};
use super::{StoreFile, Stored};
use crate::digest::Sha256;
use crate::manifest::SIGNATURES;
use crate::store::{Locks, Object, Store, StoreError};

/// How many objects a message names.
const NAMED: usize = 5;

/// Something that was published is lost. Nothing was written.
#[derive(Debug, Error, Diagnostic)]
pub enum LossError {
    /// Objects that were locked are gone.
    #[error(
        "{receipt} says that these are locked, and the store does not have them any more:{}",
        lines(objects)
    )]
    #[diagnostic(help(
        "a locked version cannot be deleted, but a delete marker hides it: remove the marker, as \
         docs/retention.md shows, and run again. Nothing is made anew in its place, since that \
         would have another lock"
    ))]
    Locked {
        /// The receipt.
        receipt: String,
        /// Each object, and its lock.
        objects: Vec<String>,
    },
    /// Objects are locked less than they were, or are other versions.
    #[error("these are not locked any more as {receipt} says:{}", lines(objects))]
    #[diagnostic(help(
        "find out who changed it. Remove a version that was put on top of the locked one, as \
         docs/retention.md shows; `dhfpack retention extend` makes a lock as long and as strict \
         as it was. Then run again"
    ))]
    Weaker {
        /// The receipt.
        receipt: String,
        /// Each object, and what is wrong with it.
        objects: Vec<String>,
    },
    /// Objects are gone that this archive cannot bring back.
    #[error(
        "{receipt} lists these, which neither the store nor the archive here has:{}",
        lines(objects)
    )]
    #[diagnostic(help(
        "put them back from a backup, the store's versions or a copy of the archive that has \
         them, and run again"
    ))]
    Gone {
        /// The receipt.
        receipt: String,
        /// The objects, by path.
        objects: Vec<String>,
    },
    /// An archive of this name was published, and is gone.
    #[error(
        "{receipt} says that an archive of this name was published with the manifest {published}; \
         it is gone, and this archive has the manifest {given}"
    )]
    #[diagnostic(help(
        "a published archive is never replaced: put it back from a backup or the store's versions, \
         or publish this one as a revision (`release.revision`). If what was published may be \
         forgotten, move its receipts away first"
    ))]
    Replaced {
        /// The receipt.
        receipt: String,
        /// The digest of the manifest that the receipt names.
        published: Sha256,
        /// That of the archive to publish.
        given: Sha256,
    },
    /// Something is missing, and nobody can tell whether it was there.
    #[error(
        "{receipt} cannot be understood ({problem}), and not all that belongs to the archive is \
         there: whether it was lost cannot be told"
    )]
    #[diagnostic(help(
        "put the receipt back from a backup or the store's versions, use a newer dhfpack if a newer \
         one wrote it, or move it out of the store once you know what is missing; then run again"
    ))]
    Unreadable {
        /// The receipt.
        receipt: String,
        /// Why it cannot be understood.
        problem: String,
    },
}

fn lines(objects: &[String]) -> String {
    let named = objects.iter().take(NAMED).map(String::as_str);
    let more = objects.len().saturating_sub(NAMED);
    let more = (more > 0).then(|| format!("and {more} more"));
    let lines: Vec<&str> = std::iter::once("")
        .chain(named)
        .chain(more.as_deref())
        .collect();
    lines.join("\n  ")
}

/// The latest receipt of an archive, before a run.
pub(super) struct Earlier {
    place: String,
    said: Result<Receipt, String>,
}

/// Objects that the receipt lists, that were gone, and are made anew.
#[derive(Default)]
pub(super) struct Remade {
    receipt: String,
    paths: Vec<String>,
}

impl Remade {
    /// The same for a person, to follow what is told of the files; nothing if there are none.
    pub(super) fn note(&self) -> String {
        if self.paths.is_empty() {
            return String::new();
        }
        format!("; gone since {}: {}", self.receipt, list(&self.paths))
    }
}

/// The first of these, and how many more there are.
fn list(paths: &[impl AsRef<str>]) -> String {
    let named = paths.iter().take(NAMED);
    let named: Vec<String> = named.map(|path| format!("{:?}", path.as_ref())).collect();
    let more = match paths.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    named.join(", ") + &more
}

impl Earlier {
    /// The latest receipt of the archive `name`, if it has one.
    pub(super) fn latest(store: &dyn Store, name: &str) -> Result<Option<Self>, StoreError> {
        let latest = receipt::latest(store, name)?;
        Ok(latest.map(|(path, said)| Self {
            place: store.address().place(&path),
            said,
        }))
    }

    /// What it says of the archive with this manifest.
    fn of(&self, digest: Sha256) -> Option<&Receipt> {
        let receipt = self.said.as_ref().ok();
        receipt.filter(|receipt| receipt.manifest_sha256 == digest)
    }

    /// What it proves of an object of the archive with this manifest, by the service's own mark.
    pub(super) fn proved(
        &self,
        digest: Sha256,
        file: &StoreFile,
        object: &Object,
    ) -> Option<Stored> {
        let known = self.of(digest)?.object(&file.path)?;
        (known.sha256 == file.sha256 && known.is_still(object)).then(|| Stored {
            file: file.clone(),
            version: known.version.clone(),
            checksum: known.checksum.clone(),
        })
    }

    /// The row of the archive with this manifest.
    pub(super) fn row(&self, digest: Sha256) -> Option<&RowReceipt> {
        self.said.as_ref().ok()?.row_of(&digest)
    }

    /// The objects that are locked still, if what it says holds, with their locks.
    fn locked(&self) -> impl Iterator<Item = (&ObjectReceipt, Locks)> {
        let now = Timestamp::now();
        let objects = self.said.iter().flat_map(|receipt| &receipt.objects);
        objects.filter_map(move |object| {
            let mut locks = object.locks();
            locks.retention = locks.retention.filter(|retention| retention.until > now);
            (locks != Locks::default()).then_some((object, locks))
        })
    }

    /// Whether it tells of a lock that has not ended.
    pub(super) fn has_locks(&self) -> bool {
        self.locked().next().is_some()
    }

    /// Fails if an object is gone that is locked. `there` is the path of each object below the
    /// archive's `name`.
    pub(super) fn require_locked<'p>(
        &self,
        name: &str,
        there: impl Iterator<Item = &'p str>,
    ) -> Result<(), LossError> {
        let there: BTreeSet<&str> = there.filter_map(|path| below(name, path)).collect();
        let gone = self
            .locked()
            .filter(|(object, _)| !there.contains(object.path.as_str()));
        let objects: Vec<String> = gone
            .map(|(object, locks)| format!("{:?}: {locks}", object.path.as_str()))
            .collect();
        if objects.is_empty() {
            return Ok(());
        }
        Err(LossError::Locked {
            receipt: self.place.clone(),
            objects,
        })
    }

    /// Fails if an object would be locked less than it was, once it is locked as `planned`. Holds
    /// are no part of that: people lift them.
    pub(super) fn require_as_strong(
        &self,
        name: &str,
        present: &[Locked],
        planned: &Planned,
    ) -> Result<(), LossError> {
        let present = by_path(name, present);
        let planned = planned.ahead();
        let weaker = self.locked().filter_map(|(object, then)| {
            let path = object.path.as_str();
            let now = present.get(path)?;
            if let (Some(then), Some(now)) = (&object.version, &now.version)
                && then != now
            {
                return Some(format!(
                    "{path:?}: the version {now:?} lies on top of the locked one, {then:?}"
                ));
            }
            let then = Locks {
                legal_hold: false,
                ..then
            };
            let is_kept = stronger(now.locks, &planned).includes(&then);
            (!is_kept).then(|| format!("{path:?}: it was {then}; now it is {}", now.locks))
        });
        let objects: Vec<String> = weaker.collect();
        if objects.is_empty() {
            return Ok(());
        }
        Err(LossError::Weaker {
            receipt: self.place.clone(),
            objects,
        })
    }

    /// The holds that people lifted, for them to know; none if `planned` sets them again.
    pub(super) fn lifted(
        &self,
        name: &str,
        present: &[Locked],
        planned: &Planned,
    ) -> Option<String> {
        let present = by_path(name, present);
        let is_lifted = |path: &str| present.get(path).is_some_and(|now| !now.locks.legal_hold);
        let held = self.locked().filter(|(_, then)| then.legal_hold);
        let paths = held.map(|(object, _)| object.path.as_str());
        let lifted: Vec<&str> = paths.filter(|path| is_lifted(path)).collect();
        if lifted.is_empty() || planned.legal_hold {
            return None;
        }
        let (receipt, named) = (&self.place, list(&lifted));
        Some(format!(
            "the legal hold that {receipt} tells of was lifted: {named}"
        ))
    }

    /// Why an archive with this manifest is not published where another is gone.
    fn replaced(&self, digest: Sha256) -> LossError {
        match &self.said {
            Ok(said) => LossError::Replaced {
                receipt: self.place.clone(),
                published: said.manifest_sha256,
                given: digest,
            },
            Err(problem) => LossError::Unreadable {
                receipt: self.place.clone(),
                problem: problem.clone(),
            },
        }
    }

    /// The objects that were gone, and that `missing` brings back: the files that are not `there`.
    /// Fails if there are others, or if nobody can tell, since this receipt cannot be understood:
    /// then nothing may be missing, no row either, but signatures, which people add later.
    pub(super) fn remade(
        &self,
        digest: Sha256,
        name: &str,
        there: &[Object],
        missing: &[&StoreFile],
        adds_row: bool,
    ) -> Result<Remade, LossError> {
        let receipt = || self.place.clone();
        if self.said.is_err() {
            let is_content = |file: &&StoreFile| file.path.below(SIGNATURES).is_none();
            if !adds_row && !missing.iter().any(is_content) {
                return Ok(Remade::default());
            }
            return Err(self.replaced(digest));
        }
        let Some(said) = self.of(digest) else {
            return Err(self.replaced(digest));
        };
        let there = paths(name, there);
        let missing: BTreeMap<&str, Sha256> = missing
            .iter()
            .map(|file| (file.path.as_str(), file.sha256))
            .collect();
        let gone = said.objects.iter();
        let gone = gone.filter(|object| !there.contains(object.path.as_str()));
        let (remade, lost): (Vec<_>, Vec<_>) =
            gone.partition(|object| missing.get(object.path.as_str()) == Some(&object.sha256));
        let names = |objects: Vec<&ObjectReceipt>| -> Vec<String> {
            let paths = objects.into_iter().map(|object| object.path.to_string());
            paths.collect()
        };
        if lost.is_empty() {
            return Ok(Remade {
                receipt: receipt(),
                paths: names(remade),
            });
        }
        Err(LossError::Gone {
            receipt: receipt(),
            objects: names(lost),
        })
    }
}

/// The files of the archive `name` that are not `there`.
pub(super) fn missing<'f>(
    name: &str,
    there: &[Object],
    files: &'f [StoreFile],
) -> Vec<&'f StoreFile> {
    let there = paths(name, there);
    let files = files.iter();
    files
        .filter(|file| !there.contains(file.path.as_str()))
        .collect()
}

fn by_path<'l>(name: &str, present: &'l [Locked]) -> BTreeMap<&'l str, &'l Locked> {
    let present = present.iter();
    present
        .filter_map(|locked| Some((below(name, &locked.path)?, locked)))
        .collect()
}

fn paths<'o>(name: &str, objects: &'o [Object]) -> BTreeSet<&'o str> {
    let paths = objects.iter().map(|object| object.path.as_str());
    paths.filter_map(|path| below(name, path)).collect()
}

fn below<'p>(name: &str, path: &'p str) -> Option<&'p str> {
    path.strip_prefix(name)?.strip_prefix('/')
}
