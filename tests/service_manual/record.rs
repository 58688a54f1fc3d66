//! The record: read at the records' revision, complete, archived as it was read.

use std::fs;

use dhfpack::templates::TEMPLATES;

use super::RECORD;
use crate::support::release::{released, told};
use crate::support::small::{Small, manifest, tells};

const TABLE: &str = "[service_manual]\nrecord = \"entry.toml\"";
const ARCHIVED: &str = "Release Record/Service Manual/entry.toml";

fn with_record(record: &str) -> Small {
    let small = Small::new(TABLE);
    small.repository.write("entry.toml", record.as_bytes());
    small.release()
}

#[test]
fn the_record_is_archived_as_it_was_read() {
    let small = with_record(RECORD);
    // What the checkout has by now does not count.
    small.repository.write("entry.toml", b"");
    let listed = small.manifest();
    let files = listed["files"].as_array().unwrap();
    let file = files.iter().find(|file| file["path"] == ARCHIVED).unwrap();
    assert_eq!(file["origin"], "input");
    let bytes = fs::read(small.archive().join(ARCHIVED)).unwrap();
    assert_eq!(bytes, RECORD.as_bytes());
}

#[test]
fn the_archive_s_page_leads_to_the_record() {
    let page = fs::read_to_string(released().archive.join("index.html")).unwrap();
    tells(&page, &["Release%20Record/Service%20Manual/entry.toml"]);
}

#[test]
fn every_field_that_a_record_lacks_is_told_at_once_and_stops_the_build() {
    let record = RECORD
        .replace("audience = \"Hospital IT\"\n", "")
        .replace("\"Start 0.9.\"", "\" \"")
        .replace("\"Look away.\"", "\"\"")
        .replace("\"It has no network.\"", "\"\"");
    let message = with_record(&record).failure::<&str>([], 2);
    tells(
        &message,
        &[
            "the service manual's entry is not complete",
            "service_manual.record",
            "ISO 13485:2016",
            "entry.toml:",
            "audience is missing: audience = \"…\"",
            "rollback[0] is empty: rollback = [\"…\"]",
            "known_anomalies[0].workaround is missing",
            "security_notes.none is empty",
        ],
    );
    assert!(!message.contains("training"), "{message}");
}

#[test]
fn gaps_of_the_record_and_of_slots_are_told_together() {
    let small = Small::new(TABLE);
    let text = fs::read_to_string(small.repository.path().join("dhfpack.toml")).unwrap();
    let slot = "[[slot]]\nid = \"mdf.build-process\"\nfiles = [\"docs/build.md\"]\n";
    assert!(text.contains(slot), "{text}");
    small
        .repository
        .write("dhfpack.toml", text.replace(slot, "").as_bytes());
    small.repository.write("entry.toml", b"");
    let small = small.release();
    tells(
        &small.failure::<&str>([], 2),
        &[
            "1 of the layout's required slots are empty, and the service manual's entry is not complete",
            "mdf.build-process",
            "training is missing",
        ],
    );
}

#[test]
fn a_draft_shows_what_the_record_lacks() {
    let small = with_record(&RECORD.replace("A, Engineering SME", "[edit: name, role]"));
    let planned = small.build(["--draft", "--dry-run"]);
    assert_eq!(planned.status.code(), Some(0), "{}", told(&planned));
    tells(&told(&planned), &["missing: service_manual.record"]);
    let built = small.build(["--draft"]);
    assert_eq!(built.status.code(), Some(0), "{}", told(&built));
    assert_eq!(manifest(&small.archive())["draft"], true);
    assert!(small.archive().join(ARCHIVED).exists());
}

#[test]
fn the_template_is_no_record_until_it_is_edited() {
    let template = TEMPLATES
        .iter()
        .find_map(|(path, text)| (*path == "service-manual-entry.toml").then_some(*text));
    let message = with_record(template.unwrap()).failure::<&str>([], 2);
    tells(&message, &["audience is still to be edited", "training[0]"]);
}

#[test]
fn a_record_that_is_not_there_or_cannot_be_read_is_named() {
    let missing = Small::new(TABLE).release();
    tells(
        &missing.failure::<&str>([], 2),
        &["there is no entry.toml in the repository at `v1.0.0`"],
    );
    let unknown = with_record("instal = []\n");
    tells(
        &unknown.failure::<&str>([], 2),
        &["entry.toml at v1.0.0", "instal", "did you mean `install`?"],
    );
    let binary = Small::new(TABLE);
    binary.repository.write("entry.toml", b"\xff");
    tells(
        &binary.release().failure::<&str>([], 2),
        &["entry.toml", "not valid UTF-8"],
    );
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    for (table, expected) in [
        ("[service_manual]\nrecord = \"\"", "the text is empty"),
        (
            "[service_manual]\nrecord = \"a\"\nfile = \"../a.md\"",
            "../a.md",
        ),
        (
            "[service_manual]\nrecord = \"a\"\ngit = { repository = \"https://ci:secret@example.org/a\", file = \"a.md\" }",
            "holds a password",
        ),
        (
            "[service_manual]\nrecord = \"a\"\ngit = { repository = \"ext::sh -c x\", file = \"a.md\" }",
            "no repository that is pushed to",
        ),
        (
            "[service_manual]\nrecord = \"a\"\ngit = { repository = \"../a\", branch = \"-f\", file = \"a.md\" }",
            "no branch's name",
        ),
        ("[storage]\ndhf = \"/mnt/dhf/pump\"", "`{version}`"),
        ("[storage]\ndhf = \"\"", "the text is empty"),
    ] {
        let message = Small::new(table).release().failure::<&str>([], 2);
        tells(&message, &[expected]);
        assert!(!message.contains("secret"), "{message}");
    }
}
