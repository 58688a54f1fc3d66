//! From the raw entries of a container to the listing of the archive in it.

use super::{Entry, EntryKind, Listing};
use crate::finding::{Code, Finding};
use crate::manifest::MANIFEST;

impl Listing {
    /// Sorts, reports a path that comes twice and keeps its first entry, and leaves out folders
    /// that hold something.
    pub(super) fn of_tree(mut entries: Vec<Entry>, mut findings: Vec<Finding>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries.dedup_by(|later, first| {
            let same = later.path == first.path;
            // A folder named twice says nothing new.
            if same && !(later.kind == EntryKind::Directory && first.kind == EntryKind::Directory) {
                findings.push(Finding::at(
                    Code::PathDuplicate,
                    &first.path,
                    "expected one entry of this path, found several",
                ));
            }
            same
        });
        let filled: Vec<bool> = entries
            .iter()
            .map(|entry| entry.kind == EntryKind::Directory && has_below(&entries, &entry.path))
            .collect();
        let mut filled = filled.into_iter();
        entries.retain(|_| !filled.next().unwrap_or(false));
        Self { entries, findings }
    }

    /// As [`Self::of_tree`], for a zip or a tar.
    ///
    /// A leading `./` is dropped, as `tar -C FOLDER -cf FILE .` writes it. Where exactly one top
    /// folder `NAME` holds `NAME/Manifest/manifest.json`, and none lies at the root, that folder
    /// is the archive's root, and whatever lies beside it is a finding and not listed.
    pub(super) fn of_container(mut entries: Vec<Entry>, mut findings: Vec<Finding>) -> Self {
        entries.retain_mut(|entry| {
            if let Some(rest) = entry.path.strip_prefix("./") {
                entry.path = rest.to_owned();
            }
            let is_root = matches!(entry.path.as_str(), "" | ".");
            !(is_root && entry.kind == EntryKind::Directory)
        });
        if let Some(top) = top_folder(&entries) {
            entries.retain_mut(|entry| {
                if let Some(rest) = below(&entry.path, &top) {
                    entry.path = rest.to_owned();
                    return true;
                }
                if !(entry.path == top && entry.kind == EntryKind::Directory) {
                    findings.push(Finding::at(
                        Code::ContainerInconsistent,
                        &entry.path,
                        format!("lies beside the archive's folder {top:?}: expected only that"),
                    ));
                }
                false
            });
        }
        Self::of_tree(entries, findings)
    }
}

fn top_folder(entries: &[Entry]) -> Option<String> {
    if entries.iter().any(|entry| entry.path == MANIFEST) {
        return None;
    }
    let mut tops = entries.iter().filter_map(|entry| {
        let top = entry.path.strip_suffix(MANIFEST)?.strip_suffix('/')?;
        (!top.is_empty() && !top.contains('/')).then_some(top)
    });
    let top = tops.next()?;
    tops.all(|other| other == top).then(|| top.to_owned())
}

/// What is left of `path` below `folder`.
pub(super) fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// True if one of the sorted `entries` lies below `folder`.
fn has_below(entries: &[Entry], folder: &str) -> bool {
    let prefix = format!("{folder}/");
    let place = entries.partition_point(|entry| entry.path < prefix);
    entries
        .get(place)
        .is_some_and(|entry| entry.path.starts_with(&prefix))
}
