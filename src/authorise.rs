//! Adding a signer's statement to a sealed archive. Nothing that is there changes.

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use miette::Diagnostic;
use thiserror::Error;

use crate::archive::{self, ArchiveError, Records};
use crate::config::Meaning;
use crate::digest::Sha256;
use crate::error::{IoContext, IoError};
use crate::finding::{Class, Code, Finding};
use crate::manifest;
use crate::monitor::Monitor;
use crate::platform;
use crate::sign::{self, Occasion, SignError, Signer};
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
        "nobody should sign what cannot be verified; `dhfpack verify` shows everything that is wrong"
    ))]
    Damaged {
        /// The first thing that is wrong with it.
        finding: Finding,
    },
    /// Not a folder.
    #[error("{} is not a folder: expected an unpacked archive", path.display())]
    #[diagnostic(help("unpack it, sign the folder, and pack it again with `dhfpack pack`"))]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Signing failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sign(#[from] SignError),
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
    let policy = Policy::integrity(Timestamp::now());
    let verdict = verify::verify(&*tree, &policy, jobs, monitor)?;
    let mut damage = verdict.findings().iter().filter(|finding| {
        // A draft may be signed, and never passes; everything else that is wrong stops here.
        finding.code.class() == Class::Integrity && finding.code != Code::Draft
    });
    if let Some(finding) = damage.next() {
        return Err(AuthoriseError::Damaged {
            finding: finding.clone(),
        });
    }
    // What was verified is signed, not what may lie there by now.
    let (Some(manifest), Some(digest)) = (verdict.unverified_manifest(), verdict.manifest_sha256())
    else {
        return Err(AuthoriseError::Damaged {
            finding: Finding::at(Code::ManifestMissing, manifest::MANIFEST, "it is not there"),
        });
    };
    let sums = Sha256::of(manifest.sums(&digest).as_bytes());
    let occasion = Occasion {
        role,
        meaning,
        time: Timestamp::now(),
        observations: &std::collections::BTreeMap::new(),
    };
    let new = sign::prepare(
        &Records::of(&*tree)?.signatures()?,
        &digest,
        &sums,
        signer,
        occasion,
    )?;
    let Some(new) = new else {
        return Ok(None);
    };
    let folder = archive.join(manifest::SIGNATURES);
    if !folder.is_dir() {
        std::fs::create_dir(&folder).at("create", &folder)?;
    }
    let files = [
        (new.signature_name.as_str(), new.signature.as_slice()),
        (new.name.as_str(), new.statement.as_slice()),
    ];
    add(archive, &folder, &files)?;
    Ok(Some(new.name))
}

/// Adds files to the folder of signatures: both are durable under temporary names outside the
/// archive before either gets its own, so that only a crash between two renames could part them.
/// What it leaves then is a finding, and not completed later: whoever put it there, nobody signs
/// a statement that was not made for them just now.
fn add(archive: &Path, folder: &Path, files: &[(&str, &[u8])]) -> Result<(), AuthoriseError> {
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
