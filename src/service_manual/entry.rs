//! A release's entry, in Markdown.

use std::fmt::Write;

use jiff::Timestamp;

use super::markdown::{code, text};
use super::{EntryRecord, Form, Topic, manual};
use crate::digest::Sha256;
use crate::manifest::{Filled, Manifest};

/// The slot of the instructions for use, in every layout.
const USER_MANUAL: &str = "design-outputs.user-manual";
/// The slot of the container images, in every layout.
const IMAGE: &str = "design-outputs.image";

/// A release's entry for the service manual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The archive's name.
    pub name: String,
    /// The product's name, for the title of a new manual.
    pub product: String,
    /// The digest of the archive's manifest.
    pub manifest_sha256: Sha256,
    /// When the last required role signed.
    pub released_at: Timestamp,
    /// The entry in Markdown, between its markers, with `\n` at the end of each line.
    pub text: String,
}

impl Entry {
    /// The entry of a release, from its record and its manifest.
    pub fn new(
        record: &EntryRecord,
        manifest: &Manifest,
        manifest_sha256: Sha256,
        released_at: Timestamp,
    ) -> Self {
        let name = &manifest.name;
        let begin = manual::begin_marker(name, &manifest_sha256, released_at);
        let end = manual::end_marker(name);
        let body = render(record, manifest, &manifest_sha256, Some(released_at));
        Self {
            name: name.clone(),
            product: manifest.product.name.clone(),
            manifest_sha256,
            released_at,
            text: format!("{begin}\n{body}\n{end}\n"),
        }
    }
}

/// An entry's text: the same for the same archive and release date. `released_at` is none for a
/// release that is still to be authorised.
pub fn render(
    record: &EntryRecord,
    manifest: &Manifest,
    manifest_sha256: &Sha256,
    released_at: Option<Timestamp>,
) -> String {
    let mut page = Page(String::new());
    let release = &manifest.release;
    let title = format!("{} {}", manifest.product.name, release.version);
    page.line(&format!("## {}", text(&title)));
    page.head(record, manifest, manifest_sha256, released_at);
    for topic in record.topics_before_anomalies() {
        page.topic(&topic);
        if topic.field == "post_install_check" {
            page.expected(manifest);
        }
    }
    page.anomalies(record);
    for topic in record.topics_after_anomalies() {
        page.topic(&topic);
    }
    page.digests(manifest, manifest_sha256);
    page.0
}

/// The day in UTC, as in 2026-03-09.
fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

/// Writing to a string cannot fail, so nothing here does.
struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.0, "{line}");
    }

    fn paragraph(&mut self, line: &str) {
        let _ = writeln!(self.0, "\n{line}");
    }

    fn heading(&mut self, title: &str) {
        let _ = writeln!(self.0, "\n### {title}");
    }

    fn table(&mut self, columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let _ = writeln!(self.0, "\n| {} |", columns.join(" | "));
        let _ = writeln!(self.0, "|{}", "---|".repeat(columns.len()));
        for row in rows {
            let _ = writeln!(self.0, "| {} |", row.join(" | "));
        }
    }

    fn head(
        &mut self,
        record: &EntryRecord,
        manifest: &Manifest,
        digest: &Sha256,
        released_at: Option<Timestamp>,
    ) {
        let release = &manifest.release;
        let date = released_at.map_or("not released yet".to_owned(), day);
        let update = record.update.map_or("", |update| update.as_str());
        let mut rows = vec![("Version", text(&release.version))];
        if release.revision > 0 {
            rows.push(("Revision of the archive", release.revision.to_string()));
        }
        if let Some(superseded) = &manifest.supersedes {
            let replaced = code(&superseded.manifest.to_string());
            rows.push((
                "Replaces",
                format!("{replaced}: {}", text(&superseded.reason)),
            ));
        }
        if let Some(amended) = &manifest.amends {
            rows.push(("Amends", code(&amended.to_string())));
        }
        rows.extend([
            ("Release date", date),
            ("Update", update.to_owned()),
            ("Audience", text(&record.audience)),
            ("Author", text(&record.author)),
            ("Approver", text(&record.approver)),
            ("Archive", text(&manifest.name)),
            ("Manifest SHA-256", code(&digest.to_string())),
        ]);
        let rows = rows.into_iter();
        let rows = rows.map(|(name, value)| vec![name.to_owned(), value]);
        self.table(&["Release", ""], rows);
    }

    fn topic(&mut self, topic: &Topic<'_>) {
        use super::Answer;
        self.heading(topic.title);
        match topic.answer {
            Answer::None { none } => self.paragraph(&format!("None: {}", text(none))),
            Answer::Given(given) => match (given.as_slice(), topic.form) {
                ([only], Form::Points) => self.paragraph(&text(only)),
                (several, form) => {
                    self.line("");
                    for (index, one) in several.iter().enumerate() {
                        let one = text(one);
                        match form {
                            Form::Steps => self.line(&format!("{}. {one}", index + 1)),
                            Form::Points => self.line(&format!("- {one}")),
                        }
                    }
                }
            },
        }
    }

    /// What the check after an installation has to show.
    fn expected(&mut self, manifest: &Manifest) {
        let version = text(&manifest.release.version);
        self.paragraph(&format!("Expected version: {version}"));
        if manifest.images.is_empty() {
            let instead = instead_of_files(manifest, IMAGE);
            self.paragraph(&format!("Expected image: {instead}"));
            return;
        }
        let rows = manifest.images.iter().map(|image| {
            let id = code(&format!("sha256:{}", image.id));
            vec![text(&image.name), text(&image.platform), id]
        });
        self.table(&["Expected image", "Platform", "Image id"], rows);
    }

    fn anomalies(&mut self, record: &EntryRecord) {
        use super::Answer;
        self.heading("Known anomalies and workarounds");
        match &record.known_anomalies {
            Answer::None { none } => self.paragraph(&format!("None: {}", text(none))),
            Answer::Given(anomalies) => {
                let rows = anomalies.iter().map(|one| {
                    let parts = [&one.id, &one.description, &one.workaround];
                    parts.map(|part| text(part)).to_vec()
                });
                self.table(&["Id", "Anomaly", "Workaround"], rows);
            }
        }
    }

    /// What identifies the files that belong to the release.
    fn digests(&mut self, manifest: &Manifest, digest: &Sha256) {
        self.heading("Digests");
        let mut rows = Vec::new();
        for image in &manifest.images {
            let what = format!("Image {}, {}", text(&image.name), text(&image.platform));
            let mut row = |what: String, digest: &Sha256| {
                rows.push(vec![what, code(&format!("sha256:{digest}"))]);
            };
            if let Some(manifest) = &image.manifest {
                row(format!("{what}, manifest in the registry"), manifest);
            }
            row(format!("{what}, image id"), &image.id);
        }
        let manuals = manifest.files.iter();
        let manuals = manuals.filter(|file| file.slot.as_deref() == Some(USER_MANUAL));
        let before = rows.len();
        let is_in_files = matches!(filled(manifest, USER_MANUAL), Some(Filled::Files(_)));
        for file in manuals.filter(|_| is_in_files) {
            let name = text(file.path.file_name());
            let digest = code(&format!("sha256:{}", file.sha256));
            rows.push(vec![format!("User manual, {name}"), digest]);
        }
        if rows.len() == before {
            let instead = instead_of_files(manifest, USER_MANUAL);
            rows.push(vec!["User manual".to_owned(), instead]);
        }
        let archive = code(&format!("sha256:{digest}"));
        rows.push(vec!["Archive, its manifest".to_owned(), archive]);
        self.table(&["What", "Digest"], rows);
    }
}

fn filled<'m>(manifest: &'m Manifest, slot: &str) -> Option<&'m Filled> {
    let found = manifest.slots.iter().find(|one| one.id == slot);
    found.map(|one| &one.fill)
}

/// Why a slot has no files in the archive.
fn instead_of_files(manifest: &Manifest, slot: &str) -> String {
    match filled(manifest, slot) {
        Some(Filled::Reference(reference)) => format!(
            "{}, revision {}, {}",
            text(&reference.location),
            text(&reference.revision),
            code(&format!("sha256:{}", reference.sha256))
        ),
        Some(Filled::NotApplicable(reason)) => format!("none: {}", text(reason)),
        _ => "none in the archive".to_owned(),
    }
}
