//! Whether the archives that a register names are where it says, and what it says.

use std::sync::{Mutex, PoisonError};

use super::registration::{archive_address, identity};
use crate::archive::{self, ArchiveError, Records};
use crate::digest::Sha256;
use crate::manifest::{MANIFEST, Manifest};
use crate::monitor::{Linked, Monitor, Task, Unit};
use crate::register::{Code, Finding, Register, Release, releases};
use crate::shard::Shard;
use crate::store::{self, Access, Address, Store, StoreError};
use crate::threads;

/// The largest manifest read: one of about a million files.
const LARGEST_MANIFEST: u64 = 512 << 20;
/// How many archives are opened at once.
const THREADS: usize = 8;

/// Opens the archive of each release and compares its manifest with the release's row. The
/// archives themselves are verified elsewhere.
///
/// Fails where an archive cannot be looked at; one that is not there, or is another, is a finding.
pub fn examine_archives(
    store: &dyn Store,
    register: &Register,
    access: &Access,
    shard: Option<Shard>,
    monitor: &dyn Monitor,
) -> Result<Vec<Finding>, ArchiveError> {
    let mut releases = releases(register);
    releases.retain(|release| shard.is_none_or(|shard| shard.has(&release.entry.archive_location)));
    let linked = Linked::new(monitor);
    let total = Some(releases.len() as u64);
    let task = Task::begin(&linked, "comparing archives", total, Unit::Items);
    let findings = Mutex::new(Vec::new());
    threads::each(
        &releases,
        THREADS,
        &linked,
        |release| -> Result<(), ArchiveError> {
            let found = compare(store, release, access, &linked)?;
            let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
            findings.extend(found);
            Ok(task.advance(1)?)
        },
    )?;
    Ok(findings
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner))
}

fn compare(
    store: &dyn Store,
    release: &Release,
    access: &Access,
    monitor: &dyn Monitor,
) -> Result<Vec<Finding>, ArchiveError> {
    let entry = &release.entry;
    let location = &entry.archive_location;
    let differs = |detail: String| vec![Finding::at(Code::ArchiveDiffers, release.line, detail)];
    let address = match archive_address(location, store.address()) {
        Ok(address) => address,
        Err(error) => return Ok(differs(error.to_string())),
    };
    let Some(bytes) = manifest_at(store, location, &address, access, monitor)? else {
        let detail = format!("{} has no manifest: the archive is not there", address);
        return Ok(vec![Finding::at(
            Code::ArchiveMissing,
            release.line,
            detail,
        )]);
    };
    let found = Sha256::of(&bytes);
    if found != entry.manifest_sha256 {
        return Ok(differs(format!(
            "the manifest at {address} has the SHA-256 {found}; the row has {}",
            entry.manifest_sha256
        )));
    }
    let manifest = match Manifest::parse(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(differs(format!("at {address}: {error}"))),
    };
    let archived = identity(&manifest, found);
    let pairs = [
        ("product name", &archived.product_name, &entry.product_name),
        ("version", &archived.version, &entry.version),
        ("commit", &archived.commit, &entry.commit),
        ("image id", &archived.image_id, &entry.image_id),
    ];
    let mut wrong: Vec<&str> = pairs
        .into_iter()
        .filter(|(_, archived, entry)| archived != entry)
        .map(|(what, _, _)| what)
        .collect();
    for (what, is_equal) in [
        ("revision", archived.revision == entry.revision),
        ("predecessor", archived.predecessor == entry.predecessor),
        ("amended release", archived.amends == entry.amends),
    ] {
        if !is_equal {
            wrong.push(what);
        }
    }
    if wrong.is_empty() {
        return Ok(Vec::new());
    }
    Ok(differs(format!(
        "the manifest at {address} has another {} than the row",
        wrong.join(" and another ")
    )))
}

/// The bytes of an archive's manifest; none if it has none.
fn manifest_at(
    store: &dyn Store,
    location: &str,
    address: &Address,
    access: &Access,
    monitor: &dyn Monitor,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let loaded = match address {
        Address::Folder(path) if path.is_file() => {
            let tree = archive::open(path)?;
            return match Records::of(&*tree)?.read(MANIFEST) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(ArchiveError::Record { .. }) => Ok(None),
                Err(error) => Err(error),
            };
        }
        _ if *address == store.address().below(location) => {
            store.load(&format!("{location}/{MANIFEST}"), LARGEST_MANIFEST)
        }
        _ => store::open(address, access, monitor)?.load(MANIFEST, LARGEST_MANIFEST),
    };
    match loaded {
        Ok(document) => Ok(document.map(|document| document.bytes)),
        // Where a link or a file lies in its way, there is no archive.
        Err(StoreError::Obstacle { .. } | StoreError::BadPath { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
