//! Adding an entry: to the manual of a store, once, and beside others.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use dhfpack::digest::Sha256;
use dhfpack::monitor::Silent;
use dhfpack::publish::{InStore, service_manual};
use dhfpack::service_manual::{Entry, MARKER};
use dhfpack::store::{self, Access, Address};
use serde_json::Value;
use tempfile::TempDir;

use super::entry::{record, sample_manifest};
use crate::support::release::{NAME, Product, copy_of, dhfpack, released, told};
use crate::support::small::tells;

const FILE: &str = "service-manual.md";

fn add(archive: &Path, store: &Path) -> Command {
    let mut command = dhfpack();
    command.args(["manual", "add"]).arg(archive);
    command.arg("--trust").arg(released().product.trust_file());
    command.arg("--to").arg(store);
    command
}

fn run(command: &mut Command, code: i32) -> Output {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", told(&output));
    output
}

#[test]
fn an_entry_is_added_once_and_the_manual_is_made_for_the_first() {
    let release = released();
    let store = TempDir::new().unwrap();
    let output = run(add(&release.archive, store.path()).arg("--json"), 0);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&result["added"], &result["entry"]),
        (&true.into(), &NAME.into())
    );
    let manual = fs::read_to_string(store.path().join(FILE)).unwrap();
    let (_, digest) = sample_manifest();
    tells(
        &manual,
        &[
            "# Service manual: Infusion Monitor\n\n<!-- dhfpack: releases -->\n\n",
            &format!("<!-- dhfpack: release {NAME} {digest} "),
            &format!("<!-- dhfpack: end of {NAME} -->\n"),
        ],
    );
    let again = run(&mut add(&release.archive, store.path()), 0);
    tells(&told(&again), &["is already in"]);
    assert_eq!(fs::read_to_string(store.path().join(FILE)).unwrap(), manual);
}

#[test]
fn the_manual_s_own_text_stays_byte_for_byte() {
    let release = released();
    let store = TempDir::new().unwrap();
    let before = format!("\u{feff}# Ours\r\n\r\n{MARKER}\r\n");
    let after = b"\r\n## Contact\r\nM\xfcnchen\r\n";
    let old = [before.as_bytes(), after].concat();
    fs::write(store.path().join(FILE), old).unwrap();
    run(&mut add(&release.archive, store.path()), 0);
    let new = fs::read(store.path().join(FILE)).unwrap();
    assert!(new.starts_with(before.as_bytes()) && new.ends_with(after));
    let alone = new.split(|byte| *byte == b'\n').count() - 1;
    let pairs = new.windows(2).filter(|two| two == b"\r\n").count();
    assert_eq!(alone, pairs);
}

#[test]
fn a_manual_without_the_marker_is_left_alone_and_the_line_to_add_is_told() {
    let release = released();
    let store = TempDir::new().unwrap();
    let file = store.path().join(FILE);
    fs::write(&file, "# Ours\n").unwrap();
    let refused = run(&mut add(&release.archive, store.path()), 1);
    tells(
        &told(&refused),
        &[&file.display().to_string(), MARKER, "add that line"],
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "# Ours\n");
}

#[test]
fn an_entry_of_another_archive_of_the_same_name_is_not_replaced() {
    let release = released();
    let store = TempDir::new().unwrap();
    run(&mut add(&release.archive, store.path()), 0);
    let file = store.path().join(FILE);
    let (_, digest) = sample_manifest();
    let text = fs::read_to_string(&file).unwrap();
    let other = text.replace(&digest.to_string(), &"0".repeat(64));
    fs::write(&file, &other).unwrap();
    let refused = run(&mut add(&release.archive, store.path()), 1);
    tells(
        &told(&refused),
        &[&digest.to_string(), &"0".repeat(64), "release.revision"],
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), other);
}

#[test]
fn the_entry_waits_until_every_required_role_has_signed() {
    let product = Product::new();
    let output = TempDir::new().unwrap();
    assert!(product.build(output.path()).status().unwrap().success());
    let store = TempDir::new().unwrap();
    let pending = run(&mut add(&output.path().join(NAME), store.path()), 4);
    tells(
        &told(&pending),
        &["waits for the release", "Quality Systems SME", "--trust"],
    );
    assert_eq!(fs::read_dir(store.path()).unwrap().count(), 0);
}

#[test]
fn signers_that_nobody_trusts_release_nothing() {
    let mut command = dhfpack();
    command.args(["manual", "add"]).arg(&released().archive);
    let store = TempDir::new().unwrap();
    run(command.arg("--to").arg(store.path()), 4);
    assert_eq!(fs::read_dir(store.path()).unwrap().count(), 0);
}

#[test]
fn a_record_that_is_not_the_sealed_one_is_refused() {
    let (_place, archive) = copy_of(&released().archive);
    let record = archive.join("Release Record/Service Manual/entry.toml");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("15 minutes", "5 minutes")).unwrap();
    let store = TempDir::new().unwrap();
    let refused = run(&mut add(&archive, store.path()), 1);
    tells(
        &told(&refused),
        &["entry.toml", "not what its manifest lists"],
    );
    assert_eq!(fs::read_dir(store.path()).unwrap().count(), 0);
}

#[test]
fn an_archive_without_a_record_says_so() {
    let golden =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1/infusion-monitor-2.4.0");
    let mut command = dhfpack();
    let none = run(command.args(["manual", "show"]).arg(golden), 1);
    tells(&told(&none), &[NAME, "no record", "[service_manual]"]);
}

#[test]
fn entries_that_are_added_at_once_are_all_there_and_in_order() {
    const RELEASES: u32 = 24;
    let store = TempDir::new().unwrap();
    let (manifest, digest) = sample_manifest();
    let entry = |number: u32| {
        let mut manifest = manifest.clone();
        manifest.name = format!("pump-1.{number}");
        manifest.release.version = format!("1.{number}");
        let day = 1 + number;
        let time = format!("2026-03-{day:02}T10:00:00Z").parse().unwrap();
        Entry::new(&record(), &manifest, digest, time)
    };
    thread::scope(|scope| {
        for number in 0..RELEASES {
            let (entry, folder) = (entry(number), store.path().to_path_buf());
            scope.spawn(move || {
                let address = Address::Folder(folder);
                let store = store::open(&address, &Access::default(), &Silent).unwrap();
                let manual = InStore {
                    store: &*store,
                    path: FILE,
                };
                assert!(service_manual::add(&manual, &entry, &Silent).unwrap());
                let there = service_manual::standing(&manual, &entry).unwrap();
                assert_eq!(there, Some(Sha256::of(entry.text.as_bytes())));
            });
        }
    });
    let text = fs::read_to_string(store.path().join(FILE)).unwrap();
    let versions: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## Infusion Monitor "))
        .collect();
    let expected: Vec<String> = (0..RELEASES)
        .rev()
        .map(|number| format!("1.{number}"))
        .collect();
    assert_eq!(versions, expected);
}
