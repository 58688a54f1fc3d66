//! `index.html`: the archive's content for a person, readable offline.

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::layout::Layout;
use crate::lineage;
use crate::manifest::{DocumentRecord, FileEntry, Filled, Manifest, SlotRecord};

mod environment;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.6rem;margin-bottom:0}h2{font-size:1.25rem;margin-top:2.5rem;border-bottom:2px solid #888}h3{font-size:1rem;margin:1.75rem 0 0}
h1+p{margin-top:0}nav ul{columns:20rem;padding-left:1.2rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0}th,td{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;border-bottom:1px solid #ddd}
th{font-weight:600;white-space:nowrap}td.size{text-align:right;white-space:nowrap;padding-right:0;width:1%}
td,p,li,h1,h3{overflow-wrap:anywhere}code,.digest{font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
.muted{color:#555;font-size:.875rem;margin:0}summary{cursor:pointer;margin:.5rem 0}.draft{border:2px solid #b00020;padding:.5rem 1rem;color:#b00020}
@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}a{color:#8ab4f8}a:visited{color:#c58af9}th,td{border-color:#444}.muted{color:#aaa}.draft{color:#ff8a80;border-color:#ff8a80}}
@media print{a{color:inherit}}";

/// Beyond this many, a slot's files are folded away until the reader asks for them.
const UNFOLDED: usize = 20;

type BySlot<'a> = BTreeMap<Option<&'a str>, Vec<&'a FileEntry>>;

/// The page for what `manifest` lists so far.
pub(super) fn html(manifest: &Manifest, layout: &Layout) -> String {
    let title = format!("{} {}", manifest.product.name, manifest.release.version);
    let mut files = BySlot::new();
    for file in &manifest.files {
        files.entry(file.slot.as_deref()).or_default().push(file);
    }
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p { "Release archive by " (manifest.product.manufacturer) }
                @if manifest.draft {
                    p.draft { "This is a draft: required slots are empty. It never passes verification." }
                }
                (identity(manifest))
                @if let Some(environment) = &manifest.build_environment { (environment::section(environment)) }
                h2 { "Content" }
                (overview(manifest))
                @for slot in &manifest.slots { (slot_section(slot, manifest, layout, &files)) }
                h2 #record { "Release record" }
                (file_table(files.get(&None).map_or(&[], Vec::as_slice), ""))
                h2 #signatures { "Signatures" }
                p { "A release counts as released once each of these roles has signed it:" }
                ul { @for role in &manifest.layout.roles { li { (role.name) } } }
                p { "Who has signed lies in " code { "Manifest/signatures" } ". How to verify it, with or without dhfpack, is written in " a href="Manifest/VERIFY.md" { "Manifest/VERIFY.md" } "." }
            }
        }
    };
    page.into_string()
}

/// Every slot in one line, as a way to it.
fn overview(manifest: &Manifest) -> Markup {
    html! {
        nav { ul {
            @for slot in &manifest.slots {
                li { a href=(format!("#{}", anchor(slot))) { (slot.title) }
                    @match &slot.fill {
                        Filled::Files(_) => {},
                        Filled::Reference(_) => ", kept elsewhere",
                        Filled::NotApplicable(_) => ", not applicable",
                        Filled::Empty => { ", not part of this " (kind(manifest)) },
                        Filled::Missing => strong { ", missing" },
                    }
                }
            }
            li { a href="#record" { "Release record" } }
            li { a href="#signatures" { "Signatures" } }
        } }
    }
}

/// Told apart from the page's own anchors by its prefix.
fn anchor(slot: &SlotRecord) -> String {
    format!("slot-{}", href(&slot.id))
}

fn identity(manifest: &Manifest) -> Markup {
    let release = &manifest.release;
    html! {
        table {
            (row("Version", &release.version))
            @if release.revision > 0 { (row("Revision of the archive", &release.revision.to_string())) }
            @for line in lineage::describe(manifest, |_| None) { (row("Follows", &line)) }
            @if let Some(udi) = &release.udi_di { (row("UDI-DI", udi)) }
            @if let Some(udi) = &release.udi_pi { (row("UDI-PI", udi)) }
            (row("Tag", &release.tag))
            (row("Source date", &release.source_date.to_string()))
            (row("Tag signature", &manifest.source.tag_signature.to_string()))
            tr { th { "Commit" } td.digest { (manifest.source.commit) } }
            @if let Some(signature) = &manifest.source.commit_signature { (row("Commit signature", &signature.to_string())) }
            tr { th { "Tree" } td.digest { (manifest.source.tree) } }
            @for submodule in &manifest.source.submodules {
                tr { th { "Submodule " (submodule.path) } td.digest { (submodule.commit) } }
            }
            @if let Some(lfs) = &manifest.source.lfs {
                (row("Git LFS objects", &format!("{}, {} bytes", lfs.objects, lfs.bytes)))
            }
            @for image in &manifest.images {
                tr { th { "Image " (image.name) } td { span.digest { "sha256:" (image.id) } br; span.muted { (image.platform) } } }
            }
            @for item in &manifest.product.software_items {
                (row("Software item", &format!("{}, IEC 62304 class {:?}", item.name, item.safety_class)))
            }
            @for market in &manifest.markets {
                (row("Market", &format!("{}, class {}", market.regime, market.device_class)))
            }
            @if let Some(kept) = &manifest.retention {
                tr { th { "Retention" } td {
                    "Minimum in years: " (kept.minimum_years) ", counted from: " (kept.trigger) br;
                    span.muted { (kept.rule) }
                } }
            }
            (row("Layout", &manifest.layout.name))
        }
    }
}

fn row(name: &str, value: &str) -> Markup {
    html! { tr { th { (name) } td { (value) } } }
}

/// What the archive holds.
fn kind(manifest: &Manifest) -> &'static str {
    match manifest.amends {
        Some(_) => "addendum",
        None => "release",
    }
}

fn slot_section(
    slot: &SlotRecord,
    manifest: &Manifest,
    layout: &Layout,
    files: &BySlot<'_>,
) -> Markup {
    let clauses = layout
        .slot(&slot.id)
        .map(crate::layout::Slot::citation)
        .unwrap_or_default();
    let files = files
        .get(&Some(slot.id.as_str()))
        .map_or(&[][..], Vec::as_slice);
    html! {
        h3 id=(anchor(slot)) { (slot.title) }
        p.muted { (slot.folder) @if !clauses.is_empty() { br; (clauses) } }
        @match &slot.fill {
            Filled::Files(_) => {},
            Filled::Reference(reference) => {
                p { "Kept elsewhere: " (reference.location) ", revision " (reference.revision) ", SHA-256 " span.digest { (reference.sha256) } }
            }
            Filled::NotApplicable(reason) => p { "Not applicable: " (reason) },
            Filled::Empty => p { "Not part of this " (kind(manifest)) "." },
            Filled::Missing => p.draft { "Missing." },
        }
        (file_table(files, slot.folder.as_str()))
    }
}

fn file_table(files: &[&FileEntry], folder: &str) -> Markup {
    let table = html! {
        table { @for file in files { (file_row(file, folder)) } }
    };
    match files.len() {
        0 => html! {},
        1..=UNFOLDED => table,
        count => html! { details { summary { (count) " files" } (table) } },
    }
}

fn file_row(file: &FileEntry, folder: &str) -> Markup {
    let name = file.path.below(folder).unwrap_or(file.path.as_str());
    html! {
        tr {
            td {
                a href=(href(file.path.as_str())) { (name) }
                @if let Some(document) = &file.document { br; (document_line(document)) }
                br;
                span.digest.muted { "SHA-256 " (file.sha256) }
            }
            td.size { (grouped(file.size)) " bytes" }
        }
    }
}

/// What the index of its folder says of a document.
fn document_line(document: &DocumentRecord) -> Markup {
    let facts = [
        ("", &document.id),
        ("revision ", &document.revision),
        ("approved by ", &document.approver),
        ("on ", &document.approval_date),
        ("from ", &document.origin),
    ];
    let facts: Vec<String> = facts
        .into_iter()
        .filter(|(_, fact)| !fact.is_empty())
        .map(|(label, fact)| format!("{label}{fact}"))
        .collect();
    html! { span.muted { (facts.join(", ")) } }
}

/// A number with its digits in groups of three, as ISO 80000-1 has them.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// A relative link: everything but unreserved characters (RFC 3986 §2.3) and slashes is escaped.
fn href(path: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    percent_encoding::utf8_percent_encode(path, KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_in_threes() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1 000"),
            (1_234_567, "1 234 567"),
        ] {
            assert_eq!(grouped(number).replace('\u{202f}', " "), text);
        }
    }
}
