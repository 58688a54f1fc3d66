//! What `sign` and `verify` refuse, with the exit code that says why. Nothing is changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;

use crate::support::release::{
    NAME, Product, copy_of, dhfpack, listing, released, run, succeed, told,
};

const ENGINEER: &str = "Engineering SME";

fn sign(archive: &Path, role: &str, key: &Path, certificate: &Path) -> Output {
    let mut command = dhfpack();
    command.arg("sign").arg(archive).args(["--role", role]);
    command.arg("--key").arg(key);
    command.arg("--certificate").arg(certificate);
    command.output().unwrap()
}

/// Signs as an engineer with other files; expects a usage error that says this.
fn refuses_to_sign(role: &str, key: &Path, certificate: &Path, says: &str) {
    let release = released();
    let (_place, archive) = copy_of(&release.archive);
    let before = listing(&archive.join("Manifest/signatures"));
    let refused = sign(&archive, role, key, certificate);
    let text = told(&refused);
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(text.contains(says), "{says} expected in {text}");
    assert_eq!(listing(&archive.join("Manifest/signatures")), before);
}

#[test]
fn a_key_signs_in_no_other_role_than_its_own() {
    let product = &released().product;
    let (key, certificate) = (product.key(ENGINEER), product.certificate(ENGINEER));
    refuses_to_sign(
        "Quality Systems SME",
        &key,
        &certificate,
        "Quality Systems SME",
    );
}

#[test]
fn a_machine_does_not_release() {
    let product = &released().product;
    let (key, certificate) = (product.key("builder"), product.certificate("builder"));
    refuses_to_sign("Release Builder", &key, &certificate, "Release Builder");
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    let product = &released().product;
    let certificate = product.certificate("Quality Systems SME");
    refuses_to_sign(
        ENGINEER,
        &product.key(ENGINEER),
        &certificate,
        "certificate",
    );
}

#[test]
fn a_key_opens_with_its_passphrase_only() {
    let release = released();
    let place = TempDir::new().unwrap();
    let file = |name: &str| place.path().join(name);
    fs::write(file("right"), "correct horse\n").unwrap();
    let new = dhfpack()
        .args(["key", "new", "--name", "Jo Doe", "--role", ENGINEER])
        .arg("--out")
        .arg(place.path())
        .arg("--passphrase-file")
        .arg(file("right"))
        .output()
        .unwrap();
    assert!(new.status.success(), "{}", told(&new));
    let (_copy, archive) = copy_of(&release.archive);
    for (passphrase, code) in [(None, 2), (Some("wrong"), 2), (Some("correct horse"), 0)] {
        let mut command = dhfpack();
        command.arg("sign").arg(&archive).args(["--role", ENGINEER]);
        command.arg("--key").arg(file("key.pem"));
        command.arg("--certificate").arg(file("certificate.pem"));
        if let Some(passphrase) = passphrase {
            command.env("DHFPACK_PASSPHRASE", passphrase);
        }
        let output = command.output().unwrap();
        let text = told(&output);
        assert_eq!(output.status.code(), Some(code), "{passphrase:?}: {text}");
        assert!(code == 0 || text.contains("passphrase"), "{text}");
        assert!(!text.contains("correct horse") && !text.contains("wrong"));
    }
}

#[test]
fn a_zip_is_not_signed_but_its_folder() {
    let release = released();
    let place = TempDir::new().unwrap();
    let zip = place.path().join("archive.zip");
    let arguments: [&std::ffi::OsStr; 6] = [
        "pack".as_ref(),
        release.archive.as_ref(),
        "--as".as_ref(),
        "zip".as_ref(),
        "--output".as_ref(),
        zip.as_ref(),
    ];
    succeed(arguments);
    let before = fs::read(&zip).unwrap();
    let refused = release.product.sign(&zip, ENGINEER);
    assert_eq!(refused.status.code(), Some(2), "{}", told(&refused));
    assert!(told(&refused).contains("unpack it"), "{}", told(&refused));
    assert_eq!(fs::read(&zip).unwrap(), before);
}

#[test]
fn a_changed_archive_is_not_signed() {
    let release = released();
    let (_place, archive) = copy_of(&release.archive);
    fs::write(archive.join("index.html"), "other").unwrap();
    let before = listing(&archive.join("Manifest/signatures"));
    let refused = release.product.sign(&archive, ENGINEER);
    assert_eq!(refused.status.code(), Some(3), "{}", told(&refused));
    assert!(told(&refused).contains("index.html"));
    assert_eq!(listing(&archive.join("Manifest/signatures")), before);
}

#[test]
fn a_draft_never_passes_whoever_signed_it() {
    let product = Product::new();
    let place = TempDir::new().unwrap();
    let config = product.repository().join("dhfpack.toml");
    let text = fs::read_to_string(&config).unwrap();
    let own = place.path().join("own.toml");
    let slot = "[[slot]]\nid = \"design-outputs.user-manual\"\nfiles = [\"docs/manuals/user-manual.md\"]\n";
    assert!(text.contains(slot));
    fs::write(&own, text.replace(slot, "")).unwrap();
    let mut command = product.build(place.path());
    let built = command
        .arg("--config")
        .arg(&own)
        .arg("--draft")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", told(&built));
    let archive = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    for role in crate::support::release::ROLES {
        let _ = product.sign(&archive, role);
    }
    let verified = product.verify(&archive).output().unwrap();
    let text = told(&verified);
    assert_eq!(verified.status.code(), Some(3), "{text}");
    assert!(
        text.contains("status    draft") && text.contains("finding   draft"),
        "{text}"
    );
}

#[test]
fn what_is_no_archive_does_not_pass_and_what_is_not_there_cannot_be_checked() {
    let place = TempDir::new().unwrap();
    let file = |name: &str| -> PathBuf { place.path().join(name) };
    fs::create_dir(file("folder")).unwrap();
    fs::write(file("folder/notes.txt"), "x").unwrap();
    fs::write(file("text.txt"), "no archive").unwrap();
    for (name, code, says) in [
        ("folder", 3, "manifest-missing"),
        ("text.txt", 1, "text.txt"),
        (NAME, 1, NAME),
    ] {
        let output = run(["verify".as_ref(), file(name).as_os_str()]);
        assert_eq!(output.status.code(), Some(code), "{}", told(&output));
        assert!(told(&output).contains(says), "{}", told(&output));
    }
}

#[test]
fn trust_in_what_is_no_certificate_is_a_mistake_of_the_caller() {
    let release = released();
    let place = TempDir::new().unwrap();
    let empty = place.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let gone = place.path().join("gone.pem");
    let key = release.product.key(ENGINEER);
    for trust in [&empty, &gone, &key] {
        let mut command = release.product.verify(&release.archive);
        let output = command.arg("--trust").arg(trust).output().unwrap();
        let text = told(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            text.contains(&*trust.file_name().unwrap().to_string_lossy()),
            "{text}"
        );
        assert!(output.stdout.is_empty());
    }
}
