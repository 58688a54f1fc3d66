//! `status` says how far a publication has come.

use std::fs;

use serde_json::Value;

use super::shop::{Shop, fails, step, succeed};

#[test]
fn status_follows_a_release_from_nothing_to_its_end() {
    let shop = Shop::new("");
    let status = || shop.trusting("status", &shop.published());
    fails(&mut status(), 1, &["there is no archive at"]);

    shop.publish_json();
    fs::remove_file(shop.published().join("Manifest/manifest.json")).unwrap();
    fails(
        &mut status(),
        6,
        &["files missing", "no manifest", "not complete"],
    );

    shop.publish_json();
    fails(
        &mut status(),
        4,
        &["files done", "signatures waits", "status pending"],
    );

    shop.sign(&shop.published());
    fails(
        &mut status(),
        6,
        &["signatures done: released", "receipt missing"],
    );

    shop.publish_json();
    let output = succeed(status().arg("--json"));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["status"], "released");
    assert_eq!(told["complete"], true);
    for name in ["files", "signatures", "receipt"] {
        assert_eq!(step(&told, name), "done");
    }
    assert_eq!(step(&told, "retention"), "not-configured");
}

#[test]
fn status_sees_what_is_not_as_it_was_published() {
    let shop = Shop::signed("");
    shop.publish_json();
    let status = || shop.trusting("status", &shop.published());
    let page = shop.published().join("index.html");
    let bytes = fs::read(&page).unwrap();
    fs::remove_file(&page).unwrap();
    fails(&mut status(), 3, &["\"index.html\" is not there"]);
    fs::write(&page, "short").unwrap();
    fails(&mut status(), 3, &["\"index.html\" has 5 bytes"]);
    fs::write(&page, bytes).unwrap();
    fs::write(shop.published().join("stray"), "x").unwrap();
    fails(&mut status(), 3, &["\"stray\" is not listed"]);
    fs::remove_file(shop.published().join("stray")).unwrap();
    succeed(&mut status());
    fs::remove_file(shop.store().join("small-1.0.0.receipt-1.json")).unwrap();
    fails(&mut status(), 6, &["receipt missing"]);
}

#[test]
fn status_sees_what_is_gone_from_the_design_history_file() {
    let shop = Shop::with_everything();
    shop.publish_json();
    let status = || shop.trusting("status", &shop.published());
    succeed(&mut status());
    let outputs = shop.path("dhf").join("1.0.0/Design Outputs");
    let copy = walkdir::WalkDir::new(outputs).into_iter().flatten();
    let copy = copy.last().unwrap().into_path();
    let bytes = fs::read(&copy).unwrap();
    fs::remove_file(&copy).unwrap();
    fails(&mut status(), 6, &["dhf missing"]);
    shop.publish_json();
    succeed(&mut status());
    assert_eq!(fs::read(&copy).unwrap(), bytes);
    fs::write(&copy, "short").unwrap();
    fails(&mut status(), 6, &["dhf missing"]);
}
