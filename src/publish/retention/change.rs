//! What is to be locked, shown before it is done, and proved after.

use jiff::Timestamp;

use super::{Locked, RetentionError, THREADS, able};
use crate::config::LockMode;
use crate::monitor::{Linked, Monitor, Task, Unit};
use crate::store::{Locks, ObjectLock, Retention, Store, StoreError};
use crate::threads;

/// Whether a person has confirmed what can never be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// Nobody has.
    Missing,
    /// Somebody has.
    Given,
}

impl Confirmation {
    pub(super) fn allows(self, retention: &Retention) -> Result<(), RetentionError> {
        match (self, retention.mode) {
            (Self::Missing, LockMode::Compliance) => Err(RetentionError::Unconfirmed {
                until: retention.until,
            }),
            _ => Ok(()),
        }
    }
}

/// An object that is to be locked otherwise than it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The object, as it is locked now.
    pub from: Locked,
    /// How it is to be locked.
    pub to: Locks,
}

/// What is to be changed about an archive's locks. Nothing is, until it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Changes {
    kept: Vec<Locked>,
    changes: Vec<Change>,
}

/// How an archive is locked after a run, as read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Every object, by byte order of path.
    pub objects: Vec<Locked>,
    /// How many of them were locked by this run.
    pub changed: usize,
}

impl Changes {
    pub(super) fn to(
        present: Vec<Locked>,
        wanted: impl Fn(&Locked) -> Result<Locks, RetentionError>,
    ) -> Result<Self, RetentionError> {
        let mut all = Self {
            kept: Vec::new(),
            changes: Vec::new(),
        };
        for from in present {
            let to = wanted(&from)?;
            if to == from.locks {
                all.kept.push(from);
            } else {
                all.changes.push(Change { from, to });
            }
        }
        Ok(all)
    }

    /// The objects that are to be locked otherwise than they are, by byte order of path.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The objects that stay as they are, by byte order of path.
    pub fn kept(&self) -> &[Locked] {
        &self.kept
    }

    /// When the last of the new locks ends that nobody could ever lift; none if there are none.
    pub fn irrevocable_until(&self) -> Option<Timestamp> {
        let new = self.changes.iter().filter_map(Change::new_retention);
        new.filter(|retention| retention.mode == LockMode::Compliance)
            .map(|retention| retention.until)
            .max()
    }

    /// Fails if one of the new locks could never be lifted, and nobody confirmed that.
    pub(super) fn require(&self, confirmation: Confirmation) -> Result<(), RetentionError> {
        match self.irrevocable_until() {
            Some(until) => confirmation.allows(&Retention {
                mode: LockMode::Compliance,
                until,
            }),
            None => Ok(()),
        }
    }

    /// Sets the locks, and reads each back.
    pub fn apply(
        self,
        store: &dyn Store,
        confirmation: Confirmation,
        monitor: &dyn Monitor,
    ) -> Result<Applied, RetentionError> {
        self.require(confirmation)?;
        let changed = self.changes.len();
        let mut objects = self.kept;
        if changed > 0 {
            let lock = able(store)?;
            let linked = Linked::new(monitor);
            let task = Task::begin(&linked, "locking", Some(changed as u64), Unit::Items);
            let found = threads::map(
                &self.changes,
                THREADS,
                &linked,
                |change| -> Result<_, StoreError> {
                    let found = change.make(lock)?;
                    task.advance(1)?;
                    Ok(found)
                },
            )?;
            for (change, found) in self.changes.into_iter().zip(found) {
                objects.push(change.proved(found, store)?);
            }
            objects.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(Applied { objects, changed })
    }
}

impl Change {
    fn new_retention(&self) -> Option<Retention> {
        self.to
            .retention
            .filter(|to| self.from.locks.retention.as_ref() != Some(to))
    }

    /// Sets the locks; gives those that the store then says there are.
    fn make(&self, lock: &dyn ObjectLock) -> Result<Locks, StoreError> {
        let (path, version) = (&self.from.path, self.from.version.as_deref());
        if let Some(retention) = self.new_retention() {
            let present = self.from.locks.retention;
            lock.retain(path, version, &retention, present.as_ref())?;
        }
        if self.to.legal_hold && !self.from.locks.legal_hold {
            lock.hold(path, version)?;
        }
        lock.locks(path, version)
    }

    /// The object as locked. Some servers take a lock and do not keep it.
    fn proved(self, found: Locks, store: &dyn Store) -> Result<Locked, RetentionError> {
        // Somebody else may have extended it meanwhile.
        if !found.includes(&self.to) {
            return Err(RetentionError::NotKept {
                place: store.address().place(&self.from.path),
                set: self.to,
                found,
            });
        }
        Ok(Locked {
            locks: found,
            ..self.from
        })
    }
}
