//! Receipts: what a store held when an archive was published, and how that was proved.
//!
//! A receipt lies beside its archive as `NAME.receipt-K.json`. It is never replaced: what is added
//! later, a statement or a longer lock, gets a receipt of its own. Nothing in it depends on the
//! clock, the host or the user.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ReadBack, Stored};
use crate::config::LockMode;
use crate::digest::Sha256;
use crate::manifest;
use crate::path::ArchivePath;
use crate::store::{Locks, Object, Promises, Retention, Store, StoreError};

mod check;
mod keep;

pub use check::{Present, check};
pub(super) use keep::keep;
pub use keep::{Found, Kept, latest, parse};

/// The format number this version writes, and the highest it reads.
pub const FORMAT: u32 = 1;

/// What was published. Unknown fields are ignored; whatever would change a verdict raises
/// [`FORMAT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The format number, see [`FORMAT`].
    pub format: u32,
    /// The archive's name.
    pub archive: String,
    /// The digest of its manifest.
    pub manifest_sha256: Sha256,
    /// The address of the store. A folder may be mounted elsewhere later.
    pub store: String,
    /// When the last required role signed; none if the archive was pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
    /// Where the other outputs of the release are.
    #[serde(default, skip_serializing_if = "Outputs::is_empty")]
    pub outputs: Outputs,
    /// Every object of the archive, by byte order of path.
    pub objects: Vec<ObjectReceipt>,
}

/// One object of a published archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectReceipt {
    /// Its path from the archive's root.
    pub path: ArchivePath,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub sha256: Sha256,
    /// The service's mark for these bytes, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// The service's name for these bytes at this path, where it keeps versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How it was proved that these bytes arrived.
    pub proof: Proof,
    /// The lock that ends at a time, as read back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionReceipt>,
    /// Whether it is held until a person lifts the hold, as read back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub legal_hold: bool,
}

/// How it was proved that bytes arrived; the weaker first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The service compared a checksum that was sent with them.
    ServiceChecksum,
    /// They were read from the store again, and compared.
    ReadBack,
}

/// A lock that ends at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionReceipt {
    /// Who may lift it.
    pub mode: LockMode,
    /// When it ends.
    pub until: Timestamp,
}

/// Where the other outputs of a release are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    /// The copy of `Design Outputs` in the design history file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub design_history_file: Option<String>,
    /// The entry in the service manual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_manual: Option<EntryReceipt>,
    /// The row in the products registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RowReceipt>,
}

impl Outputs {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// An entry in a service manual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryReceipt {
    /// The manual.
    pub location: String,
    /// The digest of the entry's text.
    pub sha256: Sha256,
}

/// A row in a products registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowReceipt {
    /// The register.
    pub location: String,
    /// The number of its line, counted from 1 for the header.
    pub line: u64,
    /// The digest of the row, which was the register's last one when it was added: what
    /// `registry verify --expect-head` takes.
    pub sha256: Sha256,
}

impl Receipt {
    /// The bytes to store: JSON, one line per object, ending in a newline.
    pub fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        manifest::to_lines(self)
    }

    /// What the receipt says of an object.
    pub fn object(&self, path: &ArchivePath) -> Option<&ObjectReceipt> {
        let found = self
            .objects
            .binary_search_by(|object| object.path.cmp(path));
        found.ok().and_then(|index| self.objects.get(index))
    }

    /// The outputs of the archive with the manifest that has this digest.
    pub fn outputs_of(&self, manifest: &Sha256) -> Option<&Outputs> {
        (self.manifest_sha256 == *manifest).then_some(&self.outputs)
    }

    /// The row that it names, of the archive with the manifest that has this digest.
    pub fn row_of(&self, manifest: &Sha256) -> Option<&RowReceipt> {
        self.outputs_of(manifest)?.registry.as_ref()
    }

    /// Whether it tells of a lock.
    fn has_locks(&self) -> bool {
        let mut objects = self.objects.iter();
        objects.any(|object| object.retention.is_some() || object.legal_hold)
    }

    /// This receipt with what `earlier` says more of the same: a stronger proof of an object,
    /// outputs that this run was not asked for, objects that another run added meanwhile.
    fn with(mut self, earlier: &Self) -> Self {
        if self.manifest_sha256 != earlier.manifest_sha256 {
            return self;
        }
        // A folder may have been mounted elsewhere then.
        self.store.clone_from(&earlier.store);
        self.released_at = self.released_at.or(earlier.released_at);
        for object in &mut self.objects {
            let before = earlier.object(&object.path);
            if let Some(before) = before.filter(|before| before.is_same_object(object)) {
                object.proof = object.proof.max(before.proof);
            }
        }
        let added = earlier.objects.iter();
        let added = added.filter(|object| self.object(&object.path).is_none());
        let added: Vec<ObjectReceipt> = added.cloned().collect();
        self.objects.extend(added);
        self.objects.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let (outputs, before) = (&mut self.outputs, &earlier.outputs);
        if outputs.registry.is_none() {
            outputs.registry.clone_from(&before.registry);
        }
        if outputs.service_manual.is_none() {
            outputs.service_manual.clone_from(&before.service_manual);
        }
        if outputs.design_history_file.is_none() {
            outputs
                .design_history_file
                .clone_from(&before.design_history_file);
        }
        self
    }
}

impl ObjectReceipt {
    /// The receipt of an object that was just published.
    pub(super) fn of(stored: &Stored, locks: Locks, read_back: ReadBack, by: Promises) -> Self {
        let file = &stored.file;
        Self {
            path: file.path.clone(),
            size: file.size,
            sha256: file.sha256,
            checksum: stored.checksum.clone(),
            version: stored.version.clone(),
            proof: if by.has_read_back(file.size) || read_back.includes(file) {
                Proof::ReadBack
            } else {
                Proof::ServiceChecksum
            },
            retention: locks.retention.map(|retention| RetentionReceipt {
                mode: retention.mode,
                until: retention.until,
            }),
            legal_hold: locks.legal_hold,
        }
    }

    /// How it was locked.
    pub(super) fn locks(&self) -> Locks {
        Locks {
            retention: self.retention.map(|then| Retention {
                mode: then.mode,
                until: then.until,
            }),
            legal_hold: self.legal_hold,
        }
    }

    fn is_same_object(&self, other: &Self) -> bool {
        (&self.sha256, &self.checksum, &self.version)
            == (&other.sha256, &other.checksum, &other.version)
    }

    /// Whether the service's own mark says that `object` still has these bytes. One that gives
    /// none, such as a folder, proves nothing by it.
    pub(super) fn is_still(&self, object: &Object) -> bool {
        let named = |here: &Option<String>, there: &Option<String>| match (here, there) {
            (Some(here), Some(there)) => here == there,
            _ => true,
        };
        self.size == object.size
            && self.checksum.is_some()
            && self.checksum == object.checksum
            && named(&self.version, &object.version)
    }
}

/// The number of a receipt of the archive `name`, if the path is one's.
fn number_of(name: &str, path: &str) -> Option<u64> {
    let number = path.strip_prefix(name)?.strip_prefix(".receipt-")?;
    let number = number.strip_suffix(".json")?;
    let is_plain = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
    // A number that none can follow is nobody's: the store's names are not trusted.
    let number = number.parse().ok().filter(|number| *number < u64::MAX);
    number.filter(|_| is_plain)
}

/// The path of a receipt of the archive `name`.
fn path_of(name: &str, number: u64) -> String {
    format!("{name}.receipt-{number}.json")
}

/// The numbers of the receipts of the archive `name` in `store`, lowest first.
fn numbers(store: &dyn Store, name: &str) -> Result<Vec<u64>, StoreError> {
    let objects = store.children("")?.objects;
    let mut numbers: Vec<u64> = objects
        .iter()
        .filter_map(|object| number_of(name, &object.path))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(manifest: &str, paths: &[&str]) -> Receipt {
        let object = |path: &&str| {
            let sha256 = Sha256::of(path.as_bytes());
            serde_json::json!({"path": path, "size": 1, "sha256": sha256, "proof": "read-back"})
        };
        let objects: Vec<serde_json::Value> = paths.iter().map(object).collect();
        let receipt = serde_json::json!({
            "format": FORMAT,
            "archive": "pump-1.0",
            "manifest_sha256": Sha256::of(manifest.as_bytes()),
            "store": "/mnt/dhf",
            "objects": objects,
        });
        serde_json::from_value(receipt).unwrap()
    }

    #[test]
    fn what_another_run_added_meanwhile_is_in_the_next_receipt_too() {
        let other = receipt("one", &["a", "b", "d"]);
        let own = receipt("one", &["a", "c", "d"]);
        let both = receipt("one", &["a", "b", "c", "d"]);
        assert_eq!(own.with(&other), both);
        let new = receipt("two", &["a", "c"]);
        assert_eq!(new.clone().with(&other), new);
    }

    #[test]
    fn receipts_are_known_by_their_names() {
        for (path, number) in [
            ("pump-1.0.receipt-1.json", Some(1)),
            ("pump-1.0.receipt-12.json", Some(12)),
            ("pump-1.0.receipt-01.json", None),
            ("pump-1.0.receipt-+1.json", None),
            ("pump-1.0.receipt-.json", None),
            ("pump-1.0-r1.receipt-1.json", None),
            ("pump-1.0.receipt-99999999999999999999.json", None),
            ("pump-1.0.receipt-18446744073709551615.json", None),
        ] {
            assert_eq!(number_of("pump-1.0", path), number, "{path}");
        }
        assert_eq!(path_of("pump-1.0", 12), "pump-1.0.receipt-12.json");
    }
}
