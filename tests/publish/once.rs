//! One run, and the same again.

use std::fs;

use serde_json::Value;

use super::shop::{NAME, Shop, fails, step, succeed};

#[test]
fn one_run_publishes_everything_and_a_second_changes_nothing() {
    let shop = Shop::signed("");
    let run = shop.publish_json();
    assert_eq!(run["status"], "released");
    assert_eq!(run["skipped"], 0);
    assert_eq!(step(&run, "files"), "done");
    assert_eq!(step(&run, "retention"), "not-configured");
    assert_eq!(step(&run, "receipt"), "done");
    let verified = shop.trusting("verify", &shop.published()).output().unwrap();
    assert_eq!(verified.status.code(), Some(0));

    let before = shop.content();
    assert!(before.contains_key("small-1.0.0.receipt-1.json"));
    let again = shop.publish_json();
    assert_eq!(again["copied"], 0);
    assert_eq!(step(&again, "files"), "unchanged");
    assert_eq!(step(&again, "receipt"), "unchanged");
    assert_eq!(shop.content(), before);
    let told = succeed(&mut shop.publish(&shop.archive())).stdout;
    assert!(
        String::from_utf8(told)
            .unwrap()
            .contains("nothing was left to do")
    );
    assert_eq!(shop.content(), before);
}

#[test]
fn a_pending_archive_is_released_once_it_is_signed_and_no_object_is_touched() {
    let shop = Shop::new("");
    let pending = shop.publish_json();
    assert_eq!(pending["status"], "pending");
    assert_eq!(step(&pending, "signatures"), "waits");
    let before = shop.content();

    shop.sign(&shop.archive());
    let released = shop.publish_json();
    assert_eq!(released["status"], "released");
    assert_eq!(released["copied"], 2);
    let after = shop.content();
    for (path, bytes) in &before {
        assert_eq!(after.get(path), Some(bytes), "{path}");
    }
    let added: Vec<&String> = after
        .keys()
        .filter(|path| !before.contains_key(*path))
        .collect();
    assert_eq!(added.len(), 3, "{added:?}");
    assert!(after.contains_key("small-1.0.0.receipt-2.json"));
}

#[test]
fn a_statement_that_was_added_in_the_store_counts_and_is_in_the_next_receipt() {
    let shop = Shop::new("");
    shop.publish_json();
    shop.sign(&shop.published());
    let run = shop.publish_json();
    assert_eq!(run["status"], "released");
    assert_eq!(run["copied"], 0);
    let receipt: Value =
        serde_json::from_slice(&shop.content()["small-1.0.0.receipt-2.json"]).unwrap();
    let listed = receipt["objects"].as_array().unwrap().iter();
    let statements = listed.filter(|object| {
        let path = object["path"].as_str().unwrap();
        path.starts_with("Manifest/signatures/quality-systems-sme-release-")
    });
    assert_eq!(statements.count(), 2);
    assert_eq!(receipt["released_at"], run["released_at"]);
}

#[test]
fn signatures_of_signers_whom_nobody_trusts_release_nothing() {
    let shop = Shop::signed("");
    let mut command = crate::support::release::dhfpack();
    command
        .arg("publish")
        .arg(shop.archive())
        .arg("--to")
        .arg(shop.store());
    let told = String::from_utf8(succeed(&mut command).stdout).unwrap();
    assert!(told.contains("signatures waits: pending"), "{told}");
    assert_eq!(shop.publish_json()["status"], "released");
    // What was found to be released stays so, whoever publishes again.
    let before = shop.content();
    succeed(&mut command);
    assert_eq!(shop.content(), before);
}

#[test]
fn a_ci_job_that_is_run_again_on_a_fresh_machine_changes_nothing() {
    let shop = Shop::new("");
    shop.publish_json();
    let before = shop.content();
    // Signatures have times in whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let fresh = shop.built_again();
    let statement = |archive: &std::path::Path| {
        let folder = archive.join("Manifest/signatures");
        let mut files = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        fs::read(
            files
                .find(|path| path.extension().unwrap() == "json")
                .unwrap(),
        )
        .unwrap()
    };
    assert_ne!(statement(&fresh), statement(&shop.archive()));
    let output = succeed(shop.publish(&fresh).arg("--json"));
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["kept_statements"].as_array().unwrap().len(), 1);
    assert_eq!(shop.content(), before);

    // Who signed on the fresh machine named a statement that the store does not hold.
    shop.sign(&fresh);
    let named = [
        "Manifest/signatures/release-builder",
        "fetch the archive from the store",
    ];
    fails(&mut shop.publish(&fresh), 3, &named);
    assert_eq!(shop.content(), before);
}

#[test]
fn what_the_archive_does_not_list_is_refused_before_anything_is_written() {
    let shop = Shop::signed("");
    let stray = shop.published().join("Any/stray.txt");
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "stray").unwrap();
    let before = shop.content();
    let named = ["small-1.0.0/Any/stray.txt", "does not list"];
    fails(&mut shop.publish(&shop.archive()), 1, &named);
    assert_eq!(shop.content(), before);

    fs::remove_file(&stray).unwrap();
    let garbage = shop.published().join("Manifest/signatures/notes.txt");
    fs::create_dir_all(garbage.parent().unwrap()).unwrap();
    fs::write(&garbage, "notes").unwrap();
    let before = shop.content();
    fails(
        &mut shop.publish(&shop.archive()),
        3,
        &["signature-stray", "notes.txt"],
    );
    assert_eq!(shop.content(), before);
}

#[test]
fn half_a_statement_of_another_machine_is_refused_with_what_to_do() {
    let shop = Shop::new("");
    shop.publish_json();
    let signatures = shop.published().join("Manifest/signatures");
    fs::remove_file(shop.published().join("Manifest/manifest.json")).unwrap();
    let entries = fs::read_dir(&signatures)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let statement = entries
        .into_iter()
        .find(|path| path.extension().unwrap() == "json")
        .unwrap();
    fs::remove_file(statement).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let fresh = shop.built_again();
    let before = shop.content();
    let named = [
        ".json.p7s",
        "run it again from the machine where it broke off",
    ];
    fails(&mut shop.publish(&fresh), 1, &named);
    assert_eq!(shop.content(), before);
    // The machine where it broke off completes it.
    assert_eq!(shop.publish_json()["copied"], 2);
}

#[test]
fn a_dry_run_shows_what_would_be_written_and_writes_nothing() {
    let shop = Shop::signed("");
    let told = succeed(shop.publish(&shop.archive()).arg("--dry-run")).stdout;
    let told = String::from_utf8(told).unwrap();
    for part in [
        "would publish",
        "copy      Manifest/manifest.json",
        "files      planned",
    ] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    assert!(shop.content().is_empty());
    let output = succeed(shop.publish(&shop.archive()).args(["--dry-run", "--json"]));
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(plan["dry_run"], true);
    assert_eq!(plan["status"], "released");
    assert!(plan["files"].as_array().unwrap().len() > 5);
}

#[test]
fn a_store_that_cannot_lock_is_refused_before_anything_is_written() {
    let retention = "[retention]\nrule = \"MDR Art. 10(8)\"\ntrigger = \"last device\"\nminimum_years = 10\nmode = \"governance\"\n";
    let shop = Shop::signed(retention);
    fails(
        &mut shop.publish(&shop.archive()),
        2,
        &["cannot lock", "take `mode`"],
    );
    assert!(shop.content().is_empty());
    // The copy alone asks for no lock.
    let mut upload = crate::support::release::dhfpack();
    upload
        .arg("upload")
        .arg(shop.archive())
        .arg("--to")
        .arg(shop.store());
    succeed(&mut upload);
    assert!(
        shop.content()
            .contains_key(&format!("{NAME}/Manifest/manifest.json"))
    );
    assert!(
        shop.content()
            .contains_key(&format!("{NAME}.receipt-1.json"))
    );
}

#[test]
fn a_rule_without_a_mode_asks_for_no_lock() {
    let retention =
        "[retention]\nrule = \"MDR Art. 10(8)\"\ntrigger = \"last device\"\nminimum_years = 10\n";
    let shop = Shop::signed(retention);
    assert_eq!(step(&shop.publish_json(), "retention"), "not-configured");
}
