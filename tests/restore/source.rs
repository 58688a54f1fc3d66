//! The source code is restored, and what does not restore is found.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::whole::{self, Whole};
use super::{CODE, codes, copy, file_of, parts, restored, seal_anew};
use crate::support::git::{is_missing, succeed};
use crate::support::release::{dhfpack, released, told};

#[test]
fn an_archive_restores_from_a_folder_a_zip_and_a_tar() {
    let (place, archive) = copy();
    let mut forms = vec![archive.clone()];
    for form in ["zip", "tar"] {
        let file = place.path().join(format!("packed.{form}"));
        let mut pack = dhfpack();
        pack.arg("pack")
            .arg(&archive)
            .args(["--as", form, "--output"]);
        succeed(pack.arg(&file));
        forms.push(file);
    }
    for form in forms {
        let verdict = restored(&form, 4);
        assert_eq!(
            parts(&verdict),
            ["repository", "source tree", "image install (linux/amd64)"]
        );
        assert_eq!(codes(&verdict), [""; 0]);
        let notes = verdict["notes"].to_string();
        assert!(notes.contains("no engine answers"), "{notes}");
    }
}

#[test]
fn a_trusted_archive_that_restores_passes() {
    let release = released();
    let output = release
        .product
        .verify(&release.archive)
        .arg("--restore")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    assert!(told(&output).contains("restored  repository: "));
}

#[test]
fn nothing_is_restored_from_an_archive_that_was_changed() {
    let (_place, archive) = copy();
    fs::write(archive.join(CODE).join("repository.bundle"), "x").unwrap();
    let verdict = restored(&archive, 3);
    assert_eq!(parts(&verdict), [""; 0]);
    assert!(
        verdict["notes"]
            .to_string()
            .contains("nothing was restored")
    );
}

#[test]
fn a_bundle_that_cannot_be_cloned_is_found() {
    let (_place, archive) = copy();
    let bundle = archive.join(CODE).join("repository.bundle");
    let bytes = fs::read(&bundle).unwrap();
    fs::write(&bundle, &bytes[..bytes.len() / 2]).unwrap();
    seal_anew(&archive, |_| {});
    let verdict = restored(&archive, 3);
    assert_eq!(codes(&verdict), ["source-not-restorable"]);
    assert!(parts(&verdict).contains(&"image install (linux/amd64)"));
}

#[test]
fn other_source_code_than_recorded_is_found() {
    let other = "0".repeat(40);
    for field in ["tag_object", "commit", "tree"] {
        let (_place, archive) = copy();
        seal_anew(&archive, |manifest| {
            manifest["source"][field] = json!(other);
        });
        assert_eq!(codes(&restored(&archive, 3)), ["source-differs"], "{field}");
    }
}

/// Packs the sample's source tree anew, after a change to it.
fn repack(archive: &Path, change: &str) {
    let packed = archive.join(CODE).join("source-tree.tar.gz");
    let place = tempfile::tempdir().unwrap();
    let script = format!(
        "tar -xzf \"$1\" && cd infusion-monitor-2.4.0 && {change} && cd .. && \
         tar --format=gnu --no-recursion -czf \"$1\" $(find infusion-monitor-2.4.0 -type f -o -type l)"
    );
    succeed(
        Command::new("sh")
            .args(["-e", "-c", &script, "sh"])
            .arg(&packed)
            .current_dir(place.path()),
    );
    seal_anew(archive, |_| {});
}

#[test]
fn a_source_tree_with_other_files_is_found() {
    for change in [
        "echo more >> README.md",
        "chmod +x README.md",
        "rm README.md",
        "ln -sf elsewhere README.md",
        "echo x > added",
        // As many bytes as the tag has, many times over.
        "head -c 300000000 /dev/zero > README.md",
    ] {
        let (_place, archive) = copy();
        repack(&archive, change);
        let verdict = restored(&archive, 3);
        let found = codes(&verdict);
        let expected = ["source-differs", "source-not-restorable"];
        assert!(!found.is_empty(), "{change}");
        assert!(
            found.iter().all(|code| expected.contains(code)),
            "{found:?}"
        );
        assert!(!parts(&verdict).contains(&"source tree"));
    }
}

#[test]
fn a_source_tree_with_another_digest_is_found() {
    let (_place, archive) = copy();
    seal_anew(&archive, |manifest| {
        let tree = file_of(manifest, &format!("{CODE}/source-tree.tar.gz"));
        tree["identity"]["uncompressed_sha256"] = json!("0".repeat(64));
    });
    assert_eq!(codes(&restored(&archive, 3)), ["source-differs"]);
}

#[test]
fn submodules_and_lfs_objects_are_restored() {
    if is_missing("git-lfs") {
        return;
    }
    let whole = Whole::new(20);
    let (_place, archive) = whole.archive();
    let verdict = restored(&archive, 4);
    assert_eq!(codes(&verdict), [""; 0]);
    assert_eq!(
        parts(&verdict),
        [
            "repository",
            "submodule libs/pump",
            "submodule libs/pump/vendor/units",
            "source tree",
            "Git LFS",
            "image install (linux/amd64)"
        ]
    );
}

#[test]
fn a_missing_submodule_or_lfs_object_is_found() {
    if is_missing("git-lfs") {
        return;
    }
    let whole = Whole::new(1);
    let remove_object = |archive: &Path| {
        let folder = archive.join(CODE).join("lfs");
        let object = whole::files_below(&folder).remove(0);
        // No folder is left empty.
        let first_digits = object.parent().unwrap().parent().unwrap();
        let bytes = fs::metadata(&object).unwrap().len();
        fs::remove_dir_all(first_digits).unwrap();
        bytes
    };
    let (_place, archive) = whole.archive();
    let bytes = remove_object(&archive);
    seal_anew(&archive, |manifest| {
        let lfs = &mut manifest["source"]["lfs"];
        lfs["objects"] = json!(lfs["objects"].as_u64().unwrap() - 1);
        lfs["bytes"] = json!(lfs["bytes"].as_u64().unwrap() - bytes);
    });
    assert_eq!(codes(&restored(&archive, 3)), ["lfs-object-missing"]);

    let (_place, archive) = whole.archive();
    seal_anew(&archive, |manifest| {
        let submodules = &mut manifest["source"]["submodules"];
        submodules.as_array_mut().unwrap().pop();
    });
    assert_eq!(codes(&restored(&archive, 3)), ["source-not-restorable"]);
}

#[test]
fn nothing_of_the_bundle_is_executed_and_bytes_come_out_as_committed() {
    let whole = Whole::new(1);
    let repository = &whole.repository;
    let canary = repository.beside("canary");
    let filter = format!("touch '{}'", canary.display());
    repository.write(
        ".gitattributes",
        b"*.txt text eol=crlf ident\n*.bin filter=evil\n*.u16 working-tree-encoding=UTF-16\n",
    );
    repository.git(["config", "filter.evil.smudge", &filter]);
    repository.write("a.txt", b"$Id$\nline\n");
    repository.write("a.bin", b"bytes");
    repository.write("a.u16", b"\xff\xfet\0\n\0");
    whole.release();
    let _ = fs::remove_file(&canary);
    let (_place, archive) = whole.archive();
    let verdict = restored(&archive, 4);
    assert_eq!(codes(&verdict), [""; 0]);
    assert!(!canary.exists());
}
