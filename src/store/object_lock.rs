//! What a store with object lock is asked: how an object is locked, and to lock it.

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

/// Locks on the versions of objects. What is set is read back by the caller: some servers accept
/// a lock and forget it.
pub trait ObjectLock: Send + Sync {
    /// How the object's version is locked; the latest if none is named.
    fn locks(&self, path: &str, version: Option<&str>) -> Result<Locks, StoreError>;

    /// Locks the object's version; the latest if none is named.
    fn retain(
        &self,
        path: &str,
        version: Option<&str>,
        retention: &Retention,
    ) -> Result<(), StoreError>;

    /// Holds the object's version; the latest if none is named.
    fn hold(&self, path: &str, version: Option<&str>) -> Result<(), StoreError>;
}
