//! Comparing an archive with a receipt of it.

use std::collections::BTreeMap;

use super::{ObjectReceipt, Receipt};
use crate::digest::Sha256;
use crate::finding::{Code, Finding};
use crate::manifest::{self, Manifest};
use crate::monitor::Monitor;
use crate::publish::PublishError;
use crate::publish::retention::{self, Locked};
use crate::store::{Locks, Object, Store};

/// What a store says of an object: more than its bytes do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// The object.
    pub object: Object,
    /// How it is locked; none where the store has no locks, or does not tell.
    pub locks: Option<Locks>,
}

impl Present {
    /// What `store` says of the objects of the archive `name`, by path from the archive's root.
    /// Fails if it tells nothing of locks, and the receipt does.
    pub fn of(
        receipt: &Receipt,
        store: &dyn Store,
        name: &str,
        objects: &[Object],
        monitor: &dyn Monitor,
    ) -> Result<BTreeMap<String, Self>, PublishError> {
        let locked = if receipt.has_locks() && store.object_lock().is_some() {
            Some(retention::check(store, name, monitor)?)
        } else {
            retention::check_if_allowed(store, name, monitor)?
        };
        let mut locks: BTreeMap<String, Locked> = locked
            .into_iter()
            .flatten()
            .map(|locked| (locked.path.clone(), locked))
            .collect();
        let below = |path: &str| Some(path.strip_prefix(name)?.strip_prefix('/')?.to_owned());
        let present = objects.iter().filter_map(|object| {
            let path = below(&object.path)?;
            let mut object = object.clone();
            let locked = locks.remove(&object.path);
            // Lists of versioned buckets do not name the versions.
            let version = locked.as_ref().and_then(|locked| locked.version.clone());
            object.version = object.version.or(version);
            let locks = locked.map(|locked| locked.locks);
            Some((path, Self { object, locks }))
        });
        Ok(present.collect())
    }
}

/// How an archive differs from `receipt`: an archive that is what was sealed, with this manifest
/// and these files among its signatures, by name. `present` is what its store says of its objects,
/// by path from the archive's root; none for a copy elsewhere.
#[must_use]
pub fn check(
    receipt: &Receipt,
    (manifest, digest): (&Manifest, Sha256),
    signatures: &BTreeMap<String, Vec<u8>>,
    present: Option<&BTreeMap<String, Present>>,
) -> Vec<Finding> {
    if receipt.manifest_sha256 != digest || receipt.archive != manifest.name {
        let detail = format!(
            "the receipt is of {:?} with the manifest {}; this is {:?} with {digest}",
            receipt.archive, receipt.manifest_sha256, manifest.name
        );
        return vec![Finding::at(
            Code::ReceiptDiffers,
            manifest::MANIFEST,
            detail,
        )];
    }
    let sums = Sha256::of(manifest.sums(&digest).as_bytes());
    let listed = manifest.files.iter();
    let mut content: BTreeMap<String, Sha256> = listed
        .map(|file| (file.path.to_string(), file.sha256))
        .collect();
    content.insert(manifest::MANIFEST.to_owned(), digest);
    content.insert(manifest::SUMS.to_owned(), sums);
    for (name, bytes) in signatures {
        content.insert(
            format!("{}/{name}", manifest::SIGNATURES),
            Sha256::of(bytes),
        );
    }
    let mut findings = Vec::new();
    for object in &receipt.objects {
        let path = object.path.as_str();
        match content.remove(path) {
            None => findings.push(differs(object, "it is not there any more".to_owned())),
            Some(found) if found != object.sha256 => {
                let detail = format!("the receipt has SHA-256 {}, found {found}", object.sha256);
                findings.push(differs(object, detail));
            }
            Some(_) => {
                if let Some(present) = present {
                    findings.extend(compare(object, present.get(path)));
                }
            }
        }
    }
    // Statements that were added since are sealed by themselves.
    content.retain(|path, _| !path.starts_with(manifest::SIGNATURES));
    for path in content.into_keys() {
        let detail = "the receipt does not list it".to_owned();
        findings.push(Finding::at(Code::ReceiptDiffers, path, detail));
    }
    findings
}

fn differs(object: &ObjectReceipt, detail: String) -> Finding {
    Finding::at(Code::ReceiptDiffers, object.path.as_str(), detail)
}

/// Compares what the store says of an object with its receipt.
fn compare(receipt: &ObjectReceipt, present: Option<&Present>) -> Vec<Finding> {
    let Some(present) = present else {
        return vec![differs(receipt, "the store does not list it".to_owned())];
    };
    let object = &present.object;
    let mut findings = Vec::new();
    for (what, then, now) in [
        ("checksum", &receipt.checksum, &object.checksum),
        ("version", &receipt.version, &object.version),
    ] {
        if let (Some(then), Some(now)) = (then, now)
            && then != now
        {
            let detail = format!("the receipt has the {what} {then:?}, the store now {now:?}");
            findings.push(differs(receipt, detail));
        }
    }
    findings.extend(weakened(receipt, present.locks.unwrap_or_default()));
    findings
}

/// How a lock that the receipt tells of is no longer what it was; it may only grow stronger.
fn weakened(receipt: &ObjectReceipt, now: Locks) -> Option<Finding> {
    let then = receipt.locks();
    if now.includes(&then) {
        return None;
    }
    let detail = format!("the receipt says {then}; now it is {now}");
    Some(Finding::at(
        Code::LockWeakened,
        receipt.path.as_str(),
        detail,
    ))
}
