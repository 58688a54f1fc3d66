//! Adding a signer's statement to a sealed archive. Nothing that is there changes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use miette::Diagnostic;
use thiserror::Error;

use crate::archive::{self, ArchiveError, Records, Tree};
use crate::config::Meaning;
use crate::digest::Sha256;
use crate::error::{IoContext, IoError};
use crate::finding::{Class, Code, Finding};
use crate::manifest;
use crate::monitor::Monitor;
use crate::platform;
use crate::sign::{self, Occasion, SignError, Signer};
use crate::store::{Created, Store, StoreError};
use crate::verify::{self, Policy, VerifyError};

/// Why a statement cannot be added.
#[derive(Debug, Error, Diagnostic)]
pub enum AuthoriseError {
    /// The archive cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive cannot be verified.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Verify(#[from] VerifyError),
    /// The archive is not what was sealed.
    #[error("the archive is not what was sealed, and was not signed: {finding}")]
    #[diagnostic(help(
        "nobody should sign what cannot be verified; `dhfpack verify` shows everything that is wrong; a signature without its statement is completed when its signer signs again"
    ))]
    Damaged {
        /// The first thing that is wrong with it.
        finding: Finding,
    },
    /// Not a folder.
    #[error("{} is not a folder: expected an unpacked archive, or its URL in a store", path.display())]
    #[diagnostic(help("unpack it, sign the folder, and pack it again with `dhfpack pack`"))]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Signing failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sign(#[from] SignError),
    /// The store cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Store(#[from] StoreError),
    /// Somebody else's signature of that name came first.
    #[error("{place} came there while the archive was read; nothing was added to it")]
    #[diagnostic(help("somebody else signs it now: sign again"))]
    Raced {
        /// The object.
        place: String,
    },
    /// Writing failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Io(#[from] IoError),
}

/// Signs the archive in the folder `archive`, which is verified first. Returns the name of the
/// new statement; none if this signer has validly signed it in this role and meaning already.
pub fn authorise(
    archive: &Path,
    signer: &Signer,
    role: &str,
    meaning: Meaning,
    jobs: usize,
    monitor: &dyn Monitor,
) -> Result<Option<String>, AuthoriseError> {
    if !archive.is_dir() {
        return Err(AuthoriseError::NotAFolder {
            path: archive.to_path_buf(),
        });
    }
    let tree = archive::open(archive)?;
    let Some(addition) = prepare(&*tree, signer, role, meaning, jobs, monitor)? else {
        return Ok(None);
    };
    let folder = archive.join(manifest::SIGNATURES);
    if !folder.is_dir() {
        std::fs::create_dir(&folder).at("create", &folder)?;
    }
    add(archive, &folder, &addition.files)?;
    Ok(Some(addition.name))
}

/// As [`authorise`], where the archive lies at the store's own address. All of it is read, and no
/// object that is there is touched.
pub fn authorise_published(
    store: &dyn Store,
    signer: &Signer,
    role: &str,
    meaning: Meaning,
    jobs: usize,
    monitor: &dyn Monitor,
) -> Result<Option<String>, AuthoriseError> {
    let tree = archive::in_store(store);
    let Some(addition) = prepare(&*tree, signer, role, meaning, jobs, monitor)? else {
        return Ok(None);
    };
    for (name, bytes) in &addition.files {
        put(store, &format!("{}/{name}", manifest::SIGNATURES), bytes)?;
    }
    Ok(Some(addition.name))
}

/// What is added to an archive.
struct Addition {
    /// The statement's name.
    name: String,
    /// The files that are not there yet, by name, in the order in which they appear: the signature
    /// first, because it alone is completed by its signer's next run, and never a statement that
    /// somebody else may have laid there for them to sign.
    files: Vec<(String, Vec<u8>)>,
}

fn prepare(
    tree: &dyn Tree,
    signer: &Signer,
    role: &str,
    meaning: Meaning,
    jobs: usize,
    monitor: &dyn Monitor,
) -> Result<Option<Addition>, AuthoriseError> {
    let policy = Policy::integrity(Timestamp::now());
    let verdict = verify::verify(tree, &policy, jobs, monitor)?;
    let mut damage = verdict.findings().iter().filter(|finding| {
        // A draft may be signed, and never passes; everything else that is wrong stops here.
        finding.code.class() == Class::Integrity && finding.code != Code::Draft
    });
    let damaged = |finding: &Finding| AuthoriseError::Damaged {
        finding: finding.clone(),
    };
    // What was verified is signed, not what may lie there by now.
    let (Some(manifest), Some(digest)) = (verdict.unverified_manifest(), verdict.manifest_sha256())
    else {
        let missing = Finding::at(Code::ManifestMissing, manifest::MANIFEST, "it is not there");
        return Err(damaged(damage.next().unwrap_or(&missing)));
    };
    let sums = Sha256::of(manifest.sums(&digest).as_bytes());
    let occasion = Occasion {
        role,
        meaning,
        time: Timestamp::now(),
        observations: &BTreeMap::new(),
    };
    let files = Records::of(tree)?.signatures()?;
    let begun = sign::complete(&files, &digest, &sums, signer, occasion);
    let is_begun = |finding: &Finding| {
        let signature = begun.as_ref().map(|new| &new.signature_name);
        let path = signature.map(|name| format!("{}/{name}", manifest::SIGNATURES));
        finding.code == Code::SignatureIncomplete && path.is_some() && finding.path == path
    };
    if let Some(finding) = damage.find(|finding| !is_begun(finding)) {
        return Err(damaged(finding));
    }
    let new = match begun {
        Some(begun) => Some(begun),
        None => sign::prepare(&files, &digest, &sums, signer, occasion)?,
    };
    Ok(new.map(|new| {
        let mut added = vec![
            (new.signature_name, new.signature),
            (new.name.clone(), new.statement),
        ];
        added.retain(|(name, _)| !files.contains_key(name));
        Addition {
            name: new.name,
            files: added,
        }
    }))
}

/// Adds files to the folder of signatures: both are durable under temporary names outside the
/// archive before either gets its own, so that only a crash between two renames could part them.
fn add(archive: &Path, folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), AuthoriseError> {
    let real = archive.canonicalize().at("find", archive)?;
    let beside = real.parent().unwrap_or(&real);
    let mut staged = Vec::new();
    for (name, bytes) in files {
        let mut file = tempfile::NamedTempFile::new_in(beside).at("create a file in", beside)?;
        file.write_all(bytes).at("write", file.path())?;
        platform::set_plain_mode(file.path(), false).at("set the mode of", file.path())?;
        file.as_file().sync_all().at("sync", file.path())?;
        staged.push((file.into_temp_path(), folder.join(name)));
    }
    for (file, place) in staged {
        platform::rename_no_replace(&file, &place).at("create", &place)?;
        // It has its own name now; there is nothing left to remove.
        let _ = file.keep();
    }
    platform::sync_folder(folder).at("sync", folder)?;
    Ok(())
}

/// Creates an object, and reads it back.
fn put(store: &dyn Store, path: &str, bytes: &[u8]) -> Result<(), AuthoriseError> {
    let place = store.address().place(path);
    let size = bytes.len() as u64;
    if store.create_from(path, bytes)? == Created::Exists {
        return Err(AuthoriseError::Raced { place });
    }
    let found = store.load(path, size)?.map(|document| document.bytes);
    if found.as_deref() == Some(bytes) {
        return Ok(());
    }
    Err(StoreError::ReadBack {
        place,
        expected: Sha256::of(bytes),
        found: Sha256::of(&found.unwrap_or_default()),
    }
    .into())
}
