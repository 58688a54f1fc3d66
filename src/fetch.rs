//! Bringing a published archive back, verified as it arrives.
//!
//! The store is not trusted: what its listing already shows to be wrong is not transferred, no
//! object may have more bytes than the manifest lists, and nothing appears under the archive's
//! name unless all of it is what was sealed.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use miette::Diagnostic;
use thiserror::Error;

use crate::archive::{ArchiveError, Form, Staging};
use crate::digest::{self, Sha256};
use crate::error::{Cancelled, IoError};
use crate::finding::{Class, Code, Finding};
use crate::manifest::{self, LARGEST_SIGNATURES, MANIFEST, Manifest, SIGNATURES, SUMS};
use crate::monitor::{Linked, Monitor, Task, Unit};
use crate::path::ArchivePath;
use crate::sign;
use crate::store::{Object, Store, StoreError};
use crate::threads;
use crate::verify::{Checker, Policy, Verdict};

/// An archive that was brought back.
#[derive(Debug)]
pub struct Fetched {
    /// Where it lies.
    pub path: PathBuf,
    /// What verification found: nothing against its integrity; who answers for it is told here.
    pub verdict: Verdict,
}

/// Why an archive was not brought back. Nothing is left of it then.
#[derive(Debug, Error, Diagnostic)]
pub enum FetchError {
    /// The store cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// The archive cannot be written, or is not there.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// Bytes could not be transferred.
    #[error(transparent)]
    #[diagnostic(help(
        "check that the store is reachable and the disk has room, and run again: fetching begins anew"
    ))]
    Transfer(#[from] IoError),
    /// The manifest, which is published last, is not there.
    #[error("the archive at {url} is not complete: publishing broke off before its manifest")]
    #[diagnostic(help(
        "publish it again, which goes on where it broke off; `dhfpack list --all` shows what is in the store"
    ))]
    Incomplete {
        /// The archive's address.
        url: String,
    },
    /// The manifest's name for the archive is none that a folder could have.
    #[error("the manifest at {url} calls the archive {name:?}: expected one portable name")]
    #[diagnostic(help("no dhfpack writes such a manifest: ask where the archive comes from"))]
    Name {
        /// The archive's address.
        url: String,
        /// The name.
        name: String,
    },
    /// The archive is not what was sealed.
    #[error(
        "the archive at {url} is not what was sealed, and was not fetched:\n{}",
        list(findings)
    )]
    #[diagnostic(help(
        "fetch an intact copy from another store; `dhfpack verify` with this address shows the whole verdict, and the service's own tools copy what is there"
    ))]
    Damaged {
        /// The archive's address.
        url: String,
        /// What is wrong with it.
        findings: Vec<Finding>,
    },
    /// Stopped on request.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cancelled(#[from] Cancelled),
}

fn list(findings: &[Finding]) -> String {
    const SHOWN: usize = 20;
    let mut lines: Vec<String> = findings
        .iter()
        .take(SHOWN)
        .map(|finding| format!("  {finding}"))
        .collect();
    if findings.len() > SHOWN {
        lines.push(format!("  and {} more", findings.len() - SHOWN));
    }
    lines.join("\n")
}

/// Fetches the archive that lies at the store's own address into the folder `into`, under the
/// name that its manifest gives. Each byte is read once: hashed while it is written.
pub fn fetch(
    store: &dyn Store,
    into: &Path,
    policy: &Policy,
    monitor: &dyn Monitor,
) -> Result<Fetched, FetchError> {
    let url = store.address().to_string();
    let objects = store.list("")?;
    if objects.is_empty() {
        return Err(ArchiveError::NotThere { url }.into());
    }
    let damaged = |findings| FetchError::Damaged {
        url: url.clone(),
        findings,
    };
    let largest = largest_manifest(&objects).map_err(|finding| damaged(vec![finding]))?;
    let Some(document) = store.load(MANIFEST, largest)? else {
        return Err(FetchError::Incomplete { url });
    };
    let manifest = judge_listing(&objects, &document.bytes, policy).map_err(damaged)?;
    let name = &manifest.name;
    if name.parse::<ArchivePath>().is_err() || name.contains('/') {
        let name = name.clone();
        return Err(FetchError::Name { url, name });
    }
    let staging = Staging::begin(into)?;
    staging.refuse_existing(name)?;
    let verdict = transfer(store, &objects, document.bytes, &staging, policy, monitor)?;
    if verdict.has(Class::Integrity) {
        return Err(damaged(integrity(&verdict)));
    }
    let time = manifest.release.source_date;
    let path = staging.commit(name, Form::Folder, time, monitor)?;
    Ok(Fetched { path, verdict })
}

/// The most bytes that the manifest has beside so many objects, unless the listing alone shows that
/// it has more: then not a byte of it is read.
fn largest_manifest(objects: &[Object]) -> Result<u64, Finding> {
    let files = objects.len() as u64;
    let largest = manifest::largest(files);
    let listed = objects.iter().find(|object| object.path == MANIFEST);
    match listed.filter(|object| object.size > largest) {
        None => Ok(largest),
        Some(object) => Err(Finding::at(
            Code::ManifestUnreadable,
            MANIFEST,
            format!(
                "it has {} bytes; that of an archive of {files} files has at most {largest}",
                object.size
            ),
        )),
    }
}

/// The manifest, unless the listing alone shows that the archive is not what was sealed. The
/// rules are those of verification, fed as if every object had the bytes that are listed.
fn judge_listing(
    objects: &[Object],
    manifest_bytes: &[u8],
    policy: &Policy,
) -> Result<Manifest, Vec<Finding>> {
    let mut checker = Checker::default();
    let manifest = Manifest::parse(manifest_bytes);
    let digest = Sha256::of(manifest_bytes);
    let mut listed: HashMap<&str, (u64, Sha256)> = HashMap::new();
    if let Ok(manifest) = &manifest {
        let files = manifest.files.iter();
        listed.extend(files.map(|file| (file.path.as_str(), (file.size, file.sha256))));
        let sums = manifest.sums(&digest);
        listed.insert(SUMS, (sums.len() as u64, Sha256::of(sums.as_bytes())));
    }
    listed.insert(MANIFEST, (manifest_bytes.len() as u64, digest));
    let mut signatures = 0_u64;
    let mut oversized = Vec::new();
    for object in objects {
        let path = object.path.as_str();
        if !checker.admit(path) {
            continue;
        }
        if path.starts_with(SIGNATURES) {
            signatures = signatures.saturating_add(object.size);
            if object.size > sign::MAX_SIZE as u64 || signatures > LARGEST_SIGNATURES {
                let detail = format!("{} bytes are too many among the signatures", object.size);
                oversized.push(Finding::at(Code::SignatureStray, path, detail));
            }
        }
        let expected = listed.get(path).filter(|(size, _)| *size == object.size);
        let digest = expected.map_or_else(|| Sha256::of(b""), |(_, digest)| *digest);
        checker.file(path, object.size, digest);
    }
    checker.add_findings(oversized);
    checker.keep(MANIFEST, manifest_bytes.to_vec());
    let verdict = checker.finish(&Policy::integrity(policy.now));
    match manifest {
        Ok(manifest) if !verdict.has(Class::Integrity) => Ok(manifest),
        _ => Err(integrity(&verdict)),
    }
}

fn integrity(verdict: &Verdict) -> Vec<Finding> {
    let findings = verdict.findings().iter();
    let integrity = findings.filter(|finding| finding.code.class() == Class::Integrity);
    integrity.cloned().collect()
}

/// Writes every object into the staging folder and judges all.
fn transfer(
    store: &dyn Store,
    objects: &[Object],
    manifest: Vec<u8>,
    staging: &Staging,
    policy: &Policy,
    monitor: &dyn Monitor,
) -> Result<Verdict, FetchError> {
    let mut checker = Checker::default();
    for object in objects {
        checker.admit(&object.path);
    }
    let total = objects
        .iter()
        .fold(0_u64, |sum, object| sum.saturating_add(object.size));
    let linked = Linked::new(monitor);
    let transfer = Transfer {
        store,
        staging,
        task: Task::begin(&linked, "fetch", Some(total), Unit::Bytes),
        checker: Mutex::new(checker),
    };
    transfer.write(MANIFEST, &manifest)?;
    transfer.lock().keep(MANIFEST, manifest);
    let mut rest: Vec<&Object> = objects
        .iter()
        .filter(|object| object.path != MANIFEST)
        .collect();
    // The largest first, so that none is left alone at the end.
    rest.sort_by_key(|object| std::cmp::Reverse(object.size));
    let threads = store.promises().transfers;
    threads::each(&rest, threads, &linked, |object| transfer.object(object))?;
    let checker = transfer.checker.into_inner();
    Ok(checker
        .unwrap_or_else(PoisonError::into_inner)
        .finish(policy))
}

struct Transfer<'a> {
    store: &'a dyn Store,
    staging: &'a Staging,
    task: Task<'a>,
    checker: Mutex<Checker>,
}

impl Transfer<'_> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Checker> {
        self.checker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, object: &Object) -> Result<(), FetchError> {
        let path = &object.path;
        // One byte more than is listed shows that there are more.
        let limit = object.size.saturating_add(1);
        let failed = |action, error| failed(action, &self.store.address().place(path), error);
        let mut reader = self.task.reader(self.store.read(path)?.take(limit));
        if path.starts_with(SIGNATURES) {
            let mut bytes = Vec::new();
            let read = reader.read_to_end(&mut bytes);
            read.map_err(|error| failed("fetch", error))?;
            self.write(path, &bytes)?;
            self.lock().keep(path, bytes);
            return Ok(());
        }
        let mut writer = self.create(path)?;
        digest::copy(&mut reader, &mut writer).map_err(|error| failed("fetch", error))?;
        let written = writer.finish()?;
        self.lock().file(path, written.size, written.sha256);
        Ok(())
    }

    /// Writes a small file that is in memory.
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), FetchError> {
        let mut writer = self.create(path)?;
        let written = writer.write_all(bytes);
        written.map_err(|error| failed("write", path, error))?;
        let written = writer.finish()?;
        self.lock().file(path, written.size, written.sha256);
        Ok(())
    }

    fn create(&self, path: &str) -> Result<crate::archive::FileWriter, FetchError> {
        let path: ArchivePath = path.parse().map_err(ArchiveError::from)?;
        Ok(self.staging.create(&path)?)
    }
}

/// An error while bytes passed, or what it carries.
fn failed(action: &'static str, place: &str, error: io::Error) -> FetchError {
    let error = match error.downcast::<StoreError>() {
        Ok(error) => return error.into(),
        Err(error) => error,
    };
    match error.downcast::<Cancelled>() {
        Ok(cancelled) => cancelled.into(),
        Err(source) => FetchError::Transfer(IoError {
            action,
            path: place.into(),
            source,
        }),
    }
}
