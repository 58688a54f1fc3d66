//! What was published and is lost is told, and not hidden behind what a further run makes.

use std::fs;
use std::path::Path;
use std::process::Command;

use dhfpack::digest::Sha256;
use serde_json::Value;

use super::shop::{NAME, Shop, fails, step, succeed};
use crate::support::release::dhfpack;

const RECEIPT: &str = "small-1.0.0.receipt-1.json";

/// The register without its last row.
fn cut(shop: &Shop) {
    let path = shop.store().join("registry.csv");
    let register = fs::read_to_string(&path).unwrap();
    let rest = register.trim_end().rsplit_once("\r\n").unwrap().0;
    fs::write(&path, format!("{rest}\r\n")).unwrap();
}

/// The row that a receipt names: its line and its digest, as the message has them.
fn named(shop: &Shop, number: u32) -> String {
    let path = format!("{NAME}.receipt-{number}.json");
    let receipt: Value = serde_json::from_slice(&shop.content()[&path]).unwrap();
    let row = &receipt["outputs"]["registry"];
    let digest = row["sha256"].as_str().unwrap();
    format!("line {} with the SHA-256 {digest}", row["line"])
}

/// Every way of adding the row fails, and changes nothing.
fn is_refused(shop: &Shop, expected: &[&str]) {
    let before = shop.everything();
    fails(&mut shop.publish(&shop.archive()), 3, expected);
    let mut dry = shop.publish(&shop.archive());
    fails(dry.arg("--dry-run"), 3, expected);
    fails(&mut add(shop, &shop.published()), 3, expected);
    assert_eq!(shop.everything(), before);
}

/// `registry add` of an archive to the store's register.
fn add(shop: &Shop, archive: &Path) -> Command {
    let mut add = dhfpack();
    add.args(["registry", "add"]).arg(archive);
    add.arg("--to").arg(shop.store());
    add.arg("--key").arg(shop.path("key.pem"));
    add.arg("--certificate").arg(shop.path("cert.pem"));
    add
}

#[test]
fn a_register_that_lost_its_last_row_gets_no_other() {
    let shop = Shop::with_everything();
    shop.publish_json();
    let whole = shop.everything();
    let named = named(&shop, 1);
    let expected = ["has lost a row", &*named, "--expect-head", "backup"];
    cut(&shop);
    is_refused(&shop, &expected);
    let register = shop.store().join("registry.csv");
    fs::remove_file(&register).unwrap();
    is_refused(&shop, &expected);

    fs::write(&register, &whole["registry.csv"]).unwrap();
    assert_eq!(step(&shop.publish_json(), "registry"), "unchanged");
    assert_eq!(shop.everything(), whole);
}

#[cfg(unix)]
#[test]
fn a_lost_row_is_missed_however_the_archive_s_folder_is_named() {
    let shop = Shop::with_everything();
    shop.publish_json();
    cut(&shop);
    let before = shop.everything();
    let lost = ["has lost a row"];
    let (within, latest) = (shop.published(), shop.path("latest"));
    std::os::unix::fs::symlink(&within, &latest).unwrap();
    fails(&mut add(&shop, &latest), 3, &lost);
    let here = Path::new(".");
    fails(add(&shop, here).current_dir(&within), 3, &lost);
    let up = Path::new("../small-1.0.0/.");
    fails(add(&shop, up).current_dir(&within), 3, &lost);
    assert_eq!(shop.everything(), before);

    // The archive was moved to another disk; its receipts were not.
    let elsewhere = shop.path("elsewhere");
    fs::rename(&within, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &within).unwrap();
    fails(&mut add(&shop, &within), 3, &lost);
}

#[test]
fn a_receipt_that_cannot_be_read_is_not_taken_for_none() {
    let shop = Shop::with_everything();
    shop.publish_json();
    cut(&shop);
    let register = fs::read(shop.store().join("registry.csv")).unwrap();
    let receipt = fs::File::create(shop.store().join(RECEIPT)).unwrap();
    // Of no blocks, and more than is read.
    receipt.set_len(1 << 40).unwrap();
    fails(
        &mut add(&shop, &shop.published()),
        1,
        &[RECEIPT, "has more than"],
    );
    let after = fs::read(shop.store().join("registry.csv")).unwrap();
    assert_eq!(after, register);
}

#[test]
fn a_pending_row_does_not_stand_for_the_released_one_that_was_lost() {
    let shop = Shop::pending_with_everything();
    shop.publish_json();
    shop.sign(&shop.published());
    shop.publish_json();
    cut(&shop);
    is_refused(&shop, &["has lost a row", &named(&shop, 2)]);
}

#[test]
fn a_copy_elsewhere_does_not_get_a_lost_row_again() {
    let shop = Shop::with_everything();
    shop.publish_json();
    cut(&shop);
    let before = shop.everything();
    // The archive as it was built lies beside no receipt.
    let mut add = dhfpack();
    add.args(["registry", "add"]).arg(shop.archive());
    add.arg("--to").arg(shop.store());
    add.arg("--key").arg(shop.path("key.pem"));
    add.arg("--certificate").arg(shop.path("cert.pem"));
    fails(&mut add, 3, &["has lost a row", &named(&shop, 1)]);
    assert_eq!(shop.everything(), before);
}

#[test]
fn a_register_elsewhere_need_not_hold_the_row() {
    let shop = Shop::with_everything();
    shop.publish_json();
    let path = shop.store().join(RECEIPT);
    let receipt = fs::read_to_string(&path).unwrap();
    let at = shop.store().join("registry.csv").display().to_string();
    assert!(receipt.contains(&at), "{receipt}");
    fs::write(&path, receipt.replace(&at, "/elsewhere/registry.csv")).unwrap();
    cut(&shop);
    assert_eq!(step(&shop.publish_json(), "registry"), "done");
}

#[test]
fn a_file_that_was_gone_is_made_anew_and_told() {
    let shop = Shop::signed("");
    shop.publish_json();
    let page = shop.published().join("index.html");
    fs::remove_file(&page).unwrap();
    let told = format!("{RECEIPT}: \"index.html\"");
    let mut dry = shop.publish(&shop.archive());
    let planned = succeed(dry.arg("--dry-run"));
    let planned = String::from_utf8(planned.stdout).unwrap();
    assert!(
        planned.contains("1 to copy") && planned.contains(&told),
        "{planned}"
    );
    let run = shop.publish_json();
    let detail = run["steps"][0]["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("1 copied") && detail.contains(&told),
        "{detail}"
    );
    assert_eq!(
        fs::read(page).unwrap(),
        fs::read(shop.archive().join("index.html")).unwrap()
    );
    let detail = shop.publish_json()["steps"][0]["detail"].to_string();
    assert!(!detail.contains("gone"), "{detail}");
}

#[test]
fn a_statement_that_is_lost_everywhere_is_not_left_out_of_the_next_receipt() {
    let shop = Shop::new("");
    shop.publish_json();
    // Signed in the store alone.
    shop.sign(&shop.published());
    shop.publish_json();
    let before = shop.content();
    let own = "quality-systems-sme";
    let lost = before.keys().filter(|path| path.contains(own));
    for path in lost {
        fs::remove_file(shop.store().join(path)).unwrap();
    }
    let rest = shop.content();
    assert!(rest.len() < before.len());
    let expected = ["receipt-2.json lists these, which neither", own];
    for option in [None, Some("--dry-run")] {
        fails(shop.publish(&shop.archive()).args(option), 3, &expected);
    }
    let mut upload = dhfpack();
    upload.arg("upload").arg(shop.archive());
    fails(upload.arg("--to").arg(shop.store()), 3, &expected);
    assert_eq!(shop.content(), rest);
}

#[test]
fn nothing_that_is_missing_is_made_anew_beside_a_receipt_that_cannot_be_understood() {
    let shop = Shop::with_everything();
    shop.publish_json();
    let whole = shop.content();
    fs::write(shop.store().join(RECEIPT), "no receipt").unwrap();
    let expected = [RECEIPT, "cannot be understood", "whether it was lost"];
    cut(&shop);
    is_refused(&shop, &expected);
    fs::write(shop.store().join("registry.csv"), &whole["registry.csv"]).unwrap();
    let page = format!("{NAME}/index.html");
    fs::remove_file(shop.store().join(&page)).unwrap();
    fails(&mut shop.publish(&shop.archive()), 3, &expected);
    fs::write(shop.store().join(&page), &whole[&page]).unwrap();
    assert_eq!(step(&shop.publish_json(), "receipt"), "done");
}

#[test]
fn an_archive_that_is_gone_is_not_replaced_by_another() {
    let shop = Shop::signed("");
    shop.publish_json();
    let path = shop.store().join(RECEIPT);
    let mut receipt: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let other = "0".repeat(64);
    receipt["manifest_sha256"] = other.clone().into();
    fs::write(&path, receipt.to_string()).unwrap();
    fs::remove_dir_all(shop.published()).unwrap();
    let before = shop.content();
    let expected = [
        RECEIPT,
        "was published with the manifest",
        &*other,
        "revision",
    ];
    for option in [None, Some("--dry-run")] {
        fails(shop.publish(&shop.archive()).args(option), 3, &expected);
    }
    assert_eq!(shop.content(), before);
}

#[test]
fn another_archive_under_the_name_is_told_by_both_manifests() {
    let shop = Shop::signed("");
    shop.publish_json();
    let manifest = shop.published().join("Manifest/manifest.json");
    let mut bytes = fs::read(&manifest).unwrap();
    let own = Sha256::of(&bytes).to_string();
    bytes.push(b'\n');
    fs::write(&manifest, &bytes).unwrap();
    // A signature that differs as well is not what is told of.
    for entry in fs::read_dir(shop.published().join("Manifest/signatures")).unwrap() {
        fs::write(entry.unwrap().path(), "another").unwrap();
    }
    let found = Sha256::of(&bytes).to_string();
    let expected = ["Manifest/manifest.json", &*own, &*found];
    fails(&mut shop.publish(&shop.archive()), 1, &expected);
}
