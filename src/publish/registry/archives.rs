//! Whether the archives that a register names are where it says, and what it says; and whether
//! it names all that lie beside it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use super::registration::{archive_address, archive_location, identity};
use crate::archive::{self, ArchiveError, Records};
use crate::catalogue;
use crate::digest::Sha256;
use crate::manifest::{MANIFEST, Manifest};
use crate::monitor::{Linked, Monitor, Task, Unit};
use crate::path::ArchivePath;
use crate::register::{Code, Finding, Register, Release, releases};
use crate::shard::Shard;
use crate::store::{self, Access, Address, Store, StoreError};
use crate::threads;

/// How many archives are opened at once.
const THREADS: usize = 8;

/// Opens the archive of each release and compares its manifest with the release's row, and looks
/// for archives beside the register that no row names. The archives themselves are verified
/// elsewhere.
///
/// Fails where an archive cannot be looked at; one that is not there, is another, or is not
/// registered is a finding.
pub fn examine_archives(
    store: &dyn Store,
    register: &Register,
    access: &Access,
    shard: Option<Shard>,
    monitor: &dyn Monitor,
) -> Result<Vec<Finding>, ArchiveError> {
    let mut releases = releases(register);
    let places: HashSet<String> = releases
        .iter()
        .map(|one| place(one, store.address()))
        .collect();
    let known: HashSet<Sha256> = releases
        .iter()
        .map(|one| one.entry.manifest_sha256)
        .collect();
    let is_ours = |name: &str| shard.is_none_or(|shard| shard.has(name));
    let mut folders = store.children("")?.folders;
    folders.retain(|name| is_ours(name) && !places.contains(name));
    releases.retain(|release| is_ours(&release.entry.archive_location));
    let mut findings = in_each(
        &releases,
        "comparing archives",
        monitor,
        |release, linked| compare(store, release, access, linked),
    )?;
    findings.extend(in_each(
        &folders,
        "looking for archives without a row",
        monitor,
        |name, linked| unregistered(store, name, &known, access, linked),
    )?);
    Ok(findings)
}

/// What `look` finds in all items together.
fn in_each<T: Sync>(
    items: &[T],
    task: &str,
    monitor: &dyn Monitor,
    look: impl Fn(&T, &dyn Monitor) -> Result<Vec<Finding>, ArchiveError> + Sync,
) -> Result<Vec<Finding>, ArchiveError> {
    let linked = Linked::new(monitor);
    let task = Task::begin(&linked, task, Some(items.len() as u64), Unit::Items);
    let findings = Mutex::new(Vec::new());
    threads::each(
        items,
        THREADS,
        &linked,
        |item| -> Result<(), ArchiveError> {
            let found = look(item, &linked)?;
            let mut findings = findings.lock().unwrap_or_else(PoisonError::into_inner);
            findings.extend(found);
            Ok(task.advance(1)?)
        },
    )?;
    Ok(findings
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner))
}

/// The location of a release's archive: the name of its folder, if it lies in this store.
fn place(release: &Release, store: &Address) -> String {
    let location = &release.entry.archive_location;
    match archive_address(location, store) {
        Ok(address) => archive_location(&address, store),
        Err(_) => location.clone(),
    }
}

/// A finding if this folder of the store is an archive that is not `known` by its manifest.
fn unregistered(
    store: &dyn Store,
    name: &str,
    known: &HashSet<Sha256>,
    access: &Access,
    monitor: &dyn Monitor,
) -> Result<Vec<Finding>, ArchiveError> {
    let address = store.address().below(name);
    let found = match manifest_at(store, name, &address, access, monitor) {
        Ok(found) => found,
        Err(error) if monitor.is_cancelled() => return Err(error),
        // A folder of somebody else's must not hide what is found elsewhere.
        Err(error) => {
            monitor.notice(&format!(
                "whether {address} is an archive cannot be told: {error}"
            ));
            return Ok(Vec::new());
        }
    };
    let digest = found.map(|bytes| Sha256::of(&bytes));
    let Some(digest) = digest.filter(|digest| !known.contains(digest)) else {
        return Ok(Vec::new());
    };
    let detail = format!(
        "no row names the archive at {address}, manifest {digest}: publish it again with \
         `dhfpack publish`, or register it with `dhfpack registry add`"
    );
    Ok(vec![Finding::whole(Code::ArchiveUnregistered, detail)])
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
        let detail = format!("{address} has no manifest: the archive is not there");
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

/// Whether a row's location is the name of a folder in the register's own store.
fn is_beside(location: &str, store: &Address) -> bool {
    location.parse::<ArchivePath>().is_ok()
        && archive_address(location, store).is_ok_and(|address| address == store.below(location))
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
        _ if is_beside(location, store.address()) => catalogue::load_manifest(store, location),
        _ => catalogue::load_manifest(&*store::open(address, access, monitor)?, ""),
    };
    match loaded {
        Ok(document) => Ok(document.map(|document| document.bytes)),
        // Where a link or a file lies in its way, there is no archive.
        Err(StoreError::Obstacle { .. } | StoreError::BadPath { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
