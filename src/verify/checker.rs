//! The rules of verification, without I/O: fed with what is there, it says what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Verdict, images};
use crate::digest::Sha256;
use crate::finding::{Code, Finding};
use crate::manifest::{self, FileEntry, Manifest, ManifestError};
use crate::path::{ArchivePath, PathSet, Reason};
use crate::sign::{self, Trust};

/// What the caller asks of an archive.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whose signatures count.
    pub trust: Trust,
    /// Roles that must have signed with the meaning *release*.
    pub required_roles: Vec<String>,
    /// The time of verification.
    pub now: Timestamp,
}

impl Policy {
    /// Asks only whether the archive is what was sealed: nobody is trusted or required.
    pub fn integrity(now: Timestamp) -> Self {
        Self {
            trust: Trust::default(),
            required_roles: Vec::new(),
            now,
        }
    }
}

/// Collects what an archive holds, in any order, and judges it.
///
/// Feed every entry to [`Checker::irregular`] or [`Checker::file`]; for those that
/// [`Checker::wants`], also hand over the bytes.
#[derive(Debug, Default)]
pub struct Checker {
    seen: BTreeMap<String, (u64, Sha256)>,
    manifest: Option<Manifest>,
    signatures: BTreeMap<String, Vec<u8>>,
    signatures_size: u64,
    damaged: BTreeSet<String>,
    paths: PathSet,
    findings: Vec<Finding>,
    bytes: u64,
}

/// How much of a file the rules must see, beyond its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All of it, which is at most this many bytes: without it nothing can be judged.
    Whole(u64),
    /// No more than this many bytes: if it has more, that alone is wrong.
    Start(u64),
}

impl Wanted {
    /// The number of bytes.
    pub const fn limit(self) -> u64 {
        match self {
            Self::Whole(limit) | Self::Start(limit) => limit,
        }
    }
}

impl Checker {
    /// Adds what the container itself gave away.
    pub fn add_findings(&mut self, findings: Vec<Finding>) {
        self.findings.extend(findings);
    }

    /// Judges an entry's path; false if the entry cannot be one of the archive's.
    pub fn admit(&mut self, path: &str) -> bool {
        if let Err(error) = path.parse::<ArchivePath>() {
            let code = match error.reason {
                Reason::Escapes | Reason::Empty => Code::PathEscape,
                _ => Code::PathNotPortable,
            };
            self.findings
                .push(Finding::at(code, path, error.reason.to_string()));
            return false;
        }
        if let Err(collision) = self.paths.insert(path) {
            let detail = format!("{}: {:?}", collision.why, collision.first);
            self.findings
                .push(Finding::at(Code::PathDuplicate, path, detail));
            return false;
        }
        true
    }

    /// Records an entry that is neither a file nor a folder.
    pub fn irregular(&mut self, path: &str, what: &str) {
        let detail = format!("it is {what}; an archive holds files and folders only");
        self.findings
            .push(Finding::at(Code::NotARegularFile, path, detail));
    }

    /// Records a folder with nothing in it.
    pub fn empty_folder(&mut self, path: &str) {
        let detail = "the folder is empty; an archive has none".to_owned();
        self.findings
            .push(Finding::at(Code::FolderEmpty, path, detail));
    }

    /// Which bytes of this file are needed, in an archive of so many.
    pub fn wants(path: &str, files: u64) -> Option<Wanted> {
        if path == manifest::MANIFEST {
            return Some(Wanted::Whole(manifest::largest(files)));
        }
        // One byte more than is allowed, so that the rules see that it is too long.
        in_signatures(path).map(|_| Wanted::Start(sign::MAX_SIZE as u64 + 1))
    }

    /// Records a file's size and digest.
    pub fn file(&mut self, path: &str, size: u64, digest: Sha256) {
        // Sizes may be no more than what a store claims.
        self.bytes = self.bytes.saturating_add(size);
        self.seen.insert(path.to_owned(), (size, digest));
    }

    /// Records a file whose bytes what holds it cannot give unambiguously.
    pub fn damaged(&mut self, path: &str, problem: &str) {
        self.damaged.insert(path.to_owned());
        self.findings
            .push(Finding::at(Code::FileChanged, path, problem));
    }

    /// Hands over the bytes of a file that is wanted.
    pub fn keep(&mut self, path: &str, bytes: Vec<u8>) {
        let Some(name) = in_signatures(path) else {
            self.keep_manifest(&bytes);
            return;
        };
        // What is held in memory has a limit, whatever somebody puts there.
        self.signatures_size = self.signatures_size.saturating_add(bytes.len() as u64);
        if self.signatures_size > manifest::LARGEST_SIGNATURES {
            let detail = format!(
                "the files here have more than {} bytes together, and this one was not judged",
                manifest::LARGEST_SIGNATURES
            );
            self.findings
                .push(Finding::at(Code::SignatureStray, path, detail));
            return;
        }
        self.signatures.insert(name.to_owned(), bytes);
    }

    /// Judges everything seen.
    pub fn finish(mut self, policy: &Policy) -> Verdict {
        let manifest = self.take_manifest();
        let files = self.seen.len() as u64;
        let mut signers = Vec::new();
        let mut notes = Vec::new();
        let mut layout_signed = false;
        if let Some((manifest, digest)) = &manifest {
            if manifest.draft {
                let detail = "it was built with --draft; a draft never passes".to_owned();
                self.findings.push(Finding::whole(Code::Draft, detail));
            }
            let sums = self.check_sums(manifest, digest);
            let examination =
                sign::examine(&self.signatures, digest, &sums, &policy.trust, policy.now);
            self.findings.extend(examination.findings);
            self.findings.extend(sign::missing_roles(
                &examination.signers,
                &policy.required_roles,
            ));
            let roles: Vec<String> = manifest
                .layout
                .roles
                .iter()
                .map(|r| r.name.clone())
                .collect();
            layout_signed = sign::missing_roles(&examination.signers, &roles).is_empty();
            signers = examination.signers;
            notes = examination.notes;
            self.check_files(manifest);
        }
        // Integrity before trust, and files in the order of their paths.
        self.findings
            .sort_by(|a, b| (a.code.class(), a).cmp(&(b.code.class(), b)));
        self.findings.dedup();
        Verdict {
            manifest,
            findings: self.findings,
            layout_signed,
            signers,
            notes,
            files,
            bytes: self.bytes,
        }
    }

    /// Reads the manifest at once, which may well be while large files are still being hashed.
    fn keep_manifest(&mut self, bytes: &[u8]) {
        match Manifest::parse(bytes) {
            Ok(manifest) => {
                self.check_consistency(&manifest);
                self.manifest = Some(manifest);
            }
            Err(error) => {
                let detail = match error {
                    ManifestError::Json(cause) => cause.to_string(),
                    other @ ManifestError::Format(_) => other.to_string(),
                };
                self.findings.push(Finding::at(
                    Code::ManifestUnreadable,
                    manifest::MANIFEST,
                    detail,
                ));
            }
        }
    }

    /// The manifest and its digest; says so if it is not there.
    fn take_manifest(&mut self) -> Option<(Manifest, Sha256)> {
        let Some((_, digest)) = self.seen.get(manifest::MANIFEST) else {
            let detail = "without it nothing can be verified; is this the archive's top folder?";
            self.findings.push(Finding::at(
                Code::ManifestMissing,
                manifest::MANIFEST,
                detail,
            ));
            return None;
        };
        Some((self.manifest.take()?, *digest))
    }

    /// What the manifest itself must satisfy, whatever lies beside it.
    fn check_consistency(&mut self, manifest: &Manifest) {
        let mut paths = PathSet::default();
        let mut fail = |path: &str, detail: String| {
            self.findings
                .push(Finding::at(Code::ManifestInconsistent, path, detail));
        };
        for pair in manifest.files.windows(2) {
            if let [first, second] = pair
                && first.path >= second.path
            {
                fail(
                    second.path.as_str(),
                    format!("it is listed after {:?}", first.path.as_str()),
                );
            }
        }
        for file in &manifest.files {
            let path = file.path.as_str();
            if let Err(collision) = paths.insert(path) {
                fail(path, collision.to_string());
            }
            if path.starts_with("Manifest/") && path != manifest::VERIFY_MD {
                fail(path, "the manifest must not list this".to_owned());
            }
        }
        self.findings.extend(images::check(manifest));
        self.findings.extend(super::lfs::check(manifest));
    }

    /// Compares `SHA256SUMS` with what the manifest gives; returns the digest it should have.
    fn check_sums(&mut self, manifest: &Manifest, digest: &Sha256) -> Sha256 {
        let expected = Sha256::of(manifest.sums(digest).as_bytes());
        match self.seen.get(manifest::SUMS) {
            None => {
                let detail = "stock tools need it; the manifest says what belongs in it";
                self.findings
                    .push(Finding::at(Code::SumsMissing, manifest::SUMS, detail));
            }
            Some((_, found)) if *found != expected => {
                let detail = "it is not what the manifest gives";
                self.findings
                    .push(Finding::at(Code::SumsChanged, manifest::SUMS, detail));
            }
            Some(_) => {}
        }
        expected
    }

    /// Compares what is listed with what is there.
    fn check_files(&mut self, manifest: &Manifest) {
        let mut unlisted = std::mem::take(&mut self.seen);
        unlisted.retain(|path, _| {
            path != manifest::MANIFEST && path != manifest::SUMS && in_signatures(path).is_none()
        });
        let mut missing = Vec::new();
        for file in &manifest.files {
            match unlisted.remove(file.path.as_str()) {
                // Said already.
                None if self.damaged.contains(file.path.as_str()) => {}
                None => missing.push(file),
                Some((size, digest)) => self.findings.extend(compare(file, size, &digest)),
            }
        }
        let mut by_content: BTreeMap<(u64, Sha256), Vec<String>> = BTreeMap::new();
        if !missing.is_empty() {
            // From the back, so that the first path is taken first.
            for (path, content) in unlisted.iter().rev() {
                by_content.entry(*content).or_default().push(path.clone());
            }
        }
        for file in missing {
            let moved = by_content
                .get_mut(&(file.size, file.sha256))
                .and_then(Vec::pop);
            let finding = match moved {
                Some(path) => {
                    unlisted.remove(&path);
                    let detail = format!("its bytes lie under {path:?} now");
                    Finding::at(Code::FileRenamed, file.path.as_str(), detail)
                }
                None => Finding::at(
                    Code::FileMissing,
                    file.path.as_str(),
                    format!("{} bytes with SHA-256 {} are gone", file.size, file.sha256),
                ),
            };
            self.findings.push(finding);
        }
        for (path, (size, _)) in unlisted {
            let detail = format!("{size} bytes that the manifest does not list");
            self.findings
                .push(Finding::at(Code::FileUnlisted, path, detail));
        }
    }
}

/// The name below `Manifest/signatures/`, if the path lies there.
fn in_signatures(path: &str) -> Option<&str> {
    path.strip_prefix(manifest::SIGNATURES)?.strip_prefix('/')
}

fn compare(file: &FileEntry, size: u64, digest: &Sha256) -> Option<Finding> {
    let path = file.path.as_str();
    if size != file.size {
        let detail = format!("{} bytes are listed, {size} are there", file.size);
        return Some(Finding::at(Code::FileSize, path, detail));
    }
    (*digest != file.sha256).then(|| {
        let detail = format!("SHA-256 {} is listed, {digest} found", file.sha256);
        Finding::at(Code::FileChanged, path, detail)
    })
}
