//! Everything that belongs to a release, in one run.

use std::fs;

use serde_json::Value;

use super::shop::{Files, NAME, Shop, fails, step, succeed};
use crate::support::release::dhfpack;

const STEPS: [&str; 5] = ["files", "dhf", "manual", "registry", "receipt"];

fn receipt(files: &Files, number: u32) -> Value {
    serde_json::from_slice(&files[&format!("{NAME}.receipt-{number}.json")]).unwrap()
}

fn text<'f>(files: &'f Files, path: &str) -> &'f str {
    std::str::from_utf8(&files[path]).unwrap()
}

#[test]
fn one_run_does_everything_and_a_second_changes_nothing() {
    let shop = Shop::with_everything();
    let run = shop.publish_json();
    for name in STEPS {
        assert_eq!(step(&run, name), "done", "{name}");
    }
    let before = shop.everything();
    assert!(text(&before, "registry.csv").contains("released"));
    assert!(text(&before, "service-manual.md").contains("1.0.0"));
    assert!(before.contains_key("dhf:1.0.0/Design Outputs.archive.json"));
    let receipt = receipt(&before, 1);
    assert_eq!(receipt["outputs"]["registry"]["line"], 2);

    let again = shop.publish_json();
    for name in STEPS {
        assert_eq!(step(&again, name), "unchanged", "{name}");
    }
    assert_eq!(shop.everything(), before);

    let status = succeed(shop.trusting("status", &shop.published()).arg("--json"));
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    for name in STEPS {
        assert_eq!(step(&status, name), "done", "{name}");
    }
    let head = receipt["outputs"]["registry"]["sha256"].as_str().unwrap();
    let mut verify = dhfpack();
    verify.args(["registry", "verify"]).arg(shop.store());
    verify.arg("--trust").arg(shop.path("cert.pem"));
    succeed(verify.args(["--archives", "--expect-head", head]));
}

#[test]
fn a_pending_release_is_registered_as_such_and_released_once_it_is_signed() {
    let shop = Shop::pending_with_everything();
    let run = shop.publish_json();
    assert_eq!(step(&run, "manual"), "waits");
    assert_eq!(step(&run, "registry"), "done");
    let before = shop.everything();
    assert!(text(&before, "registry.csv").contains("pending"));
    assert!(!before.contains_key("service-manual.md"));
    fails(
        &mut shop.trusting("status", &shop.published()),
        4,
        &["manual waits", "registry done"],
    );

    shop.sign(&shop.published());
    fails(
        &mut shop.trusting("status", &shop.published()),
        6,
        &["manual missing", "registry missing"],
    );
    let run = shop.publish_json();
    assert_eq!(step(&run, "manual"), "done");
    assert_eq!(step(&run, "registry"), "done");
    let after = shop.everything();
    let register = text(&after, "registry.csv");
    assert!(register.starts_with(text(&before, "registry.csv")));
    assert_eq!(register.lines().count(), 3);
    for (path, bytes) in &before {
        if path != "registry.csv" {
            assert_eq!(after.get(path), Some(bytes), "{path}");
        }
    }
    assert_eq!(receipt(&after, 2)["outputs"]["registry"]["line"], 3);
    succeed(&mut shop.trusting("status", &shop.published()));
    assert_eq!(shop.publish_json()["receipt"], run["receipt"]);
}

#[test]
fn what_can_be_known_to_fail_fails_before_the_first_write() {
    let shop = Shop::with_everything();
    // Nobody to sign the row.
    let mut command = shop.publish(&shop.archive());
    command
        .env_remove("DHFPACK_KEY")
        .env_remove("DHFPACK_CERTIFICATE");
    fails(&mut command, 2, &["no key to sign the release's row"]);
    assert!(shop.everything().is_empty());
    // A manual without a place for the entry, a register that is none, a DHF of another archive.
    for (path, content, code, told) in [
        (
            "store/service-manual.md",
            "# Manual\n",
            1,
            "was not changed",
        ),
        ("store/registry.csv", "a,b\n", 3, "registry.csv"),
        (
            "dhf/1.0.0/Design Outputs.archive.json",
            "{\"about\":\"\",\"archive\":\"\",\"location\":\"\",\"manifest_sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\",\"files\":0,\"bytes\":0}",
            1,
            "is of another archive",
        ),
    ] {
        let place = shop.path(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, content).unwrap();
        fails(&mut shop.publish(&shop.archive()), code, &[told]);
        assert_eq!(shop.everything().len(), 1, "{path}");
        shop.empty();
    }
}

#[test]
fn a_check_that_fails_leaves_no_folder_in_the_design_history_file() {
    let shop = Shop::with_everything();
    fs::create_dir_all(shop.store()).unwrap();
    let register = shop.store().join("registry.csv");
    fs::write(&register, "not a register\n").unwrap();
    let folder = shop.path("dhf/1.0.0");
    fails(&mut shop.publish(&shop.archive()), 3, &["registry.csv"]);
    assert!(!folder.exists());
    assert!(!shop.published().exists());
    fs::remove_file(&register).unwrap();

    // Nor is anything published while the share that holds it is not mounted.
    fs::rename(shop.path("dhf"), shop.path("away")).unwrap();
    for dry_run in [None, Some("--dry-run")] {
        let mut publish = shop.publish(&shop.archive());
        fails(publish.args(dry_run), 1, &["cannot find the folder"]);
    }
    assert!(!shop.published().exists());
    fs::rename(shop.path("away"), shop.path("dhf")).unwrap();
    shop.publish_json();
    assert!(folder.join("Design Outputs").is_dir());
}

#[test]
fn a_copy_that_conflicts_is_told_before_anything_is_written() {
    let shop = Shop::with_everything();
    let folder = shop.path("dhf/1.0.0/Design Outputs");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "somebody's").unwrap();
    for option in [None, Some("--dry-run")] {
        let mut publish = shop.publish(&shop.archive());
        fails(publish.args(option), 1, &["Design Outputs", "notes.txt"]);
    }
    assert!(shop.content().is_empty());
}
