//! The copy of the design outputs in the design history file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::release::{NAME, copy_of, dhfpack, released, told};
use crate::support::small::tells;

const OUTPUTS: &str = "Design Outputs";
const POINTER: &str = "Design Outputs.archive.json";

fn copy(archive: &Path, to: &Path) -> Command {
    let mut command = dhfpack();
    command.args(["dhf", "copy"]).arg(archive);
    command.arg("--to").arg(to);
    command
}

fn run(command: &mut Command, code: i32) -> Output {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{}", told(&output));
    output
}

/// Every file below a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let path = entry.path().strip_prefix(folder).unwrap().to_path_buf();
            (path, fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn the_copy_is_the_archive_s_folder_and_names_the_archive() {
    let release = released();
    let dhf = TempDir::new().unwrap();
    let output = run(
        copy(&release.archive, &dhf.path().join("pump/{version}")).arg("--json"),
        1,
    );
    // What lies above the version must be there: a share may not be mounted.
    tells(&told(&output), &["cannot find the folder", "pump"]);
    assert_eq!(fs::read_dir(dhf.path()).unwrap().count(), 0);

    let output = run(
        copy(&release.archive, &dhf.path().join("{version}")).arg("--json"),
        0,
    );
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let folder = dhf.path().join("2.4.0");
    let expected = files(&release.archive.join(OUTPUTS));
    assert_eq!(files(&folder.join(OUTPUTS)), expected);
    assert_eq!(result["copied"], expected.len());
    let pointer = fs::read(folder.join(POINTER)).unwrap();
    let pointer: Value = serde_json::from_slice(&pointer).unwrap();
    let manifest = fs::read(release.archive.join("Manifest/manifest.json")).unwrap();
    let digest = dhfpack::digest::Sha256::of(&manifest).to_string();
    assert_eq!(pointer["archive"], NAME);
    assert_eq!(pointer["location"], release.archive.display().to_string());
    assert_eq!(pointer["manifest_sha256"], digest.as_str());
    assert_eq!(pointer["files"], expected.len());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);

    let before = files(&folder);
    let again = run(&mut copy(&release.archive, &folder), 0);
    tells(&told(&again), &["0 copied and read back"]);
    assert_eq!(files(&folder), before);
}

#[test]
fn a_copy_that_broke_off_is_resumed() {
    let release = released();
    let dhf = TempDir::new().unwrap();
    let folder = dhf.path().join("v2.4.0");
    run(&mut copy(&release.archive, &folder), 0);
    let whole = files(&folder);
    fs::remove_file(folder.join(POINTER)).unwrap();
    let first = folder.join(OUTPUTS).join("User Manual/user-manual.md");
    fs::remove_file(&first).unwrap();
    let resumed = run(&mut copy(&release.archive, &folder), 0);
    tells(&told(&resumed), &["1 copied and read back"]);
    assert_eq!(files(&folder), whole);
}

#[test]
fn a_folder_that_does_not_name_the_version_is_refused() {
    let release = released();
    let dhf = TempDir::new().unwrap();
    for name in ["current", "2.4", "12.4.0", "2.4.0.1"] {
        let to = dhf.path().join(name);
        let refused = run(&mut copy(&release.archive, &to), 2);
        tells(
            &told(&refused),
            &["does not name the version 2.4.0", "{version}"],
        );
    }
    assert_eq!(fs::read_dir(dhf.path()).unwrap().count(), 0);
}

#[test]
fn other_bytes_in_the_copy_are_refused_and_nothing_is_changed() {
    let release = released();
    let dhf = TempDir::new().unwrap();
    let folder = dhf.path().join("2.4.0");
    let manual = folder.join(OUTPUTS).join("User Manual/user-manual.md");
    fs::create_dir_all(manual.parent().unwrap()).unwrap();
    fs::write(&manual, "older").unwrap();
    let before = files(&folder);
    let refused = run(&mut copy(&release.archive, &folder), 1);
    tells(&told(&refused), &["user-manual.md", "holds other bytes"]);
    assert_eq!(files(&folder), before);
}

#[test]
fn a_folder_of_another_archive_is_refused() {
    let release = released();
    let dhf = TempDir::new().unwrap();
    let folder = dhf.path().join("2.4.0");
    run(&mut copy(&release.archive, &folder), 0);
    let pointer = folder.join(POINTER);
    let text = fs::read_to_string(&pointer).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["manifest_sha256"] = "0".repeat(64).into();
    fs::write(&pointer, value.to_string()).unwrap();
    let before = files(&folder);
    let refused = run(&mut copy(&release.archive, &folder), 1);
    tells(&told(&refused), &["is of another archive", &"0".repeat(64)]);
    fs::write(&pointer, "not JSON").unwrap();
    let refused = run(&mut copy(&release.archive, &folder), 1);
    tells(&told(&refused), &[POINTER, "does not say which archive"]);
    fs::write(&pointer, value.to_string()).unwrap();
    assert_eq!(files(&folder), before);
}

#[test]
fn a_file_that_is_not_the_sealed_one_is_not_copied() {
    let (_place, archive) = copy_of(&released().archive);
    let manual = "Design Outputs/User Manual/user-manual.md";
    let text = fs::read(archive.join(manual)).unwrap();
    fs::write(archive.join(manual), text.to_ascii_uppercase()).unwrap();
    let dhf = TempDir::new().unwrap();
    let folder = dhf.path().join("2.4.0");
    let refused = run(&mut copy(&archive, &folder), 1);
    tells(&told(&refused), &["not what the manifest lists"]);
    assert!(!folder.join(manual).exists());
    assert!(!folder.join(POINTER).exists());
}

#[test]
fn a_release_s_folder_is_made_with_its_first_file() {
    let (_place, archive) = copy_of(&released().archive);
    let dhf = TempDir::new().unwrap();
    let folder = dhf.path().join("2.4.0");
    fs::write(dhf.path().join("file"), "").unwrap();
    let refused = run(&mut copy(&archive, &dhf.path().join("file/2.4.0")), 1);
    tells(&told(&refused), &["cannot find the folder", "file"]);

    fs::write(archive.join("Manifest/manifest.json"), "{}").unwrap();
    run(&mut copy(&archive, &folder), 1);
    assert!(!folder.exists());

    run(&mut copy(&released().archive, &folder.join("a/b")), 0);
    assert!(folder.join("a/b").join(POINTER).exists());
}

#[test]
fn the_folder_is_taken_from_the_nearest_configuration() {
    let release = released();
    let place = TempDir::new().unwrap();
    let product = place.path().join("product");
    let config = fs::read_to_string(release.product.repository().join("dhfpack.toml")).unwrap();
    fs::create_dir_all(product.join("below")).unwrap();
    fs::create_dir(place.path().join("dhf")).unwrap();
    let storage = "\n[storage]\ndhf = \"../dhf/infusion-monitor-{version}\"\n";
    fs::write(product.join("dhfpack.toml"), format!("{config}{storage}")).unwrap();
    let mut command = dhfpack();
    command.args(["dhf", "copy"]).arg(&release.archive);
    run(command.current_dir(product.join("below")), 0);
    let folder = place.path().join("dhf/infusion-monitor-2.4.0");
    assert_eq!(
        files(&folder.join(OUTPUTS)),
        files(&release.archive.join(OUTPUTS))
    );
    let mut command = dhfpack();
    command.args(["dhf", "copy"]).arg(&release.archive);
    let none = run(command.current_dir(place.path()), 2);
    tells(&told(&none), &["--to STORE", "[storage]"]);
}
