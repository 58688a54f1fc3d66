//! Keeping a published archive: locks that a store puts on its objects.
//!
//! A lock is only ever made stronger: it ends later, or is lifted by fewer. The rule, its trigger
//! and its least time are what an archive records; the lock ends at the least time counted from
//! the release, and is extended once the trigger's date is known.

use jiff::{Timestamp, ToSpan, tz::TimeZone};

use super::earlier::Earlier;
use crate::config::{LockMode, RetentionConfig};
use crate::monitor::{Linked, Monitor, Task, Unit};
use crate::store::{Locks, Object, ObjectLock, Retention, Store, StoreError};
use crate::threads;

pub use change::{Applied, Change, Changes, Confirmation};
pub use error::RetentionError;

mod change;
mod error;

/// How many objects are asked about or locked at once: each request is small, and waits most of
/// its time.
const THREADS: usize = 16;

/// How an archive is to be locked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Planned {
    /// The lock that ends at a time.
    pub retention: Option<Retention>,
    /// Whether it is held until a person lifts the hold.
    pub legal_hold: bool,
}

impl Planned {
    /// Whether there is anything to lock.
    pub const fn is_nothing(&self) -> bool {
        self.retention.is_none() && !self.legal_hold
    }

    /// The same without a lock that would be over already.
    pub(super) fn ahead(&self) -> Self {
        let now = Timestamp::now();
        Self {
            retention: self.retention.filter(|retention| retention.until > now),
            ..*self
        }
    }
}

/// How an archive's locks are to be extended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extension {
    /// When they end; as they do now if not given.
    pub until: Option<Timestamp>,
    /// Who may lift them; as it is now if not given.
    pub mode: Option<LockMode>,
    /// Whether the archive is held until a person lifts the hold.
    pub legal_hold: bool,
}

/// How an object of an archive is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// Its path in the store.
    pub path: String,
    /// The version that is locked, where the store keeps versions.
    pub version: Option<String>,
    /// Its locks.
    pub locks: Locks,
}

/// The locks that `config` asks for, if the time counts from `from`: the release date.
pub fn plan(config: &RetentionConfig, from: Timestamp) -> Result<Planned, RetentionError> {
    let retention = match config.mode {
        None => None,
        Some(mode) => Some(Retention {
            mode,
            until: years_after(from, config.minimum_years)?,
        }),
    };
    Ok(Planned {
        retention,
        legal_hold: config.legal_hold,
    })
}

/// The end of this many calendar years after `from`, in UTC and whole seconds. Never a moment too
/// early: years from 29 February end on 1 March where there is no such day.
pub fn years_after(from: Timestamp, years: u16) -> Result<Timestamp, RetentionError> {
    let too_far = |_| RetentionError::TooFar { from, years };
    let start = from.to_zoned(TimeZone::UTC);
    let end = start
        .checked_add(i32::from(years).years())
        .map_err(too_far)?;
    // The calendar falls back to the 28th, which is a day short.
    let end = if end.day() == start.day() {
        end
    } else {
        end.checked_add(1.day()).map_err(too_far)?
    };
    let whole = jiff::TimestampRound::new()
        .smallest(jiff::Unit::Second)
        .mode(jiff::RoundMode::Ceil);
    end.timestamp().round(whole).map_err(too_far)
}

/// Fails if `store` cannot lock objects as planned. Asked before an archive is uploaded.
pub fn require(store: &dyn Store, planned: &Planned) -> Result<(), RetentionError> {
    if planned.is_nothing() {
        return Ok(());
    }
    able(store).map(|_| ())
}

/// Fails if an object that is added would get a lock that nobody could lift, and nobody confirmed
/// that.
pub(super) fn require_for_new(
    planned: &Planned,
    confirmation: Confirmation,
) -> Result<(), RetentionError> {
    match planned.ahead().retention {
        Some(retention) => confirmation.allows(&retention),
        None => Ok(()),
    }
}

/// Fails if one of these objects would get such a lock.
pub(super) fn require_for(
    present: &[Locked],
    planned: &Planned,
    confirmation: Confirmation,
) -> Result<(), RetentionError> {
    let planned = planned.ahead();
    let wanted = |locked: &Locked| Ok(stronger(locked.locks, &planned));
    Changes::to(present.to_vec(), wanted)?.require(confirmation)
}

/// Locks every object of the archive `name`, unless it is locked as long and as strongly already.
pub fn apply(
    store: &dyn Store,
    name: &str,
    planned: &Planned,
    confirmation: Confirmation,
    monitor: &dyn Monitor,
) -> Result<Applied, RetentionError> {
    changes(store, name, planned, monitor)?.apply(store, confirmation, monitor)
}

/// What [`apply`] would change.
pub fn changes(
    store: &dyn Store,
    name: &str,
    planned: &Planned,
    monitor: &dyn Monitor,
) -> Result<Changes, RetentionError> {
    if !planned.is_nothing() {
        able(store)?;
    }
    changes_of(check(store, name, monitor)?, name, planned, monitor)
}

/// What [`apply`] would change about objects of the archive `name` that are locked like this.
pub(super) fn changes_of(
    present: Vec<Locked>,
    name: &str,
    planned: &Planned,
    monitor: &dyn Monitor,
) -> Result<Changes, RetentionError> {
    let ahead = planned.ahead();
    if let (Some(over), None) = (planned.retention, ahead.retention) {
        monitor.notice(&format!(
            "the least time to keep {name} ended at {}: no lock is set; `dhfpack retention extend` sets a longer one",
            over.until
        ));
    }
    Changes::to(present, |locked| Ok(stronger(locked.locks, &ahead)))
}

/// What extends the locks of the archive `name`. Fails, before anything is changed, if a lock
/// would be shorter or weaker than it is.
pub fn extension(
    store: &dyn Store,
    name: &str,
    asked: &Extension,
    monitor: &dyn Monitor,
) -> Result<Changes, RetentionError> {
    if let Some(until) = asked.until.filter(|until| *until <= Timestamp::now()) {
        return Err(RetentionError::Over { until });
    }
    able(store)?;
    let present = check(store, name, monitor)?;
    // What a delete marker hides would keep its old end.
    if let Some(earlier) = Earlier::latest(store, name)? {
        earlier.require_locked(name, present.iter().map(|locked| locked.path.as_str()))?;
    }
    Changes::to(present, |locked| {
        extended(locked, asked, &store.address().place(&locked.path))
    })
}

/// How every object of the archive `name` is locked, by byte order of path. Not at all, where the
/// store has no locks.
pub fn check(
    store: &dyn Store,
    name: &str,
    monitor: &dyn Monitor,
) -> Result<Vec<Locked>, RetentionError> {
    let objects = store.list(name)?;
    if objects.is_empty() {
        return Err(RetentionError::NoArchive {
            place: store.address().place(name),
        });
    }
    let lock = match store.object_lock() {
        Some(lock) if lock.obstacle()?.is_none() => Some(lock),
        _ => None,
    };
    let linked = Linked::new(monitor);
    let task = Task::begin(
        &linked,
        "reading locks",
        Some(objects.len() as u64),
        Unit::Items,
    );
    Ok(threads::map(
        &objects,
        THREADS,
        &linked,
        |object| -> Result<_, StoreError> {
            let locked = locked(store, lock, object)?;
            task.advance(1)?;
            Ok(locked)
        },
    )?)
}

/// As [`check`], where no lock is asked for: none if the store has no locks, or if the login may
/// not read them, of which the monitor is told. Logins that only upload, or only read, need no
/// permission for locks.
pub fn check_if_allowed(
    store: &dyn Store,
    name: &str,
    monitor: &dyn Monitor,
) -> Result<Option<Vec<Locked>>, RetentionError> {
    if store.object_lock().is_none() {
        return Ok(None);
    }
    match check(store, name, monitor) {
        Err(RetentionError::Store(error @ StoreError::Denied { .. })) => {
            monitor.notice(&format!("whether {name} is locked stays unknown: {error}"));
            Ok(None)
        }
        checked => checked.map(Some),
    }
}

/// The version is named wherever it is known: a lock protects a version, and one that somebody put
/// on top of it must not get the lock instead.
fn locked(
    store: &dyn Store,
    lock: Option<&dyn ObjectLock>,
    object: &Object,
) -> Result<Locked, StoreError> {
    let mut version = object.version.clone();
    let mut locks = Locks::default();
    if let Some(lock) = lock {
        if version.is_none() {
            version = store.stat(&object.path)?.and_then(|object| object.version);
        }
        locks = lock.locks(&object.path, version.as_deref())?;
    }
    Ok(Locked {
        path: object.path.clone(),
        version,
        locks,
    })
}

/// The store's locks, if it can lock.
fn able(store: &dyn Store) -> Result<&dyn ObjectLock, RetentionError> {
    let reason = match store.object_lock() {
        None => "it has no locks",
        Some(lock) => match lock.obstacle()? {
            None => return Ok(lock),
            Some(reason) => reason,
        },
    };
    Err(RetentionError::CannotLock {
        store: store.address().to_string(),
        reason,
    })
}

/// What is there, made as strong as planned: the later end, the stricter mode.
pub(super) fn stronger(present: Locks, planned: &Planned) -> Locks {
    let retention = match (present.retention, planned.retention) {
        (Some(present), Some(planned)) => Some(Retention {
            mode: present.mode.max(planned.mode),
            until: present.until.max(planned.until),
        }),
        (present, planned) => planned.or(present),
    };
    Locks {
        retention,
        legal_hold: present.legal_hold || planned.legal_hold,
    }
}

fn extended(locked: &Locked, asked: &Extension, place: &str) -> Result<Locks, RetentionError> {
    let present = locked.locks.retention;
    let place = || place.to_owned();
    let retention = match (present, asked.mode, asked.until) {
        (present, None, None) => present,
        (None, None, Some(_)) => return Err(RetentionError::NoMode { place: place() }),
        (None, Some(_), None) => return Err(RetentionError::NoEnd { place: place() }),
        (None, Some(mode), Some(until)) => Some(Retention { mode, until }),
        (Some(present), mode, until) => {
            let asked = Retention {
                mode: mode.unwrap_or(present.mode),
                until: until.unwrap_or(present.until),
            };
            if asked.until < present.until || asked.mode < present.mode {
                return Err(RetentionError::Weaker {
                    place: place(),
                    present,
                    asked,
                });
            }
            Some(asked)
        }
    };
    Ok(Locks {
        retention,
        legal_hold: locked.locks.legal_hold || asked.legal_hold,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_are_those_of_the_calendar_and_never_a_day_short() {
        for (from, years, until) in [
            ("2026-03-03T09:00:00Z", 10, "2036-03-03T09:00:00Z"),
            ("2024-02-29T23:59:59Z", 4, "2028-02-29T23:59:59Z"),
            ("2024-02-29T12:00:00Z", 10, "2034-03-01T12:00:00Z"),
            ("2026-12-31T23:59:59.001Z", 1, "2028-01-01T00:00:00Z"),
        ] {
            let end = years_after(from.parse().unwrap(), years).unwrap();
            assert_eq!(end.to_string(), until);
        }
        let last = "9990-01-01T00:00:00Z".parse().unwrap();
        assert!(matches!(
            years_after(last, 100),
            Err(RetentionError::TooFar { .. })
        ));
    }

    #[test]
    fn locks_only_grow_stronger() {
        let lock = |mode, until: &str| {
            Some(Retention {
                mode,
                until: until.parse().unwrap(),
            })
        };
        let early = "2030-01-01T00:00:00Z";
        let late = "2040-01-01T00:00:00Z";
        let (governance, compliance) = (LockMode::Governance, LockMode::Compliance);
        for (present, planned, expected) in [
            (None, lock(governance, early), lock(governance, early)),
            (lock(governance, late), None, lock(governance, late)),
            (
                lock(governance, late),
                lock(governance, early),
                lock(governance, late),
            ),
            (
                lock(compliance, early),
                lock(governance, late),
                lock(compliance, late),
            ),
            (
                lock(governance, late),
                lock(compliance, early),
                lock(compliance, late),
            ),
        ] {
            let present = Locks {
                retention: present,
                legal_hold: true,
            };
            let planned = Planned {
                retention: planned,
                legal_hold: false,
            };
            let wanted = stronger(present, &planned);
            assert_eq!(wanted.retention, expected);
            assert!(wanted.legal_hold);
        }
    }
}
