//! Git LFS objects: each that a pointer names is in the archive, and goes back where it belongs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::listed::Listed;
use super::source::{Checkout, no_verdict};
use super::{RestoreError, Restored};
use crate::error::IoContext;
use crate::finding::{Code, Finding};
use crate::manifest::Manifest;
use crate::monitor::Task;
use crate::source::git::{FileKind, LfsPointer, Mirror};

/// How many missing objects are named one by one.
const MOST_SHOWN: usize = 20;

/// Checks that the archive has every object that the histories point to, and puts those of the
/// files that are checked out back into them.
pub(super) fn restore(
    listed: &Listed<'_>,
    manifest: &Manifest,
    mirrors: &BTreeMap<String, Mirror>,
    checkouts: &[Checkout],
    task: &Task<'_>,
    restored: &mut Restored,
) -> Result<(), RestoreError> {
    let folder = manifest.source.lfs.as_ref().map(|lfs| lfs.folder.as_str());
    let object = |pointer: &LfsPointer| {
        let oid = pointer.oid.to_string();
        let path = format!("{}/{}/{}/{oid}", folder?, &oid[..2], &oid[2..4]);
        let file = listed.file(&path)?;
        (file.size == pointer.size && file.sha256 == pointer.oid).then_some(path)
    };
    let mut named = BTreeSet::new();
    for mirror in mirrors.values() {
        let looked = mirror.small_files(LfsPointer::LIMIT, task, &mut |content| {
            named.extend(LfsPointer::parse(content));
        });
        looked.map_err(no_verdict)?;
    }
    named.retain(|pointer| !pointer.is_empty());
    let missing: Vec<&LfsPointer> = named.iter().filter(|one| object(one).is_none()).collect();
    for pointer in missing.iter().take(MOST_SHOWN) {
        restored.findings.push(Finding::whole(
            Code::LfsObjectMissing,
            format!("{} with {} bytes", pointer.oid, pointer.size),
        ));
    }
    if missing.len() > MOST_SHOWN {
        restored.findings.push(Finding::whole(
            Code::LfsObjectMissing,
            format!("and {} more", missing.len() - MOST_SHOWN),
        ));
    }
    let mut put_back = 0_u64;
    for checkout in checkouts {
        put_back += put_back_into(checkout, mirrors, listed, &object, task)?;
    }
    if !named.is_empty() && missing.is_empty() {
        let (objects, bytes) = named.iter().fold((0_u64, 0_u64), |(count, sum), one| {
            (count + 1, sum.saturating_add(one.size))
        });
        restored.proved(
            "Git LFS",
            format!(
                "all {objects} objects of the history are there, {bytes} bytes; {put_back} files checked out with their content"
            ),
        );
    }
    Ok(())
}

/// Replaces the pointers that are checked out by what they stand for; returns how many.
fn put_back_into(
    checkout: &Checkout,
    mirrors: &BTreeMap<String, Mirror>,
    listed: &Listed<'_>,
    object: &dyn Fn(&LfsPointer) -> Option<String>,
    task: &Task<'_>,
) -> Result<u64, RestoreError> {
    let Some(mirror) = mirrors.get(&checkout.bundle) else {
        return Ok(0);
    };
    let mut objects = mirror.objects().map_err(no_verdict)?;
    let mut count = 0;
    for file in &checkout.files {
        if !matches!(file.kind, FileKind::File | FileKind::Executable)
            || file.size >= LfsPointer::LIMIT
        {
            continue;
        }
        let mut content = Vec::new();
        objects
            .copy(&file.object, &mut content)
            .map_err(no_verdict)?;
        let path = LfsPointer::parse(&content).and_then(|pointer| object(&pointer));
        // Where the system cannot express a name, the file lies under another; it was proved
        // to be there by its tree.
        let (Some(path), Ok(name)) = (path, std::str::from_utf8(&file.path)) else {
            continue;
        };
        let target = checkout.folder.join(name);
        fs::remove_file(&target).at("remove", &target)?;
        listed.extract(&path, &target, task)?;
        count += 1;
    }
    Ok(count)
}
