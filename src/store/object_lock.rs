//! What a store with object lock is asked: how an object is locked, and to lock it.

use std::fmt;

use jiff::Timestamp;

use super::StoreError;
use crate::config::LockMode;

/// A lock that ends at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Who may lift it.
    pub mode: LockMode,
    /// When it ends.
    pub until: Timestamp,
}

/// How an object is locked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Locks {
    /// The lock that ends at a time.
    pub retention: Option<Retention>,
    /// Whether it is held until a person lifts the hold.
    pub legal_hold: bool,
}

impl Locks {
    /// Whether these are at least as long and as strict as `other`.
    pub fn includes(&self, other: &Self) -> bool {
        let retention = match (self.retention, other.retention) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(other)) => own.until >= other.until && own.mode >= other.mode,
        };
        retention && (self.legal_hold || !other.legal_hold)
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "locked until {} in {} mode", self.until, self.mode)
    }
}

impl fmt::Display for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.retention, self.legal_hold) {
            (None, false) => f.write_str("not locked"),
            (None, true) => f.write_str("under legal hold"),
            (Some(retention), false) => retention.fmt(f),
            (Some(retention), true) => write!(f, "{retention}, under legal hold"),
        }
    }
}

/// Locks on the versions of objects. What is set is read back by the caller: some servers accept
/// a lock and forget it.
pub trait ObjectLock: Send + Sync {
    /// Why objects cannot be locked there, as in "its bucket has no Object Lock"; none if they can.
    fn obstacle(&self) -> Result<Option<&'static str>, StoreError>;

    /// How the object's version is locked; the latest if none is named.
    fn locks(&self, path: &str, version: Option<&str>) -> Result<Locks, StoreError>;

    /// Locks the object's version; the latest if none is named. `present` is the lock that is
    /// there: a service asks for a special permission before one of another mode takes its place.
    fn retain(
        &self,
        path: &str,
        version: Option<&str>,
        retention: &Retention,
        present: Option<&Retention>,
    ) -> Result<(), StoreError>;

    /// Holds the object's version; the latest if none is named.
    fn hold(&self, path: &str, version: Option<&str>) -> Result<(), StoreError>;
}
