//! The texts of slots that no file of the user's fills.

use crate::layout::{Fill, Slot};
use crate::manifest::Reference;
use crate::service_manual::{self, MissingField};

/// What names the record of the service manual in the configuration.
const SERVICE_MANUAL: &str = "service_manual.record";

/// A required slot that nothing fills, or a record that is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The slot's id, or the setting that names the record.
    pub slot: String,
    /// Its title.
    pub title: String,
    /// The clauses that ask for it.
    pub clauses: String,
    /// The lines of configuration that would fill it.
    pub remedy: String,
}

impl Gap {
    pub(super) fn of(slot: &Slot) -> Self {
        Self {
            slot: slot.id.clone(),
            title: slot.title.clone(),
            clauses: slot.citation(),
            remedy: remedy(slot),
        }
    }

    /// The gap of a service manual's record at `path`, if it lacks anything.
    pub fn of_service_manual(path: &str, missing: &[MissingField]) -> Option<Self> {
        if missing.is_empty() {
            return None;
        }
        let mut lines = vec![format!("{path}:")];
        for one in missing {
            lines.push(format!("{} {}: {}", one.field, one.problem, one.remedy));
        }
        Some(Self {
            slot: SERVICE_MANUAL.to_owned(),
            title: "Service manual entry".to_owned(),
            clauses: service_manual::CLAUSES.to_owned(),
            remedy: lines.join("\n"),
        })
    }
}

/// Lines to paste: the first way to fill the slot, and the others as comments.
fn remedy(slot: &Slot) -> String {
    let mut lines = Vec::new();
    for fill in &slot.fill {
        let line = match fill {
            // Always filled, so never a gap.
            Fill::Git => continue,
            Fill::Images => {
                lines.push("[[image]]".to_owned());
                lines.push("name = \"install\"".to_owned());
                lines.push("source = \"docker:NAME:{version}\"".to_owned());
                continue;
            }
            Fill::Files => "files = [\"docs/…\"]",
            Fill::Reference => "reference = { location = \"…\", revision = \"…\", sha256 = \"…\" }",
            Fill::NotApplicable => "not_applicable = \"reason\"",
        };
        if lines.is_empty() {
            lines.push("[[slot]]".to_owned());
            lines.push(format!("id = \"{}\"", slot.id));
            lines.push(line.to_owned());
        } else if slot.fill.contains(&Fill::Images) {
            lines.push(format!(
                "# or [[slot]] with id = \"{}\" and {line}",
                slot.id
            ));
        } else {
            lines.push(format!("# or {line}"));
        }
    }
    lines.join("\n")
}

/// How many gaps of which kind, for an error.
pub(super) fn count(gaps: &[Gap]) -> String {
    let slots = gaps.iter().filter(|gap| gap.slot != SERVICE_MANUAL).count();
    let record = "the service manual's entry is not complete";
    let slots_text = format!("{slots} of the layout's required slots are empty");
    match (slots, slots < gaps.len()) {
        (0, true) => record.to_owned(),
        (_, true) => format!("{slots_text}, and {record}"),
        (_, false) => slots_text,
    }
}

/// One gap after the other, for an error.
pub(super) fn list(gaps: &[Gap]) -> String {
    let texts: Vec<String> = gaps
        .iter()
        .map(|gap| {
            let remedy = gap.remedy.replace('\n', "\n      ");
            let (id, title, clauses) = (&gap.slot, &gap.title, &gap.clauses);
            format!("  {id} ({title})\n    {clauses}\n      {remedy}")
        })
        .collect();
    texts.join("\n")
}

pub(super) fn missing_text(slot: &Slot) -> String {
    format!(
        "{}\n\nMISSING. This archive is a draft; a release needs this slot filled.\nSlot: {}\nClauses: {}\n",
        slot.title,
        slot.id,
        slot.citation()
    )
}

pub(super) fn not_applicable_text(slot: &Slot, reason: &str) -> String {
    format!(
        "{}\n\nNot applicable to this release.\nReason: {reason}\nSlot: {}\nClauses: {}\n",
        slot.title,
        slot.id,
        slot.citation()
    )
}

pub(super) fn reference_text(slot: &Slot, reference: &Reference) -> String {
    format!(
        "{}\n\nKept elsewhere; this archive refers to it.\nLocation: {}\nRevision: {}\nSHA-256: {}\nSlot: {}\nClauses: {}\n",
        slot.title,
        reference.location,
        reference.revision,
        reference.sha256,
        slot.id,
        slot.citation()
    )
}
