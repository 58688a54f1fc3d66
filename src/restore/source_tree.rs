//! The source tree archive, file by file against the commits that were checked out.

use std::collections::BTreeMap;

use super::listed::{Listed, is_stop};
use super::source::{Checkout, packed};
use super::{RestoreError, Restored};
use crate::error::Cancelled;
use crate::finding::{Code, Finding};
use crate::manifest::Manifest;
use crate::monitor::Task;
use crate::source::git::{Bounds, FileKind, read_source_tree};

/// How many paths a finding names.
const MOST_SHOWN: usize = 5;

/// Reads `source-tree.tar.gz` and compares it with its recorded identity and with the files of
/// the checkouts: paths, modes, content, and nothing besides.
pub(super) fn compare(
    listed: &Listed<'_>,
    manifest: &Manifest,
    checkouts: &[Checkout],
    task: &Task<'_>,
    restored: &mut Restored,
) -> Result<(), RestoreError> {
    let Some(file) = packed(manifest, "source-tree.tar.gz") else {
        // Said before anything was checked out.
        return Ok(());
    };
    let path = file.path.as_str();
    let mut expected = expected(manifest, checkouts);
    let files = expected.len();
    let bytes = checkouts.iter().flat_map(|checkout| &checkout.files);
    let bounds = Bounds {
        files: files as u64,
        bytes: bytes.fold(0, |sum, file| sum.saturating_add(file.size)),
        sha256: manifest.source.commit.len() == 64,
    };
    let mut others = Vec::new();
    let mut reader = listed.open(path)?;
    let read = read_source_tree(&mut reader, bounds, task, &mut |found| {
        if expected.remove(&found.path) != Some((found.kind, found.object)) {
            others.push(shown(&found.path));
        }
    });
    let digest = match read {
        Ok(digest) => digest,
        Err(error) if is_stop(&error) => return Err(Cancelled.into()),
        Err(error) => {
            listed.failure()?;
            let finding = Finding::at(Code::SourceNotRestorable, path, error.to_string());
            restored.findings.push(finding);
            return Ok(());
        }
    };
    let mut differs = |detail: String| {
        let finding = Finding::at(Code::SourceDiffers, path, detail);
        restored.findings.push(finding);
    };
    let mut equal = true;
    if !others.is_empty() {
        equal = false;
        differs(format!("it has other files than the tag: {}", some(others)));
    }
    if !expected.is_empty() {
        equal = false;
        let missing = expected.keys().map(|path| shown(path)).collect();
        differs(format!("it lacks files of the tag: {}", some(missing)));
    }
    let recorded = file.identity.get("uncompressed_sha256");
    if recorded != Some(&digest.to_string()) {
        equal = false;
        differs(format!(
            "unpacked it has the SHA-256 {digest}, not the one recorded"
        ));
    }
    if equal {
        restored.proved(
            "source tree",
            format!("unpacked: its {files} files are those checked out, SHA-256 {digest}"),
        );
    }
    Ok(())
}

/// Every file by its path in the archive of the source tree.
fn expected(manifest: &Manifest, checkouts: &[Checkout]) -> BTreeMap<Vec<u8>, (FileKind, String)> {
    let mut expected = BTreeMap::new();
    for checkout in checkouts {
        for file in &checkout.files {
            if file.kind != FileKind::Submodule {
                let parts = [manifest.name.as_bytes(), b"/", &checkout.prefix, &file.path];
                expected.insert(parts.concat(), (file.kind, file.object.clone()));
            }
        }
    }
    expected
}

fn shown(path: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(path))
}

fn some(mut paths: Vec<String>) -> String {
    let more = paths.len().saturating_sub(MOST_SHOWN);
    paths.truncate(MOST_SHOWN);
    let paths = paths.join(", ");
    match more {
        0 => paths,
        more => format!("{paths} and {more} more"),
    }
}
