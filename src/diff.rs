//! Comparing two archives by their manifests: what differs, and whether it matters.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::manifest::{FileEntry, Manifest, Origin};

/// How two archives compare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// True if the manifests' bytes are equal.
    pub identical: bool,
    /// Fields of the manifest, other than its files, that differ: names with both values.
    pub fields: Vec<FieldDifference>,
    /// Files that differ, by path.
    pub files: Vec<FileDifference>,
}

/// A field of the manifest that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// The field's name.
    pub field: String,
    /// Its value in the first archive.
    pub first: serde_json::Value,
    /// Its value in the second.
    pub second: serde_json::Value,
}

/// A file that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// Its path.
    pub path: String,
    /// Where its bytes come from.
    pub origin: Origin,
    /// How it differs.
    pub difference: Difference,
}

/// How a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// Only the first archive has it.
    OnlyInFirst,
    /// Only the second archive has it.
    OnlyInSecond,
    /// Other bytes, but the same logical identity: another version packed or wrote it.
    SameContentOtherBytes,
    /// Other content.
    OtherContent,
    /// The same bytes, recorded otherwise: in another slot, or with another origin.
    OtherRecord,
}

impl Difference {
    /// The difference in words.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::OnlyInFirst => "is only in the archive",
            Self::OnlyInSecond => "is only in the rebuilt one",
            Self::SameContentOtherBytes => "has other bytes, but its logical identity agrees",
            Self::OtherContent => "has other content",
            Self::OtherRecord => "has the same bytes, but is recorded otherwise",
        }
    }
}

/// Compares two manifests.
pub fn compare(first: &Manifest, second: &Manifest) -> Comparison {
    let fields = compare_fields(first, second);
    let mut rest: BTreeMap<_, _> = second.files.iter().map(|file| (&file.path, file)).collect();
    let mut files = Vec::new();
    for file in &first.files {
        let difference = match rest.remove(&file.path) {
            None => Difference::OnlyInFirst,
            Some(other) if other == file => continue,
            Some(other) => classify(file, other),
        };
        files.push(FileDifference {
            path: file.path.to_string(),
            origin: file.origin,
            difference,
        });
    }
    files.extend(rest.into_values().map(|file| FileDifference {
        path: file.path.to_string(),
        origin: file.origin,
        difference: Difference::OnlyInSecond,
    }));
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Comparison {
        identical: fields.is_empty() && files.is_empty(),
        fields,
        files,
    }
}

fn classify(first: &FileEntry, second: &FileEntry) -> Difference {
    if first.sha256 == second.sha256 {
        Difference::OtherRecord
    } else if !first.identity.is_empty() && first.identity == second.identity {
        Difference::SameContentOtherBytes
    } else {
        Difference::OtherContent
    }
}

/// Top-level fields, as JSON, so that none is forgotten when the manifest gains one.
fn compare_fields(first: &Manifest, second: &Manifest) -> Vec<FieldDifference> {
    let fields = |manifest: &Manifest| {
        let mut head = manifest.clone();
        head.files.clear();
        match serde_json::to_value(head) {
            Ok(serde_json::Value::Object(fields)) => fields,
            _ => serde_json::Map::new(),
        }
    };
    let first = fields(first);
    let mut second = fields(second);
    let mut differences = Vec::new();
    for (field, value) in first {
        let other = second.remove(&field).unwrap_or_default();
        if other != value {
            differences.push(FieldDifference {
                field,
                first: value,
                second: other,
            });
        }
    }
    differences.extend(second.into_iter().map(|(field, value)| FieldDifference {
        field,
        first: serde_json::Value::Null,
        second: value,
    }));
    differences
}
