//! `verify --restore`, and restoring by hand: an archive gives back everything it was made of.

mod by_hand;
mod forms;
mod images;
mod machine;
mod source;
pub(crate) mod whole;

use std::fs;
use std::path::{Path, PathBuf};

use dhfpack::digest::Sha256;
use dhfpack::manifest::{FOLDER, Manifest};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::release::{copy_of, dhfpack, released, told};

const CODE: &str = "Design Outputs/Source Code";
const IMAGE: &str = "Design Outputs/Installation Image/install";

/// A copy of the sample's archive, to be changed.
fn copy() -> (TempDir, PathBuf) {
    copy_of(&released().archive)
}

/// Makes manifest and checksums agree with the files that are there, and changes the manifest. No
/// signature is left; the archive is what this sealed all the same.
fn seal_anew(archive: &Path, change: impl FnOnce(&mut Value)) {
    let path = archive.join("Manifest/manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let before = manifest["files"].as_array().unwrap().clone();
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(archive) {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(archive).unwrap();
        let name = name.to_str().unwrap();
        let unlisted = name.starts_with(FOLDER) && name != "Manifest/VERIFY.md";
        if !entry.file_type().is_file() || unlisted {
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        let known = before.iter().find(|file| file["path"] == name);
        let mut file = known
            .cloned()
            .unwrap_or_else(|| json!({ "origin": "input" }));
        file["path"] = json!(name);
        file["size"] = json!(bytes.len());
        file["sha256"] = json!(Sha256::of(&bytes));
        files.push(file);
    }
    files.sort_by(|a, b| a["path"].as_str().cmp(&b["path"].as_str()));
    manifest["files"] = json!(files);
    change(&mut manifest);
    let manifest: Manifest = serde_json::from_value(manifest).unwrap();
    let bytes = manifest.to_bytes().unwrap();
    fs::write(&path, &bytes).unwrap();
    let sums = manifest.sums(&Sha256::of(&bytes));
    fs::write(archive.join("Manifest/SHA256SUMS"), sums).unwrap();
    let _ = fs::remove_dir_all(archive.join("Manifest/signatures"));
}

/// Changes what the manifest says of one file.
fn file_of<'m>(manifest: &'m mut Value, path: &str) -> &'m mut Value {
    let files = manifest["files"].as_array_mut().unwrap();
    files.iter_mut().find(|file| file["path"] == path).unwrap()
}

/// What restoring an archive without an engine says, which ends with this exit code.
fn restored(archive: &Path, exit: i32) -> Value {
    let scratch = TempDir::new().unwrap();
    let output = dhfpack()
        .args(["verify", "--restore", "--json"])
        .arg(archive)
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .env("TMPDIR", scratch.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(exit), "{}", told(&output));
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The parts that were proved.
fn parts(verdict: &Value) -> Vec<&str> {
    let proofs = verdict["restored"].as_array().unwrap().iter();
    proofs
        .map(|proof| proof["part"].as_str().unwrap())
        .collect()
}

/// The findings of restoring: what an unsigned archive lacks besides is left out.
fn codes(verdict: &Value) -> Vec<&str> {
    let findings = verdict["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| finding["code"].as_str().unwrap())
        .filter(|code| !["unsigned", "role-missing", "signer-unknown"].contains(code))
        .collect()
}
