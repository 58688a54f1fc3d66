//! The auditor's own tools agree with verification, on good archives and on tampered ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::damage::tamper::{
    add_foreign, append, certificate, flip_last, flip_text, forge, remove_first, rename,
    reseal_lists, sign_instead, signature, statement,
};
use crate::support::release::{Product, ROLES, copy_of, listing, released, told};

mod signers;

use signers::{
    about_another_in_observations, one_key_in_two_roles, role_twice, under_another_name,
    with_another_time,
};

const MANUAL: &str = "Design Outputs/User Manual/user-manual.md";
/// Signed last, so that no statement names it.
const LAST: &str = "quality-systems-sme";

#[test]
fn stock_tools_agree_with_every_block_of_verify_md() {
    let release = released();
    let good = by_verify_md(&release.archive, &release.product.trust_file());
    assert!(good.status.success(), "{}", told(&good));
    for role in ROLES {
        assert!(told(&good).contains(role), "{role} is not printed");
    }
    let verdict = "verified: the archive is unchanged, and released\n";
    assert!(String::from_utf8_lossy(&good.stdout).ends_with(verdict));
}

#[test]
fn a_pending_archive_is_not_verified_by_stock_tools() {
    let product = Product::new();
    let place = tempfile::tempdir().unwrap();
    assert!(product.build(place.path()).status().unwrap().success());
    let archive = place.path().join(crate::support::release::NAME);
    let output = by_verify_md(&archive, &product.trust_file());
    assert!(!output.status.success());
    let text = told(&output);
    assert!(
        text.contains("nobody has released it as Engineering SME"),
        "{text}"
    );
}

/// A kind of tampering, and what the check says that no other check would notice it with.
type Row = (&'static str, fn(&Path), &'static str);

// A matrix: one row a line.
#[rustfmt::skip]
fn rows() -> Vec<Row> {
    vec![
        ("a changed file", |a| fs::write(a.join(MANUAL), "x").unwrap(), "files differ from SHA256SUMS"),
        ("a missing file", |a| fs::remove_file(a.join(MANUAL)).unwrap(), "files differ from SHA256SUMS"),
        ("a line that is no checksum", |a| append(&a.join("Manifest/SHA256SUMS"), b"x\n"), "files differ from SHA256SUMS"),
        ("a file taken out with its line", unlist, "SHA256SUMS is not what the manifest lists"),
        ("a draft", draft, "the archive is a draft"),
        ("an added file", |a| fs::write(a.join("extra"), "x").unwrap(), "there are files that nobody listed"),
        ("an added file beside the manifest", |a| fs::write(a.join("Manifest/extra"), "x").unwrap(), "there are files that nobody listed"),
        ("an added file whose name breaks the line", |a| fs::write(a.join("a\nb"), "x").unwrap(), "there are files that nobody listed"),
        ("a stranger's file among the signatures", |a| fs::write(a.join("Manifest/signatures/notes.txt"), "x").unwrap(), "there are files that nobody listed"),
        ("a folder among the signatures", |a| add_below(a, "Manifest/signatures/more/a.json"), "there are files that nobody listed"),
        ("a name among the signatures that breaks the line", |a| fs::write(a.join("Manifest/signatures/x\na.crt"), "x").unwrap(), "there are files that nobody listed"),
        ("an empty folder", |a| fs::create_dir(a.join("Design Outputs/Empty")).unwrap(), "there are empty folders"),
        ("a symbolic link", |a| std::os::unix::fs::symlink("/etc/passwd", a.join("link")).unwrap(), "there are links, devices or the like"),
        ("no signatures at all", |a| fs::remove_dir_all(a.join("Manifest/signatures")).unwrap(), "nobody has signed"),
        ("both lists agree with a changed file", forge, "is about another archive"),
        ("a statement about another archive", add_foreign, "is about another archive"),
        ("a statement about another archive that mentions this one", about_another_in_observations, "is about another archive"),
        ("a statement with two roles", role_twice, "has not one role"),
        ("a statement without its signature", |a| fs::remove_file(signature(a, 1)).unwrap(), "is not signed"),
        ("a statement that states another time than its signature", with_another_time, "states another time than its signature"),
        ("a changed statement", |a| flip_text(&statement(a, 1), "\"dhfpack\"", "\"other\""), "Verification failure"),
        ("a changed signature", |a| flip_last(&signature(a, 1)), "Verification failure"),
        ("an unknown signer", |a| sign_instead(a, "stranger"), "Verification failure"),
        ("a signer outside the certificate's validity", |a| sign_instead(a, "expired"), "certificate has expired"),
        ("a statement in another name than the certificate's", under_another_name, "names another signer than its certificate"),
        ("a machine in the role of a person", |a| sign_instead(a, "machine"), "in a role that its certificate does not name"),
        ("an earlier statement removed with its signature", remove_first, "was removed or changed"),
        ("the last statement removed without its signature", |a| remove(a, LAST, ".json"), "was removed"),
        ("the last statement removed with its signature", |a| remove(a, LAST, ""), "nobody has released it as Quality Systems SME"),
        ("one key in two roles", one_key_in_two_roles, "one key has released in two roles"),
        ("a renamed file", |a| rename(a, MANUAL, "Design Outputs/User Manual/renamed.md"), "files differ from SHA256SUMS"),
    ]
}

#[test]
fn every_stock_check_catches_what_it_is_there_for() {
    let release = released();
    for (name, tamper, caught) in rows() {
        let (_place, archive) = copy_of(&release.archive);
        tamper(&archive);
        let output = by_verify_md(&archive, &trust_in_all_but_the_stranger(&archive));
        let text = told(&output);
        assert!(!output.status.success(), "{name} was not caught: {text}");
        assert!(text.contains(caught), "{name}: {caught} expected in {text}");
    }
}

#[test]
fn stock_tools_trust_nobody_but_those_in_the_trust_file() {
    let release = released();
    let (place, archive) = copy_of(&release.archive);
    sign_instead(&archive, "stranger");
    // As if the computer's own store held the stranger, like any web site's authority.
    let stranger = certificate(&archive, "stranger");
    let hash = Command::new("openssl")
        .args(["x509", "-noout", "-hash", "-in"])
        .arg(&stranger)
        .output()
        .unwrap();
    let store = place.path().join("store");
    fs::create_dir(&store).unwrap();
    let name = format!("{}.0", String::from_utf8(hash.stdout).unwrap().trim());
    fs::copy(&stranger, store.join(name)).unwrap();
    let output = shell(&archive, &commands(&archive))
        .env("TRUST", release.product.trust_file())
        .env("SSL_CERT_DIR", &store)
        .env("SSL_CERT_FILE", &stranger)
        .output()
        .unwrap();
    assert!(!output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("Verification failure"));
}

#[test]
fn stock_verification_asks_for_trust_from_outside_the_archive() {
    let release = released();
    let unset = shell(&release.archive, &commands(&release.archive))
        .output()
        .unwrap();
    assert!(!unset.status.success());
    assert!(told(&unset).contains("set TRUST"), "{}", told(&unset));
    let (_place, archive) = copy_of(&release.archive);
    let inside = archive.join("Manifest/signatures/trust.crt");
    fs::copy(release.product.trust_file(), &inside).unwrap();
    for trust in [inside.as_path(), Path::new("Manifest/signatures/trust.crt")] {
        let output = by_verify_md(&archive, trust);
        assert!(!output.status.success());
        let text = told(&output);
        assert!(
            text.contains("TRUST must not come from the archive"),
            "{text}"
        );
    }
}

fn add_below(archive: &Path, path: &str) {
    let file = archive.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, "x").unwrap();
}

/// Removes the files of a statement whose names begin and end so.
fn remove(archive: &Path, start: &str, end: &str) {
    let folder = archive.join("Manifest/signatures");
    for (name, _) in listing(&folder) {
        if name.starts_with(start) && name.ends_with(end) {
            fs::remove_file(folder.join(name)).unwrap();
        }
    }
}

fn unlist(archive: &Path) {
    fs::remove_file(archive.join(MANUAL)).unwrap();
    let sums = archive.join("Manifest/SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    let kept = text.lines().filter(|line| !line.ends_with(MANUAL));
    let kept: Vec<&str> = kept.chain([""]).collect();
    fs::write(&sums, kept.join("\n")).unwrap();
}

fn draft(archive: &Path) {
    reseal_lists(archive, |archive| {
        let manifest = archive.join("Manifest/manifest.json");
        flip_text(&manifest, "\"draft\": false", "\"draft\": true");
    });
}

fn trust_in_all_but_the_stranger(archive: &Path) -> PathBuf {
    let folder = archive.parent().unwrap();
    let mut text = fs::read_to_string(released().product.trust_file()).unwrap();
    for (name, _) in listing(folder) {
        if name.ends_with(".cert.pem") && name != "stranger.cert.pem" {
            text += &fs::read_to_string(folder.join(name)).unwrap();
        }
    }
    let trust = folder.join("trust.pem");
    fs::write(&trust, text).unwrap();
    trust
}

/// The commands of VERIFY.md, literally.
fn commands(archive: &Path) -> String {
    let text = fs::read_to_string(archive.join("Manifest/VERIFY.md")).unwrap();
    let blocks: Vec<&str> = text
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(blocks.len(), 4);
    blocks.concat()
}

fn shell(archive: &Path, commands: &str) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", commands])
        .current_dir(archive)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap());
    shell
}

/// Runs the blocks one after the other in one shell.
pub(crate) fn by_verify_md(archive: &Path, trust: &Path) -> Output {
    shell(archive, &commands(archive))
        .env("TRUST", trust)
        .output()
        .unwrap()
}
