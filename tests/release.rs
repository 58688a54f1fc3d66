//! The main job on the built program: build, sign, verify, show.

use std::fs;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use dhfpack::monitor::Recording;
use dhfpack::verify::{Policy, VerifyError, verify};

use crate::support::release::{
    NAME, Product, ROLES, copy_of, listing, released, run, succeed, told,
};

#[test]
fn a_signed_release_passes_verification() {
    let release = released();
    let output = release
        .product
        .verify(&release.archive)
        .arg("--json")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(verdict["passed"], true);
    assert_eq!(verdict["status"], "released");
    assert_eq!(verdict["signers"].as_array().unwrap().len(), 4);
}

#[test]
fn an_archive_that_only_the_builder_signed_is_pending() {
    let product = Product::new();
    let output = TempDir::new().unwrap();
    assert!(product.build(output.path()).status().unwrap().success());
    let archive = output.path().join(NAME);
    let verified = product.verify(&archive).output().unwrap();
    assert_eq!(verified.status.code(), Some(4), "{}", told(&verified));
    for role in ROLES {
        assert!(told(&verified).contains(role), "{role} is not named");
    }
    let partly = product
        .verify(&archive)
        .args(["--require-role", "Engineering SME"])
        .output()
        .unwrap();
    assert_eq!(partly.status.code(), Some(4));
    assert!(product.sign(&archive, "Engineering SME").status.success());
    let partly = product
        .verify(&archive)
        .args(["--require-role", "Engineering SME"])
        .output()
        .unwrap();
    assert_eq!(partly.status.code(), Some(0), "{}", told(&partly));
    // What the caller asks for is there; what the layout asks for is not yet.
    assert!(told(&partly).contains("status    pending"));
}

#[test]
fn without_trusted_certificates_the_signers_are_unknown() {
    let release = released();
    let output = run(["verify".as_ref(), release.archive.as_os_str()]);
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    assert!(told(&output).contains("signer-unknown"));
}

#[test]
fn signing_again_changes_nothing() {
    let release = released();
    let (_place, archive) = copy_of(&release.archive);
    let before = listing(&archive.join("Manifest/signatures"));
    let again = release.product.sign(&archive, "Engineering SME");
    assert_eq!(again.status.code(), Some(0), "{}", told(&again));
    assert_eq!(listing(&archive.join("Manifest/signatures")), before);
}

#[test]
fn the_archive_restores_with_git_and_keeps_its_own_configuration() {
    let release = released();
    let place = TempDir::new().unwrap();
    let clone = place.path().join("source");
    let bundle = release
        .archive
        .join("Design Outputs/Source Code/repository.bundle");
    let cloned = Command::new("git")
        .args(["clone", "-q", "-b", "v2.4.0"])
        .arg(bundle)
        .arg(&clone)
        .output()
        .unwrap();
    assert!(cloned.status.success(), "{}", told(&cloned));
    let head = Command::new("git")
        .arg("-C")
        .arg(&clone)
        .args(["rev-parse", "HEAD"])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8(head.stdout).unwrap().trim(),
        release.product.commit
    );
    assert_eq!(
        fs::read(
            release
                .archive
                .join("Release Record/Configuration/dhfpack.toml")
        )
        .unwrap(),
        fs::read(clone.join("dhfpack.toml")).unwrap()
    );
}

#[test]
fn show_prints_identity_slots_signers_and_totals() {
    let release = released();
    let text = succeed(["show".as_ref(), release.archive.as_os_str()]);
    for expected in [
        "Infusion Monitor",
        "2.4.0",
        release.product.commit.as_str(),
        "mdf.installation",
        "Signer of Engineering SME",
        "files",
    ] {
        assert!(text.contains(expected), "{expected} not in {text}");
    }
    let json: Value = serde_json::from_str(&succeed([
        "show".as_ref(),
        "--json".as_ref(),
        release.archive.as_os_str(),
    ]))
    .unwrap();
    assert_eq!(json["manifest"]["release"]["version"], "2.4.0");
}

#[test]
fn a_stop_ends_verification_while_a_large_file_is_read_ahead() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("Manifest")).unwrap();
    std::fs::write(folder.path().join("Manifest/manifest.json"), "{}").unwrap();
    let large = std::fs::File::create(folder.path().join("large")).unwrap();
    large.set_len(64 * 1024 * 1024).unwrap();
    let tree = dhfpack::archive::open(folder.path()).unwrap();
    let policy = Policy::integrity(jiff::Timestamp::now());
    let monitor = Recording::default();
    let verdict = verify(&*tree, &policy, 2, &monitor).unwrap();
    assert!(!verdict.passed());
    monitor.cancel();
    let stopped = verify(&*tree, &policy, 2, &monitor);
    assert!(matches!(stopped, Err(VerifyError::Cancelled(_))));
}
