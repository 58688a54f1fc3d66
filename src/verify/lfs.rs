//! What the manifest says of Git LFS objects, held against the files that it lists.

use crate::finding::{Code, Finding};
use crate::manifest::{LfsIdentity, Manifest};

/// Every file in the folder of Git LFS objects must have its digest as its name, and they must be
/// as many as said.
pub(super) fn check(manifest: &Manifest) -> Vec<Finding> {
    let Some(lfs) = &manifest.source.lfs else {
        return Vec::new();
    };
    let folder = format!("{}/", lfs.folder.as_str());
    let mut findings = Vec::new();
    let mut found = LfsIdentity {
        folder: lfs.folder.clone(),
        objects: 0,
        bytes: 0,
    };
    for file in &manifest.files {
        let Some(place) = file.path.as_str().strip_prefix(&folder) else {
            continue;
        };
        found.objects += 1;
        found.bytes = found.bytes.saturating_add(file.size);
        if place != LfsIdentity::place(&file.sha256) {
            findings.push(Finding::at(
                Code::ManifestInconsistent,
                file.path.as_str(),
                "a Git LFS object's name is not its digest",
            ));
        }
    }
    if found != *lfs {
        let detail = format!(
            "{} Git LFS objects with {} bytes are said to be here, and {} with {} are listed",
            lfs.objects, lfs.bytes, found.objects, found.bytes
        );
        let folder = lfs.folder.as_str();
        findings.push(Finding::at(Code::ManifestInconsistent, folder, detail));
    }
    findings
}
