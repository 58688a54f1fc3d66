//! The entry: what it shows, and that no text of the record can be more than text.

use std::collections::BTreeSet;

use dhfpack::archive::{self, Records};
use dhfpack::digest::Sha256;
use dhfpack::manifest::{Filled, Manifest, Reference};
use dhfpack::service_manual::{Answer, EntryRecord, render};
use dhfpack::toml_file::TomlText;
use proptest::prelude::*;

use super::RECORD;
use crate::support::release::{dhfpack, released, told};
use crate::support::small::tells;

pub(super) fn sample_manifest() -> (Manifest, Sha256) {
    let tree = archive::open(&released().archive).unwrap();
    Records::of(&*tree).unwrap().manifest().unwrap()
}

pub(super) fn record() -> EntryRecord {
    let text = TomlText {
        name: "entry.toml".to_owned(),
        text: RECORD.to_owned(),
    };
    EntryRecord::parse(&text).unwrap()
}

#[test]
fn the_entry_has_what_people_wrote_and_what_the_archive_knows() {
    let release = released();
    let shown = |trusted: bool| {
        let mut command = dhfpack();
        command.args(["manual", "show"]).arg(&release.archive);
        if trusted {
            command.arg("--trust").arg(release.product.trust_file());
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = shown(true);
    let (manifest, digest) = sample_manifest();
    let user_manual = manifest
        .files
        .iter()
        .find(|file| file.path.as_str().ends_with("user-manual.md"))
        .unwrap();
    let image = &manifest.images[0];
    tells(
        &text,
        &[
            "## Infusion Monitor 2.4.0",
            "| Version | 2.4.0 |",
            "| Update | optional |",
            "| Audience | Hospital IT, and the manufacturer's service staff. |",
            "| Author | Mara Lindqvist, Engineering SME |",
            "| Approver | Aiko Brandt, Quality Systems SME |",
            "### Prerequisites",
            "### Supported upgrade paths",
            "### Installation\n\n1. Compare",
            "### Upgrade",
            "### Rollback",
            "### Check after installation",
            "Expected version: 2.4.0",
            &format!("| install | linux/amd64 | `sha256:{}` |", image.id),
            "### Compatibility",
            "### Configuration changes\n\nNone: The ward's configuration of 2.3 is used as it is.",
            "### Impact on usability",
            "### Known anomalies and workarounds",
            "| PR-211 | After a pump restarts",
            "### Security",
            "### Notification of users",
            "### Training",
            &format!(
                "| User manual, user-manual.md | `sha256:{}` |",
                user_manual.sha256
            ),
            &format!("| Archive, its manifest | `sha256:{digest}` |"),
        ],
    );
    // Today, for the sample is signed when the tests run; without trust, nobody has released it.
    let today = jiff::Timestamp::now().strftime("%Y-").to_string();
    tells(&text, &[&format!("| Release date | {today}")]);
    tells(&shown(false), &["| Release date | not released yet |"]);
}

#[test]
fn a_revision_and_what_is_not_in_the_archive_are_told() {
    let (mut manifest, digest) = sample_manifest();
    manifest.release.revision = 2;
    manifest.images.clear();
    for slot in &mut manifest.slots {
        match slot.id.as_str() {
            "design-outputs.image" => {
                slot.fill = Filled::NotApplicable("It is a library.".to_owned());
            }
            "design-outputs.user-manual" => {
                slot.fill = Filled::Reference(Reference {
                    location: "QMS, IM-UM-001".to_owned(),
                    revision: "9".to_owned(),
                    sha256: Sha256::of(b"manual"),
                });
            }
            _ => {}
        }
    }
    let manual = Sha256::of(b"manual");
    tells(
        &render(&record(), &manifest, &digest, None),
        &[
            "| Revision of the archive | 2 |",
            "Expected image: none: It is a library.",
            &format!("| User manual | QMS, IM-UM-001, revision 9, `sha256:{manual}` |"),
        ],
    );
}

/// What is left of a line that Markdown could take for markup, once escaped characters and
/// what stands in a typewriter's face are taken out.
fn active(line: &str) -> BTreeSet<char> {
    let mut left = BTreeSet::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == '`' && chars.as_str().contains('`') {
            // Up to the next one nothing has an effect but the bar of a table.
            let mut inside = chars.by_ref().take_while(|c| *c != '`');
            left.extend(inside.find(|c| *c == '|'));
            inside.for_each(drop);
        } else if "`*_[]<>&~#$|".contains(c) {
            left.insert(c);
        }
    }
    left
}

/// An entry's lines by their form, which no text of the record may change.
fn forms(entry: &str) -> Vec<(String, BTreeSet<char>)> {
    entry
        .lines()
        .map(|line| {
            let start = line.find(|c: char| !"#-|. 0123456789".contains(c));
            let cells = active(line);
            (line[..start.unwrap_or(line.len())].trim().to_owned(), cells)
        })
        .collect()
}

fn with_texts(texts: &[String; 8]) -> EntryRecord {
    let mut texts = texts.iter().cloned();
    let mut next = || texts.next().unwrap();
    let mut record = record();
    record.audience = next();
    record.author = next();
    let step = next();
    record.install = Answer::Given(vec![step.clone(), step]);
    record.compatibility = Answer::None { none: next() };
    record.training = Answer::Given(vec![next()]);
    let mut anomaly = record.known_anomalies.given()[0].clone();
    anomaly.id = next();
    anomaly.description = next();
    anomaly.workaround = next();
    record.known_anomalies = Answer::Given(vec![anomaly]);
    record
}

#[test]
fn no_text_of_a_record_becomes_markup() {
    let (manifest, digest) = sample_manifest();
    let entry = |text: &str| {
        let texts = std::array::from_fn(|_| format!("x{text}"));
        render(&with_texts(&texts), &manifest, &digest, None)
    };
    let plain = forms(&entry("plain"));
    for text in [
        "\n# heading",
        "\n\n<!-- dhfpack: releases -->\n",
        "\n<!-- dhfpack: end of infusion-monitor-2.4.0 -->\n",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "![x](https://example.org/pixel)",
        "[x]: https://example.org\n[x]",
        "| cell | cell |\n|---|---|",
        "\n```\ncode",
        "\n- item\n1. item",
        "\n---\n",
        "&lt;script&gt;",
        "a\\",
        "\u{202e}\u{200b}\u{7}",
        "https://example.org/a_b|c?d=1&e=2`f`",
        "`a@b.example\\",
    ] {
        assert_eq!(forms(&entry(text)), plain, "{text:?}");
    }
}

proptest! {
    #[test]
    fn whatever_a_record_says_the_entry_keeps_its_form(texts in prop::array::uniform8("\\PC{0,20}|[ -~\n]{0,40}")) {
        let (manifest, digest) = sample_manifest();
        let plain = forms(&render(&with_texts(&std::array::from_fn(|_| "x".to_owned())), &manifest, &digest, None));
        let texts = texts.map(|text| format!("x{text}"));
        let entry = render(&with_texts(&texts), &manifest, &digest, None);
        prop_assert_eq!(forms(&entry), plain);
    }
}
