//! Archives written by earlier versions, which every later one must be able to verify.
//!
//! Each was made from the sample product and signed with keys that were thrown away. Their
//! certificates end in 2056; verification judges signatures at their own time, so it passes after
//! that as well. They are never made anew: a format is what was written, and a new one gets a
//! folder of its own.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::release::{dhfpack, succeed, told};

fn format_1() -> (PathBuf, Vec<PathBuf>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-1");
    let trust = ["builder", "engineering", "product", "quality"];
    let trust = trust.map(|who| folder.join(format!("trust/{who}.pem")));
    (folder.join("infusion-monitor-2.4.0"), trust.to_vec())
}

fn verify(archive: &Path) -> Value {
    let mut command = dhfpack();
    command.arg("verify").arg(archive).arg("--json");
    for certificate in format_1().1 {
        command.arg("--trust").arg(certificate);
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_archive_of_format_1_verifies_and_shows_what_it_is() {
    let (archive, _) = format_1();
    let verdict = verify(&archive);
    assert_eq!(verdict["status"], "released");
    assert_eq!(
        verdict["manifest_sha256"],
        "7b130743584455f0e23226f8c56950387c917742c1e35b3f167d4a665d697732"
    );
    let signers: Vec<&str> = verdict["signers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|signer| signer["name"].as_str().unwrap())
        .collect();
    let expected = ["Lee O'Neil", "Kim Åkesson", "Dana Smith", "Release CI"];
    assert_eq!(signers, expected);
    let shown = succeed(["show".as_ref(), archive.as_os_str()]);
    assert!(shown.contains("4f75a747963c50f5c7d760dc8490d0ca05fcb757"));
}

#[test]
fn an_archive_of_format_1_packs_and_verifies_as_one_file() {
    let (archive, _) = format_1();
    let place = tempfile::tempdir().unwrap();
    for container in ["zip", "tar"] {
        let file = place.path().join(format!("archive.{container}"));
        let mut command = dhfpack();
        command.arg("pack").arg(&archive).args(["--as", container]);
        let packed = command.arg("--output").arg(&file).output().unwrap();
        assert!(packed.status.success(), "{}", told(&packed));
        assert_eq!(verify(&file)["passed"], true);
    }
}

#[cfg(unix)]
#[test]
fn an_archive_of_format_1_verifies_by_its_own_instructions() {
    let (archive, trust) = format_1();
    let (place, archive) = crate::support::release::copy_of(&archive);
    let text: Vec<String> = trust
        .iter()
        .map(|certificate| std::fs::read_to_string(certificate).unwrap())
        .collect();
    let trust = place.path().join("trust.pem");
    std::fs::write(&trust, text.concat()).unwrap();
    let output = crate::stock_tools::by_verify_md(&archive, &trust);
    assert!(output.status.success(), "{}", told(&output));
}
