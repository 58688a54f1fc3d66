//! Locks as they are shown: objects that are locked alike, together.

use std::fmt::Write as _;

use dhfpack::publish::retention::{Change, Locked};
use dhfpack::store::Locks;
use serde_json::{Value, json};

/// How many objects have each of these locks, in the order in which they first appear.
fn groups<'a>(locks: impl Iterator<Item = &'a Locks>) -> Vec<(&'a Locks, usize)> {
    let mut groups: Vec<(&Locks, usize)> = Vec::new();
    for locks in locks {
        match groups.iter_mut().find(|(other, _)| *other == locks) {
            Some((_, count)) => *count += 1,
            None => groups.push((locks, 1)),
        }
    }
    groups
}

/// One line for all objects that are locked alike.
pub(super) fn lines<'a>(label: &str, locks: impl Iterator<Item = &'a Locks>) -> String {
    let mut text = String::new();
    for (locks, count) in groups(locks) {
        let files = if count == 1 { "file" } else { "files" };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{label:<10}{count} {files} {locks}");
    }
    text
}

/// One line for each object.
pub(super) fn object(locked: &Locked) -> String {
    format!("  {}: {}\n", locked.path, locked.locks)
}

pub(super) fn json(locks: &Locks) -> Value {
    json!({
        "mode": locks.retention.map(|retention| retention.mode),
        "until": locks.retention.map(|retention| retention.until),
        "legal_hold": locks.legal_hold,
    })
}

pub(super) fn json_object(locked: &Locked) -> Value {
    json!({
        "path": locked.path,
        "version": locked.version,
        "locks": json(&locked.locks),
    })
}

pub(super) fn json_change(change: &Change) -> Value {
    json!({
        "path": change.from.path,
        "version": change.from.version,
        "from": json(&change.from.locks),
        "to": json(&change.to),
    })
}
