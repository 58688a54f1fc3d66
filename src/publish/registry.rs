//! The products registry: a release's row, appended by whoever publishes it, and corrections.
//!
//! The register lies beside the archives, and its writers' certificates beside it. Several jobs
//! may append at once: each changes what the others left, or reads it again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::exchange::{GrowingDocument, InStore, exchange};
use crate::digest::Sha256;
use crate::monitor::Monitor;
use crate::register::{
    self, Entry, KEYS, LARGEST, Register, Row, Writers, appended, examine_form, insert_table,
    releases, render_table,
};
use crate::sign::{Certificate, Signer, sign_detached};
use crate::store::{Created, Store, StoreError};

mod archives;
mod correction;
mod error;
mod registration;

pub use archives::examine_archives;
pub use correction::{Change, ChangeError, Correction, RowName, RowNameError, correct};
pub use error::RegistryError;
pub use registration::{Registration, archive_location, archived_config, released_at};

use registration::Next;

/// What became of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The digest of the row: what a receipt names, so that a register that is cut off before it
    /// is noticed.
    pub head: Sha256,
    /// The number of its line, counted from 1 for the header.
    pub row: u64,
    /// Whether it was added now.
    pub added: bool,
}

/// Appends the release's row, unless the register says the same already.
///
/// Fails with [`RegistryError::Broken`] on a register that is not what its writers wrote, with
/// [`RegistryError::OtherArchive`] or [`RegistryError::TagMoved`] if the version is registered
/// with another archive or commit, and with [`StoreError::Contended`] if no turn came.
pub fn record(
    store: &dyn Store,
    registration: &Registration,
    signer: &Signer,
    monitor: &dyn Monitor,
) -> Result<Recorded, RegistryError> {
    append(store, signer, monitor, |register| {
        registration.next(register)
    })
}

/// Whether the register says this already. Fails, without writing anything, if the release cannot
/// be registered.
pub fn check(store: &dyn Store, registration: &Registration) -> Result<bool, RegistryError> {
    let bytes = load(store)?.unwrap_or_else(|| register::header().into_bytes());
    let register = Register::parse(&bytes);
    require_intact(store, &register, &mut Writers::default())?;
    let next = registration.next(&register)?;
    Ok(matches!(next, Next::There { .. }))
}

/// Appends the row that `next` asks for.
fn append(
    store: &dyn Store,
    signer: &Signer,
    monitor: &dyn Monitor,
    mut next: impl FnMut(&Register) -> Result<Next, RegistryError>,
) -> Result<Recorded, RegistryError> {
    let document = InStore {
        store,
        path: register::FILE,
    };
    let mut writers = Writers::default();
    writers.add(certificates_of(signer));
    let mut recorded = None;
    // What was read and checked before somebody else was quicker.
    let mut known = register::header().into_bytes();
    let mut register = Register::parse(&known);
    exchange(&document, LARGEST, monitor, |current| {
        let bytes = match current {
            Some(bytes) => bytes.to_vec(),
            None => register::header().into_bytes(),
        };
        register.grown(&known, &bytes);
        known.clone_from(&bytes);
        require_intact(store, &register, &mut writers)?;
        let entry = match next(&register)? {
            Next::There { head, row } => {
                recorded = Some(Recorded {
                    head,
                    row,
                    added: false,
                });
                return Ok(None);
            }
            Next::Append(entry) => entry,
        };
        let row = signed(*entry, register.head(), signer)?;
        // First the certificate: no row may be there whose signature cannot be checked.
        keep_certificate(store, signer)?;
        recorded = Some(Recorded {
            head: row.sha256(),
            row: register.lines().len() as u64 + 1,
            added: true,
        });
        let bytes = appended(&bytes, &row);
        if bytes.len() as u64 > LARGEST {
            return Err(StoreError::TooLarge {
                place: document.place(),
                limit: LARGEST,
            }
            .into());
        }
        Ok::<_, RegistryError>(Some(bytes))
    })?;
    // The last state that was looked at is the one that was left.
    recorded.ok_or_else(|| {
        let place = document.place();
        StoreError::Contended { place }.into()
    })
}

fn signed(entry: Entry, previous: Sha256, signer: &Signer) -> Result<Row, RegistryError> {
    let writer = signer.certificate().sha256();
    Row::sign(entry, previous, writer, |text| {
        sign_detached(signer, text, Timestamp::now()).map_err(RegistryError::Sign)
    })
}

/// The signer's certificate, with those of its issuers behind it.
fn certificates_of(signer: &Signer) -> Vec<Certificate> {
    let own = std::iter::once(signer.certificate());
    own.chain(signer.chain()).cloned().collect()
}

fn require_intact(
    store: &dyn Store,
    register: &Register,
    writers: &mut Writers,
) -> Result<(), RegistryError> {
    load_writers(store, register, writers)?;
    let findings = examine_form(register, writers);
    if findings.is_empty() {
        return Ok(());
    }
    Err(RegistryError::Broken {
        place: store.address().place(register::FILE),
        findings,
    })
}

/// The register's bytes, if there is one.
pub fn load(store: &dyn Store) -> Result<Option<Vec<u8>>, StoreError> {
    let document = store.load(register::FILE, LARGEST)?;
    Ok(document.map(|document| document.bytes))
}

/// The register's bytes. Fails with [`RegistryError::Missing`] if there is none.
pub fn load_existing(store: &dyn Store) -> Result<Vec<u8>, RegistryError> {
    load(store)?.ok_or_else(|| RegistryError::Missing {
        place: store.address().place(register::FILE),
    })
}

/// The beginning of the day of the latest release in the register: the time of what is made from
/// the register alone. The beginning of 1970 while nothing is released.
pub fn latest_date(store: &dyn Store) -> Result<Timestamp, RegistryError> {
    let register = Register::parse(&load(store)?.unwrap_or_default());
    let dates = register
        .rows()
        .filter_map(|(_, _, row)| row.entry.release_date);
    let start = |date: Date| date.to_zoned(TimeZone::UTC).ok();
    let latest = dates.max().and_then(start);
    Ok(latest.map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp()))
}

/// Adds the certificates of all who wrote rows, as far as they are there and are the right ones.
pub fn load_writers(
    store: &dyn Store,
    register: &Register,
    writers: &mut Writers,
) -> Result<(), StoreError> {
    let wanted: BTreeSet<Sha256> = register.rows().map(|(_, _, row)| row.writer).collect();
    for writer in wanted {
        if writers.has(&writer) {
            continue;
        }
        let document = store.load(&key_path(&writer), crate::sign::MAX_SIZE as u64)?;
        let Some(document) = document else { continue };
        let Ok(certificates) = Certificate::read_all(&document.bytes) else {
            continue;
        };
        if certificates
            .first()
            .is_some_and(|own| own.sha256() == writer)
        {
            writers.add(certificates);
        }
    }
    Ok(())
}

fn key_path(writer: &Sha256) -> String {
    format!("{KEYS}/{writer}.pem")
}

/// Puts the signer's certificate beside the register, unless it is there. Fails with
/// [`RegistryError::OtherCertificate`] if another is under its name.
fn keep_certificate(store: &dyn Store, signer: &Signer) -> Result<(), RegistryError> {
    let certificates = certificates_of(signer);
    let pem: Result<Vec<String>, _> = certificates.iter().map(Certificate::to_pem).collect();
    let pem = pem?.concat();
    let path = key_path(&signer.certificate().sha256());
    if let Created::New(_) = store.create_from(&path, pem.as_bytes())? {
        return Ok(());
    }
    let there = store.load(&path, crate::sign::MAX_SIZE as u64)?;
    let there = there.and_then(|document| Certificate::read_all(&document.bytes).ok());
    let first = there.and_then(|all| all.into_iter().next());
    if first.as_ref() == Some(signer.certificate()) {
        return Ok(());
    }
    Err(RegistryError::OtherCertificate {
        place: store.address().place(&path),
    })
}

/// Shows the register's releases as a table in a Markdown file; says whether that changed it.
///
/// The register is read after the file, so that of several who do this at once the last one
/// writes what all of them registered.
pub fn show_in_markdown(
    store: &dyn Store,
    markdown: &dyn GrowingDocument,
    monitor: &dyn Monitor,
) -> Result<bool, RegistryError> {
    exchange(markdown, LARGEST, monitor, |current| {
        let bytes = load(store)?.unwrap_or_else(|| register::header().into_bytes());
        let register = Register::parse(&bytes);
        require_intact(store, &register, &mut Writers::default())?;
        let text = match current.map(std::str::from_utf8) {
            None => None,
            Some(Ok(text)) => Some(text),
            Some(Err(_)) => {
                return Err(RegistryError::NotText {
                    place: markdown.place(),
                });
            }
        };
        let table = render_table(&releases(&register));
        let new = insert_table(text, &table).map_err(|source| RegistryError::Markdown {
            place: markdown.place(),
            source,
        })?;
        Ok((text != Some(new.as_str())).then(|| new.into_bytes()))
    })
}
