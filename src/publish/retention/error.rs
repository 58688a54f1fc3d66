//! Why an archive is not locked as asked.

use jiff::Timestamp;
use miette::Diagnostic;
use thiserror::Error;

use crate::publish::LossError;
use crate::store::{Locks, Retention, StoreError};

/// An archive that is not locked as asked. Places are paths or URLs, without secrets.
#[derive(Debug, Error, Diagnostic)]
pub enum RetentionError {
    /// Something that was locked is gone.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Loss(#[from] LossError),
    /// The store could not be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),

    /// The store has no locks. Nothing was written.
    #[error("{store} cannot lock what is published there: {reason}")]
    #[diagnostic(help(
        "publish to an S3 bucket that was made with Object Lock and keeps versions, or take \
         `mode` and `legal_hold` out of [retention]"
    ))]
    CannotLock {
        /// The store.
        store: String,
        /// Why.
        reason: &'static str,
    },

    /// There is nothing to lock.
    #[error("there is nothing at {place}")]
    #[diagnostic(help("name the archive, as in s3://BUCKET/PREFIX/PRODUCT-VERSION"))]
    NoArchive {
        /// Where the archive should be.
        place: String,
    },

    /// A lock that nobody could lift, and nobody confirmed. Nothing was changed.
    #[error("compliance mode locks until {until}, and nobody can lift or shorten that lock")]
    #[diagnostic(help(
        "look at it with --dry-run; to lock all the same, run again with --yes. Governance mode \
         can be lifted by those with a special permission"
    ))]
    Unconfirmed {
        /// When the lock would end.
        until: Timestamp,
    },

    /// The server took a lock and did not keep it.
    #[error("{place} was to be {set}, and its server says that it is {found}")]
    #[diagnostic(help(
        "this server takes locks without keeping them: nothing protects what is published there; \
         use one with Object Lock"
    ))]
    NotKept {
        /// The object.
        place: String,
        /// The locks that were set.
        set: Locks,
        /// The locks that the server tells of.
        found: Locks,
    },

    /// A lock would become shorter or weaker. Nothing was changed.
    #[error("{place} is {present}: it cannot be {asked}")]
    #[diagnostic(help("a lock is only ever extended: name a later date, and no weaker mode"))]
    Weaker {
        /// The object.
        place: String,
        /// The lock that is there.
        present: Retention,
        /// The lock that was asked for.
        asked: Retention,
    },

    /// A first lock without a mode. Nothing was changed.
    #[error("{place} is not locked yet, and no mode is named")]
    #[diagnostic(help(
        "add --mode governance, which those with a special permission can lift, or --mode \
         compliance, which nobody can"
    ))]
    NoMode {
        /// The object.
        place: String,
    },

    /// A first lock without an end. Nothing was changed.
    #[error("{place} is not locked yet, and no end is named")]
    #[diagnostic(help("add --until DATE, or --years N"))]
    NoEnd {
        /// The object.
        place: String,
    },

    /// A lock that would be over already.
    #[error("a lock until {until} would be over already")]
    #[diagnostic(help("name a date that lies ahead"))]
    Over {
        /// When it would have ended.
        until: Timestamp,
    },

    /// A lock beyond the calendar.
    #[error("{years} years after {from} is beyond the calendar")]
    #[diagnostic(help("check the date that the years count from"))]
    TooFar {
        /// The date that the years count from.
        from: Timestamp,
        /// The years.
        years: u16,
    },
}
