//! Git LFS objects: each that a pointer names is in the archive, and goes back where it belongs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::listed::Listed;
use super::source::{Checkout, no_verdict};
use super::{RestoreError, Restored};
use crate::digest::Sha256;
use crate::error::IoContext;
use crate::finding::{Code, Finding};
use crate::manifest::{LfsIdentity, Manifest};
use crate::monitor::{Monitor, Task, Unit};
use crate::source::git::{FileKind, GitError, LfsObject, LfsObjects, LfsPointer, Mirror};

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
    monitor: &dyn Monitor,
    restored: &mut Restored,
) -> Result<(), RestoreError> {
    let folder = manifest.source.lfs.as_ref().map(|lfs| lfs.folder.as_str());
    let object = |oid: &Sha256, size: u64| {
        let path = format!("{}/{}", folder?, LfsIdentity::place(oid));
        let file = listed.file(&path)?;
        (file.size == size && file.sha256 == *oid).then_some(path)
    };
    let named = match find(mirrors, checkouts, monitor) {
        Ok(named) => named,
        Err(error @ GitError::Lfs(_)) => {
            let finding = Finding::whole(Code::LfsObjectMissing, error.to_string());
            restored.findings.push(finding);
            return Ok(());
        }
        Err(error) => return Err(no_verdict(error)),
    };
    // An empty file needs no object.
    let named: Vec<&LfsObject> = named.iter().filter(|one| one.size > 0).collect();
    let is_missing = |one: &&&LfsObject| object(&one.oid, one.size).is_none();
    let missing: Vec<&LfsObject> = named.iter().filter(is_missing).copied().collect();
    for one in missing.iter().take(MOST_SHOWN) {
        restored.findings.push(Finding::whole(
            Code::LfsObjectMissing,
            format!("{} with {} bytes, for {}", one.oid, one.size, one.file),
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
        let objects = named.len();
        let bytes = named
            .iter()
            .fold(0_u64, |sum, one| sum.saturating_add(one.size));
        restored.proved(
            "Git LFS",
            format!(
                "all {objects} objects of the history are there, {bytes} bytes; {put_back} files checked out with their content"
            ),
        );
    }
    Ok(())
}

/// What the histories of all commits that were checked out point to.
fn find(
    mirrors: &BTreeMap<String, Mirror>,
    checkouts: &[Checkout],
    monitor: &dyn Monitor,
) -> Result<LfsObjects, GitError> {
    let task = Task::begin(monitor, "Git LFS pointers", None, Unit::Items);
    let mut named = LfsObjects::default();
    let mut seen = BTreeSet::new();
    for (number, checkout) in checkouts.iter().enumerate() {
        if let Some(mirror) = mirrors.get(&checkout.bundle)
            && seen.insert(&checkout.bundle)
        {
            mirror.find_lfs_objects(&checkout.commit, number, &mut named, &task)?;
        }
    }
    Ok(named)
}

/// Replaces the pointers that are checked out by what they stand for; returns how many.
fn put_back_into(
    checkout: &Checkout,
    mirrors: &BTreeMap<String, Mirror>,
    listed: &Listed<'_>,
    object: &dyn Fn(&Sha256, u64) -> Option<String>,
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
        let path = LfsPointer::parse(&content).and_then(|one| object(&one.oid, one.size));
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
