//! The service manual's entry of a release.

use jiff::Timestamp;
use miette::Diagnostic;
use thiserror::Error;

use super::{GrowingDocument, exchange};
use crate::archive::{ArchiveError, Records};
use crate::digest::Sha256;
use crate::manifest::Manifest;
use crate::monitor::Monitor;
use crate::plan::own;
use crate::service_manual::{Entry, EntryRecord, ManualError, digest, insert};
use crate::store::StoreError;
use crate::toml_file::{TomlError, TomlText};

/// The largest manual or record in bytes: decades of releases.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Why a release's entry cannot be added.
#[derive(Debug, Error, Diagnostic)]
pub enum ServiceManualError {
    /// The archive cannot be read, or holds another record than its manifest lists.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// The record has more bytes than anybody writes.
    #[error(
        "{} of the archive has {size} bytes: expected {LARGEST} at most",
        own::SERVICE_MANUAL
    )]
    #[diagnostic(help("look at the archive: this cannot be a record"))]
    TooLarge {
        /// Its size.
        size: u64,
    },
    /// The record is not text.
    #[error("{} of the archive is not valid UTF-8", own::SERVICE_MANUAL)]
    #[diagnostic(help("verify the archive: dhfpack archives such a record only in UTF-8"))]
    NotText,
    /// The record cannot be understood.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Record(#[from] Box<TomlError>),
    /// The record lacks what an entry needs.
    #[error("{} of the archive is not complete:\n  {}", own::SERVICE_MANUAL, missing.join("\n  "))]
    #[diagnostic(help(
        "only a draft is built like that: complete the record, and build the archive of the release"
    ))]
    Incomplete {
        /// Every field that says nothing, with what is wrong with it.
        missing: Vec<String>,
    },
    /// The manual has no place for the entry, or holds another one.
    #[error("the service manual {place} was not changed")]
    Manual {
        /// Where the manual is.
        place: String,
        /// What is wrong with it.
        #[source]
        #[diagnostic_source]
        source: ManualError,
    },
    /// The manual cannot be read or written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
}

/// What the archive of a release says for the service manual.
pub struct Recorded {
    record: EntryRecord,
    manifest: Manifest,
    manifest_sha256: Sha256,
}

impl Recorded {
    /// Reads the record, if the archive has one, and its bytes are those that `manifest` lists.
    pub fn read(
        records: &Records<'_>,
        manifest: &Manifest,
        manifest_sha256: Sha256,
    ) -> Result<Option<Self>, ServiceManualError> {
        let mut files = manifest.files.iter();
        let Some(file) = files.find(|file| file.path.as_str() == own::SERVICE_MANUAL) else {
            return Ok(None);
        };
        if file.size > LARGEST {
            return Err(ServiceManualError::TooLarge { size: file.size });
        }
        let bytes = records.read_listed(manifest, own::SERVICE_MANUAL)?;
        let record = EntryRecord::parse(&TomlText {
            name: own::SERVICE_MANUAL.to_owned(),
            text: String::from_utf8(bytes).map_err(|_| ServiceManualError::NotText)?,
        })?;
        Ok(Some(Self {
            record,
            manifest: manifest.clone(),
            manifest_sha256,
        }))
    }

    /// Whether the archive is a draft, which is never released.
    pub fn is_draft(&self) -> bool {
        self.manifest.draft
    }

    /// The entry's text without markers, whether the release is authorised yet or not.
    pub fn text(&self, released_at: Option<Timestamp>) -> String {
        crate::service_manual::render(
            &self.record,
            &self.manifest,
            &self.manifest_sha256,
            released_at,
        )
    }

    /// The entry of the release, which was authorised at this time. Fails if the record lacks
    /// anything.
    pub fn entry(&self, released_at: Timestamp) -> Result<Entry, ServiceManualError> {
        let missing = self.record.missing();
        if !missing.is_empty() {
            let missing = missing.into_iter();
            return Err(ServiceManualError::Incomplete {
                missing: missing
                    .map(|one| format!("{} {}", one.field, one.problem))
                    .collect(),
            });
        }
        let (manifest, digest) = (&self.manifest, self.manifest_sha256);
        Ok(Entry::new(&self.record, manifest, digest, released_at))
    }
}

/// Adds a release's entry to the manual, or makes the manual with it. Says whether that was
/// needed: the same release twice changes nothing.
pub fn add(
    manual: &dyn GrowingDocument,
    entry: &Entry,
    monitor: &dyn Monitor,
) -> Result<bool, ServiceManualError> {
    exchange(manual, LARGEST, monitor, |current| {
        insert(current, entry).map_err(|source| refused(manual, source))
    })
}

/// The digest of the entry as it stands in the manual, if it does. Fails as [`add`] would.
pub fn standing(
    manual: &dyn GrowingDocument,
    entry: &Entry,
) -> Result<Option<Sha256>, ServiceManualError> {
    let current = manual.load(LARGEST)?;
    let current = current.as_ref().map(|current| current.bytes.as_slice());
    digest(current, entry).map_err(|source| refused(manual, source))
}

fn refused(manual: &dyn GrowingDocument, source: ManualError) -> ServiceManualError {
    ServiceManualError::Manual {
        place: manual.place(),
        source,
    }
}
