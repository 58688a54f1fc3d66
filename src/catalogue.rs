//! The releases of a store, as their manifests and signatures tell.
//!
//! Of each archive only the manifest and the signatures are read, so that a large store is listed
//! soon. Whether the other files are what the manifest lists, verification says.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;
use thiserror::Error;

use crate::digest::Sha256;
use crate::error::Cancelled;
use crate::finding::Class;
use crate::lineage::{self, Identity, LineageError};
use crate::manifest::{self, LARGEST_SIGNATURES, MANIFEST, Manifest, SIGNATURES};
use crate::monitor::{Linked, Monitor, Task, Unit};
use crate::shard::Shard;
use crate::sign::{self, MAX_SIZE, SignerReport, Trust};
use crate::store::{Document, Store, StoreError};
use crate::threads;
use crate::verify::Status;

/// A folder of a store.
#[derive(Debug)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: Content,
}

/// What a folder of a store holds.
#[derive(Debug)]
pub enum Content {
    /// An archive with its manifest.
    Release(Box<Release>),
    /// Something without a manifest: an archive whose publishing broke off, or no archive.
    Incomplete,
    /// A manifest that cannot be understood, with the reason.
    Broken(String),
    /// It cannot be read.
    Unreadable(StoreError),
}

/// An archive in a store.
#[derive(Debug, Clone, Serialize)]
pub struct Release {
    /// Its manifest, without the list of files.
    #[serde(skip)]
    pub manifest: Manifest,
    /// The digest of its manifest.
    pub manifest_sha256: Sha256,
    /// How far it has come, by the roles of its own layout and by signatures that verify.
    pub status: Status,
    /// When the last required role signed; none unless it is released.
    pub released_at: Option<Timestamp>,
    /// Everyone who signed.
    pub signers: Vec<SignerReport>,
    /// How many files its manifest lists.
    pub files: u64,
    /// Their size in bytes together.
    pub bytes: u64,
    /// What is wrong with what was read.
    pub problems: Vec<String>,
}

/// Every folder of the store, by byte order of name. Signatures count if they verify, and, where
/// `trust` is given, if their signers are trusted.
///
/// Fails only if the store's folders cannot be listed, or on a stop.
pub fn list(
    store: &dyn Store,
    shard: Option<Shard>,
    trust: Option<&Trust>,
    now: Timestamp,
    monitor: &dyn Monitor,
) -> Result<Vec<Listed>, StoreError> {
    let mut names = store.children("")?.folders;
    names.retain(|name| shard.is_none_or(|shard| shard.has(name)));
    let linked = Linked::new(monitor);
    let task = Task::begin(&linked, "list", Some(names.len() as u64), Unit::Items);
    let listed = Mutex::new(Vec::with_capacity(names.len()));
    let threads = store.promises().transfers;
    threads::each(&names, threads, &linked, |name| -> Result<(), StoreError> {
        let content = match read(store, name, trust, now) {
            Ok(content) => content,
            Err(StoreError::Cancelled(cancelled)) => return Err(cancelled.into()),
            Err(error) => Content::Unreadable(error),
        };
        let name = name.clone();
        let mut listed = listed.lock().unwrap_or_else(PoisonError::into_inner);
        listed.push(Listed { name, content });
        Ok(task.advance(1)?)
    })?;
    let mut listed = listed.into_inner().unwrap_or_else(PoisonError::into_inner);
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listed)
}

fn read(
    store: &dyn Store,
    name: &str,
    trust: Option<&Trust>,
    now: Timestamp,
) -> Result<Content, StoreError> {
    let Some(document) = load_manifest(store, name)? else {
        return Ok(Content::Incomplete);
    };
    let mut manifest = match Manifest::parse(&document.bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            let cause = std::error::Error::source(&error);
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            return Ok(Content::Broken(format!("{error}{cause}")));
        }
    };
    let digest = Sha256::of(&document.bytes);
    drop(document);
    let sums = Sha256::of(manifest.sums(&digest).as_bytes());
    let mut problems = Vec::new();
    if manifest.name != name {
        problems.push(format!("its manifest calls it {:?}", manifest.name));
    }
    let files = signatures(store, name, &mut problems)?;
    let judged = trust.cloned().unwrap_or_default();
    let examined = sign::examine(&files, &digest, &sums, &judged, now);
    let wrong = examined.findings.iter();
    let wrong = wrong.filter(|finding| finding.code.class() == Class::Integrity);
    problems.extend(wrong.map(ToString::to_string));
    let roles = manifest.layout.roles.iter();
    let roles: Vec<String> = roles.map(|role| role.name.clone()).collect();
    let released_at = sign::released_at(&counted(&examined.signers, trust.is_some()), &roles);
    let count = manifest.files.len() as u64;
    let sizes = manifest.files.iter().map(|file| file.size);
    let bytes = sizes.fold(0_u64, u64::saturating_add);
    manifest.files = Vec::new();
    let released_at = released_at.filter(|_| !manifest.draft && problems.is_empty());
    Ok(Content::Release(Box::new(Release {
        status: match released_at {
            _ if manifest.draft => Status::Draft,
            Some(_) => Status::Released,
            None => Status::Pending,
        },
        manifest,
        manifest_sha256: digest,
        released_at,
        signers: examined.signers,
        files: count,
        bytes,
        problems,
    })))
}

/// The manifest of the archive in `folder`, or in the store itself, if it has one. Only for a large
/// one the archive's files are counted: what is held in memory has a limit, whatever lies there.
pub(crate) fn load_manifest(
    store: &dyn Store,
    folder: &str,
) -> Result<Option<Document>, StoreError> {
    let path = match folder {
        "" => MANIFEST.to_owned(),
        folder => format!("{folder}/{MANIFEST}"),
    };
    match store.load(&path, manifest::largest(0)) {
        Err(StoreError::TooLarge { .. }) => {
            let files = store.list(folder)?.len() as u64;
            store.load(&path, manifest::largest(files))
        }
        loaded => loaded,
    }
}

/// The signers that count: where nobody judges them, all whose signature is valid.
fn counted(signers: &[SignerReport], is_judged: bool) -> Vec<SignerReport> {
    let mut signers = signers.to_vec();
    for signer in &mut signers {
        signer.trusted |= !is_judged;
    }
    signers
}

/// The files in an archive's folder of signatures, by name; those that are far too large are
/// problems instead.
fn signatures(
    store: &dyn Store,
    name: &str,
    problems: &mut Vec<String>,
) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
    let folder = format!("{name}/{SIGNATURES}");
    let mut files = BTreeMap::new();
    let mut total = 0_u64;
    for object in store.children(&folder)?.objects {
        let file = object.path.rsplit('/').next().unwrap_or_default();
        total = total.saturating_add(object.size);
        if object.size > MAX_SIZE as u64 || total > LARGEST_SIGNATURES {
            problems.push(format!("{file:?} is far too large to be a signature"));
            continue;
        }
        // Gone since it was listed, or another's: then it is no signature of this archive.
        if let Some(document) = store.load(&object.path, MAX_SIZE as u64)? {
            files.insert(file.to_owned(), document.bytes);
        }
    }
    Ok(files)
}

/// Finds the archive whose manifest has this digest. Those whose name begins with `near` are
/// looked at first, as addenda and revisions lie beside what they name.
pub fn find(
    store: &dyn Store,
    manifest: &Sha256,
    near: &str,
    monitor: &dyn Monitor,
) -> Result<Option<(String, Manifest)>, StoreError> {
    let mut names = store.children("")?.folders;
    names.sort_by_key(|name| !name.starts_with(near));
    for name in names {
        if monitor.is_cancelled() {
            return Err(Cancelled.into());
        }
        let loaded = load_manifest(store, &name)?;
        let found = loaded.filter(|document| Sha256::of(&document.bytes) == *manifest);
        if let Some(found) = found.and_then(|found| Manifest::parse(&found.bytes).ok()) {
            return Ok(Some((name, found)));
        }
    }
    Ok(None)
}

/// Why an archive does not fit to those that it names, or that could not be found out.
#[derive(Debug, Error, miette::Diagnostic)]
pub enum SiblingError {
    /// The store cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// It does not fit.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lineage(#[from] Box<LineageError>),
}

/// Fails unless every archive that this one amends or supersedes is in the store, and has the same
/// tag at the same commit.
pub fn require_siblings(
    store: &dyn Store,
    manifest: &Manifest,
    monitor: &dyn Monitor,
) -> Result<(), SiblingError> {
    let near = format!("{}-{}", manifest.product.id, manifest.release.version);
    for (relation, digest) in lineage::named(manifest) {
        let found = find(store, &digest, &near, monitor)?;
        let (_, earlier) = found.ok_or_else(|| {
            Box::new(LineageError::NotThere {
                relation,
                manifest: digest,
                store: store.address().to_string(),
            })
        })?;
        lineage::check(&Identity::of(manifest), relation, &earlier)?;
    }
    Ok(())
}
