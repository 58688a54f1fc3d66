//! The commands and examples of docs/service-manual.md.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use dhfpack::config::ServiceManualConfig;
use tempfile::TempDir;

use crate::support::release::{NAME, released, told};
use crate::support::small::tells;

/// The blocks of the page in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let page = include_str!("../../docs/service-manual.md");
    let begin = format!("```{language}\n");
    let blocks = page.split(&begin).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_page_s_commands_run_as_they_stand() {
    let release = released();
    let place = TempDir::new().unwrap();
    symlink(&release.archive, place.path().join(NAME)).unwrap();
    fs::copy(release.product.trust_file(), place.path().join("trust.pem")).unwrap();
    for folder in ["store", "history"] {
        fs::create_dir(place.path().join(folder)).unwrap();
    }
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_dhfpack"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", program.parent().unwrap().display());
    let script = blocks("sh").concat();
    assert_eq!(script.lines().count(), 3);
    let output = Command::new("sh")
        .args(["-e", "-c", &script])
        .env_clear()
        .env("PATH", path)
        .current_dir(place.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", told(&output));
    let manual = fs::read_to_string(place.path().join("store/service-manual.md")).unwrap();
    let marker = blocks("markdown");
    tells(&manual, &[marker[0], "## Infusion Monitor 2.4.0"]);
    assert!(
        place
            .path()
            .join("history/2.4.0/Design Outputs.archive.json")
            .exists()
    );
}

#[test]
fn the_page_s_configuration_is_valid() {
    #[derive(serde::Deserialize)]
    struct Shown {
        service_manual: ServiceManualConfig,
    }
    let shown: Shown = toml::from_str(blocks("toml")[0]).unwrap();
    assert_eq!(shown.service_manual.file, "service-manual.md");
}
