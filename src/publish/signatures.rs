//! Signatures here and in the store: which are published, and what all of them prove.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{PublishError, Source};
use crate::digest::Sha256;
use crate::finding::{Class, Finding};
use crate::manifest::{Manifest, SIGNATURES};
use crate::sign::{self, MAX_SIZE, SignerReport, Trust};
use crate::store::{Object, Store};
use crate::verify::Policy;

/// Files among an archive's signatures, by name.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// How far a published archive has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// When the last required role signed, with the meaning *release* and by a trusted
    /// certificate; none while the archive is pending.
    pub released_at: Option<Timestamp>,
    /// When the last statement was made, whatever it means.
    pub signed_at: Option<Timestamp>,
    /// Why it is pending.
    pub open: Vec<String>,
}

impl Standing {
    /// What these signatures prove to somebody with this policy: files by name, as they lie in
    /// the archive's folder of signatures.
    pub fn of(
        files: &BTreeMap<String, Vec<u8>>,
        (manifest, digest): (&Manifest, Sha256),
        policy: &Policy,
    ) -> Self {
        let sums = Sha256::of(manifest.sums(&digest).as_bytes());
        let examination = sign::examine(files, &digest, &sums, &policy.trust, policy.now);
        let layout = manifest.layout.roles.iter();
        let mut roles: Vec<String> = layout.map(|role| role.name.clone()).collect();
        roles.extend(policy.required_roles.iter().cloned());
        roles.sort_unstable();
        roles.dedup();
        let mut findings = examination.findings;
        findings.extend(sign::missing_roles(&examination.signers, &roles));
        let valid = examination.signers.iter().filter(|signer| signer.valid);
        Self {
            released_at: sign::released_at(&examination.signers, &roles)
                .filter(|_| findings.is_empty()),
            signed_at: valid.map(|signer| signer.signed_at).max(),
            open: findings.into_iter().map(|finding| finding.detail).collect(),
        }
    }

    /// Whether every required role has signed.
    pub fn is_released(&self) -> bool {
        self.released_at.is_some()
    }
}

/// The signatures of an archive that is in part in a store.
pub(super) struct Merged {
    /// Those that the store holds, and those here that belong beside them.
    pub(super) all: Files,
    /// The statements here that are not published: the store holds one by the same signer, in the
    /// same role, with the same meaning.
    pub(super) left_out: Vec<String>,
}

/// The files among the signatures of the archive `name` that the store holds.
pub(super) fn in_store(
    store: &dyn Store,
    name: &str,
    objects: &[Object],
) -> Result<Files, PublishError> {
    let folder = format!("{name}/{SIGNATURES}/");
    let mut files = Files::new();
    for object in objects {
        let Some(file) = object.path.strip_prefix(&folder) else {
            continue;
        };
        if let Some(document) = store.load(&object.path, MAX_SIZE as u64)? {
            files.insert(file.to_owned(), document.bytes);
        }
    }
    Ok(files)
}

/// Which of the archive's signatures to publish beside those that are `there`.
///
/// A CI job that is run again on a fresh machine builds the same manifest and signs it at another
/// time: the statement that was published first is kept. Fails with [`PublishError::Signatures`] if
/// what the store would hold does not verify, with nothing changed.
pub(super) fn merge(source: &Source<'_>, there: Files) -> Result<Merged, PublishError> {
    let here = source.signatures();
    let now = Timestamp::now();
    let examine = |files: &Files| {
        let (digest, sums) = (source.digest(), source.sums());
        sign::examine(files, &digest, &sums, &Trust::default(), now)
    };
    let signed_there = examine(&there).signers;
    let mut to_publish = here.clone();
    let mut left_out = Vec::new();
    for signer in examine(here).signers {
        let is_there = there.get(&signer.file) == here.get(&signer.file);
        if !is_there && signed_there.iter().any(|other| same(&signer, other)) {
            // With its signature and its time-stamps.
            to_publish.retain(|file, _| !file.starts_with(&signer.file));
            left_out.push(signer.file);
        }
    }
    let mut all = there;
    for (file, bytes) in to_publish {
        if all.get(&file).is_some_and(|other| *other != bytes) {
            return Err(PublishError::SignatureTaken {
                path: format!("{SIGNATURES}/{file}"),
            });
        }
        all.insert(file, bytes);
    }
    let findings = examine(&all).findings.into_iter();
    let findings: Vec<Finding> = findings
        .filter(|finding| finding.code.class() == Class::Integrity)
        .collect();
    if !findings.is_empty() {
        return Err(PublishError::Signatures { findings });
    }
    Ok(Merged { all, left_out })
}

/// Whether `there` says what `here` says, if at another time.
fn same(here: &SignerReport, there: &SignerReport) -> bool {
    there.valid
        && (here.certificate_sha256, &here.role, here.meaning)
            == (there.certificate_sha256, &there.role, there.meaning)
}
