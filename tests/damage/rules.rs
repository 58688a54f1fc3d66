//! The rules of verification on lists that no test wants on disk.

use dhfpack::digest::Sha256;
use dhfpack::finding::Code;
use dhfpack::manifest::Manifest;
use dhfpack::sign::{MAX_SIZE, Trust};
use dhfpack::verify::{Checker, Policy, Verdict, Wanted};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::release::released;

const MANIFEST: &str = "Manifest/manifest.json";

/// The sample's manifest, changed, as JSON.
pub(super) fn manifest(change: impl Fn(&mut Value)) -> Vec<u8> {
    let bytes = std::fs::read(released().archive.join(MANIFEST)).unwrap();
    let mut value: Value = serde_json::from_slice(&bytes).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}

/// What the rules say of this manifest, where everything it lists is there, or lies elsewhere.
fn judge(manifest: &[u8], place: impl Fn(&str) -> String) -> Verdict {
    let mut checker = Checker::default();
    checker.file(MANIFEST, manifest.len() as u64, Sha256::of(manifest));
    checker.keep(MANIFEST, manifest.to_vec());
    for file in Manifest::parse(manifest).unwrap().files {
        checker.file(&place(file.path.as_str()), file.size, file.sha256);
    }
    checker.finish(&policy())
}

fn policy() -> Policy {
    Policy {
        trust: Trust::default(),
        required_roles: Vec::new(),
        now: Timestamp::now(),
    }
}

pub(super) fn inconsistent(manifest: &[u8]) -> Vec<String> {
    let verdict = judge(manifest, str::to_owned);
    let findings = verdict.findings().iter();
    findings
        .filter(|finding| finding.code == Code::ManifestInconsistent)
        .map(|finding| finding.detail.clone())
        .collect()
}

#[test]
fn a_manifest_must_hold_the_images_it_names() {
    assert_eq!(inconsistent(&manifest(|_| {})), [""; 0]);
    let other = Sha256::of(b"other").to_string();
    let found = inconsistent(&manifest(|m| m["images"][0]["id"] = json!(other)));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains(&other), "{found:?}");
    let found = inconsistent(&manifest(|m| {
        let files = m["files"].as_array_mut().unwrap();
        let blob = files
            .iter_mut()
            .find(|file| file["path"].as_str().unwrap().contains("/blobs/sha256/"));
        blob.unwrap()["sha256"] = json!(other);
    }));
    assert!(found.contains(&"a blob's name is not its digest".to_owned()));
}

#[test]
fn a_git_lfs_object_must_be_named_by_its_digest_and_counted() {
    let folder = "Design Outputs/Source Code/lfs";
    let content = Sha256::of(b"x").to_string();
    let place = format!("{folder}/{}/{}/{content}", &content[..2], &content[2..4]);
    let with = |path: &str, sha256: &str, objects: u64| {
        manifest(|m| {
            m["source"]["lfs"] = json!({ "folder": folder, "objects": objects, "bytes": 1 });
            let files = m["files"].as_array_mut().unwrap();
            files.push(json!({ "path": path, "size": 1, "sha256": sha256, "origin": "input" }));
            files.sort_by_key(|file| file["path"].as_str().unwrap().to_owned());
        })
    };
    assert_eq!(inconsistent(&with(&place, &content, 1)), [""; 0]);
    let named = "a Git LFS object's name is not its digest";
    let other = Sha256::of(b"y").to_string();
    assert_eq!(inconsistent(&with(&place, &other, 1)), [named]);
    let flat = format!("{folder}/{content}");
    assert_eq!(inconsistent(&with(&flat, &content, 1)), [named]);
    let found = inconsistent(&with(&place, &content, 2));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("2 Git LFS objects"), "{found:?}");
}

#[test]
fn a_document_may_lie_in_a_folder_named_like_one_of_blobs() {
    let found = inconsistent(&manifest(|m| {
        let files = m["files"].as_array_mut().unwrap();
        let mut file = files.last().unwrap().clone();
        file["path"] = json!("index.html.d/blobs/sha256/README");
        files.push(file);
    }));
    assert_eq!(found, [""; 0]);
}

#[test]
fn a_hundred_thousand_files_under_other_names_are_told_apart_at_once() {
    let bytes = manifest(|m| {
        let files = (0..100_000).map(|number| {
            json!({
                "path": format!("a/{number:06}"),
                "size": 1,
                "sha256": Sha256::of(format!("{}", number / 2).as_bytes()),
                "origin": "input",
            })
        });
        m["files"] = files.collect();
    });
    let begun = std::time::Instant::now();
    let verdict = judge(&bytes, |path| path.replace('a', "b"));
    let renamed = verdict.findings().iter();
    let renamed = renamed.filter(|finding| finding.code == Code::FileRenamed);
    assert_eq!(renamed.count(), 100_000);
    // Comparing each with each took many minutes.
    assert!(begun.elapsed().as_secs() < 60);
}

#[test]
fn what_lies_among_the_signatures_is_held_in_memory_up_to_a_limit() {
    let limit = MAX_SIZE + 1;
    assert_eq!(
        Checker::wants("Manifest/signatures/a.crl", 1),
        Some(Wanted::Start(limit as u64))
    );
    let bytes = manifest(|_| {});
    let mut checker = Checker::default();
    checker.file(MANIFEST, bytes.len() as u64, Sha256::of(&bytes));
    checker.keep(MANIFEST, bytes);
    for number in 0..300 {
        let path = format!("Manifest/signatures/{number}.crl");
        checker.keep(&path, vec![0; limit]);
    }
    let verdict = checker.finish(&policy());
    let mut findings = verdict.findings().iter();
    assert!(findings.any(|finding| {
        finding.code == Code::SignatureStray && finding.detail.contains("was not judged")
    }));
}

#[test]
fn every_code_is_documented_with_its_class_and_meaning() {
    let page = include_str!("../../docs/format.md");
    let documented: Vec<&str> = page
        .lines()
        .filter(|line| line.contains("| integrity |") || line.contains("| trust |"))
        .collect();
    let codes: Vec<String> = Code::ALL
        .iter()
        .map(|code| {
            let class = serde_json::to_value(code.class()).unwrap();
            let class = class.as_str().unwrap();
            format!("| `{code}` | {class} | {} |", code.meaning())
        })
        .collect();
    assert_eq!(documented, codes);
}
