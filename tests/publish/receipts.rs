//! Receipts say what arrived, and verification says what has changed since.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::shop::{NAME, Shop, fails, succeed};

const RECEIPT: &str = "small-1.0.0.receipt-1.json";

fn receipt(shop: &Shop) -> Value {
    serde_json::from_slice(&fs::read(shop.store().join(RECEIPT)).unwrap()).unwrap()
}

#[test]
fn a_receipt_lists_every_object_and_how_it_was_proved() {
    let shop = Shop::signed("");
    let run = shop.publish_json();
    let receipt = receipt(&shop);
    assert_eq!(receipt["format"], 1);
    assert_eq!(receipt["archive"], NAME);
    assert_eq!(receipt["manifest_sha256"], run["manifest_sha256"]);
    assert_eq!(receipt["released_at"], run["released_at"]);
    let objects = receipt["objects"].as_array().unwrap();
    let published = super::shop::content(&shop.published());
    assert_eq!(objects.len(), published.len());
    for (object, (path, bytes)) in objects.iter().zip(&published) {
        assert_eq!(object["path"], path.as_str());
        assert_eq!(object["size"], bytes.len());
        let digest = dhfpack::digest::Sha256::of(bytes).to_string();
        assert_eq!(object["sha256"], digest);
        assert_eq!(object["proof"], "read-back");
    }
    // One line an object, for people and their tools.
    let text = fs::read_to_string(shop.store().join(RECEIPT)).unwrap();
    assert!(
        text.lines()
            .filter(|line| line.contains("\"sha256\""))
            .count()
            == objects.len()
    );
}

#[test]
fn a_receipt_beside_an_archive_is_compared_when_it_is_verified() {
    let shop = Shop::signed("");
    shop.publish_json();
    let link = shop.path("link");
    std::os::unix::fs::symlink(shop.published(), &link).unwrap();
    // However the archive is named, its receipt is found.
    let verifying = || {
        let mut inside = shop.trusting("verify", Path::new("."));
        inside.current_dir(shop.published());
        let named = shop.trusting("verify", &shop.published());
        [named, inside, shop.trusting("verify", &link)]
    };
    for mut verify in verifying() {
        let verified = succeed(&mut verify);
        let told = String::from_utf8(verified.stdout).unwrap();
        assert!(
            told.contains(&format!("receipt {RECEIPT} was compared")),
            "{told}"
        );
    }

    // A statement that was the last one is missed by nobody else.
    let signatures = shop.published().join("Manifest/signatures");
    for entry in fs::read_dir(&signatures).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains("quality-systems-sme") {
            fs::remove_file(path).unwrap();
        }
    }
    let named = [
        "receipt-differs",
        "quality-systems-sme-release",
        "not there any more",
    ];
    for mut verify in verifying() {
        fails(&mut verify, 3, &named);
    }
}

#[test]
fn a_receipt_that_was_kept_is_compared_with_a_copy() {
    let shop = Shop::signed("");
    shop.publish_json();
    let kept = shop.path("kept.json");
    fs::copy(shop.store().join(RECEIPT), &kept).unwrap();
    let verify = || {
        let mut command = shop.trusting("verify", &shop.archive());
        command.arg("--receipt").arg(&kept);
        command
    };
    succeed(&mut verify());

    let text = fs::read_to_string(&kept).unwrap();
    let manifest = receipt(&shop)["manifest_sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    for (changed, code) in [
        (text.replace(&manifest, &"0".repeat(64)), "receipt-differs"),
        (text.replace("index.html", "index.htm"), "receipt-"),
        (
            text.replace("\"format\": 1", "\"format\": 2"),
            "receipt-unreadable",
        ),
        (text.replace("small-1.0.0\"", "other\""), "receipt-differs"),
        ("{".to_owned(), "receipt-unreadable"),
        (String::new(), "receipt-unreadable"),
    ] {
        assert_ne!(changed, text);
        fs::write(&kept, changed).unwrap();
        fails(&mut verify(), 3, &[code]);
    }
    fs::remove_file(&kept).unwrap();
    fails(&mut verify(), 1, &["kept.json"]);
}

#[test]
fn a_receipt_that_cannot_be_understood_is_told_and_followed_by_another() {
    let shop = Shop::signed("");
    shop.publish_json();
    fs::write(shop.store().join(RECEIPT), "no receipt").unwrap();
    let named = ["receipt-unreadable", RECEIPT];
    fails(&mut shop.trusting("verify", &shop.published()), 3, &named);
    shop.publish_json();
    assert!(shop.content().contains_key("small-1.0.0.receipt-2.json"));
    succeed(&mut shop.trusting("verify", &shop.published()));
}

#[test]
fn every_field_of_a_receipt_is_documented() {
    let shop = Shop::with_everything();
    shop.publish_json();
    let documented = crate::readme::project_file("docs/publishing.md");
    let receipt = receipt(&shop);
    let mut fields = Vec::new();
    let mut values = vec![&receipt, &receipt["objects"][0]];
    values.extend(receipt["outputs"].as_object().unwrap().values());
    for value in values {
        fields.extend(value.as_object().into_iter().flatten().map(|(key, _)| key));
    }
    assert!(fields.len() > 12, "{fields:?}");
    for field in fields {
        assert!(documented.contains(&format!("`{field}`")), "{field}");
    }
}
