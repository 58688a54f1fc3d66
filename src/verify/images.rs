//! The rules for image folders: what the manifest says of an image must lie in its folder.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::Sha256;
use crate::finding::{Code, Finding};
use crate::manifest::{FileEntry, ImageIdentity, Manifest};

/// The blobs of a folder, by digest.
type Blobs<'m> = BTreeMap<Sha256, &'m FileEntry>;

/// What is wrong with the images that the manifest names: each blob is named by its digest; config,
/// layers, and the registry's manifest and index are among them; and a compressed layer says which
/// uncompressed one it is.
pub(super) fn check(manifest: &Manifest) -> Vec<Finding> {
    let images = manifest.images.iter();
    let named: BTreeSet<&str> = images.map(|image| image.folder.as_str()).collect();
    let mut folders: BTreeMap<&str, Blobs<'_>> = BTreeMap::new();
    let mut findings = Vec::new();
    for file in &manifest.files {
        let path = file.path.as_str();
        let Some((folder, name)) = path.rsplit_once("/blobs/sha256/") else {
            continue;
        };
        if !named.contains(folder) {
            continue;
        }
        if name != file.sha256.to_string() {
            findings.push(inconsistent(path, "a blob's name is not its digest"));
        }
        folders.entry(folder).or_default().insert(file.sha256, file);
    }
    let none = Blobs::new();
    for image in &manifest.images {
        let blobs = folders.get(image.folder.as_str()).unwrap_or(&none);
        check_image(image, blobs, &mut findings);
    }
    findings
}

fn check_image(image: &ImageIdentity, blobs: &Blobs<'_>, findings: &mut Vec<Finding>) {
    let folder = image.folder.as_str();
    let mut require = |what: &str, digest: &Sha256| {
        if !blobs.contains_key(digest) {
            let detail = format!("it does not hold {what} sha256:{digest}");
            findings.push(inconsistent(folder, detail));
        }
    };
    require("the image with the id", &image.id);
    if let Some(manifest) = &image.manifest {
        require("the registry's manifest", manifest);
    }
    if let Some(index) = &image.index {
        require("the registry's index", index);
    }
    let stored = if image.blobs.is_empty() {
        &image.diff_ids
    } else {
        &image.blobs
    };
    for layer in stored {
        require("the layer", layer);
    }
    if stored.len() != image.diff_ids.len() {
        let detail = format!(
            "the image has {} layers, and {} are stored",
            image.diff_ids.len(),
            stored.len()
        );
        findings.push(inconsistent(folder, detail));
    }
    for (layer, diff_id) in stored.iter().zip(&image.diff_ids) {
        let Some(file) = blobs.get(layer).filter(|_| layer != diff_id) else {
            continue;
        };
        let said = file.identity.get("uncompressed_sha256");
        if said.is_none_or(|said| *said != diff_id.to_string()) {
            let detail = format!("it does not say that it is the layer sha256:{diff_id}");
            findings.push(inconsistent(file.path.as_str(), detail));
        }
    }
}

fn inconsistent(path: &str, detail: impl Into<String>) -> Finding {
    Finding::at(Code::ManifestInconsistent, path, detail.into())
}
