//! Every kind of tampering is caught, by code and by exit code, whatever holds the archive.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::release::{copy_of, released, told};

mod images;
mod rules;
pub(crate) mod tamper;

use tamper::{
    add_foreign, append, change_manifest, flip, flip_last, flip_text, forge, in_manifest,
    largest_blob, list_twice, pack_with, pipe, remove_first, rename, sign_instead, signature,
    statement, swap_signatures, swap_statements, symlink_file, symlink_folder, truncate,
};

/// A kind of damage to the archive in a folder, the codes it must give, and the exit code.
/// Damage that only a container can have gives the container to verify instead.
pub(crate) struct Damage {
    pub(crate) name: &'static str,
    pub(crate) apply: Apply,
    pub(crate) codes: &'static [&'static str],
    pub(crate) exit: i32,
}

pub(crate) enum Apply {
    ToFolder(fn(&Path)),
    ByPacking(fn(&Path) -> PathBuf),
}

const MANUAL: &str = "Design Outputs/User Manual/user-manual.md";

// A matrix: one row a line.
#[rustfmt::skip]
pub(crate) fn damages() -> Vec<Damage> {
    let damage = |name, apply, codes, exit| Damage { name, apply: Apply::ToFolder(apply), codes, exit };
    let packed = |name, apply, codes, exit| Damage { name, apply: Apply::ByPacking(apply), codes, exit };
    vec![
        damage("a changed file", |a| flip(&a.join(MANUAL)), &["file-changed"], 3),
        damage("a missing file", |a| fs::remove_file(a.join(MANUAL)).unwrap(), &["file-missing"], 3),
        damage("an added file", |a| fs::write(a.join("Design Outputs/extra.txt"), "x").unwrap(), &["file-unlisted"], 3),
        damage("an added file beside the manifest", |a| fs::write(a.join("Manifest/extra"), "x").unwrap(), &["file-unlisted"], 3),
        damage("a renamed file", |a| rename(a, MANUAL, "Design Outputs/User Manual/renamed.md"), &["file-renamed"], 3),
        damage("a truncated file", |a| truncate(&a.join(MANUAL)), &["file-size"], 3),
        damage("a lengthened file", |a| append(&a.join(MANUAL), b"x"), &["file-size"], 3),
        damage("an empty folder", |a| fs::create_dir(a.join("Design Outputs/Empty")).unwrap(), &["folder-empty"], 3),
        damage("a changed image layer", |a| flip(&largest_blob(a)), &["file-changed"], 3),
        damage("a changed manifest", change_manifest, &["statement-foreign", "sums-changed"], 3),
        damage("a manifest that agrees with a changed file", forge, &["statement-foreign"], 3),
        damage("a manifest that is no JSON", |a| truncate(&a.join("Manifest/manifest.json")), &["manifest-unreadable"], 3),
        damage("no manifest", |a| fs::remove_file(a.join("Manifest/manifest.json")).unwrap(), &["manifest-missing"], 3),
        damage("a changed SHA256SUMS", |a| flip(&a.join("Manifest/SHA256SUMS")), &["sums-changed"], 3),
        damage("no SHA256SUMS", |a| fs::remove_file(a.join("Manifest/SHA256SUMS")).unwrap(), &["sums-missing"], 3),
        damage("a path listed twice", list_twice, &["manifest-inconsistent"], 3),
        damage("a listed path that escapes", |a| in_manifest(a, MANUAL, "../user-manual.md"), &["manifest-unreadable"], 3),
        damage("a changed statement", |a| flip_text(&statement(a, 1), "SME", "SMX"), &["signature-invalid"], 3),
        damage("a changed signature", |a| flip_last(&signature(a, 1)), &["signature-invalid"], 3),
        damage("a removed statement", |a| fs::remove_file(statement(a, 1)).unwrap(), &["signature-incomplete"], 3),
        damage("a removed signature", |a| fs::remove_file(signature(a, 1)).unwrap(), &["signature-incomplete"], 3),
        damage("an earlier statement removed with its signature", remove_first, &["statement-removed"], 3),
        damage("swapped statements", swap_statements, &["signature-invalid"], 3),
        damage("swapped signatures", swap_signatures, &["signature-invalid"], 3),
        damage("a signed statement about another manifest", add_foreign, &["statement-foreign"], 3),
        damage("an unknown signer in a required role", |a| sign_instead(a, "stranger"), &["signer-unknown", "role-missing"], 4),
        damage("a signer outside the certificate's validity", |a| sign_instead(a, "expired"), &["signer-outside-validity", "role-missing"], 4),
        damage("a machine in the role of a person", |a| sign_instead(a, "machine"), &["signer-not-entitled", "role-missing"], 4),
        damage("no signatures at all", |a| fs::remove_dir_all(a.join("Manifest/signatures")).unwrap(), &["unsigned", "role-missing"], 4),
        damage("a stranger's file among the signatures", |a| fs::write(a.join("Manifest/signatures/notes.txt"), "x").unwrap(), &["signature-stray"], 3),
        damage("far too much among the signatures", |a| fs::write(a.join("Manifest/signatures/a.crl"), vec![0; 5_000_000]).unwrap(), &["signature-stray"], 3),
        packed("a path twice in a tar", |a| pack_with(a, "tar", "duplicate"), &["path-duplicate"], 3),
        packed("a path twice in a zip", |a| pack_with(a, "zip", "duplicate"), &["path-duplicate"], 3),
        packed("a path that escapes from a tar", |a| pack_with(a, "tar", "escape"), &["path-escape"], 3),
        packed("a path that escapes from a zip", |a| pack_with(a, "zip", "escape"), &["path-escape"], 3),
        packed("a symbolic link in a tar", |a| pack_with(a, "tar", "link"), &["not-a-regular-file"], 3),
        packed("a symbolic link in a zip", |a| pack_with(a, "zip", "link"), &["not-a-regular-file"], 3),
        packed("a tar cut off", |a| pack_with(a, "tar", "cut"), &["container-inconsistent"], 3),
        packed("a zip cut off", |a| pack_with(a, "zip", "cut"), &["container-inconsistent"], 3),
        packed("bytes behind a tar", |a| pack_with(a, "tar", "trailing"), &["container-inconsistent"], 3),
        packed("bytes behind a zip", |a| pack_with(a, "zip", "trailing"), &["container-inconsistent"], 3),
        #[cfg(unix)]
        damage("a symbolic link for a file", symlink_file, &["not-a-regular-file"], 3),
        #[cfg(unix)]
        damage("a symbolic link for a folder", symlink_folder, &["not-a-regular-file"], 3),
        #[cfg(unix)]
        damage("a pipe", pipe, &["not-a-regular-file"], 3),
        #[cfg(unix)]
        damage("a name that is not portable", |a| fs::write(a.join("Design Outputs/a\nb"), "x").unwrap(), &["path-not-portable"], 3),
        #[cfg(target_os = "linux")]
        damage("names that differ only in case", |a| fs::write(a.join("Design Outputs/User Manual/USER-MANUAL.md"), "x").unwrap(), &["path-duplicate"], 3),
    ]
}

#[test]
fn verify_finds_every_kind_of_damage() {
    let release = released();
    for damage in damages() {
        let (_place, folder) = copy_of(&release.archive);
        let archive = match damage.apply {
            Apply::ToFolder(apply) => {
                apply(&folder);
                folder
            }
            Apply::ByPacking(apply) => apply(&folder),
        };
        let output = verify(&archive).arg("--json").output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(damage.exit),
            "{}: {}",
            damage.name,
            told(&output)
        );
        let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(verdict["passed"], Value::Bool(false), "{}", damage.name);
        let found: Vec<&str> = verdict["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["code"].as_str().unwrap())
            .collect();
        for code in damage.codes {
            assert!(
                found.contains(code),
                "{}: {code} expected, {found:?} found",
                damage.name
            );
        }
    }
}

#[test]
fn verify_finds_damage_inside_a_zip_and_a_tar() {
    let release = released();
    for damage in damages() {
        // A container cannot be packed from what is no file, and has no empty folders.
        if [
            "not-a-regular-file",
            "path-not-portable",
            "path-duplicate",
            "folder-empty",
        ]
        .contains(&damage.codes[0])
        {
            continue;
        }
        let Apply::ToFolder(apply) = damage.apply else {
            continue;
        };
        let (place, archive) = copy_of(&release.archive);
        apply(&archive);
        for container in ["zip", "tar"] {
            let file = place.path().join(format!("damaged.{container}"));
            stock_pack(&archive, container, &file);
            let output = verify(&file).output().unwrap();
            assert_eq!(
                output.status.code(),
                Some(damage.exit),
                "{} in a {container}: {}",
                damage.name,
                told(&output)
            );
            let text = told(&output);
            for code in damage.codes {
                assert!(
                    text.contains(code),
                    "{} in a {container}: {code} expected in {text}",
                    damage.name
                );
            }
        }
    }
}

/// Packs with Python's standard library: not with the code under test.
fn stock_pack(archive: &Path, container: &str, file: &Path) {
    let root = archive.parent().unwrap();
    let name = archive.file_name().unwrap();
    let status = std::process::Command::new("python3")
        .args(["-c", "import shutil,sys; shutil.make_archive(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4])"])
        .arg(file.with_extension(""))
        .arg(container)
        .arg(root)
        .arg(name)
        .status()
        .unwrap();
    assert!(status.success());
}

/// `verify` that also trusts the signers put in by the tampering, but for the stranger.
fn verify(archive: &Path) -> std::process::Command {
    let mut command = released().product.verify(archive);
    for who in ["expired", "machine"] {
        let certificate = tamper::certificate(archive, who);
        if certificate.exists() {
            command.arg("--trust").arg(certificate);
        }
    }
    command
}
