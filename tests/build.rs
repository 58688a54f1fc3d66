//! What `build` promises: determinism, nothing overwritten, gaps shown, one file if wanted.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::sample;
use crate::support::release::{
    NAME, Product, ROLES, commit_and_tag, dhfpack, listing, released, told, without_image,
};

#[test]
fn what_an_archive_claims_of_its_roles_does_not_count() {
    let product = Product::new();
    let layout = dhfpack::layout::built_in("fda-classic").unwrap();
    let own = layout
        .replace("Quality Systems SME", "Nobody")
        .replace("Product Management SME", "Nobody Else");
    fs::write(product.repository().join("layout.toml"), own).unwrap();
    let config = product.repository().join("dhfpack.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text
        .replace("\"fda-classic\"", "\"./layout.toml\"")
        .replace("require_signed_tag = true", "")
        .replace("version = \"2.4.0\"", "version = \"2.4.1\"");
    fs::write(&config, text).unwrap();
    let commit = commit_and_tag(&product.repository(), "v2.4.1");
    sample::make_image(&product.path("other"), &commit).unwrap();
    let output = TempDir::new().unwrap();
    let mut command = dhfpack();
    command.args(["build", "--repo"]).arg(product.repository());
    command.arg("--output").arg(output.path());
    command
        .arg("--image")
        .arg(format!("install=oci:{}", product.path("other").display()));
    command.arg("--key").arg(product.key("builder"));
    command
        .arg("--certificate")
        .arg(product.certificate("builder"));
    let contradicted = command.output().unwrap();
    // The sample's image says that it is 2.4.0.
    assert_eq!(
        contradicted.status.code(),
        Some(1),
        "{}",
        told(&contradicted)
    );
    assert!(told(&contradicted).contains("org.opencontainers.image.version"));
    assert_eq!(fs::read_dir(output.path()).unwrap().count(), 0);

    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, without_image(&text)).unwrap();
    commit_and_tag(&product.repository(), "v2.4.1");
    let mut command = dhfpack();
    command.args(["build", "--repo"]).arg(product.repository());
    command.arg("--output").arg(output.path());
    command.arg("--key").arg(product.key("builder"));
    command
        .arg("--certificate")
        .arg(product.certificate("builder"));
    let built = command.output().unwrap();
    assert!(built.status.success(), "{}", told(&built));
    let archive = output.path().join("infusion-monitor-2.4.1");
    assert!(product.sign(&archive, "Engineering SME").status.success());
    let verified = product.verify(&archive).output().unwrap();
    assert_eq!(verified.status.code(), Some(4), "{}", told(&verified));
    for role in ["Quality Systems SME", "Product Management SME"] {
        assert!(told(&verified).contains(role), "{role} is not asked for");
    }
}

#[test]
fn two_builds_on_different_machines_give_the_same_manifest() {
    let release = released();
    let elsewhere = TempDir::new().unwrap();
    let checkout = elsewhere.path().join("another name/checkout");
    let output = elsewhere.path().join("out");
    let cloned = Command::new("git")
        .args(["clone", "-q"])
        .arg(release.product.repository())
        .arg(&checkout)
        .output()
        .unwrap();
    assert!(cloned.status.success(), "{}", told(&cloned));
    // Another folder, umask, time zone and home, another builder's key, and one thread.
    release
        .product
        .make_key("another", "Another CI", "Release Builder");
    let built = Command::new("sh")
        .args(["-c", "umask 077; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_dhfpack"))
        .args(["build", "--jobs", "1", "--repo"])
        .arg(&checkout)
        .arg("--output")
        .arg(&output)
        .arg("--image")
        .arg(release.product.image_option())
        .arg("--key")
        .arg(release.product.key("another"))
        .arg("--certificate")
        .arg(release.product.certificate("another"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("TZ", "Pacific/Kiritimati")
        .env("HOME", elsewhere.path())
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", told(&built));
    for path in ["Manifest/manifest.json", "Manifest/SHA256SUMS"] {
        assert_eq!(
            fs::read(output.join(NAME).join(path)).unwrap(),
            fs::read(release.archive.join(path)).unwrap(),
            "{path}"
        );
    }
}

#[test]
fn an_existing_archive_is_never_overwritten() {
    let release = released();
    let output = TempDir::new().unwrap();
    let there = output.path().join(NAME);
    fs::create_dir(&there).unwrap();
    fs::write(there.join("keep"), "me").unwrap();
    let built = release.product.build(output.path()).output().unwrap();
    assert_eq!(built.status.code(), Some(1), "{}", told(&built));
    assert!(told(&built).contains(NAME));
    assert_eq!(listing(&there), [("keep".to_owned(), 2)]);
    assert_eq!(
        fs::read_dir(output.path()).unwrap().count(),
        1,
        "something was left behind"
    );
}

#[test]
fn a_dry_run_prints_the_plan_and_writes_nothing() {
    let release = released();
    let output = TempDir::new().unwrap();
    let planned = release
        .product
        .build(output.path())
        .arg("--dry-run")
        .output()
        .unwrap();
    assert!(planned.status.success(), "{}", told(&planned));
    let text = String::from_utf8(planned.stdout).unwrap();
    assert!(
        text.contains("Design Outputs/User Manual/user-manual.md"),
        "{text}"
    );
    assert_eq!(fs::read_dir(output.path()).unwrap().count(), 0);
}

#[test]
fn empty_slots_are_listed_at_once_and_a_draft_shows_them() {
    let product = Product::new();
    let config = product.repository().join("dhfpack.toml");
    let text = fs::read_to_string(&config).unwrap();
    let kept: Vec<&str> = text
        .split("[[slot]]")
        .filter(|slot| !slot.contains("mdf.servicing") && !slot.contains("mdf.installation"))
        .collect();
    fs::write(&config, kept.join("[[slot]]")).unwrap();
    let output = TempDir::new().unwrap();
    let built = product
        .build(output.path())
        .arg("--config")
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(built.status.code(), Some(2), "{}", told(&built));
    for expected in [
        "mdf.servicing",
        "mdf.installation",
        "4.2.3 e)",
        "id = \"mdf.servicing\"",
    ] {
        assert!(
            told(&built).contains(expected),
            "{expected} not in {}",
            told(&built)
        );
    }
    let draft = product
        .build(output.path())
        .arg("--config")
        .arg(&config)
        .arg("--draft")
        .output()
        .unwrap();
    assert!(draft.status.success(), "{}", told(&draft));
    let archive = output.path().join(NAME);
    assert!(
        archive
            .join("Device Master Record/Servicing Procedures/Missing.txt")
            .is_file()
    );
    for role in ROLES {
        product.sign(&archive, role);
    }
    let verified = product.verify(&archive).output().unwrap();
    assert_eq!(verified.status.code(), Some(3));
    assert!(told(&verified).contains("draft"));
}

#[test]
fn build_makes_a_container_directly() {
    let release = released();
    for container in ["zip", "tar"] {
        let output = TempDir::new().unwrap();
        let built = release
            .product
            .build(output.path())
            .args(["--format", container])
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", told(&built));
        let file = output.path().join(format!("{NAME}.{container}"));
        let verified = release.product.verify(&file).output().unwrap();
        assert_eq!(verified.status.code(), Some(4), "{}", told(&verified));
        assert_eq!(fs::read_dir(output.path()).unwrap().count(), 1);
    }
}
